"""A run as a graph of torch's own operations, which needs torch alone."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import ChainruleError, UsageError
from chainrule.core.store import write_file
from chainrule.exporting._compared import Agreement, compare, sampled
from chainrule.exporting._export import Outcome, Sample
from chainrule.exporting._graph import Graph, graph_of
from chainrule.exporting._programs import Engine
from chainrule.exporting._recurrent import Direction, ScanDirection
from chainrule.tasks.runs._run import Run

NAME = "model.pt2"
ENGINE = Engine(
    "torch",
    f'torch.export.load(FOLDER / "{NAME}").module()',
    'network(torch.from_numpy(given))["probabilities"].detach().numpy()',
)
README = """\
The run {name} as one graph of torch {version}, written by `chainrule export`.

{name_of_file} is opened by torch alone, on a machine without chainrule:

    import torch
    network = torch.export.load("{name_of_file}").module()
    found = network({input})["probabilities"]

{usage}
predict.py answers to files or texts from the command line.

Trust: torch.export.load reads an archive whose parts may be pickled, so open it only if you trust where it comes from.
The format belongs to a version of torch: what reads it should be torch {version} or newer. The weights by themselves,
in a format that can run nothing, are what `chainrule export --to safetensors` writes.
"""


def torch_export(run: Run, model: nn.Module, folder: Path, sample: Sample) -> Outcome:
    """Write `model.pt2`: preprocessing, network and softmax as `torch.export` follows them, and compare the answers.

    Args:
        run: Of the task classify, classify-text, language or masked.
        model: Its network.
        folder: Empty.
        sample: Inputs that both answer.

    Raises:
        UsageError: The network cannot become a graph; says why.
        DataError: Inputs of one's own cannot be read.

    Source:
        The export of torch 2, https://docs.pytorch.org/docs/stable/export.html.
    """
    graph = graph_of(run, model, "torch-export")
    groups, why = sampled(graph, sample)
    program = exported(graph, ScanDirection)
    write_beside(folder, graph, ENGINE)
    with quiet():
        torch.export.save(program, folder / NAME)
        opened = torch.export.load(folder / NAME).module()
    version = torch.__version__.partition("+")[0]
    text = README.format(
        name=run.path.resolve().name,
        version=version,
        name_of_file=NAME,
        input=graph.input,
        usage=graph.usage(ENGINE)[1],
    )
    write_file(folder / "README.txt", text.encode())
    facts: dict[str, Any] = {"version": version, "input": graph.input}
    if not groups:
        return Outcome({**facts, "compared": None, "why": why}, (f"not compared: {why}",))
    with quiet():
        found = compare(graph, opened, groups)
    return agreed(found, facts, "torch.export")


def agreed(found: Agreement, facts: dict[str, Any], who: str) -> Outcome:
    """Return what a form in float32 tells of its comparison."""
    return Outcome({**facts, "compared": found.as_dict()}, found.said(who), found.within)


def write_beside(folder: Path, graph: Graph, engine: Engine) -> None:
    """Write what is needed beside a graph, and the program that uses it."""
    for name, text in graph.beside().items():
        write_file(folder / name, text.encode())
    write_file(folder / "predict.py", graph.usage(engine)[0].encode())


def exported(graph: Graph, direction: Direction) -> torch.export.ExportedProgram:
    """Follow a graph's network with torch.export.

    Args:
        graph: What is followed; the axes that it names get any length.
        direction: How a recurrent layer reads in one direction.

    Raises:
        UsageError: The network does what no graph can hold; says what torch says.
    """
    network, example = copy.deepcopy(graph.network(direction)).requires_grad_(False), graph.example()
    axes = {
        place: torch.export.Dim(axis.name) if axis.most is None else torch.export.Dim(axis.name, max=axis.most)
        for place, axis in graph.axes.items()
    }
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(network, (example,), dynamic_shapes=(axes,), strict=False)
    except ChainruleError:
        raise
    except Exception as error:  # a network of one's own can fail in any way
        raise refused(graph, error) from None


def refused(graph: Graph, error: Exception) -> UsageError:
    """Return what to say of a network that torch cannot follow."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    any_length = " and ".join(f"any {axis.name}" for axis in graph.axes.values())
    return UsageError(
        f"this network cannot become a graph for {any_length}",
        expected="a forward of tensor operations, whose path does not depend on the numbers",
        got=said,
        remedy="--to safetensors has the weights",
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print and log off the terminal."""
    before = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)
