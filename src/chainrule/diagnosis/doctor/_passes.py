"""Evaluations that were seen: the first ones and the last, within a bound of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TextIO

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.analysis._tape import Tape
from chainrule.diagnosis.doctor._events import Evaluated

CALLS = 64
"""Calls of a pass that are kept, from its first on."""
BYTES = 1 << 26
"""Bytes of inputs and outputs of a pass that are kept."""
LARGE = 1 << 20
"""Elements from which a value is not kept."""


class Passes:
    """The first pass and the last one; a pass is what lies between two steps."""

    def __init__(self) -> None:
        self._first: list[Evaluated] = []
        self._last: list[Evaluated] = []
        self._now: list[Evaluated] = []
        self._bytes = 0

    @property
    def room(self) -> bool:
        """Whether another call of this pass is kept."""
        return len(self._now) < CALLS and self._bytes < BYTES

    def add(self, seen: Evaluated) -> None:
        """One call more."""
        if not self.room:
            return
        leaves = tree_leaves((seen.forward.given, seen.forward.output))
        self._bytes += sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, Tensor))
        self._now.append(replace(seen, tape=_trimmed(seen.tape)))

    def close(self) -> None:
        """The pass is over: a step is taken."""
        if self._now:
            if not self._first:
                self._first = self._now
            else:
                self._last = self._now
            self._now, self._bytes = [], 0

    def kept(self) -> list[list[Evaluated]]:
        """The passes, in order."""
        self.close()
        return [passed for passed in (self._first, self._last) if passed]


def _trimmed(tape: Tape) -> Tape:
    """The tape without the values inside of modules, and without large ones."""
    inner = {index for operation in tape.operations if operation.call is not None for index in operation.results} - {
        index for call in tape.calls if call.parent is None for index in call.outputs
    }
    nothing = torch.empty(0)
    values = [
        replace(value, tensor=nothing)
        if value.index in inner or value.tensor.numel() > LARGE
        else value
        if value.operation is None
        else replace(value, tensor=value.tensor.detach())  # holds no graph
        for value in tape.values
    ]
    return replace(tape, values=values)


class Tee:
    """Standard output, told of."""

    def __init__(self, stream: TextIO, told: Callable[[str], None]) -> None:
        self._stream, self._told = stream, told

    def write(self, text: str) -> int:
        """Write on, and tell."""
        self._told(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
