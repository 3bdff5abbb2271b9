"""Curves from logged lines: gathered by name and part, thinned without losing a spike, smoothed without a lag."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.draw.wording import mapping, plain_text, real

Array = NDArray[np.float64]

_PARTS: Final = ("train", "valid", "val", "test")
# What a line says about itself, which is no curve.
_PLACES: Final = ("step", "epoch", "part")


@dataclass(frozen=True)
class Curve:
    """One quantity of one part of the data, over steps.

    Args:
        name: The quantity ("loss").
        part: "train", "valid", another part, or "" where the log names none.
        x: Steps, ascending, shape (N,).
        y: Values, shape (N,); NaN and infinities as they were logged.
    """

    name: str
    part: str
    x: Array
    y: Array

    def finite(self) -> Array:
        """Return the finite values."""
        return self.y[np.isfinite(self.y)]


def curves(lines: Iterable[Any]) -> dict[str, list[Curve]]:
    """Return the curves of a log, by the name of the quantity, in the order of their first appearance.

    A line gives its part as `part`, or as the start of a key ("valid/loss", "train_loss"). A line without `step` is
    placed by its number.

    Args:
        lines: Mappings of plain data, such as the lines of `metrics.jsonl`.

    Example:
        >>> found = curves([{"step": 10, "part": "train", "loss": 2.3}, {"step": 20, "valid/loss": 2.1}])
        >>> [(curve.part, curve.x.tolist(), curve.y.tolist()) for curve in found["loss"]]
        [('train', [10.0], [2.3]), ('valid', [20.0], [2.1])]
    """
    points: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for number, line in enumerate(lines):
        place = real(mapping(line).get("step"))
        step = float(number) if place is None or not math.isfinite(place) else place
        given = plain_text(mapping(line).get("part"), limit=80)
        for key, value in mapping(line).items():
            y = None if key in _PLACES else real(value)
            if y is None:
                continue
            name, part = (plain_text(key, limit=120), given) if given else _split(plain_text(key, limit=120))
            xs, ys = points.setdefault(name, {}).setdefault(part, ([], []))
            xs.append(step)
            ys.append(y)
    return {name: [_curve(name, part, *xy) for part, xy in parts.items()] for name, parts in points.items()}


def _split(key: str) -> tuple[str, str]:
    for part in _PARTS:
        for mark in "/_.":
            if key.startswith(part + mark) and len(key) > len(part) + 1:
                return key[len(part) + 1 :], "valid" if part == "val" else part
    return key, ""


def _curve(name: str, part: str, xs: list[float], ys: list[float]) -> Curve:
    x, y = np.array(xs), np.array(ys)
    order = np.argsort(x, kind="stable")  # a hand-written log need not be in order
    return Curve(name, part, x[order], y[order])


def thin(x: Array, y: Array, points: int) -> tuple[Array, Array]:
    """Return at most about `points` points whose picture is that of all of them.

    The points are cut into equal groups, and of each the smallest and the largest value are kept, in their order, so
    that no spike is lost. A group with a value that is not finite also keeps the first such value: the line breaks
    there. The first and the last point stay.

    Args:
        x: Places, ascending, shape (N,).
        y: Values, shape (N,).
        points: How many may be left if all are finite, at least 4.

    Example:
        >>> x = np.arange(1000.0)
        >>> y = np.where(x == 617, 9.0, np.sin(x / 100))
        >>> few_x, few_y = thin(x, y, 20)
        >>> len(few_x) <= 22, float(few_y.max())
        (True, 9.0)
    """
    if len(x) <= points:
        return x, y
    groups = max(points // 2, 1)
    edges = np.linspace(0, len(x), groups + 1).round().astype(np.int64)
    finite = np.isfinite(y)
    keep = np.zeros(len(x), dtype=bool)
    keep[[0, -1]] = True
    for start, end in itertools.pairwise(edges.tolist()):
        good = finite[start:end]
        if good.any():
            keep[start + int(np.argmin(np.where(good, y[start:end], np.inf)))] = True
            keep[start + int(np.argmax(np.where(good, y[start:end], -np.inf)))] = True
        if not good.all():
            keep[start + int(np.argmin(good))] = True
    return x[keep], y[keep]


def smooth(y: Array, width: float) -> Array:
    """Return the mean of each value's neighbors, weighted by a bell curve: noise goes, and the curve does not lag.

    s_i = sum_j w_i(j - i) y_j / sum_j w_i(j - i) over the finite y_j with |j - i| <= r_i,
    w_i(d) = exp(-d^2 / (2 v_i^2))

    r_i = ceil(3 width) and v_i = width inside. At the start, where curves are steep, r_i = i and v_i is (i + 1) / 3 at
    most, so that the first value stays; at the end, where they are flat, the bell is cut on its far side only.

    Args:
        y: Values, evenly spaced, shape (N,). Values that are not finite are left out, and stay NaN in the result.
        width: Standard deviation of the bell, in points.

    Example:
        >>> smooth(np.array([4.0, 1.0, np.nan, 1.0, 1.0]), width=2.0).round(2).tolist()
        [4.0, 1.74, nan, 1.11, 1.08]
    """
    reach = max(math.ceil(3 * width), 0)
    finite = np.isfinite(y)
    known, mask = np.where(finite, y, 0.0), finite.astype(np.float64)
    found = np.full(len(y), np.nan)
    if len(y) > 2 * reach:
        bell = _bell(reach, width)
        inside = slice(reach, len(y) - reach)
        with np.errstate(invalid="ignore"):  # no finite value as far as the bell reaches: 0 / 0
            found[inside] = np.convolve(known, bell, "valid") / np.convolve(mask, bell, "valid")
    for i in {*range(min(reach, len(y))), *range(max(len(y) - reach, 0), len(y))}:
        before = min(i, reach)
        after = min(before, len(y) - 1 - i)
        bell = _bell(before, width if i >= reach else min(width, (before + 1) / 3))[: before + after + 1]
        near = slice(i - before, i + after + 1)
        if finite[i]:
            found[i] = np.dot(bell, known[near]) / np.dot(bell, mask[near])
    return np.where(finite, found, np.nan)


def _bell(reach: int, width: float) -> Array:
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(width, 1e-9)) ** 2)


def softened(curve: Curve) -> Curve:
    """Return a curve without its noise: `smooth`, as wide as suits its length.

    Example:
        >>> noise = Curve("loss", "train", np.arange(400.0), np.random.default_rng(0).normal(size=400))
        >>> float(softened(noise).y.std()) < 0.4 * float(noise.y.std())
        True
    """
    # A fiftieth of the curve at most, and for long curves less.
    width = max(3.0, min(len(curve.y) / 50, 2 * math.sqrt(len(curve.y))))
    return replace(curve, y=smooth(curve.y, width))


def wants_smoothing(curve: Curve, *, least: int = 80) -> bool:
    """Return whether a curve is long and noisy: more than half of its movement is back and forth.

    Args:
        curve: The curve.
        least: Finite values that a long one has.

    Example:
        >>> x = np.arange(400.0)
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> wants_smoothing(Curve("loss", "train", x, noise)), wants_smoothing(Curve("rate", "train", x, x))
        (True, False)
    """
    y = curve.finite()
    if len(y) < least:
        return False
    steps = np.diff(y)
    turns = np.count_nonzero(np.sign(steps[1:]) * np.sign(steps[:-1]) < 0)
    return bool(turns > 0.3 * len(steps))
