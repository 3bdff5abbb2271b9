"""A walk-through: what was computed, and what gradient came back to each part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from chainrule.analysis.trace._statistics import Shelf, Statistics
from chainrule.core.errors import UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from chainrule.analysis.trace._depth import Depth
    from chainrule.analysis.trace._time import Recurrence


@dataclass(frozen=True)
class Arrival:
    """A gradient that reached a value over one of several paths: the operation it came from, or "upstream"."""

    source: str
    gradient: Statistics
    path: str = field(repr=False)


@dataclass(frozen=True)
class TracedValue:
    """A tensor at one moment, and its gradient.

    `kind` is input, parameter, buffer, constant or result. `why` says why there is no gradient. `uses` are the
    operations that it goes into. `arrivals` is empty where the gradient comes over one path.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    operation: str
    uses: tuple[str, ...]
    value: Statistics | None
    gradient: Statistics | None
    why: str
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True)
class TracedOperation:
    """One operation: names of what went in and came out; `module` is the path of the module's call around it.

    `calls` are the numbers of the calls around it, from the outermost in. `note` says what is odd about it.
    """

    name: str
    function: str
    module: str
    calls: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class TracedCall:
    """One call of a module: its path, what sort it is, and how many calls of the same module came before."""

    path: str
    kind: str
    time: int


@dataclass(frozen=True)
class Trace:
    """The walk-through of one call.

    Args:
        what: The function's or network's name.
        operations: In the order they ran.
        values: By name, in the order they came to be.
        calls: Of modules, in order.
        outputs: The values that were returned (the loss, where there is one).
        started: What the backward pass started from, in words.
        notes: What a reader should know.
        recurrences: Gradients through time, one for each hidden state found.
        depth: Gradients through the layers, where there are several.
    """

    what: str
    operations: Sequence[TracedOperation]
    values: Mapping[str, TracedValue]
    calls: Sequence[TracedCall]
    outputs: tuple[str, ...]
    started: str
    notes: tuple[str, ...]
    recurrences: Sequence[Recurrence]
    depth: Depth | None
    _kept: Shelf = field(repr=False)
    _gradients: Shelf = field(repr=False)

    def value(self, name: str) -> Tensor:
        """What a value held, as it was before any later change in place.

        Raises:
            UsageError: There is no such value, or it was too large to keep.
        """
        self._known(name)
        return _taken(self._kept, name, "its value before the call is not known")

    def gradient(self, name: str) -> Tensor | None:
        """The gradient with respect to a value; None if it has none (`values[name].why` says why).

        Raises:
            UsageError: There is no such value, or its gradient was too large to keep.
        """
        if self._known(name).gradient is None:
            return None
        return _taken(self._gradients, name, "it has no gradient")

    def arrivals(self, name: str) -> list[tuple[str, Tensor]]:
        """The gradients that reach a value over several paths, each with the operation it came from; they add up.

        Raises:
            UsageError: There is no such value, or they were too large to keep.
        """
        return [(each.source, _taken(self._gradients, each.path, "")) for each in self._known(name).arrivals]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the tensors, as plain JSON data."""
        from chainrule.analysis.trace._plain import plain_trace

        return plain_trace(self)

    def html(self) -> str:
        """A page with the graph, tables and charts."""
        from chainrule.analysis.trace._page import trace_page

        return trace_page(self)

    def svg(self) -> str:
        """The graph alone."""
        from chainrule.analysis.trace._picture import trace_svg

        return trace_svg(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints."""
        from chainrule.analysis.trace._text import trace_text

        yield from trace_text(self)

    def __str__(self) -> str:
        """The terminal's text, 100 columns wide."""
        from rich.console import Console

        console = Console(width=100, no_color=True, highlight=False, markup=False, emoji=False)
        with console.capture() as shown:
            console.print(self)
        return shown.get().rstrip("\n")

    def _repr_html_(self) -> str:
        from chainrule.analysis.trace._page import trace_notebook

        return trace_notebook(self)

    def _known(self, name: str) -> TracedValue:
        if name not in self.values:
            guess = nearest(name, self.values)
            hint = f'did you mean "{guess}"? ' if guess else ""
            raise UsageError(f'there is no value "{name}"', remedy=f"{hint}their names are in trace.values")
        return self.values[name]


def _taken(shelf: Shelf, name: str, otherwise: str) -> Tensor:
    if name in shelf.tensors:
        return shelf.tensors[name]
    if name not in shelf.missing:
        raise UsageError(f"{name}: {otherwise}")
    size = f"{shelf.missing[name] / 2**20:,.1f} MiB"
    raise UsageError(f"{name} was not kept: it takes {size}, beyond what is kept", remedy="trace with keep=True")
