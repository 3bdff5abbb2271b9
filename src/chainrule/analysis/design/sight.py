"""Which part of the input each number of a value can read: intervals along the input's axes, position by position.

A sight holds, for one axis of the input, the first and the last place that each number of a value depends on; numbers
that do not differ along a dimension share it (the dimension has size 1). So it can be cut, permuted and reshaped like
the value itself, padding reads nothing, and odd sizes need no formula. Beside it goes the lecture's recursion
(`notation.field`), which counts as if the input went on behind its border.

Source: LECTURES D4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from chainrule.core.errors import NotationError
from chainrule.notation.field import START, Everything, Field, Reach, Window, join

LARGEST = 1 << 22
"""Numbers that one reshaped sight may have; beyond it everything is taken to be read."""


@dataclass(frozen=True, eq=False)
class Sight:
    """Along one axis of the input.

    Args:
        low: First place that is read, as many dimensions as the value; infinite where nothing is.
        high: Last place; minus infinite where nothing is.
        axis: The value's dimension, from the end, that this axis of the input has become; None if there is none.
        field: The recursion of the lectures along it; None where it does not hold.
        whole: Positions were mixed until none was left that reads another part.
    """

    low: Tensor
    high: Tensor
    axis: int | None
    field: Field | None
    whole: bool = False

    def full(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """First and last place for every number of the value."""
        return self.low.expand(tuple(shape)), self.high.expand(tuple(shape))

    def width(self) -> int:
        """The most places that one number spans; 0 if none reads any."""
        spans = self.high - self.low + 1
        return int(spans.amax().clamp(min=0)) if spans.numel() else 0


def beginning(shape: Sequence[int], axis: int) -> Sight:
    """Each number of the input reads itself: along `axis`, counted from the end."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    places = torch.arange(shape[axis], dtype=torch.float64).reshape(sizes)
    return Sight(places, places, axis, START)


def mapped(sight: Sight, change: Callable[[Tensor], Tensor], **fields: object) -> Sight:
    """The first place as the least of several, the last as the greatest: `change` takes minima."""
    low = compact(change(sight.low))
    high = compact(-change(-sight.high))
    return replace(sight, low=low, high=high, **fields)  # type: ignore[arg-type]


def compact(places: Tensor) -> Tensor:
    """Give dimensions along which nothing differs size 1."""
    for axis, size in enumerate(places.shape):
        if size > 1 and (places.stride(axis) == 0 or bool((places == places.narrow(axis, 0, 1)).all())):
            places = places.narrow(axis, 0, 1)
    return places


def windowed(sight: Sight, axis: int, window: Window, size: int, count: int) -> Sight:
    """After a window slid along the value's dimension `axis`, from `size` positions to `count`."""

    def change(places: Tensor) -> Tensor:
        if places.shape[axis] == 1 and sight.axis != axis:
            return places  # the same at all positions
        places = _whole(places, axis, size)
        reach = (count - 1) * window.stride + window.dilation * (window.size - 1) - window.padding
        parts = [_nothing(places, axis, window.padding), places, _nothing(places, axis, reach - size + 1)]
        padded = torch.cat(parts, axis)
        extent = window.dilation * (window.size - 1) + 1
        groups = padded.unfold(axis, extent, window.stride)[..., :: window.dilation]
        return groups.amin(-1).narrow(axis, 0, count)

    return mapped(sight, change, field=moved(sight, axis, window))


def spread(
    sight: Sight, axis: int, window: tuple[int, int, int, int], size: int, count: int, field: Field | None
) -> Sight:
    """After a transposed window of (taps, stride, padding, dilation), from `size` positions to `count`."""
    taps, stride, padding, dilation = window

    def change(places: Tensor) -> Tensor:
        if places.shape[axis] == 1 and sight.axis != axis:
            return places
        places = _whole(places, axis, size)
        shape = list(places.shape)
        shape[axis] = count
        out = places.new_full(shape, inf)
        for tap in range(taps):
            targets = torch.arange(places.shape[axis]) * stride - padding + dilation * tap
            inside = (targets >= 0) & (targets < count)
            targets, sources = targets[inside], inside.nonzero()[:, 0]
            best = torch.minimum(out.index_select(axis, targets), places.index_select(axis, sources))
            out.index_copy_(axis, targets, best)
        return out

    return mapped(sight, change, field=field)


