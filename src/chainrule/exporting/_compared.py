"""What a graph answers beside what the network of the run answers, and how often each is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.exporting._export import Sample
from chainrule.exporting._graph import Examples, Graph, batches

Answers = Callable[[Tensor], dict[str, Tensor]]
"""`input -> {"scores": ..., "probabilities": ...}`."""


@dataclass(frozen=True)
class Agreement:
    """How a graph answers the inputs that the network answers too.

    Two programs add in another order and round each sum of float32 anew, by 6e-8 of it; over the layers that becomes
    about 1e-6 of a score, more where scores are large. So probabilities p agree where they differ by no more than
    `ABSOLUTE` + `RELATIVE` p, which is far above that and far below what changes an answer.

    Args:
        inputs: How many.
        unit: What one is called.
        rows: Probability rows: one an input, or one a token.
        difference: The most by which probabilities differ.
        equal: Share of the rows whose most probable answer is the same.
        within: Whether all probabilities agree.
    """

    ABSOLUTE: ClassVar[float] = 1e-4
    RELATIVE: ClassVar[float] = 1e-3

    inputs: int
    unit: str
    rows: int
    difference: float
    equal: float
    within: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "tolerance": {"absolute": self.ABSOLUTE, "relative": self.RELATIVE}}

    def said(self, who: str) -> tuple[str, ...]:
        """Return the same for a reader."""
        rows = "" if self.rows == self.inputs else f" ({self.rows:,} tokens)"
        return (
            f"{who} compared on {counted(self.inputs, self.unit)}{rows}: {self.equal:.1%} of the answers are equal, "
            f"probabilities differ by {self.difference:.2g} at most",
        )


@dataclass(frozen=True)
class Right:
    """How often a graph is right.

    Args:
        rows: How many answers.
        accuracy: Share of them that are right.
        loss: Mean of -log p of the right answer.
    """

    rows: int
    accuracy: float
    loss: float


def counted(number: int, unit: str) -> str:
    """Return so many of something.

    Example:
        >>> counted(1, "piece of text"), counted(1200, "piece of text"), counted(2, "picture")
        ('1 piece of text', '1,200 pieces of text', '2 pictures')
    """
    if number == 1:
        return f"1 {unit}"
    first, space, rest = unit.partition(" ")
    return f"{number:,} {first}s{space}{rest}"


def part_to_measure(parts: Iterable[str]) -> str:
    """Return the part that a network is compared and measured on: not the test part, where there is another."""
    known = list(parts)
    return "valid" if "valid" in known else "test" if "test" in known else known[0]


def sampled(graph: Graph, sample: Sample) -> tuple[list[Tensor], str]:
    """Return the inputs to compare on in groups; where there are none, why.

    Raises:
        DataError: Inputs of one's own cannot be read.
    """
    if not sample.count:
        return [], f"no {counted(0, graph.unit).removeprefix('0 ')} were asked for"
    if sample.file is not None:
        return list(graph.read(sample.file, sample.count)), ""
    try:
        examples = graph.examples(part_to_measure(graph.parts()))
    except DataError as error:
        return [], f"the data of the run are not there: {error.what}"
    return [given for given, _ in batches(examples, sample.count)], ""


@torch.inference_mode()
def compare(graph: Graph, answers: Answers, groups: Iterable[Tensor]) -> Agreement:
    """Answer inputs by the network of the run and by the graph.

    Args:
        graph: What of the run became a graph.
        answers: The graph as it was written, opened again.
        groups: Inputs; at least one.
    """
    inputs = rows = same = 0
    most, within = 0.0, True
    for given in groups:
        own = graph.answers(given).flatten(0, -2).double()  # (rows, K)
        other = answers(given)["probabilities"].flatten(0, -2).double()
        differs = (own - other).abs()
        inputs, rows, same = inputs + len(given), rows + len(own), same + int((own.argmax(1) == other.argmax(1)).sum())
        most = max(most, float(differs.max()))
        within = within and bool((differs <= Agreement.ABSOLUTE + Agreement.RELATIVE * own).all())  # false of NaN too
    return Agreement(inputs, graph.unit, rows, most, same / rows, within)


def measure(answers: Answers, examples: Examples) -> Right:
    """Return how often a graph is right on all examples of a part.

    Args:
        answers: The graph.
        examples: Of the part.
    """
    rows, right, loss = 0, 0, 0.0
    for given, targets in batches(examples):
        scores = answers(given)["scores"].flatten(0, -2)
        flat = targets.flatten()
        kept, truth = scores[flat >= 0].double(), flat[flat >= 0]
        rows, right = rows + len(truth), right + int((kept.argmax(1) == truth).sum())
        loss += float(torch.nn.functional.cross_entropy(kept, truth, reduction="sum"))
    return Right(rows, right / max(1, rows), loss / max(1, rows))
