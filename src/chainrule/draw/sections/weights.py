"""What the first layer learned, and where a classifier of the plane draws its borders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.core.errors import DataError
from chainrule.draw.confusion import class_names
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.palette import PALETTES, Theme
from chainrule.draw.picture import is_picture, png_uri, region_picture, region_places
from chainrule.draw.scale import Scale
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.evaluation import is_small
from chainrule.draw.wording import listing, mapping, number_text, plain_text, real, share_text, whole

MOST_PICTURES: Final = 256
MOST_POINTS: Final = 4000
MOST_PANELS: Final = 12
COLORS: Final = len(PALETTES["light"].series)
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
ARROW: Final = 0.045
"""Length of an arrow, as a share of the picture's side."""
ALONG: Final = 0.13
"""Where it stands on its line: far out, where fewer lines cross."""


def weights_part(facts: Facts) -> Part | Absent:
    """Return the first layer's filters, or a linear classifier's templates, as pictures."""
    given = listing(facts.weights.get("pictures"))
    labels = [plain_text(label, limit=80) for label in listing(facts.weights.get("labels"))]
    layer = plain_text(facts.weights.get("layer"), limit=80)
    layer = f"layer {layer}" if layer else "the first layer"
    templates = facts.weights.get("kind") == "templates"
    pictures = []
    for number, picture in enumerate(given[:MOST_PICTURES]):
        if is_picture(picture):
            label = labels[number] if number < len(labels) else ""
            alt = f"template of {label or number}" if templates else f"filter {label or number} of {layer}"
            pictures.append({"picture": picture, "label": label, "alt": alt, "pixelated": is_small(picture)})
    if not pictures:
        return absent(facts, "weights", "First-layer weights")
    note = f"{len(pictures):,} of {len(given):,} are shown." if len(given) > len(pictures) else ""
    size = "large" if templates and len(pictures) <= 24 else "small" if len(pictures) > 64 else "medium"
    body = render("pictures.html", pictures=pictures, size=size, note=note)
    if templates:
        lead = (
            f"The weights of {layer}: one template per class. Orange pixels speak for the class, blue ones against it."
        )
        return Part("weights", "Templates", body, lead, ("A3",))
    lead = f"The filters of {layer}. Smooth ones have learned; noise that stays noise has not."
    return Part("weights", "First-layer filters", body, lead, ("F1",))


