"""What one unit sees of the input, drawn over a picture."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from math import isfinite

from PIL import Image, ImageDraw

from chainrule.analysis.design.network import NetworkDesign
from chainrule.analysis.design.sight import Sight
from chainrule.core.errors import UsageError, unknown
from chainrule.draw.palette import PALETTES

SIDE = 640
"""Pixels of the longer side of the picture."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; the last column and row included."""


@dataclass(frozen=True)
class UnitField:
    """What a unit of a layer's output sees: over all paths, and over the path that sees least.

    Args:
        name: Of the layer.
        unit: Row and column.
        size: Rows and columns of the input.
        wide: The smallest box that holds all paths; None if it sees nothing.
        narrow: The box of the path that sees least.
    """

    name: str
    unit: tuple[int, int]
    size: tuple[int, int]
    wide: Box | None
    narrow: Box | None

    @property
    def text(self) -> str:
        """In one line."""
        if self.wide is None:
            return f"{self.name} at {self.unit[0]},{self.unit[1]} sees nothing but padding"
        words = f"rows {self.wide[1]} to {self.wide[3]}, columns {self.wide[0]} to {self.wide[2]}"
        least = ""
        if self.narrow is not None and self.narrow != self.wide:
            least = (
                f"; rows {self.narrow[1]} to {self.narrow[3]}, columns {self.narrow[0]} to {self.narrow[2]} at least"
            )
        return f"{self.name} at {self.unit[0]},{self.unit[1]} sees {words}{least}, of {self.size[0]}x{self.size[1]}"


def unit_field(found: NetworkDesign, text: str) -> UnitField:
    """What a unit sees: `LAYER`, its middle unit, or `LAYER@ROW,COLUMN`.

    Raises:
        UsageError: There is no such layer or unit, or its input is no image.
    """
    name, at, place = text.partition("@")
    rows = [row for row in found.rows if name in (row.path, row.name) and row.views]
    if not rows:
        names = [row.name for row in found.rows if row.views]
        raise UsageError(f'no layer "{name}" sees the input', remedy=unknown("layer", name, names))
    row, sights = rows[0], found.sights
    if sights is None or len(sights.axes) != 2 or row.output is None:
        raise UsageError(f"{found.name} takes no images", remedy="fields are drawn over images: --input 1x3x224x224")
    sizes = tuple(row.output[-2:]) if len(row.output) == 4 else (1, 1)
    unit = (sizes[0] // 2, sizes[1] // 2)
    if at:
        try:
            unit = tuple(int(word) for word in place.split(","))  # type: ignore[assignment]
        except ValueError:
            unit = ()  # type: ignore[assignment]
        if len(unit) != 2 or not all(0 <= u < s for u, s in zip(unit, sizes)):
            raise UsageError(f'"{place}" is no unit of {row.name}', expected=f"ROW,COLUMN below {sizes[0]},{sizes[1]}")
    value = _value(found, row.operation, row.output)
    boxes = [_box([one[value] for one in side], row.output, unit) for side in (sights.wide, sights.narrow)]
    return UnitField(row.name, unit, (sights.sizes[0], sights.sizes[1]), boxes[0], boxes[1])


def _value(found: NetworkDesign, operation: int | None, shape: tuple[int, ...]) -> int:
    if operation is None:
        return found.sights.value.index if found.sights else 0
    made = found.tape.operations[operation]
    values = (*made.results, *made.changed)
    return next((i for i in values if found.tape.values[i].shape == shape), values[0])


def _box(sights: list[Sight], shape: tuple[int, ...], unit: tuple[int, int]) -> Box | None:
    ends = []
    place = (0, slice(None), *unit) if len(shape) == 4 else (0,)
    for sight in sights:
        low, high = (side[place] for side in sight.full(shape))
        ends.append((float(low.min()), float(high.max())))
    if not all(isfinite(end) for pair in ends for end in pair):
        return None
    (top, bottom), (left, right) = ends
    return int(left), int(top), int(right), int(bottom)


def field_png(picture: Image.Image, field: UnitField) -> bytes:
    """The picture, stretched to the input's shape, with the boxes drawn over it."""
    image, scale = _scaled(picture, field)
    draw, palette = ImageDraw.Draw(image), PALETTES["light"]
    for box, color in ((field.wide, palette.series[1]), (field.narrow, palette.series[0])):
        if box is not None:
            corners = [box[0] * scale, box[1] * scale, (box[2] + 1) * scale - 1, (box[3] + 1) * scale - 1]
            draw.rectangle(corners, outline=color, width=3)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def field_svg(picture: Image.Image, field: UnitField) -> str:
    """The same as SVG, with what it shows in words."""
    image, scale = _scaled(picture, field)
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    width, height = image.size
    palette = PALETTES["light"]
    parts = [f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>']
    for box, color, dash in ((field.wide, palette.series[1], ""), (field.narrow, palette.series[0], "6 4")):
        if box is not None:
            parts.append(
                f'<rect x="{box[0] * scale:.1f}" y="{box[1] * scale:.1f}" width="{(box[2] - box[0] + 1) * scale:.1f}" '
                f'height="{(box[3] - box[1] + 1) * scale:.1f}" fill="none" stroke="{color}" stroke-width="3" '
                f'stroke-dasharray="{dash}"/>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img"><title>{escape(field.text)}</title>' + "".join(parts) + "</svg>"
    )


def _scaled(picture: Image.Image, field: UnitField) -> tuple[Image.Image, float]:
    scale = SIDE / max(field.size)
    size = (max(1, round(field.size[1] * scale)), max(1, round(field.size[0] * scale)))
    return picture.convert("RGB").resize(size), scale
