"""Trials of a search as pictures: lines across all settings, and what was reached over each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from chainrule.draw.page import render
from chainrule.draw.palette import LEVELS
from chainrule.draw.scale import Scale, y_scale
from chainrule.draw.wording import number_text, plain_text, share_text

_TICKS: Final = 5


@dataclass(frozen=True)
class Dimension:
    """A setting that was searched.

    Args:
        name: Of the setting.
        low: The smallest value.
        high: The largest value.
        log: Whether values are placed by their logarithm.
        labels: What could be chosen, in place of a range.
        own: The recipe's own value.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    labels: tuple[str, ...] = ()
    own: float | str | None = None

    def place(self, value: Any) -> float | None:
        """Return where a value stands, 0 at the low end and 1 at the high one; None for what has no place.

        Example:
            >>> Dimension("lr", 0.01, 1.0, log=True).place(0.1), Dimension("name", labels=("a", "b")).place("b")
            (0.5, 0.75)
        """
        if self.labels:
            return (self.labels.index(value) + 0.5) / len(self.labels) if value in self.labels else None
        if not isinstance(value, int | float) or (self.log and value <= 0):
            return None
        where = float(Scale(self.low, self.high, self.log).place(np.array([float(value)]))[0])
        return where if -0.001 <= where <= 1.001 else None

    def ticks(self) -> list[tuple[float, str]]:
        """Where which values are written."""
        if self.labels:
            return [((number + 0.5) / len(self.labels), label) for number, label in enumerate(self.labels)]
        scale = Scale(self.low, self.high, self.log)
        ticks = scale.ticks(_TICKS)
        return [(float(place), number_text(tick)) for tick, place in zip(ticks, scale.place(np.array(ticks)))]


@dataclass(frozen=True)
class Point:
    """A trial.

    Args:
        name: What it is called.
        values: Setting -> its value.
        reached: What it reached, or had reached when it was ended.
        rungs: What it had reached at each measurement.
        finished: Whether it was trained to its end.
        fine: Whether it was of the fine stage.
        best: Whether it is the best one.
        own: Whether it is the recipe as it is.
    """

    name: str
    values: Mapping[str, Any]
    reached: float
    rungs: tuple[float, ...] = ()
    finished: bool = True
    fine: bool = False
    best: bool = False
    own: bool = False


def parallel_html(
    dimensions: Sequence[Dimension], points: Sequence[Point], *, title: str, share: bool, higher: bool
) -> Markup:
    """Return parallel coordinates: an axis for each setting and one for what was reached, a line for each trial.

    Args:
        dimensions: The settings.
        points: The trials; one without a place on an axis has a gap there.
        title: What was reached.
        share: Whether that is a share, shown in percent.
        higher: Whether more of it is better.

    Example:
        >>> points = [Point("a", {"lr": 0.1}, 0.9), Point("b", {"lr": 0.5}, 0.8)]
        >>> print(parallel_html([Dimension("lr")], points, title="accuracy", share=True, higher=True).count("<path"))
        4
    """
    scale = _reach(points, share=share)
    show = share_text if share else number_text
    ends = scale.ticks(_TICKS)
    last = {
        "name": title,
        "ticks": [_tick(float(place), show(tick)) for tick, place in zip(ends, scale.place(np.array(ends)))],
    }
    axes = [{"name": one.name, "ticks": [_tick(*tick) for tick in one.ticks()]} for one in dimensions] + [last]
    order = sorted(
        points, key=lambda point: (point.best, point.own, point.finished, point.reached * (1 if higher else -1))
    )
    lines = []
    for rank, point in enumerate(order):
        places = [one.place(point.values.get(one.name)) for one in dimensions]
        places.append(float(_held(scale, [point.reached])[0]))
        level = 2 + round((LEVELS - 2) * rank / max(1, len(order) - 1))
        said = ", ".join(f"{one.name} {_said(point.values.get(one.name))}" for one in dimensions)
        lines.append(
            {
                "path": _line(places),
                "color": "var(--s1)" if point.best or point.own else f"var(--right-{level})",
                "kind": "best" if point.best else "own" if point.own else "" if point.finished else "ended",
                "label": f"{point.name}: {show(point.reached)}; {said}",
            }
        )
    for number, axis in enumerate(axes):
        axis["at"] = f"{_across(number, len(axes)):.2f}"
    return render("parallel.html", axes=axes, lines=lines, title=plain_text(title, limit=80))


