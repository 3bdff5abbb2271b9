"""Sizes of sliding windows, and the rows that they leave out (LECTURES D1, D2)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from chainrule.core.errors import NotationError
from chainrule.notation.field import Window
from chainrule.notation.shapes import Volume


def outputs(size: int, window: Window, *, ceil: bool = False) -> int:
    """Positions of a window along one axis: floor((W - F + 2P) / S) + 1, with F = d (f - 1) + 1.

    Args:
        size: Rows or columns of the input.
        window: Size, stride, padding and dilation.
        ceil: Round up instead; a window that would start in the padding behind the input is left out (torch's rule).

    Returns:
        The number, which may be below 1 when nothing fits.

    Example:
        >>> outputs(32, Window(5, 1, 2)), outputs(7, Window(2, 2, 0)), outputs(7, Window(2, 2, 0), ceil=True)
        (32, 3, 4)
    """
    room = size + 2 * window.padding - extent(window)
    if not ceil:
        return room // window.stride + 1
    count = -(-room // window.stride) + 1
    return count - 1 if (count - 1) * window.stride >= size + window.padding else count


def extent(window: Window) -> int:
    """Pixels from the first to the last that a window reads, both included.

    Example:
        >>> extent(Window(3, 1, 0, dilation=2))
        5
    """
    return window.dilation * (window.size - 1) + 1


@lru_cache(maxsize=4096)
def never_read(size: int, window: Window, *, ceil: bool = False) -> tuple[int, ...]:
    """Rows of the input itself that no window reads, when the size does not divide; empty when it does.

    Args:
        size: Rows or columns of the input.
        window: Size, stride, padding and dilation.
        ceil: Whether the number of outputs is rounded up.

    Example:
        >>> never_read(224, Window(11, 4, 0)), never_read(224, Window(11, 4, 2)), never_read(5, Window(1, 3, 0))
        ((223,), (), (1, 2, 4))
    """
    if (size + 2 * window.padding - extent(window)) % window.stride == 0:
        return ()
    count = outputs(size, window, ceil=ceil)
    last = (count - 1) * window.stride - window.padding + extent(window) - 1
    if window.dilation == 1 and window.stride <= window.size:  # no gaps: only rows behind the last window are left
        return tuple(range(last + 1, size))
    seen = bytearray(size)
    for tap in range(window.size):
        first = tap * window.dilation - window.padding
        if first < 0:
            first %= window.stride
        end = min(size, tap * window.dilation - window.padding + (count - 1) * window.stride + 1)
        if end > first:
            seen[first : end : window.stride] = b"\1" * len(range(first, end, window.stride))
    return tuple(i for i in range(size) if not seen[i])


@dataclass(frozen=True)
class Unread:
    """Rows and columns of a layer's input that the layer never reads, and what to do about it."""

    rows: frozenset[int]
    columns: frozenset[int]
    text: str


def unread(name: str, before: Volume, window: Window, *, ceil: bool = False, may_ceil: bool = False) -> Unread | None:
    """What D1 warns about: sizes that do not divide so that rows or columns of the input itself are never read.

    Args:
        name: The layer as written.
        before: Its input.
        window: Its window.
        ceil: Whether the output size is rounded up.
        may_ceil: Whether `ceil` is a possible remedy.

    Returns:
        None when everything is read or only padding is left out.

    Example:
        >>> print(unread("POOL2", Volume(7, 8, 3), Window(2, 2, 0)).text)
        (7 - 2) / 2 + 1 = 3.5 does not divide: POOL2 never reads row 6 of its 7x8x3 input; 6 or 8 rows divide
    """
    sides = (("row", before.height), ("column", before.width))
    lost = {kind: rows for kind, size in sides if (rows := never_read(size, window, ceil=ceil))}
    if not lost:
        return None
    sizes = {size for kind, size in sides if kind in lost}
    both = " and ".join(f"{kind}s" for kind in lost)
    fix = [
        _dividing_sizes(size, window) + f" {both if len(sizes) == 1 else kind + 's'} divide"
        for kind, size in sides
        if kind in lost
    ]
    padding = _dividing_padding(before, sizes, window)
    if padding is not None:
        fix.append(f"so does pad{padding}")
    if may_ceil and not ceil and all(not never_read(size, window, ceil=True) for _, size in sides):
        fix.append("ceil reads the rest")
    if window.stride > extent(window):
        fix.append("a filter smaller than its stride always skips some")
    if len(lost) == 2 and len(set(lost.values())) == 1:
        which = _listed("row and column", lost["row"])
    else:
        which = " and ".join(_listed(kind, rows) for kind, rows in lost.items())
    divisions = " and ".join(_division(size, window) for size in sorted(sizes))
    verb = "does" if len(sizes) == 1 else "do"
    text = f"{divisions} {verb} not divide: {name} never reads {which} of its {before} input"
    return Unread(
        frozenset(lost.get("row", ())), frozenset(lost.get("column", ())), "; ".join(dict.fromkeys([text, *fix]))
    )


def _dividing_padding(before: Volume, sizes: set[int], window: Window) -> int | None:
    """The smallest larger padding, up to half the filter, with which the sizes divide and nothing is left out."""
    for padding in range(window.padding + 1, extent(window) // 2 + 1):
        padded = Window(window.size, window.stride, padding, window.dilation)
        divides = all((size + 2 * padding - extent(window)) % window.stride == 0 for size in sizes)
        if divides and not never_read(before.height, padded) and not never_read(before.width, padded):
            return padding
    return None


def _division(size: int, window: Window) -> str:
    """The lecture's formula with its numbers, e.g. (224 - 11 + 2*1) / 4 + 1 = 54.75."""
    exact = Fraction(size + 2 * window.padding - extent(window), window.stride) + 1
    padding = f" + 2*{window.padding}" if window.padding else ""
    return f"({size} - {extent(window)}{padding}) / {window.stride} + 1 = {float(exact):.6g}"


def _dividing_sizes(size: int, window: Window) -> str:
    """The next smaller and the next larger size that divide."""
    over = (size + 2 * window.padding - extent(window)) % window.stride
    fits = (size - over, size - over + window.stride)
    return " or ".join(str(s) for s in fits if s > 0 and outputs(s, window) > 0)


def _listed(kind: str, which: tuple[int, ...]) -> str:
    """`row 6`, `rows 6 and 7`, `rows 1, 3, 5, ..., 55 (28 of them)`."""
    if len(which) == 1:
        return f"{kind} {which[0]}"
    kinds = " and ".join(f"{word}s" for word in kind.split(" and "))
    if len(which) <= 3:
        return f"{kinds} {', '.join(map(str, which[:-1]))} and {which[-1]}"
    of = "each" if " " in kind else "them"
    return f"{kinds} {', '.join(map(str, which[:3]))}, ..., {which[-1]} ({len(which)} of {of})"


def no_room(name: str, before: Volume, window: Window) -> NotationError:
    """The error for an output below 1: what was asked, and what would fit.

    Example:
        >>> str(no_room("POOL4", Volume(3, 3, 8), Window(4, 4, 0)))
        'POOL4 does not fit into its 3x3x8 input: (3 - 4) / 4 + 1 is below 1. Remedy: pool or stride less before it, ...
    """
    size = min(before.height, before.width)
    need = -(-(extent(window) - size) // 2)
    formula = _division(size, window).split(" = ")[0]
    return NotationError(
        f"{name} does not fit into its {before} input: {formula} is below 1",
        remedy=f"pool or stride less before it, or give it a smaller filter or a padding of at least {need}",
    )