def regions_part(facts: Facts) -> Part | Absent | None:
    """Return the decision regions and hyperplanes of classifiers of the plane; None for data that are not of the plane.

    Of runs of earlier versions, whose facts have one grid and no panels, that one.
    """
    if not facts.regions:
        return absent(facts, "regions", "Decision regions") if "regions" in facts.problems else None
    across, up = (_reach(facts.regions.get(name)) for name in ("x", "y"))
    given = [mapping(panel) for panel in listing(facts.regions.get("panels"))[:MOST_PANELS]] or [facts.regions]
    points = [_point(point) for point in listing(facts.regions.get("points"))]
    shown = [point for point in points[:: max(1, -(-len(points) // MOST_POINTS))] if point is not None]
    grids = [listing(panel.get("grid")) for panel in given]
    lines = [listing(panel.get("lines")) for panel in given]
    labels = sorted(
        {label for *_, label in shown}
        | {label for grid in grids for row in grid for label in row if isinstance(label, int)}
        | {label for panel in lines for label in range(len(panel))}
    )
    names = class_names(listing(facts.regions.get("classes")), min(max(labels, default=0), 10**4) + 1)
    groups = [
        _group(label, names, [point for point in shown if point[2] == label], across, up) for label in labels[:60]
    ]
    body = render(
        "regions.html",
        panels=[
            _panel(panel, grid, names, _lines(planes, names, across, up))
            for panel, grid, planes in zip(given, grids, lines, strict=True)
        ],
        groups=groups,
        x_ticks=_ticks(across, flip=False),
        y_ticks=_ticks(up, flip=True),
        axes=[plain_text(axis, limit=60) for axis in listing(facts.regions.get("axes"))[:2]],
        many=len(shown) > 500,
        shown=f"{len(shown):,}",
        caption=plain_text(facts.regions.get("caption"), limit=600),
        note=f"{len(shown):,} of {len(points):,} examples are drawn." if len(shown) < len(points) else "",
    )
    return Part("regions", "Decision regions", body, _regions_lead(any(lines), len(labels)), ("A2", "A3"))


def _regions_lead(lines: bool, classes: int) -> str:
    lead = (
        "The color of a place is the class that is predicted there; the dots are examples, in the color of their class."
    )
    if lines:
        lead += (
            " A line is where the score of the class of its color is 0; its arrow points to where the score is above 0."
        )
    if classes > COLORS:
        lead += " Striped regions, rings and dashes are classes of their own."
    if classes > 2 * COLORS:
        lead += f" With more than {2 * COLORS} classes colors repeat: the name stands in the region."
    return lead


def _group(
    label: int, names: list[str], points: list[tuple[float, float, int]], across: Scale, up: Scale
) -> dict[str, Any]:
    """One class: its name, its look, and its examples."""
    return {
        "name": names[label] if 0 <= label < len(names) else str(label),
        "color": label % COLORS,
        "ring": label // COLORS % 2 == 1,
        "count": f"{len(points):,}",
        "d": _dots(points, across, up),
    }


def _panel(panel: Mapping[str, Any], grid: list[Any], names: list[str], lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What stands in one panel."""
    right = real(panel.get("right"))
    return {
        "title": plain_text(panel.get("title"), limit=80),
        "right": "" if right is None else f"{share_text(right)} of these examples right",
        "pictures": [
            {"theme": theme, "picture": png_uri(region_picture(grid, theme=theme), scale=max(1, 480 // len(grid)))}
            for theme in (THEMES if grid else ())
        ],
        "places": [
            {"name": names[label], "at": f"{100 * x:.1f}", "down": f"{100 * y:.1f}"}
            for label, x, y in (region_places(grid) if grid else [])
            if 0 <= label < len(names)
        ],
        "lines": lines,
    }


def _lines(planes: list[Any], names: list[str], across: Scale, up: Scale) -> list[dict[str, Any]]:
    """Lines a x + b y + c = 0 as far as they cross the picture, each with an arrow to where it is above 0."""
    found = []
    for number, plane in enumerate(planes[:60]):
        a, b, c = (real(value) for value in (listing(plane) + [None] * 3)[:3])
        if a is None or b is None or c is None:
            continue
        way = _in_the_picture(a, b, c, across, up)
        ends = _ends(*way)
        if ends is None:
            continue
        (x0, y0), (x1, y1) = ends
        foot = (x1 + ALONG * (x0 - x1), y1 + ALONG * (y0 - y1))
        step = ARROW / math.hypot(way[0], way[1])
        tip = (foot[0] + step * way[0], foot[1] + step * way[1])
        found.append(
            {
                "name": names[number] if number < len(names) else str(number),
                "at": f"{100 * (2 * tip[0] - foot[0]):.1f}",
                "down": f"{100 * (1 - 2 * tip[1] + foot[1]):.1f}",
                "color": number % COLORS,
                "dashed": number // COLORS % 2 == 1,
                "d": _path((x0, y0), (x1, y1)),
                "arrow": _path(foot, tip) + _head(foot, tip),
            }
        )
    return found


def _in_the_picture(a: float, b: float, c: float, across: Scale, up: Scale) -> tuple[float, float, float]:
    """The same line in places of the picture, 0 to 1 from the left and from the bottom."""
    size = max(abs(a), abs(b)) or 1.0  # or products of extreme numbers would be none
    a, b, c = a / size, b / size, c / size
    width, height = across.high - across.low, up.high - up.low
    return a * width, b * height, c + a * across.low + b * up.low


def _ends(a: float, b: float, c: float) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Where a line enters and leaves the square from 0 to 1; None if it passes by or is no line."""
    if not all(map(math.isfinite, (a, b, c))) or a == b == 0:
        return None
    found = []
    for side in (0.0, 1.0):
        if b != 0 and 0 <= (y := -(c + a * side) / b) <= 1:
            found.append((side, y))
        if a != 0 and 0 <= (x := -(c + b * side) / a) <= 1:
            found.append((x, side))
    if len(found) < 2:
        return None
    first = found[0]
    last = max(found, key=lambda point: math.dist(point, first))
    return (first, last) if math.dist(first, last) > 0 else None


def _path(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f"M{1000 * start[0]:.1f} {1000 * (1 - start[1]):.1f}L{1000 * end[0]:.1f} {1000 * (1 - end[1]):.1f}"


def _head(start: tuple[float, float], tip: tuple[float, float]) -> str:
    """The two strokes of an arrow's head."""
    back = ((start[0] - tip[0]) * 0.35, (start[1] - tip[1]) * 0.35)
    return "".join(
        _path(tip, (tip[0] + back[0] - side * back[1], tip[1] + back[1] + side * back[0])) for side in (0.7, -0.7)
    )


def _reach(values: Any) -> Scale:
    found = [number for value in listing(values) if (number := real(value)) is not None and math.isfinite(number)]
    if len(found) < 2 or max(found) <= min(found):
        raise DataError("facts/regions.json has no axis", expected="at least two places on x and on y")
    return Scale(min(found), max(found))


def _point(point: Any) -> tuple[float, float, int] | None:
    if not isinstance(point, list) or len(point) < 3:
        return None
    x, y, label = real(point[0]), real(point[1]), whole(point[2])
    if x is None or y is None or label is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    return x, y, label


def _dots(points: list[tuple[float, float, int]], across: Scale, up: Scale) -> str:
    places = (
        (1000 * across.place(np.array([x, y]))[0], 1000 * (1 - up.place(np.array([x, y]))[1])) for x, y, _ in points
    )
    return "".join(f"M{a:.1f} {d:.1f}h0" for a, d in places if 0 <= a <= 1000 and 0 <= d <= 1000)


def _ticks(scale: Scale, *, flip: bool) -> list[dict[str, str]]:
    ticks = scale.ticks()
    places = scale.place(np.array(ticks))
    return [
        {"at": f"{100 * (1 - place if flip else place):.2f}", "text": number_text(tick)}
        for tick, place in zip(ticks, places.tolist(), strict=True)
    ]
