"""The one style of every picture and page: colors for light and dark that color-blind people can tell apart.

Six line colors; beyond six a line is told apart by its dashes as well (`series_style`). The first two, blue and orange,
stand for training and validation wherever both are drawn. In ramps, blue is right and orange is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from chainrule.draw.color import contrast, mix

Theme = Literal["light", "dark"]
LEVELS: Final = 8
"""Steps of a ramp, the empty step 0 not counted."""

# As numbers of the SVG attribute stroke-dasharray, in pixels.
DASHES: Final[tuple[tuple[int, ...], ...]] = ((), (6, 3), (2, 3), (9, 3, 2, 3))


@dataclass(frozen=True)
class Palette:
    """The colors of one theme, each `#rrggbb`.

    Args:
        page: Behind everything.
        surface: Behind text and charts.
        sunken: Behind code, table heads and bars.
        line: Hairlines and grids.
        ink: Text.
        muted: Text of second rank (contrast at least 4.5 on all three backgrounds).
        good: A result that is as it should be.
        bad: A failure.
        series: Lines of charts and classes of pictures.
    """

    page: str
    surface: str
    sunken: str
    line: str
    ink: str
    muted: str
    good: str
    bad: str
    series: tuple[str, ...]


PALETTES: Final[dict[Theme, Palette]] = {
    "light": Palette(
        page="#fafaf8",
        surface="#ffffff",
        sunken="#f3f3f0",
        line="#e2e2dd",
        ink="#1a1c20",
        muted="#5a5f69",
        good="#0b7054",
        bad="#b3261e",
        series=("#1d5fbf", "#bf5008", "#1da596", "#8c2469", "#402a04", "#b179fb"),
    ),
    "dark": Palette(
        page="#0f1115",
        surface="#15181d",
        sunken="#1d2128",
        line="#2c313a",
        ink="#e8eaee",
        muted="#a2a9b5",
        good="#58c9a3",
        bad="#ff8a80",
        series=("#6ea8fe", "#f29645", "#7cebe2", "#c0566a", "#f4e768", "#7567dc"),
    ),
}


def series_style(number: int) -> tuple[int, tuple[int, ...]]:
    """Return the color number and the dashes of the n-th line of a chart: 24 lines that differ.

    Example:
        >>> series_style(1), series_style(7)
        ((1, ()), (1, (6, 3)))
    """
    colors = len(PALETTES["light"].series)
    return number % colors, DASHES[number // colors % len(DASHES)]


def ramp(theme: Theme, series: int) -> list[str]:
    """Return the colors of steps 0 (the surface) to `LEVELS` (the full color of a series).

    Example:
        >>> steps = ramp("light", 0)
        >>> len(steps), steps[0], steps[-1]
        (9, '#ffffff', '#1d5fbf')
    """
    palette = PALETTES[theme]
    # The first step is a clear one: a single wrong example must be seen.
    first = 0.2 if theme == "light" else 0.3
    return [palette.surface] + [
        mix(palette.surface, palette.series[series], first + (1 - first) * step / (LEVELS - 1))
        for step in range(LEVELS)
    ]


def readable_on(color: str) -> str:
    """Return the text color, black or white, that is read better on a color: its contrast is always above 4.5.

    Example:
        >>> readable_on("#1d5fbf"), readable_on("#eeeeee")
        ('#ffffff', '#000000')
    """
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, color))


def css_variables(theme: Theme) -> str:
    """Return the palette as CSS declarations, for between the braces of a rule.

    Example:
        >>> "--ink:#1a1c20;" in css_variables("light")
        True
    """
    palette = PALETTES[theme]
    names = ("page", "surface", "sunken", "line", "ink", "muted", "good", "bad")
    pairs = [(name, getattr(palette, name)) for name in names]
    pairs += [(f"s{number}", color) for number, color in enumerate(palette.series)]
    for word, series in (("right", 0), ("wrong", 1)):
        for step, color in enumerate(ramp(theme, series)):
            pairs += [(f"{word}-{step}", color), (f"on-{word}-{step}", readable_on(color))]
    return f"color-scheme:{theme};" + "".join(f"--{name}:{value};" for name, value in pairs)


def matplotlib_style(theme: Theme = "light") -> dict[str, Any]:
    """Return the settings (`rcParams`) that make a Matplotlib picture look like the pages.

    Example:
        >>> matplotlib_style("dark")["figure.facecolor"]
        '#15181d'
    """
    palette = PALETTES[theme]
    # A list of colors as text: no import of Matplotlib or cycler is needed to make the style.
    cycle = ", ".join(f"'{color}'" for color in palette.series)
    return {
        "figure.facecolor": palette.surface,
        "savefig.facecolor": palette.surface,
        "axes.facecolor": palette.surface,
        "axes.edgecolor": palette.line,
        "axes.labelcolor": palette.muted,
        "axes.titlecolor": palette.ink,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titlesize": 11,
        "axes.titlepad": 10,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.prop_cycle": f"cycler('color', [{cycle}])",
        "grid.color": palette.line,
        "grid.linewidth": 0.8,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "ytick.left": False,
        "text.color": palette.ink,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "chainrule",  # equal curves give equal files
    }
