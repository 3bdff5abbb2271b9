"""What was made of a network's outputs in an evaluation: predictions, comparisons with targets, printed numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Evaluated, Moved, Printed
from chainrule.diagnosis.doctor._passes import CALLS
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name

EQUAL = frozenset({"eq", "ne"})
MEETING = frozenset({"-", "sub", "rsub", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", *EQUAL})
THRESHOLDS = frozenset({"gt", "ge", "lt", "le", "round"})
MASKING = frozenset(
    {
        "and",
        "&",
        "bitwise_and",
        "logical_and",
        "index",
        "masked_select",
        "where",
        "*",
        "mul",
        "masked_fill",
        "masked_fill_",
        "&=",
        "*=",
    }
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?%?", re.IGNORECASE)


@dataclass(frozen=True)
class Meeting:
    """An operation in which what came of a network's output meets data.

    Args:
        seen: The call, and what was computed after it.
        operation: The operation.
        predicted: What came of the output.
        truth: The data.
        result: What the operation gave.
    """

    seen: Evaluated
    operation: Operation
    predicted: Tensor
    truth: Tensor
    result: Tensor

    def where(self, case: Case) -> str:
        """The line of it."""
        return case.place(self.seen.lines.get(self.operation.index))


class Answer:
    """One call of a network without learning.

    Args:
        seen: The call.
    """

    def __init__(self, seen: Evaluated) -> None:
        self.seen, self.tape = seen, seen.tape

    @cached_property
    def outputs(self) -> set[int]:
        """What the network returned."""
        return {
            index
            for call in self.tape.calls
            if call.parent is None and call.module is self.seen.forward.module
            for index in call.outputs
        }

    @cached_property
    def derived(self) -> set[int]:
        """What came of it."""
        found = set(self.outputs)
        for operation in self.tape.operations:
            if found.intersection(operation.inputs):
                found.update((*operation.results, *operation.changed))
        return found

    @cached_property
    def after(self) -> list[Operation]:
        """The operations after the call."""
        return [
            o
            for o in self.tape.operations
            if self.derived.intersection(o.inputs) and not self.outputs.intersection((*o.results, *o.changed))
        ]

    def tensor(self, value: int) -> Tensor | None:
        """A value, where it was kept."""
        found = self.tape.values[value]
        return found.tensor if tuple(found.tensor.shape) == found.shape else None

    @cached_property
    def made(self) -> dict[int, Operation]:
        """Value -> the operation that gave it."""
        return {index: o for o in self.tape.operations for index in (*o.results, *o.changed)}

    @cached_property
    def meetings(self) -> list[Meeting]:
        """Where predictions meet data."""
        found = []
        for operation in self.after:
            mine = [i for i in operation.inputs if i in self.derived]
            data = [i for i in operation.inputs if i not in self.derived]
            if plain_name(operation) not in MEETING or len(mine) != 1 or len(data) != 1 or not operation.results:
                continue
            tensors = [self.tensor(i) for i in (mine[0], data[0], operation.results[0])]
            predicted, truth, result = tensors
            if predicted is not None and truth is not None and result is not None and truth.ndim and truth.numel():
                found.append(Meeting(self.seen, operation, predicted, truth, result))
        return found

    def consumers(self, value: int) -> list[Operation]:
        """The operations that a value goes into."""
        return [operation for operation in self.tape.operations if value in operation.inputs]


def passes(case: Case) -> Iterator[list[Answer]]:
    """The first and the last pass, each split by the line where the network was called; a truncated one is left out."""
    for seen in case.evaluations:
        if len(seen) >= CALLS:
            continue
        lines = dict.fromkeys(each.forward.line for each in seen)
        for line in lines:
            yield [Answer(each) for each in seen if each.forward.line == line]


def printed_after(case: Case, answers: list[Answer]) -> list[tuple[float, float]]:
    """The numbers that were printed between a pass and the next step, each with half its last place."""
    begun = answers[-1].seen.forward.at
    until = next((e.at for e in case.seen.events if isinstance(e, Moved) and e.at > begun), math.inf)
    return numbers_in("\n".join(e.text for e in case.seen.of(Printed) if begun <= e.at < until))


def numbers_in(text: str) -> list[tuple[float, float]]:
    """The numbers with a point or percent in a text, each with half its last place."""
    found = []
    for written in _NUMBER.findall(text):
        plain = written.rstrip("%").replace(",", "")
        digits = len(plain.lower().partition("e")[0].partition(".")[2])
        if digits < 2 and not (written.endswith("%") or digits == 1):
            continue
        scale = 0.01 if written.endswith("%") else 1.0
        found.append((float(plain) * scale, 0.501 * 10.0**-digits * scale))
    return found


def said(numbers: list[tuple[float, float]], value: float) -> bool:
    """Whether a number was printed, as a share or in percent."""
    return any(
        abs(number - value) <= half or (half < 0.06 and abs(number / 100 - value) <= half / 100 and number > 1)
        for number, half in numbers
    )


def threshold_of(operation: Operation) -> float | None:
    """The number that a value is compared with; None where it is no number."""
    if plain_name(operation) == "round":
        return 0.5 if len(operation.inputs) == 1 else None
    numbers = [a for a in operation.arguments if isinstance(a, (int, float)) and not isinstance(a, bool)]
    return float(numbers[0]) if len(numbers) == 1 and len(operation.inputs) == 1 else None


def axis_given(operation: Operation) -> int | None:
    """The axis that a function was given."""
    given = operation.options.get("dim", operation.options.get("axis"))
    if given is None:
        plain = [a for a in operation.arguments if not isinstance(a, Ref)]
        given = plain[0] if plain else None
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def concatenated(tensors: list[Tensor]) -> Tensor:
    """All elements after each other."""
    return torch.cat([t.detach().reshape(-1).double() for t in tensors]) if tensors else torch.zeros(0)
