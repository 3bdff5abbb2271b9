"""What values and operations are called: by module and function, `layer1.0.conv1.conv2d`, `relu_2`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from chainrule.analysis._tape import Operation, Tape, Value
from chainrule.analysis._tape_modules import Call

_WORDS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "@": "matmul"}
"""Signs as words: a name is typed again, to ask for its value."""


class Names:
    """Gives each value and each operation a name of its own; the second of a kind ends in `_2`."""

    def __init__(self, known: dict[int, str], places: dict[int, str]) -> None:
        self.known = known  # id of a tensor -> its name outside
        self.places = places  # id of a module -> its path outside
        self.used: set[str] = set()
        self.values: dict[int, str] = {}
        self.operations: dict[int, str] = {}
        self._next: dict[str, int] = {}

    def leaf(self, value: Value, operation: Operation | None) -> str:
        """Name a value that no operation made; `operation` is the first that it goes into."""
        name = self.known.get(id(value.tensor)) or value.name or _in_module(value.tensor, operation) or value.kind
        return self._give(value.index, self._unique(name))

    def operation(self, operation: Operation, tape: Tape) -> None:
        """Name an operation and the values that it made: after it, or `name[0]`, `name[1]` of several results.

        A named tensor that it changed beside its result (a running mean) is called by its own name, with a number.
        """
        word = operation.function
        if word.removesuffix("=") in _WORDS:
            word = _WORDS[word.removesuffix("=")] + ("_" if word.endswith("=") else "")
        place = self.place(operation.call)
        name = self._unique(f"{place}.{word}" if place else word)
        self.operations[operation.index] = name
        made = [tape.values[i] for i in made_by(operation, tape)]
        first = [value for value in made if value.index in operation.results] or made[:1]
        for i, value in enumerate(first):
            self._give(value.index, f"{name}[{i}]" if len(first) > 1 else name)
        for i, value in enumerate([value for value in made if value not in first], start=len(first)):
            before = self._before(value, tape)
            self._give(value.index, self._unique(before) if before else f"{name}[{i}]")

    def place(self, call: Call | None) -> str:
        """Where a call's module is found from outside: `net.0` for the first layer of a function's `net`."""
        return "" if call is None else self.places.get(id(call.module), call.path)

    def _before(self, value: Value, tape: Tape) -> str:
        """The own name of the leaf that was changed; empty if the value before came from an operation."""
        older = [other for other in tape.values[: value.index] if other.tensor is value.tensor]
        return self.values[older[0].index] if older and older[0].operation is None else ""

    def _give(self, index: int, name: str) -> str:
        self.used.add(name)
        self.values[index] = name
        return name

    def _unique(self, name: str) -> str:
        found, count = name, self._next.get(name, 1)
        while found in self.used:
            count += 1
            found = f"{name}_{count}"
        self._next[name] = count
        self.used.add(found)
        return found


def made_by(operation: Operation, tape: Tape) -> list[int]:
    """The values that an operation made: results that did not exist before, and what it changed in place."""
    every = dict.fromkeys((*operation.results, *operation.changed))
    return [i for i in every if tape.values[i].operation == operation.index]


def _in_module(tensor: Tensor, operation: Operation | None) -> str:
    """The name of a parameter or buffer of a module, not of the network, in which it is used."""
    call = operation.call if operation else None
    while call is not None:
        for name, other in (*call.module.named_parameters(), *call.module.named_buffers()):
            if other is tensor:
                return f"{call.path}.{name}" if call.path else name
        call = call.parent
    return ""


def input_names(function: Callable[..., Any], count: int) -> list[str] | None:
    """What a function calls its first arguments, where it has names for them."""
    try:
        called = function.forward if isinstance(function, nn.Module) else function
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        return None
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return plain[:count] if len(plain) >= count else None
