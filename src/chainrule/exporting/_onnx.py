"""A run in ONNX, a standard that onnxruntime and many other programs read."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown
from chainrule.core.store import write_file
from chainrule.core.version import __version__
from chainrule.exporting._compared import compare, sampled
from chainrule.exporting._export import Outcome, Sample
from chainrule.exporting._graph import OUTPUTS, Graph, graph_of
from chainrule.exporting._programs import Engine
from chainrule.exporting._quantized import Quantized, quantized
from chainrule.exporting._recurrent import OnnxDirection
from chainrule.exporting._torch_export import agreed, exported, quiet, refused, write_beside
from chainrule.tasks.runs._run import Run

NAME, SMALL = "model.onnx", "model.int8.onnx"
OPSET = 20
"""Version of the ONNX operations; onnxruntime knows it from 1.17 on."""
NUMBERS = ("float32", "int8")
README = """\
The run {name} in ONNX, operations of version {opset}, written by `chainrule export`.

{name_of_file} is run by onnxruntime (pip install onnxruntime) and by whatever else reads ONNX:

    import onnxruntime
    network = onnxruntime.InferenceSession("{name_of_file}", providers=["CPUExecutionProvider"])
    scores, probabilities = network.run(["scores", "probabilities"], {{"{input}": {input}}})

{usage}
predict.py answers to files or texts from the command line, with {used}.
"""
ROUNDED = "{small} is the same network in numbers of 8 bits, by onnxruntime's quantization: {how}."


def onnx(run: Run, model: nn.Module, folder: Path, sample: Sample, *, quantization: str = "float32") -> Outcome:
    """Write `model.onnx`: preprocessing, network and softmax in one graph, and compare what onnxruntime answers.

    Args:
        run: Of the task classify, classify-text, language or masked.
        model: Its network.
        folder: Empty.
        sample: Inputs that both answer.
        quantization: float32; with int8 `model.int8.onnx` stands beside, whose accuracy is measured on the whole
            validation part, as is that of the other.

    Raises:
        UsageError: A package is missing, or the network cannot become such a graph; says why.
        DataError: Inputs of one's own cannot be read, or the data that int8 needs are not there.

    Source:
        ONNX, https://onnx.ai; onnxruntime's quantization: Jacob et al. 2018, section 2.
    """
    require_onnx()
    if quantization not in NUMBERS:
        raise UsageError(
            f'onnx has no quantization "{quantization}"', remedy=unknown("quantization", quantization, list(NUMBERS))
        )
    graph = graph_of(run, model, "onnx")
    groups, why = sampled(graph, sample)
    _write_graph(folder / NAME, run, graph)
    answers = opened(folder / NAME)
    facts: dict[str, Any] = {"quantization": quantization, "opset": OPSET, "input": graph.input}
    if groups:
        found = agreed(compare(graph, answers, groups), facts, "onnxruntime")
    else:
        found = Outcome({**facts, "compared": None, "why": why}, (f"not compared: {why}",))
    rounded = None
    if quantization == "int8":
        rounded = quantized(graph, folder / NAME, folder / SMALL, opened, groups)
        said = (*found.said, *rounded.said())
        found = Outcome({**found.facts, "int8": rounded.as_dict()}, said, found.agrees)
    used = NAME if rounded is None else SMALL
    write_beside(folder, graph, _engine(used, graph.input))
    _write_readme(folder, run, graph, used, rounded)
    return found


def require_onnx() -> ModuleType:
    """Return onnxruntime, or say how the packages are got.

    Raises:
        UsageError: One is not installed.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UsageError(
            "this export needs the packages onnx, onnxscript and onnxruntime",
            got=f"no {error.name}" if error.name else None,
            remedy="pip install 'chainrule[onnx]'",
        ) from None
    assert onnx
    runtime: ModuleType = onnxruntime
    return runtime


def opened(path: Path, threads: int | None = None) -> Callable[[Tensor], dict[str, Tensor]]:
    """Return `input -> {"scores": ..., "probabilities": ...}` as onnxruntime computes it on the CPU.

    Args:
        path: A graph as `onnx` writes it.
        threads: As torch, when left out.
    """
    runtime = require_onnx()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (place,) = session.get_inputs()

    def answers(given: Tensor) -> dict[str, Tensor]:
        found = session.run(list(OUTPUTS), {place.name: given.contiguous().numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(OUTPUTS, found)}

    return answers


def _write_graph(path: Path, run: Run, graph: Graph) -> None:
    """Export, check and write a graph, with what it is of."""
    import onnx as package

    program = exported(graph, OnnxDirection)
    try:
        with quiet():
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=[graph.input],
                output_names=list(OUTPUTS),
                verbose=False,
            )
            assert made is not None
            made.save(str(path))
            whole = package.load(str(path))
            for key, value in _facts(run, graph).items():
                whole.metadata_props.add(key=key, value=value)
            package.save(whole, str(path))
            package.checker.check_model(str(path), full_check=True)
    except Exception as error:  # an operation that ONNX does not have
        raise refused(graph, error) from None


def _facts(run: Run, graph: Graph) -> Mapping[str, str]:
    recipe = hashlib.sha256(run.recipe.to_yaml().encode()).hexdigest()
    classes = run.processing.get("classes")
    named = {} if classes is None else {"classes": json.dumps(classes, ensure_ascii=False)}
    return {"chainrule": __version__, "task": run.recipe.task, "recipe_sha256": recipe, **named}


def _engine(name: str, given: str) -> Engine:
    return Engine(
        "onnxruntime",
        f'onnxruntime.InferenceSession(str(FOLDER / "{name}"), providers=["CPUExecutionProvider"])',
        f'network.run(["probabilities"], {{"{given}": given}})[0]',
    )


def _write_readme(folder: Path, run: Run, graph: Graph, used: str, rounded: Quantized | None) -> None:
    text = README.format(
        name=run.path.resolve().name,
        opset=OPSET,
        name_of_file=NAME,
        input=graph.input,
        used=used,
        usage=graph.usage(_engine(used, graph.input))[1],
    )
    if rounded is not None:
        text += "\n" + textwrap.fill(ROUNDED.format(small=SMALL, how=rounded.how), 118) + "\n"
    write_file(folder / "README.txt", text.encode())
