"""Receptive fields: which rows (and columns) of the input one output position can read.

Along one axis an output position o reads the interval [low(o), high(o)] of the input. A window of f pixels, dilation d,
stride s and padding p reads [o s - p, o s - p + d (f - 1)] of the layer before, so intervals are found by composition;
for stride-one-apart positions that is the lecture's recursion n = k + s (m - 1). After a transposed convolution of
stride s the intervals repeat their pattern every s positions, so both ends are kept for one period.

All filters are square, so one description serves rows and columns; the padding counts as if the input went on there,
as usual, and a field may therefore be larger than the input.

Source: LECTURES D4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import TypeAlias

from chainrule.core.errors import NotationError
from chainrule.notation import limits


@dataclass(frozen=True)
class Window:
    """A layer whose output reads `size` pixels, `dilation` apart, `stride` further on for each output."""

    size: int
    stride: int
    padding: int
    dilation: int = 1


@dataclass(frozen=True)
class Spread:
    """A transposed convolution: each input pixel is spread over `size` outputs, `stride` further on for each pixel."""

    size: int
    stride: int
    padding: int


@dataclass(frozen=True)
class Point:
    """A layer whose output reads the same position alone."""


POINT = Point()


@dataclass(frozen=True)
class Everything:
    """A layer whose output reads all positions; `keeps` says that rows and columns still are where they were."""

    keeps: bool = False


Reach: TypeAlias = Window | Spread | Point | Everything


@dataclass(frozen=True)
class Path:
    """Both ends of the interval for the positions of one period, and how far the next period is."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    jump: int

    @property
    def period(self) -> int:
        """Positions after which the pattern repeats, `jump` pixels further on."""
        return len(self.low)

    @property
    def rate(self) -> Fraction:
        """Input pixels from one output to the next, on average."""
        return Fraction(self.jump, self.period)

    def first(self, position: int) -> int:
        """The first input pixel that this position reads."""
        turns, rest = divmod(position, self.period)
        return turns * self.jump + self.low[rest]

    def last(self, position: int) -> int:
        """The last input pixel that this position reads."""
        turns, rest = divmod(position, self.period)
        return turns * self.jump + self.high[rest]

    def windowed(self, window: Window) -> Path:
        """The same after a convolution or pooling."""
        period = self.period // gcd(self.period, window.stride)
        starts = [o * window.stride - window.padding for o in range(period)]
        extent = window.dilation * (window.size - 1)
        jump = self.jump * (window.stride * period // self.period)
        if jump > limits.STRIDE:
            raise NotationError(
                "the strides multiply to more than any input has", remedy="use fewer or smaller strides"
            )
        return Path(tuple(self.first(a) for a in starts), tuple(self.last(a + extent) for a in starts), jump)

    def spread(self, spread: Spread) -> Path:
        """The same after a transposed convolution: output o is reached by i with o + p - f + 1 <= i s <= o + p."""
        size, stride, padding = spread.size, spread.stride, spread.padding
        period = self.period * stride
        _check_period(period)
        low = tuple(self.first(-((size - 1 - padding - o) // stride)) for o in range(period))
        high = tuple(self.last((o + padding) // stride) for o in range(period))
        return Path(low, high, self.jump)


def _check_period(period: int) -> None:
    if period > limits.PHASES:
        raise NotationError(
            "the strides of UPCONV and of the layers around it fit together only after many positions",
            expected=f"at most {limits.PHASES:,}",
            got=f"{period:,}",
            remedy="go down and up by the same strides",
        )


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer: over all paths from the input, the smallest interval that holds them.

    Args:
        paths: One for each rate at which paths step over the input (one, unless branches of different strides meet).
        whole: A layer on the way mixes all positions, so that every output depends on the whole input.

    Example:
        >>> field = START.after(Window(5, 2, 0)).after(Window(3, 1, 0))
        >>> field.size(10), field.stride
        (9, Fraction(2, 1))
    """

    paths: tuple[Path, ...]
    whole: bool = False

    def after(self, reach: Reach) -> Field:
        """The field of the layer that follows."""
        match reach:
            case Window():
                return Field(tuple(path.windowed(reach) for path in self.paths), self.whole)
            case Spread():
                return Field(tuple(path.spread(reach) for path in self.paths), self.whole)
            case Everything():
                return Field(self.paths if reach.keeps else (), whole=True)
            case Point():
                return self

    @property
    def stride(self) -> Fraction | None:
        """Input pixels from one output to the next; None for a vector, or where branches of different strides meet."""
        return self.paths[0].rate if len(self.paths) == 1 else None

    @property
    def phases(self) -> int:
        """Positions for which intervals are kept: the work of moving on from here."""
        return sum(path.period for path in self.paths)

    def size(self, positions: int) -> int:
        """The largest number of input pixels, along one axis, that one of the output positions spans."""
        longest = lcm(*(path.period for path in self.paths))
        ends = {*range(min(longest, positions)), *range(max(0, positions - longest), positions)}
        return max(max(p.last(o) for p in self.paths) - min(p.first(o) for p in self.paths) + 1 for o in ends)


START = Field((Path((0,), (0,), 1),))
"""The field of an image: every pixel is itself."""

NOWHERE = Field(())
"""The field of a vector given as input: it has no rows and columns."""


def join(fields: Iterable[Field]) -> Field:
    """The field where branches meet: paths of the same rate are held by one interval.

    Raises:
        NotationError: The branches step over the input at too many different rates.

    Example:
        >>> a, b = START.after(Window(3, 1, 1)), START.after(Window(5, 1, 2))
        >>> join([a, b]) == b
        True
    """
    fields = list(fields)
    by_rate: dict[Fraction, Path] = {}
    for path in (path for field in fields for path in field.paths):
        by_rate[path.rate] = _hull(by_rate[path.rate], path) if path.rate in by_rate else path
    if len(by_rate) > limits.RATES:
        raise NotationError("the branches have too many different strides", remedy="give all branches the same stride")
    return Field(tuple(by_rate[rate] for rate in sorted(by_rate)), any(field.whole for field in fields))


def _hull(a: Path, b: Path) -> Path:
    period = lcm(a.period, b.period)
    _check_period(period)
    low = tuple(min(a.first(o), b.first(o)) for o in range(period))
    high = tuple(max(a.last(o), b.last(o)) for o in range(period))
    return Path(low, high, a.jump * (period // a.period))
