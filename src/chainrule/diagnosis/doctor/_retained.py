"""Backward passes that leave their graph standing, and what later ones go through again; modes that make them slow."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

MOST = 4_000
"""Operations of a graph that are followed; of a larger one nothing is said."""
PASSES = 12
"""Steps whose graphs are followed: enough to know the loop's habit."""
GENTLE = frozenset({"AccumulateGrad"})
"""What ends a graph at a weight, and is the same in every one."""


class Retained:
    """The operations of the last pass that left its graph standing, up to the next step.

    Example:
        >>> w, total, passes = torch.ones(1, requires_grad=True), torch.zeros(()), Retained()
        >>> for x in (1.0, 2.0):
        ...     total = total + (w * x).sum()
        ...     print(passes.add([total], retained=True))
        ...     total.backward(retain_graph=True)
        0.0
        1.0
    """

    def __init__(self) -> None:
        self._last: set[object] = set()
        self._cycles = 0

    def add(self, losses: Iterable[Tensor], *, retained: bool) -> float:
        """Right before a pass: the share of the last one's operations that this one goes through again.

        Args:
            losses: What goes backward.
            retained: Whether its graph is left standing.
        """
        if self._cycles >= PASSES or not (retained or self._last):
            return 0.0
        before, self._last = self._last, _operations(losses)
        if len(self._last) >= MOST:
            self._last = set()
        share = len(before & self._last) / len(before) if before and len(self._last) > len(before) else 0.0
        if not retained:
            self._last = set()
        return share

    def step(self) -> None:
        """A step was taken: what comes now is another one's."""
        self._cycles += bool(self._last)
        self._last = set()


def _operations(losses: Iterable[Tensor]) -> set[object]:
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    known: set[object] = set()
    while waiting and len(known) < MOST:
        node = waiting.pop()
        if node not in known and type(node).__name__ not in GENTLE:
            known.add(node)
            waiting.extend(parent for parent, _ in node.next_functions if parent is not None)
    return known


def debugging() -> list[str]:
    """What is on that is made for finding errors, and costs time in every pass.

    Example:
        >>> with torch.autograd.set_detect_anomaly(True):
        ...     debugging()
        ['anomaly detection']
    """
    found = {"anomaly detection": torch.is_anomaly_enabled(), "profiler": torch._C._autograd._profiler_enabled()}
    return [name for name, on in found.items() if on]
