"""What a formula is to the comparison: arguments, results, the book's answer, cases, and the slips people make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

Line = Callable[["Values"], Any]
"""One line of a formula: a number from the numbers before it."""


class Values:
    """Numbers by name: what was given, and what lines make of it when they are asked for.

    The same names serve the right formula and its wrong variants: a slip replaces some lines, all others stay.

    Example:
        >>> v = Values({"x": 3.0}, {"double": lambda v: 2 * v.x, "out": lambda v: v.double + 1})
        >>> v.out
        7.0
        >>> v.changed({"double": lambda v: v.x}).out
        4.0
    """

    def __init__(self, given: Mapping[str, Any], lines: Mapping[str, Line]) -> None:
        self._given, self._lines, self._known = given, lines, dict(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._known:
            self._known[name] = self._lines[name](self)
        return self._known[name]

    def changed(self, lines: Mapping[str, Line], **given: Any) -> Values:
        """The same with other lines, or other numbers given."""
        return Values({**self._given, **given}, {**self._lines, **lines})


@dataclass(frozen=True)
class Argument:
    """One argument of a formula.

    Args:
        name: As the book has it.
        words: Other names that people give it.
        standard: Its value where the user's code has no such argument; None for arguments that must be there.
        array: False for plain numbers.
    """

    name: str
    words: tuple[str, ...] = ()
    standard: Any = None
    array: bool = True

    @property
    def required(self) -> bool:
        """Whether code without it cannot compute the formula."""
        return self.standard is None


@dataclass(frozen=True)
class Case:
    """Numbers to compare on.

    Args:
        name: What is special about them, for a reader.
        values: Of the arguments.
        needs: Arguments that the user's code must take, else the case is left out.
    """

    name: str
    values: Mapping[str, Any]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slip:
    """A wrong line that people write, or a right one of another convention.

    Args:
        label: Stable, for programs.
        sentence: For a reader; it says what is wrong, not what is right.
        lines: The wrong lines.
        convention: Where it comes from, if it is a convention and no error: "004".
        mild: Whether it only shows where rounding does; such code is not wrong.
    """

    label: str
    sentence: str
    lines: Mapping[str, Line]
    convention: str = ""
    mild: bool = False

    @property
    def kind(self) -> str:
        """What it is: "slip", "convention" or "weakness"."""
        return "convention" if self.convention else "weakness" if self.mild else "slip"


@dataclass(frozen=True)
class Formula:
    """A formula of the book, ready to be compared with somebody's code.

    Args:
        name: As `--as` takes it.
        title: In words.
        item: Of LECTURES.
        arguments: In the order of the book.
        outputs: Lines that the forward function returns.
        gradients: Lines that the backward function returns; none where there is no backward function.
        upstream: Gradient that comes from above -> the output that it belongs to.
        forward: The book's outputs for given numbers.
        backward: The book's gradients.
        cases: Numbers to compare on.
        lines: The formula in steps, where slips happen in the middle of it.
        slips: What people write instead.
        words: Other names of it.
        packs: Dictionaries that the courses pass options in: their name -> key -> argument.
        optional: Outputs that may be left out.
        moves: Whether its first argument may be changed in place.
        observed: Numbers that are read off the user's own outputs, where these are random.
        loose: Tolerances of outputs that are estimates.
    """

    name: str
    title: str
    item: str
    arguments: tuple[Argument, ...]
    outputs: tuple[str, ...]
    gradients: tuple[str, ...]
    forward: Callable[[Values], Mapping[str, Any]]
    backward: Callable[[Values], Mapping[str, Any]] | None
    cases: Callable[[np.random.Generator], Sequence[Case]]
    upstream: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"dout": "out"}))
    lines: Mapping[str, Line] = field(default_factory=lambda: MappingProxyType({}))
    slips: tuple[Slip, ...] = ()
    words: tuple[str, ...] = ()
    packs: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    optional: tuple[str, ...] = ()
    moves: bool = False
    observed: Callable[[Values, Mapping[str, Any]], Mapping[str, Any]] | None = None
    loose: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def values(self, given: Mapping[str, Any]) -> Values:
        """The right formula on given numbers, in steps; what has no line of its own comes from the book."""
        whole: dict[str, Line] = {"book_forward": self.forward}
        if self.backward is not None:
            whole["book_backward"] = self.backward
        whole |= {name: _part("book_forward", name) for name in self.outputs}
        whole |= {name: _part("book_backward", name) for name in self.gradients}
        return Values(given, {**whole, **self.lines})

    def reference(self, given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """What the book answers."""
        names = list(names)
        v = Values(given, {})
        sources = dict.fromkeys(self.outputs, self.forward)
        if self.backward is not None:
            sources |= dict.fromkeys(self.gradients, self.backward)
        answers = {source: source(v) for source in {sources[name] for name in names}}
        return {name: answers[sources[name]][name] for name in names}

    @property
    def signature(self) -> str:
        """How a forward function of it may be called, for a reader."""
        return ", ".join(a.name if a.required else f"[{a.name}]" for a in self.arguments)


def _part(source: str, name: str) -> Line:
    return lambda v: getattr(v, source)[name]
