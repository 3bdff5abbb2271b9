"""A run as one graph: what goes in, what comes out, and on which inputs both are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.exporting import GRAPHS
from chainrule.exporting._programs import Engine
from chainrule.exporting._recurrent import Direction
from chainrule.models import Fitted
from chainrule.tasks.runs._run import Run

OUTPUTS = ("scores", "probabilities")
"""What every graph gives: the scores of the network, and their softmax."""
TOGETHER = 32
"""Inputs that are computed at once."""
WHY_NOT: Mapping[str, tuple[str, str]] = {
    "translate": (
        "a translation is searched for token by token, which is no graph",
        "--to ctranslate2 runs transformers that translate; --to safetensors has the weights of any network",
    ),
    "caption": (
        "a caption is searched for token by token, which is no graph",
        "--to safetensors has the weights",
    ),
    "embed": (
        "a run of the task embed has vectors of words, and answers nothing",
        "--to safetensors has the vectors",
    ),
}
"""Task without a graph -> why, and what can be had."""


@dataclass(frozen=True)
class Axis:
    """An axis of the input that may have any length.

    Args:
        name: What it counts.
        most: How long it may be, where there is a limit.
    """

    name: str
    most: int | None = None


class Examples(Protocol):
    """Some of a run's data as a graph takes them: inputs (N, ...), and the right answer to each probability row."""

    def __len__(self) -> int: ...
    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]: ...


class Graph(Protocol):
    """What of a run becomes one graph.

    `input` is the name of what goes in, `axes` which of its axes may have any length, `unit` what one input is called.
    """

    input: str
    unit: str
    axes: Mapping[int, Axis]

    def example(self) -> Tensor:
        """Return two inputs that mean nothing."""

    def network(self, direction: Direction) -> nn.Module:
        """Return `input -> {"scores": ..., "probabilities": ...}`, all that is done to an input in it.

        Args:
            direction: How a recurrent layer reads in one direction.
        """

    def answers(self, given: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Return the probabilities that the run's own network gives, by the code of its task."""

    def examples(self, part: str) -> Examples:
        """Return the examples of a part, without augmentation; those of the data that the run names.

        Raises:
            DataError: The data are not there.
        """

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return at most so many inputs of one's own in groups.

        Raises:
            DataError: They cannot be read.
        """

    def beside(self) -> Mapping[str, str]:
        """Return what is written beside the graph: name of a file -> its text."""

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that answers with the graph, and what its README says of inputs and outputs.

        Args:
            engine: What runs it.
        """


def graph_of(run: Run, model: nn.Module, form: str) -> Graph:
    """Return what of a run becomes a graph.

    Args:
        run: Of any task.
        model: Its network.
        form: What asks for it.

    Raises:
        UsageError: It cannot become one; says why.
    """
    task = run.recipe.task
    if task not in GRAPHS:
        why, remedy = WHY_NOT.get(task, ("runs of this task have no graph", "--to safetensors has the weights"))
        raise UsageError(f"{form}: {why}", got=f"a run of the task {task}", remedy=remedy)
    if isinstance(model, Fitted):
        raise UsageError(
            f"{form}: {type(model).__name__} answers by a search in its training set, which is no graph",
            remedy="--to safetensors has the training set as it searches it",
        )
    graph: Graph = GRAPHS.resolve(task)(run, model)
    return graph


def batches(examples: Examples, count: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and right answers, a group at a time.

    Args:
        examples: Of a part.
        count: How many at most, spread evenly; all when left out.
    """
    number = len(examples) if count is None else min(count, len(examples))
    index = torch.arange(number) * len(examples) // max(1, number)
    for group in index.split(TOGETHER):
        yield examples(group)


def in_groups(rows: Sequence[Tensor], join: Callable[[Sequence[Tensor]], Tensor]) -> Iterator[Tensor]:
    """Yield rows joined, `TOGETHER` at a time."""
    for begin in range(0, len(rows), TOGETHER):
        yield join(rows[begin : begin + TOGETHER])
