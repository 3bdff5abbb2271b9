"""Line charts as HTML: drawn already in the file, and brought to life by the page's script.

The lines are SVG paths in a box of 1000 x 1000 that stretches with the page, while text stands beside them as HTML and
keeps its size. Without a script the whole curve is seen; with it one can zoom, pan, read values, hide lines and change
the axis. The script draws from the numbers in the JSON block, thinned but with every spike (`curve.thin`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from chainrule.draw.curve import Curve, softened, thin, wants_smoothing
from chainrule.draw.page import data_block, render
from chainrule.draw.palette import series_style
from chainrule.draw.scale import Scale, wants_log, y_scale
from chainrule.draw.wording import number_text, plain_text, share_text

Array = NDArray[np.float64]

POINTS: Final = 3000
"""Points of a line that the page holds, and so the resolution of a zoom."""
STATIC_POINTS: Final = 700
"""Points of a line as it is drawn before any script runs."""


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Args:
        label: Its name in the legend.
        curve: Its numbers.
        style: Its number in the palette's order of colors and dashes.
        dashed: Dashed lines for what stands in the second rank, whatever the number.
    """

    label: str
    curve: Curve
    style: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line at a step.

    Args:
        x: The step.
        label: What happened there.
    """

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Args:
        key: Its anchor, a plain word.
        title: What the y axis counts.
        lines: The curves.
        x_label: What the x axis counts.
        share: Whether values are shares, shown in percent.
        marks: Steps that stand out.
        log: Whether the y axis starts logarithmic; without it, when a linear one would show only the largest values.
    """

    key: str
    title: str
    lines: Sequence[Line]
    x_label: str = "step"
    share: bool = False
    marks: Sequence[Mark] = field(default_factory=tuple)
    log: bool | None = None


def chart_html(chart: Chart) -> Markup:
    """Return a chart as HTML.

    Example:
        >>> curve = Curve("loss", "train", np.arange(3.0), np.array([2.0, 1.0, 0.5]))
        >>> print("<path" in chart_html(Chart("loss", "Loss", [Line("train", curve)])))
        True
    """
    values = np.concatenate([line.curve.y for line in chart.lines] or [np.zeros(0)])
    log = wants_log(values) if chart.log is None else chart.log
    scale, reach = y_scale(values, log=log, share=chart.share), _reach(chart.lines)
    drawn = [_line(line, reach, scale) for line in chart.lines]
    show = share_text if chart.share else number_text
    tick_text = _share_tick if chart.share else number_text
    return render(
        "chart.html",
        chart=chart,
        lines=drawn,
        y_ticks=[{"at": _percent(1 - place), "text": tick_text(tick)} for tick, place in _ticks(scale)],
        x_ticks=[{"at": _percent(place), "text": number_text(tick)} for tick, place in _ticks(reach)],
        marks=[
            {"at": f"{1000 * place:.1f}", "label": plain_text(mark.label, limit=80)}
            for mark in chart.marks
            if 0 <= (place := float(reach.place(np.array([mark.x]))[0])) <= 1
        ],
        notes=[note for line in chart.lines for note in _notes(line)],
        summary="; ".join(_summary(line, show) for line in chart.lines[:8]),
        block=data_block(_script_data(chart, drawn, scale.log)),
        log=scale.log,
    )


def _reach(lines: Sequence[Line]) -> Scale:
    ends = [float(end) for line in lines if line.curve.x.size for end in (line.curve.x[0], line.curve.x[-1])]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return Scale(low, high) if high > low else Scale(low - 0.5, low + 0.5)


def _ticks(scale: Scale) -> list[tuple[float, float]]:
    ticks = scale.ticks()
    return list(zip(ticks, scale.place(np.array(ticks)).tolist(), strict=True))


def _share_tick(share: float) -> str:
    return f"{share * 100:.6g} %"


def _percent(place: float) -> str:
    return f"{100 * place:.2f}"


def _line(line: Line, reach: Scale, scale: Scale) -> dict[str, Any]:
    curve = line.curve
    color, dashes = series_style(line.style)
    smoothed = None
    if wants_smoothing(curve):
        smoothed = thin(curve.x, softened(curve).y, POINTS // 4)
    raw = thin(curve.x, curve.y, POINTS)
    dots = np.count_nonzero(np.isfinite(curve.y)) <= 40
    main = smoothed or raw
    return {
        "label": plain_text(line.label, limit=80),
        "color": color,
        "dash": " ".join(str(length) for length in ((5, 4) if line.dashed else dashes)),
        "path": _path(*thin(*main, STATIC_POINTS), reach, scale),
        "faint": _path(*thin(*raw, STATIC_POINTS), reach, scale) if smoothed else "",
        "dots": _dots(*raw, reach, scale) if dots else "",
        "raw": raw,
        "smoothed": smoothed,
    }


def _places(x: Array, y: Array, reach: Scale, scale: Scale) -> tuple[Array, Array]:
    # Only finite numbers are written: a huge value on a narrow axis is cut far outside the box.
    with np.errstate(over="ignore", invalid="ignore"):
        places = scale.place(np.where(np.isfinite(y), y, np.nan))
        return 1000 * reach.place(x), np.clip(1000 * (1 - places), -1e5, 1e5)


def _path(x: Array, y: Array, reach: Scale, scale: Scale) -> str:
    parts, pen_up = [], True
    for across, down in zip(*(places.tolist() for places in _places(x, y, reach, scale)), strict=True):
        if not math.isfinite(down):
            pen_up = True
            continue
        parts.append(f"{'M' if pen_up else 'L'}{across:.1f} {down:.1f}")
        pen_up = False
    return "".join(parts)


def _dots(x: Array, y: Array, reach: Scale, scale: Scale) -> str:
    # A line of no length with a round cap is a dot that keeps its shape when the box stretches.
    across, down = _places(x, y, reach, scale)
    return "".join(f"M{a:.1f} {d:.1f}h0" for a, d in zip(across.tolist(), down.tolist()) if math.isfinite(d))


def _notes(line: Line) -> list[str]:
    bad = np.flatnonzero(~np.isfinite(line.curve.y))
    if not bad.size:
        return []
    first = number_text(float(line.curve.x[bad[0]]))
    how_many = f"{bad.size:,} of {line.curve.y.size:,}"
    return [f"{plain_text(line.label, limit=80)}: {how_many} values are not finite, the first at {first}"]


def _summary(line: Line, show: Any) -> str:
    y = line.curve.finite()
    label = plain_text(line.label, limit=80)
    if not y.size:
        return f"{label}: no finite value"
    return f"{label}: from {show(float(y[0]))} to {show(float(y[-1]))}, {show(float(y.min()))} at the lowest"


def _script_data(chart: Chart, drawn: Sequence[dict[str, Any]], log: bool) -> dict[str, Any]:
    return {
        "share": chart.share,
        "log": log,
        "xLabel": plain_text(chart.x_label, limit=40),
        "marks": [{"x": mark.x, "label": plain_text(mark.label, limit=80)} for mark in chart.marks],
        "lines": [
            {"raw": _numbers(*line["raw"]), "smooth": _numbers(*line["smoothed"]) if line["smoothed"] else None}
            for line in drawn
        ],
    }


def _numbers(x: Array, y: Array) -> dict[str, list[float | int | None]]:
    return {"x": [_short(value, 12) for value in x.tolist()], "y": [_short(value, 5) for value in y.tolist()]}


def _short(value: float, digits: int) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == round(short) and abs(short) < 1e15 else short
