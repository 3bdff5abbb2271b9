"""Landscapes as pixels: the steps of an animation as a GIF file, the last of them as a PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chainrule.draw.color import mix, rgb
from chainrule.draw.landscape import BANDS, HEIGHT, WIDTH, Array, Landscape, Trail, frames, levels, places_in
from chainrule.draw.palette import PALETTES, Palette, Theme, series_style
from chainrule.draw.wording import plain_text

FINE: Final = 2
"""Pictures are drawn so many times larger and scaled down: smooth lines."""
TITLE: Final = 26
LINE: Final = 20
GAP: Final = 12
ENTRY: Final = 165
"""Width of a name in the legend."""


def landscape_gif(
    several: Sequence[Landscape], *, theme: Theme = "light", columns: int = 3, panel: int = 270, wait: int = 110
) -> bytes:
    """Return the steps of all paths as an animated GIF, again and again.

    Args:
        several: Side by side, at least one.
        theme: Whose colors.
        columns: At most so many in a row.
        panel: Width of each in pixels.
        wait: Milliseconds a picture.

    Example:
        >>> x = np.linspace(-1, 1, 9)
        >>> trail = Trail("path", np.array([[1.0, 1.0], [0.0, 0.0]]))
        >>> landscape_gif([Landscape("bowl", "Bowl", x, x, x**2 + x[:, None] ** 2, [trail])])[:6]
        b'GIF89a'
    """
    film = _Film(several, theme, columns, panel)
    steps = frames([len(trail.places) for one in several for trail in one.trails], most=48)
    table = _color_table(PALETTES[theme])
    pictures = [film.picture(step).quantize(palette=table, dither=Image.Dither.NONE) for step in steps]
    file = io.BytesIO()
    waits = [wait] * (len(pictures) - 1) + [2500]
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=waits, loop=0, optimize=False, disposal=1
    )
    return file.getvalue()


def landscape_png(several: Sequence[Landscape], *, theme: Theme = "light", columns: int = 3, panel: int = 640) -> bytes:
    """Return all paths to their ends as a PNG file; arguments as those of `landscape_gif`.

    Example:
        >>> x = np.linspace(-1, 1, 9)
        >>> landscape_png([Landscape("bowl", "Bowl", x, x, x**2 + x[:, None] ** 2)])[:4]
        b'\\x89PNG'
    """
    film = _Film(several, theme, columns, panel)
    steps = frames([len(trail.places) for one in several for trail in one.trails])
    file = io.BytesIO()
    film.picture(steps[-1]).save(file, "PNG", optimize=True)
    return file.getvalue()


def _shades(palette: Palette, count: int) -> list[str]:
    """The colors of the bands, the lowest first."""
    return [mix(palette.surface, palette.muted, float(shade)) for shade in np.linspace(0.36, 0.0, max(count, 1))]


def _color_table(palette: Palette) -> Image.Image:
    """One palette for all pictures of a GIF, so that nothing flickers: bands, lines, text, and their soft edges."""
    shades = _shades(palette, BANDS)
    colors = [*shades, palette.surface]
    for color in (*palette.series, palette.ink, palette.muted):
        colors += [color, *(mix(shade, color, part) for shade in shades[::3] for part in (0.25, 0.5, 0.75))]
    numbers = [round(255 * value) for color in colors for value in rgb(color).tolist()]
    table = Image.new("P", (1, 1))
    table.putpalette(numbers + numbers[:3] * (256 - len(colors)))
    return table


class _Film:
    """What does not change from step to step, drawn once."""

    def __init__(self, several: Sequence[Landscape], theme: Theme, columns: int, panel: int) -> None:
        self.several, self.palette = several, PALETTES[theme]
        self.width, self.height = panel, round(panel * HEIGHT / WIDTH)
        self.scale = max(0.9, panel / 300)  # of text and lines
        self.columns = min(columns, len(several))
        rows = -(-len(several) // self.columns)
        labels = {trail.label: trail for one in several for trail in one.trails}
        self.whole = self.columns * (self.width + self._px(GAP)) + self._px(GAP)
        self.step_y = self.height + self._px(TITLE + GAP)
        self.entries = max(1, self.whole // self._px(ENTRY))
        self.tall = rows * self.step_y + self._px(LINE) * -(-len(labels) // self.entries) + self._px(2 * GAP + LINE)
        self.back = self._background(labels, rows)
        self.places = [[_points(one, trail) for trail in one.trails] for one in several]

    def _px(self, size: float) -> int:
        return round(size * self.scale)

    def _corner(self, number: int) -> tuple[int, int]:
        left = self._px(GAP) + number % self.columns * (self.width + self._px(GAP))
        return left, self._px(TITLE) + number // self.columns * self.step_y

    def _font(self, size: float) -> Any:
        return ImageFont.load_default(size=size * self.scale)

    def _background(self, labels: dict[str, Trail], rows: int) -> Image.Image:
        picture = Image.new("RGB", (self.whole, self.tall), self.palette.surface)
        draw = ImageDraw.Draw(picture)
        for number, one in enumerate(self.several):
            left, top = self._corner(number)
            picture.paste(_relief(one, self.palette, (self.width, self.height)), (left, top))
            title = plain_text(one.title, limit=48)
            draw.text((left, top - self._px(20)), title, fill=self.palette.ink, font=self._font(13))
        for number, trail in enumerate(labels.values()):
            color, _ = series_style(trail.style)
            x = self._px(GAP) + number % self.entries * self._px(ENTRY)
            y = rows * self.step_y + self._px(GAP + 8) + number // self.entries * self._px(LINE)
            _dashed(draw, np.array([[x, y], [x + self._px(24), y]], dtype=float), self.palette.series[color],
                    _dashes(trail, self.scale), self._px(2.4))  # fmt: skip
            place = (x + self._px(30), y - self._px(8))
            draw.text(place, plain_text(trail.label, limit=24), fill=self.palette.ink, font=self._font(12))
        return picture

    def picture(self, step: int) -> Image.Image:
        """All paths up to a step."""
        whole = self.back.copy()
        for number, one in enumerate(self.several):
            left, top = self._corner(number)
            box = (left, top, left + self.width, top + self.height)
            size = (FINE * self.width, FINE * self.height)
            fine = self.back.crop(box).resize(size, Image.Resampling.NEAREST)
            draw = ImageDraw.Draw(fine)
            for trail, places in zip(one.trails, self.places[number], strict=True):
                color = self.palette.series[series_style(trail.style)[0]]
                seen = places[: step + 1] * size
                _dashed(draw, seen, color, _dashes(trail, FINE * self.scale), round(FINE * 1.7 * self.scale))
                x, y = seen[-1].tolist()
                r = 3.2 * FINE * self.scale
                draw.ellipse((x - r, y - r, x + r, y + r), fill=color, outline=self.palette.surface)
            whole.paste(fine.resize((self.width, self.height), Image.Resampling.LANCZOS), box[:2])
        draw = ImageDraw.Draw(whole)
        place = (self._px(GAP), self.tall - self._px(LINE))
        draw.text(place, f"step {step}", fill=self.palette.muted, font=self._font(12))
        return whole


def _points(one: Landscape, trail: Trail) -> Array:
    """Places in the picture, 0 to 1."""
    return places_in(one, trail.places)


def _relief(one: Landscape, palette: Palette, size: tuple[int, int]) -> Image.Image:
    """The bands of height as pixels; the lowest is the darkest."""
    borders = levels(one.heights)
    top = float(borders[-1])
    filled = np.nan_to_num(one.heights, nan=top, posinf=top, neginf=float(borders[0]))
    # Between the levels by rank: a linear enlargement of huge heights would shift the borders.
    ranks = np.interp(filled, borders, np.arange(len(borders)))
    smooth = Image.fromarray(ranks[::-1].astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    steps = np.clip(np.asarray(smooth), 0, len(borders) - 1.001).astype(int)
    colors = np.stack([rgb(shade) for shade in _shades(palette, len(borders) - 1)])
    return Image.fromarray((255 * colors[np.minimum(steps, BANDS)] + 0.5).astype(np.uint8))


def _dashes(trail: Trail, scale: float) -> list[float]:
    return [length * scale for length in series_style(trail.style)[1]]


def _dashed(draw: ImageDraw.ImageDraw, points: Array, color: str, dashes: list[float], width: int) -> None:
    """A line through points, in dashes of these lengths; whole without any."""
    width = max(width, 1)
    if len(points) < 2:
        return
    if not dashes:
        draw.line([tuple(point) for point in points.tolist()], fill=color, width=width, joint="curve")
        return
    lengths = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1)))
    end, at, number = float(lengths[-1]), 0.0, 0
    while at < end and number < 4000:
        following = at + dashes[number % len(dashes)]
        if number % 2 == 0:
            inner = lengths[(lengths > at) & (lengths < following)]
            places = np.concatenate([[at], inner, [min(following, end)]])
            piece = np.stack([np.interp(places, lengths, points[:, axis]) for axis in (0, 1)], axis=1)
            draw.line([tuple(point) for point in piece.tolist()], fill=color, width=width)
        at, number = following, number + 1
