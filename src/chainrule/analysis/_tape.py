"""What one call of a function or network did: every operation, in order, with the values that go in and come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.analysis._tape_modules import Call

Kind = Literal["input", "parameter", "buffer", "constant", "result"]


class Ref(NamedTuple):
    """In the arguments of an operation: here stood this value."""

    value: int


@dataclass(frozen=True)
class Value:
    """A tensor at one moment: an in-place change makes another value of the same tensor.

    `name` is that of an input, parameter or buffer (the first, where modules share one), else empty. `tensor` is the
    tensor itself, whose contents may since have changed in place.
    """

    index: int
    kind: Kind
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    tensor: Tensor = field(repr=False)
    operation: int | None = None  # what made it


@dataclass(frozen=True)
class Operation:
    """One function of tensors as it was called.

    `arguments` and `options` are what it was called with, `Ref`s in place of tensors. `results` are the values that it
    returned, `changed` those that it made of its arguments in place; a function may do both. `call` is the innermost
    module's call it happened in, None outside of all modules.
    """

    index: int
    function: str
    target: Callable[..., Any] = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    inputs: tuple[int, ...]
    results: tuple[int, ...]
    changed: tuple[int, ...]
    call: Call | None

    @property
    def module(self) -> str:
        """The path of the innermost module, empty outside of all modules and in the network itself."""
        return self.call.path if self.call else ""


@dataclass
class Tape:
    """What was recorded: operations and values in the order in which they came to be, and what the call returned."""

    operations: list[Operation] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    output: Any = None  # as it was returned, with `Ref`s in place of tensors

    @property
    def outputs(self) -> tuple[int, ...]:
        """The values that the call returned, in the order of its structure."""
        return tuple(leaf.value for leaf in tree_leaves(self.output, is_leaf=is_ref) if is_ref(leaf))

    def consumers(self) -> dict[int, list[int]]:
        """Value -> the operations that it goes into, in order."""
        found: dict[int, list[int]] = {value.index: [] for value in self.values}
        for operation in self.operations:
            for index in dict.fromkeys(operation.inputs):
                found[index].append(operation.index)
        return found


Watcher = Callable[[Operation, Tape], None]
"""Called right after each operation, while its values are as it left them."""


def is_ref(leaf: Any) -> bool:
    """Whether something in the arguments of an operation stands for a value."""
    return isinstance(leaf, Ref)
