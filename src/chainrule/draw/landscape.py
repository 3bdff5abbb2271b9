"""Heights over a plane with paths on them: as HTML with a slider through the steps, and as an SVG file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from chainrule.draw.page import data_block, render
from chainrule.draw.palette import PALETTES, Palette, Theme, series_style
from chainrule.draw.scale import Scale
from chainrule.draw.wording import number_text, plain_text

Array = NDArray[np.float64]

WIDTH: Final = 1000
HEIGHT: Final = 780
BANDS: Final = 10
"""Bands of height, each of about the same area."""
FAR: Final = 20.0
"""Points farther outside than so many pictures are cut there."""


@dataclass(frozen=True)
class Trail:
    """One path.

    Args:
        label: Its name in the legend.
        places: Where it was after each step, the start first, (T + 1, 2).
        style: Its number in the palette's order of colors and dashes.
        note: What came of it, in a few words.
    """

    label: str
    places: Array
    style: int = 0
    note: str = ""


@dataclass(frozen=True)
class Landscape:
    """A plane seen from above.

    Args:
        key: Its anchor, a plain word.
        title: Its heading.
        x: Places along the first direction, ascending, (X,).
        y: Places along the second, ascending, (Y,).
        heights: (Y, X); NaN where there is none.
        trails: The paths.
        note: What stands below the picture.
    """

    key: str
    title: str
    x: Array
    y: Array
    heights: Array
    trails: Sequence[Trail] = field(default_factory=tuple)
    note: str = ""


def landscape_html(one: Landscape) -> Markup:
    """Return a landscape as HTML: with all steps drawn, and a slider where scripts run.

    Example:
        >>> x = np.linspace(-1, 1, 9)
        >>> page = landscape_html(Landscape("bowl", "Bowl", x, x, x**2 + x[:, None] ** 2))
        >>> page.count('class="band'), 'type="range"' in page
        (10, True)
    """
    shown = [_drawn(one, trail) for trail in one.trails]
    steps = frames([len(trail.places) for trail in one.trails])
    return render(
        "landscape.html",
        one=one,
        width=WIDTH,
        height=HEIGHT,
        bands=bands(one),
        trails=shown,
        x_ticks=_ticks(one.x),
        y_ticks=[{"at": f"{100 - float(tick['at']):.2f}", "text": tick["text"]} for tick in _ticks(one.y)],
        steps=steps,
        block=data_block({"frames": steps, "trails": [trail["numbers"] for trail in shown]}),
    )


def frames(lengths: Sequence[int], most: int = 90) -> list[int]:
    """Return the steps that an animation shows: each one at first, then ever fewer, and the last.

    Args:
        lengths: How many places each path has.
        most: About how many are shown.

    Example:
        >>> frames([4, 2]), frames([501])[-3:], len(frames([501])) <= 90
        ([0, 1, 2, 3], [476, 488, 500], True)
    """
    last = max([length - 1 for length in lengths], default=0)
    if last < most:
        return list(range(last + 1))
    slow = most // 4
    later = slow + (last - slow) * (np.linspace(0, 1, most - slow) ** 1.7)
    return sorted({*range(slow), *(round(float(step)) for step in later)})


def levels(heights: Array) -> Array:
    """Return the borders of the bands, from below the lowest height to above the highest.

    Example:
        >>> levels(np.arange(100.0).reshape(10, 10)).round(1)[:3].tolist()
        [0.0, 9.9, 19.8]
    """
    finite = heights[np.isfinite(heights)]
    if not finite.size:
        return np.array([0.0, 1.0])
    found = np.unique(np.quantile(finite, np.linspace(0, 1, BANDS + 1)))
    if len(found) < 2:
        return np.array([found[0], found[0] + 1.0])
    return found


def places_in(one: Landscape, points: Array) -> Array:
    """Return where points fall in the picture: 0 to 1 from the left, 0 to 1 from the top; cut far outside."""
    low, high = np.array([one.x[0], one.y[0]]), np.array([one.x[-1], one.y[-1]])
    places = (points - low) / (high - low)
    places[:, 1] = 1 - places[:, 1]
    return np.clip(places, -FAR, FAR)


def bands(one: Landscape) -> list[dict[str, Any]]:
    """Return the bands of height as SVG paths, the lowest first; `shade` is 0 for the lowest, 100 for the highest."""
    from contourpy import FillType, contour_generator

    borders = levels(one.heights)
    # The highest place belongs to the last band.
    ends = borders.copy()
    ends[-1] = np.nextafter(ends[-1], np.inf)
    across, down = np.linspace(0, WIDTH, len(one.x)), np.linspace(HEIGHT, 0, len(one.y))
    made = contour_generator(
        across, down, np.ma.masked_invalid(one.heights), fill_type=FillType.OuterOffset, name="serial"
    )
    found = []
    for number, (low, high) in enumerate(itertools.pairwise(ends.tolist())):
        points, offsets = made.filled(low, high)[:2]
        rings = [
            polygon[start:end]
            for polygon, starts in zip(points, offsets, strict=True)
            if polygon is not None and starts is not None
            for start, end in itertools.pairwise(starts.tolist())
        ]
        path = "".join(
            "M" + "L".join(f"{round(x)} {round(y)}" for x, y in _without_repeats(ring)) + "Z" for ring in rings
        )
        found.append({"path": path, "shade": round(100 * number / max(len(borders) - 2, 1))})
    return found


def _without_repeats(ring: Array) -> list[list[float]]:
    whole = np.round(ring)
    kept = np.append(True, (np.diff(whole, axis=0) != 0).any(axis=1))
    return ring[kept].tolist()


def _drawn(one: Landscape, trail: Trail) -> dict[str, Any]:
    color, dashes = series_style(trail.style)
    places = places_in(one, trail.places) * [WIDTH, HEIGHT]
    numbers = [round(number) for number in places.ravel().tolist()]
    return {
        "label": plain_text(trail.label, limit=60),
        "note": plain_text(trail.note, limit=80),
        "color": color,
        "dash": " ".join(str(length) for length in dashes),
        "numbers": numbers,
        "points": " ".join(f"{x},{y}" for x, y in zip(numbers[::2], numbers[1::2])),
        "end": numbers[-2:] if numbers else [0, 0],
    }


def _ticks(values: Array) -> list[dict[str, str]]:
    scale = Scale(float(values[0]), float(values[-1]))
    ticks = scale.ticks()
    places = scale.place(np.array(ticks))
    return [{"at": f"{100 * place:.2f}", "text": number_text(tick)} for tick, place in zip(ticks, places.tolist())]


def _legend(several: Sequence[Landscape], palette: Palette, entries: int) -> list[dict[str, Any]]:
    labels = {trail.label: trail for one in several for trail in one.trails}
    legend = []
    for number, trail in enumerate(labels.values()):
        color, dashes = series_style(trail.style)
        legend.append(
            {
                "x": 20 + number % entries * 390,
                "y": number // entries * 46,
                "label": plain_text(trail.label, limit=60),
                "color": palette.series[color],
                "dash": " ".join(str(3 * length) for length in dashes),
            }
        )
    return legend


def landscape_svg(several: Sequence[Landscape], *, theme: Theme = "light", columns: int = 3) -> str:
    """Return landscapes side by side as one SVG file.

    Args:
        several: At least one.
        theme: Whose colors.
        columns: At most so many in a row.

    Example:
        >>> x = np.linspace(-1, 1, 9)
        >>> landscape_svg([Landscape("bowl", "Bowl", x, x, x**2 + x[:, None] ** 2)])[:4]
        '<svg'
    """
    palette = PALETTES[theme]
    across = min(columns, len(several))
    entries = max(1, across * (WIDTH + 40) // 390)  # in a row
    legend = _legend(several, palette, entries)
    rows = -(-len(several) // across)
    tall = rows * (HEIGHT + 110)
    panels = [
        {
            "x": number % across * (WIDTH + 40) + 20,
            "y": number // across * (HEIGHT + 110) + 70,
            "title": plain_text(one.title, limit=60),
            "bands": bands(one),
            "trails": [
                {**_drawn(one, trail), "ink": palette.series[series_style(trail.style)[0]]} for trail in one.trails
            ],
        }
        for number, one in enumerate(several)
    ]
    return str(
        render(
            "landscape.svg",
            palette=palette,
            panels=panels,
            legend=legend,
            width=WIDTH,
            height=HEIGHT,
            whole_width=across * (WIDTH + 40),
            legend_top=tall + 50,
            whole_height=tall + 50 + -(-len(legend) // entries) * 46,
        )
    ).strip()
