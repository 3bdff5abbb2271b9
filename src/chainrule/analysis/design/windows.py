"""Windows slid over a value, and the rows of it that they never read.

Source: LECTURES D1, D2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.analysis._tape import Operation, Ref, Tape
from chainrule.notation.field import Window
from chainrule.notation.windows import never_read, outputs

_WINDOW = re.compile(r"(conv|max_pool|avg_pool)([123])d(_with_indices)?")
_SIDES = {1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}


@dataclass(frozen=True)
class Slid:
    """A convolution or pooling over a value.

    Args:
        kind: `convolution` or `pooling`.
        windows: One for each axis.
        sizes: Of its input along them.
        ceil: Whether the number of outputs is rounded up.
    """

    kind: str
    windows: tuple[Window, ...]
    sizes: tuple[int, ...]
    ceil: bool

    @property
    def axes(self) -> int:
        """How many it slides along."""
        return len(self.windows)

    def unread(self, axis: int) -> set[int]:
        """Places along an axis that it never reads."""
        window, size = self.windows[axis], self.sizes[axis]
        if window.stride > window.dilation * (window.size - 1) + 1 and size < 1 << 16:
            return set(range(size)) - set(_read(window, size, self.ceil))
        return set(never_read(size, window, ceil=self.ceil))


def slid(operation: Operation, tape: Tape, value: int) -> Slid | None:
    """The windows of an operation over a value; None if it is no window over that value."""
    match = _WINDOW.fullmatch(operation.function)
    first = operation.arguments[0] if operation.arguments else operation.options.get("input")
    if match is None or not isinstance(first, Ref) or first.value != value:
        return None
    count, convolution = int(match[2]), match[1] == "conv"

    def get(position: int, name: str, default: object) -> object:
        if position < len(operation.arguments):
            return operation.arguments[position]
        return operation.options.get(name, default)

    def each(given: Any) -> list[int]:
        values = list(given) if isinstance(given, (tuple, list)) else [given]
        return [int(v) for v in (values * count if len(values) == 1 else values)]

    shape = tape.values[value].shape
    if convolution:
        weight = tape.values[operation.inputs[1]].shape
        sizes, padding = list(weight[2:]), get(4, "padding", 0)
        strides, dilations = each(get(3, "stride", 1)), each(get(5, "dilation", 1))
        if isinstance(padding, str):
            return None
    else:
        sizes, padding = each(get(1, "kernel_size", 1)), get(3, "padding", 0)
        stride = get(2, "stride", None)
        strides = sizes if stride in (None, (), []) else each(stride)
        dilations = each(get(4, "dilation", 1)) if match[1] == "max_pool" else [1] * count
    ceil = not convolution and bool(get(5 if match[1] == "max_pool" else 4, "ceil_mode", False))
    windows = tuple(Window(*one) for one in zip(sizes, strides, each(padding), dilations))
    return Slid("convolution" if convolution else "pooling", windows, tuple(shape[-count:]), ceil)


def unread_text(found: Slid, lost: Sequence[set[int]]) -> str:
    """What is never read, and the sizes that divide."""
    sides = _SIDES[found.axes]
    parts: dict[str, list[str]] = {}
    fixes, sums = [], []
    for name, window, size, places in zip(sides, found.windows, found.sizes, lost):
        if not places:
            continue
        parts.setdefault(_listed(sorted(places)), []).append(name)
        extent = window.dilation * (window.size - 1) + 1
        room = size + 2 * window.padding - extent
        padding = f" + 2*{window.padding}" if window.padding else ""
        if room % window.stride:
            sums.append(f"({size} - {extent}{padding}) / {window.stride} + 1 = {room / window.stride + 1:.6g}")
            near = [s for s in (size - room % window.stride, size - room % window.stride + window.stride) if s > 0]
            fixes.append(" or ".join(map(str, near)))
    what = " and ".join(f"{_plural(names, places)} {places}" for places, names in parts.items())
    text = f"never reads {what} of its input of {'x'.join(map(str, found.sizes))}"
    if sums:
        division, fits = (" and ".join(dict.fromkeys(words)) for words in (sums, fixes))
        text = f"{division} does not divide: it {text}; {fits} divide"
    elif any(w.stride > w.dilation * (w.size - 1) + 1 for w in found.windows):
        text += "; a filter smaller than its stride always skips some"
    return text


def _read(window: Window, size: int, ceil: bool) -> set[int]:
    count = outputs(size, window, ceil=ceil)
    taps = range(window.size)
    return {o * window.stride - window.padding + window.dilation * t for o in range(count) for t in taps}


def _plural(names: Sequence[str], places: str) -> str:
    several = "," in places or " and " in places
    return " and ".join(name + "s" if several else name for name in names)


def _listed(places: Sequence[int]) -> str:
    if len(places) == 1:
        return str(places[0])
    if len(places) <= 3:
        return ", ".join(map(str, places[:-1])) + f" and {places[-1]}"
    return ", ".join(map(str, places[:3])) + f", ..., {places[-1]} ({len(places)} of them)"
