"""What a number of each value sees of the input: size, start and jump of its receptive field, along each axis.

Source: LECTURES D4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from chainrule.analysis._tape import Tape, Value
from chainrule.analysis.design.sight import Sight, hull, narrowest
from chainrule.analysis.design.sight_rules import follow

_WINDOWS = ("conv", "max_pool", "avg_pool", "adaptive", "interpolate", "lp_pool")


@dataclass(frozen=True)
class View:
    """Along one axis of the input.

    Args:
        size: The most places that one number spans; padding counts as if the input went on there, unless an operation
            on the way has no such form: then what lies inside of the input.
        start: First place of the first number's field, negative in the padding; None where that is not known.
        jump: Places from one number's field to the next; None where positions are mixed or branches differ.
        narrowest: The size over the path that sees least; equal to `size` where paths do not differ.
        whole: Every number depends on the whole axis.
    """

    size: int
    start: int | None
    jump: int | float | None
    narrowest: int
    whole: bool


@dataclass(frozen=True)
class Followed:
    """The input whose axes are followed, and all sights along each of them.

    Args:
        value: The input's value on the tape.
        axes: Its dimensions, from the end.
        wide: For each axis, value -> the smallest interval that holds all paths.
        narrow: For each axis, value -> the path that sees least.
    """

    value: Value
    axes: tuple[int, ...]
    wide: tuple[dict[int, Sight], ...]
    narrow: tuple[dict[int, Sight], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the input along the axes."""
        return tuple(self.value.shape[axis] for axis in self.axes)

    def views(self, tape: Tape) -> dict[int, tuple[View, ...]]:
        """Of each value that depends on the input."""
        found: dict[int, tuple[View, ...]] = {}
        known: dict[tuple[int, int, int, int], View] = {}  # most operations hand their sight on as it is
        for value in tape.values:
            parts = []
            for number, size in enumerate(self.sizes):
                wide, narrow = self.wide[number].get(value.index), self.narrow[number].get(value.index)
                if wide is None or narrow is None:
                    break
                count = value.shape[wide.axis] if wide.axis is not None else 1
                key = (id(wide), id(narrow), count, size)
                if key not in known:
                    known[key] = _view(wide, narrow, count, size)
                parts.append(known[key])
            else:
                if parts:
                    found[value.index] = tuple(parts)
        return found


def followed(tape: Tape) -> Followed | None:
    """Follow the axes of the first input that has some: rows and columns of images, time of sequences."""
    for value in tape.values:
        axes = _axes(value, tape) if value.kind == "input" else ()
        if axes and all(value.shape[axis] for axis in axes):
            wide = tuple(follow(tape, value.index, axis, hull) for axis in axes)
            return Followed(value, axes, wide, tuple(follow(tape, value.index, axis, narrowest) for axis in axes))
    return None


def _axes(value: Value, tape: Tape) -> tuple[int, ...]:
    """(N, C, H, W) has rows and columns, (N, T) of indices time; (N, A, B) is (N, C, L) where windows slide."""
    dims = len(value.shape)
    if dims == 2:
        return () if value.dtype.is_floating_point or value.dtype.is_complex else (-1,)
    if dims == 3:
        slid = any(o.function.startswith(_WINDOWS) for o in tape.operations)
        if slid or not value.dtype.is_floating_point:
            return (-1,)
        return (-3,) if _time_first(tape) else (-2,)
    return tuple(range(2 - dims, 0))


def _time_first(tape: Tape) -> bool:
    """Whether the first recurrent layer takes (T, N, D)."""
    for call in tape.calls:
        first = getattr(call.module, "batch_first", None)
        if first is not None:
            return not first
    return False


def _view(wide: Sight, narrow: Sight, count: int, size: int) -> View:
    widest = _size(wide, count, size)
    least = min(_size(narrow, count, size), widest)
    start = jump = None
    field = wide.field
    if field is not None and field.paths and not wide.whole:
        start = min(path.first(0) for path in field.paths)
        rate = field.stride
        jump = None if rate is None else int(rate) if rate.denominator == 1 else float(rate)
    elif not wide.whole and wide.low.numel():
        first = float(wide.low.flatten()[0])
        start = int(first) if isfinite(first) else None
    return View(size if wide.whole else widest, start, jump, size if narrow.whole else least, wide.whole)


def _size(sight: Sight, count: int, size: int) -> int:
    if sight.whole:
        return size
    field = sight.field
    return field.size(count) if field is not None and field.paths else sight.width()
