"""Numbers as colored cells, one row for each unit or query, one column for each token of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from chainrule.core.errors import UsageError
from chainrule.draw.color import mix, rgb
from chainrule.draw.page import data_block, render
from chainrule.draw.palette import PALETTES, Theme
from chainrule.draw.picture import png_uri
from chainrule.draw.wording import number_text, plain_text

Array = NDArray[np.float64]
EXTRAS: Final = ("heat",)
"""What a `Part` with maps in it needs of a page."""
STEPS: Final = 64
"""Colors from nothing to the most."""
WIDE: Final = 58.0
"""About how many rem a map may take before it is scrolled."""
MARKS: Final = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"}


@dataclass(frozen=True)
class HeatMap:
    """What a map shows.

    Args:
        title: Its heading.
        values: (R, C).
        columns: What stands under each column, a token.
        rows: What each row is.
        limit: The value of the full color.
        signed: Whether values go from -limit (blue) over 0 to limit (orange), instead of from 0 to limit (blue).
        named: Whether the rows' names stand beside them, and cells are squares.
        note: What stands below.
    """

    title: str
    values: Array
    columns: Sequence[str]
    rows: Sequence[str]
    limit: float = 1.0
    signed: bool = False
    named: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.rows), len(self.columns)) or not self.values.size:
            what = f'the numbers of the map "{self.title}" do not fit'
            raise UsageError(what, expected=(len(self.rows), len(self.columns)), got=self.values.shape)


def token_mark(token: str, limit: int = 16) -> str:
    r"""Return a token as a mark that is seen: blanks and line ends have one as well.

    Example:
        >>> token_mark("a"), token_mark(" "), token_mark("\n"), token_mark("to be")
        ('a', '␣', '↵', 'to be')
    """
    if not token:
        return "∅"
    marked = "".join(MARKS.get(letter, letter) for letter in token) if not token.strip() else token
    return plain_text(marked, limit=limit)


def heat_colors(values: Array, *, limit: float, signed: bool, theme: Theme = "light") -> Array:
    """Return the colors of numbers: (R, C) -> (3, R, C), 0..1; what is not finite has the color of failures.

    Example:
        >>> heat_colors(np.array([[0.0, 1.0]]), limit=1.0, signed=False)[:, 0, 0].tolist()
        [1.0, 1.0, 1.0]
    """
    palette = PALETTES[theme]
    ends = (palette.series[0], palette.series[1])
    ramps = np.stack([[rgb(mix(palette.surface, end, step / STEPS)) for step in range(STEPS + 1)] for end in ends])
    with np.errstate(invalid="ignore"):
        scaled = np.clip(np.nan_to_num(values / (limit or 1.0), nan=0.0, posinf=0.0, neginf=0.0), -1, 1)
    side = (scaled > 0).astype(int) if signed else np.zeros(values.shape, dtype=int)
    strength = np.abs(scaled) if signed else np.maximum(scaled, 0)
    colors = ramps[side, np.round(strength * STEPS).astype(int)]  # (R, C, 3)
    colors[~np.isfinite(values)] = rgb(palette.bad)
    return np.asarray(colors.transpose(2, 0, 1))


def heat_html(one: HeatMap, *, share: float = 1.0) -> Markup:
    """Return a map as HTML; the part of the page that holds it has `EXTRAS`.

    Args:
        one: The map.
        share: How much of the page's width it may take, where several stand beside each other.

    Example:
        >>> page = heat_html(HeatMap("f", np.array([[0.5, 1.0]]), ["a", " "], ["unit 3"]))
        >>> page.count("data:image/png"), "␣" in page
        (2, True)
    """
    marks = [token_mark(token) for token in one.columns]
    words = max(len(mark) for mark in marks) > 2
    room = share * WIDE - (4.0 if one.named else 0.0)
    cell = min(max(room / len(marks), 0.62 if share == 1.0 else 0.2), 1.5 if one.named else 1.3)
    low = -one.limit if one.signed else 0.0
    return render(
        "heat.html",
        title=plain_text(one.title, limit=160),
        note=plain_text(one.note, limit=600),
        columns=marks,
        rows=[plain_text(row if not one.named else token_mark(row), limit=40) for row in one.rows],
        named=one.named,
        words=words,
        labeled=cell >= 0.55,
        signed=one.signed,
        low=number_text(low, digits=3),
        high=number_text(one.limit, digits=3),
        width=f"{cell * len(marks):.2f}",
        cell=f"{cell:.3f}",
        height=f"{(cell if one.named else min(0.5, max(0.25, 16 / len(one.rows)))) * len(one.rows):.2f}",
        pictures=[
            {
                "theme": theme,
                "uri": png_uri(heat_colors(one.values, limit=one.limit, signed=one.signed, theme=theme)),
            }
            for theme in PALETTES
        ],
        block=data_block(_script_data(one, marks)),
    )


def _script_data(one: HeatMap, marks: Sequence[str]) -> dict[str, Any]:
    """Values in thousandths of the limit, row by row."""
    scaled = np.clip(np.nan_to_num(one.values / (one.limit or 1.0), posinf=0, neginf=0), -9, 9)
    return {
        "values": np.round(1000 * scaled).astype(int).ravel().tolist(),
        "limit": float(f"{one.limit:.4g}"),
        "rows": [plain_text(row if not one.named else token_mark(row), limit=40) for row in one.rows],
        "columns": list(marks),
    }
