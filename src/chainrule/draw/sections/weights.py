"""What the first layer learned, and where a classifier of the plane draws its borders."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from chainrule.core.errors import DataError
from chainrule.draw.confusion import class_names
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.palette import PALETTES
from chainrule.draw.picture import is_picture, png_uri, region_picture, region_places
from chainrule.draw.scale import Scale
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.evaluation import is_small
from chainrule.draw.wording import listing, number_text, plain_text, real, whole

MOST_PICTURES: Final = 256
MOST_POINTS: Final = 4000
COLORS: Final = len(PALETTES["light"].series)


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
    """Return the decision regions of a classifier of the plane; None for data that are not of the plane."""
    if not facts.regions:
        return absent(facts, "regions", "Decision regions") if "regions" in facts.problems else None
    across, up = (_reach(facts.regions.get(name)) for name in ("x", "y"))
    grid = listing(facts.regions.get("grid"))
    points = [_point(point) for point in listing(facts.regions.get("points"))]
    shown = [point for point in points[:: max(1, -(-len(points) // MOST_POINTS))] if point is not None]
    labels = sorted({label for *_, label in shown} | {label for row in grid for label in row if isinstance(label, int)})
    names = class_names(listing(facts.regions.get("classes")), min(max(labels, default=0), 10**4) + 1)
    body = render(
        "regions.html",
        picture=png_uri(region_picture(grid), scale=max(1, 200 // max(len(grid), 1))),
        groups=[
            {
                "name": names[label] if 0 <= label < len(names) else str(label),
                "color": label % COLORS,
                "count": f"{sum(point[2] == label for point in shown):,}",
                "d": _dots([point for point in shown if point[2] == label], across, up),
            }
            for label in labels[:60]
        ],
        places=[
            {"name": names[label], "at": f"{100 * x:.1f}", "down": f"{100 * y:.1f}"}
            for label, x, y in region_places(grid)
            if 0 <= label < len(names)
        ],
        x_ticks=_ticks(across, flip=False),
        y_ticks=_ticks(up, flip=True),
        summary=f"The plane of the two features, colored by the predicted class, with {len(shown):,} examples",
        note=f"{len(shown):,} of {len(points):,} examples are drawn." if len(shown) < len(points) else "",
    )
    lead = (
        "The color of a place is the class that is predicted there; the dots are examples, in the color of their class."
    )
    if len(labels) > COLORS:
        lead += f" With more than {COLORS} classes the colors repeat: the name stands in the region."
    return Part("regions", "Decision regions", body, lead, ("A2", "A3"))


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