def by_pattern(sight: Sight, axis: int, reads: Tensor, field: Field | None) -> Sight:
    """After an operation along `axis` of which output o reads input i where `reads[o, i]`."""

    def change(places: Tensor) -> Tensor:
        if places.shape[axis] == 1 and sight.axis != axis:
            return places
        last = _whole(places, axis, reads.shape[1]).movedim(axis, -1).unsqueeze(-2)  # (..., 1, n)
        chosen = torch.where(reads, last, inf).amin(-1)  # (..., m)
        return chosen.movedim(-1, axis)

    return mapped(sight, change, field=field)


def reduced(sight: Sight, axes: Iterable[int], *, keep: bool, stays: bool = False) -> Sight:
    """After a sum, mean or maximum over dimensions, counted from the end.

    `stays`: every position is written again with the result, as a norm does.
    """
    axes = sorted(set(axes))
    dims = sight.low.dim()

    def change(places: Tensor) -> Tensor:
        return places.amin(axes, keepdim=keep or stays) if axes else places

    found = mapped(sight, change)
    varied = any(sight.low.shape[a] > 1 for a in axes)
    if sight.axis in axes or (varied and sight.axis is None):
        everywhere = found.low.numel() == 1
        field = sight.field.after(Everything(keeps=stays)) if sight.field and sight.axis in axes else None
        return replace(found, whole=everywhere, field=field, axis=sight.axis if stays else None)
    axis = sight.axis
    if axis is not None and not (keep or stays):  # counted from the end: what went behind it brings it nearer
        axis += sum(1 for a in axes if a > axis)
    if not keep and not stays and found.low.dim() == 0 and dims:
        axis = None
    return replace(found, axis=axis)


def moved(sight: Sight, axis: int, reach: Reach) -> Field | None:
    """The recursion after a layer along the value's dimension `axis`."""
    if sight.field is None or sight.axis != axis:
        return sight.field
    try:
        return sight.field.after(reach)
    except NotationError:
        return None  # more rates or positions than it keeps apart


def hull(sights: Sequence[Sight]) -> Sight:
    """The smallest interval that holds all: where paths meet, shapes broadcast."""
    first, *others = sights
    if all(other is first for other in others):
        return first
    dims = max(s.low.dim() for s in sights)
    low, high = (torch.broadcast_tensors(*(_raised(t, dims) for t in ts)) for ts in _ends(sights))
    lowest, highest = torch.stack(low).amin(0), torch.stack(high).amax(0)
    axes = {s.axis for s in sights}
    whole = any(s.whole for s in sights)
    return Sight(compact(lowest), compact(highest), *_joined(sights, axes), whole=whole)


def narrowest(sights: Sequence[Sight]) -> Sight:
    """Of each number the path that reads least."""
    first, *others = sights
    if all(other is first for other in others):
        return first
    dims = max(s.low.dim() for s in sights)
    lows, highs = (torch.stack(list(torch.broadcast_tensors(*(_raised(t, dims) for t in ts)))) for ts in _ends(sights))
    widths = torch.where(highs >= lows, highs - lows, inf)
    best = widths.argmin(0, keepdim=True)
    low, high = lows.gather(0, best)[0], highs.gather(0, best)[0]
    fields = [s for s in sights if s.field is not None and s.axis is not None]
    chosen = min(
        fields or sights, key=lambda s: (s.whole, s.field.size(1) if s.field and s.field.paths else 0, s.width())
    )
    return Sight(compact(low), compact(high), chosen.axis, chosen.field, whole=all(s.whole for s in sights))


def _joined(sights: Sequence[Sight], axes: set[int | None]) -> tuple[int | None, Field | None]:
    known = axes - {None}
    if len(known) > 1:
        return None, None
    axis = next(iter(known), None)
    fields = [s.field for s in sights]
    if axis is None or any(f is None for f in fields):
        return axis, None
    try:
        return axis, join(f for f in fields if f is not None)
    except NotationError:
        return axis, None


def _ends(sights: Sequence[Sight]) -> tuple[list[Tensor], list[Tensor]]:
    return [s.low for s in sights], [s.high for s in sights]


def _raised(places: Tensor, dims: int) -> Tensor:
    return places.reshape([1] * (dims - places.dim()) + list(places.shape))


def _whole(places: Tensor, axis: int, size: int) -> Tensor:
    """With as many positions along a dimension as there are."""
    shape = list(places.shape)
    shape[axis] = size
    return places.expand(shape)


def _nothing(places: Tensor, axis: int, count: int) -> Tensor:
    shape = list(places.shape)
    shape[axis] = max(count, 0)
    return places.new_full(shape, inf)