def _reach(points: Sequence[Point], *, share: bool) -> Scale:
    """An axis for what was trained to its end: a failure far off would press all others together."""
    ended = [point.reached for point in points if point.finished]
    return y_scale(np.array(ended if len(ended) > 1 else [point.reached for point in points]), share=share)


def _held(scale: Scale, values: Sequence[float]) -> Any:
    """Places on an axis; what lies beyond it stands at its end."""
    return np.clip(scale.place(np.array(values, dtype=np.float64)), 0.0, 1.0)


def _across(number: int, count: int) -> float:
    return 100 * (number + 0.5) / count


def _line(places: Sequence[float | None]) -> str:
    path, pen_up = [], True
    for number, place in enumerate(places):
        if place is None:
            pen_up = True
            continue
        path.append(f"{'M' if pen_up else 'L'}{10 * _across(number, len(places)):.1f} {1000 * (1 - place):.1f}")
        pen_up = False
    return "".join(path)


def _tick(place: float, text: str) -> dict[str, str]:
    return {"at": f"{100 * (1 - place):.2f}", "text": plain_text(text, limit=24)}


def _said(value: Any) -> str:
    return number_text(value) if isinstance(value, int | float) else plain_text(value, limit=40)


def response_html(dimension: Dimension, points: Sequence[Point], *, title: str, share: bool) -> Markup:
    """Return what was reached over the values of one setting, a column of dots for each trial.

    Args:
        dimension: The setting.
        points: The trials.
        title: What was reached.
        share: Whether that is a share, shown in percent.

    Example:
        >>> points = [Point("a", {"lr": 0.1}, 0.9, rungs=(0.5, 0.9)), Point("b", {"lr": 0.5}, 0.8)]
        >>> print(response_html(Dimension("lr"), points, title="accuracy", share=True).count("<title>"))
        2
    """
    placed = [
        (point, where) for point in points if (where := dimension.place(point.values.get(dimension.name))) is not None
    ]
    scale = _reach([point for point, _ in placed], share=share)
    show = share_text if share else number_text

    def dots(across: float, values: Sequence[float]) -> str:
        downs = _held(scale, values).tolist()
        return "".join(f"M{1000 * across:.1f} {1000 * (1 - down):.1f}h0" for down in downs)

    shown = [
        {
            "rungs": dots(where, point.rungs),
            "end": dots(where, [point.reached]),
            "color": 1 if point.best or point.own else 0,
            "kind": "disk" if point.fine else "ring",
            "ended": not point.finished,
            "label": f"{point.name}: {show(point.reached)} at {_said(point.values.get(dimension.name))}",
        }
        for point, where in sorted(placed, key=lambda pair: (pair[0].best, pair[0].own, pair[0].fine))
    ]
    ticks = scale.ticks(_TICKS)
    own = dimension.place(dimension.own)
    return render(
        "response.html",
        name=dimension.name,
        title=plain_text(title, limit=80),
        points=shown,
        own=None if own is None else f"{1000 * own:.1f}",
        own_text=_said(dimension.own),
        x_ticks=[{"at": f"{100 * place:.2f}", "text": plain_text(text, limit=18)} for place, text in dimension.ticks()],
        y_ticks=[_tick(float(place), show(tick)) for tick, place in zip(ticks, scale.place(np.array(ticks)))],
    )
