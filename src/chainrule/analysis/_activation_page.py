"""The report of an activation for readers: lines of facts, a plot in the terminal, picture files, a page."""

from __future__ import annotations

import io
from typing import Any, Final, Literal

import numpy as np
from markupsafe import Markup

from chainrule.analysis._activation import ActivationReport, interval_text
from chainrule.analysis._activation_source import Activation
from chainrule.core.version import __version__
from chainrule.draw.chart import Chart, Line, Mark, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.palette import PALETTES, Theme, matplotlib_style
from chainrule.draw.wording import number_text, share_text
from chainrule.formulas._array import Array

SHOWN: Final = 5.0
"""Pictures show -5 to 5."""
TALL: Final = 6.0
"""And values up to this, unless the function stays higher."""


def fact_rows(report: ActivationReport, cost: dict[str, float] | None = None) -> list[tuple[str, str]]:
    """Return what the report says as pairs of question and answer."""
    zero = "nowhere"
    if report.zero_on:
        places = ", ".join(interval_text(low, high) for low, high in report.zero_on)
        zero = f"{places}: {share_text(report.zero_share)} of a standard normal input"
    sides = [f"on the {side}, at {number_text(value)}" for side, value in report.saturates.items()]
    spread = f"mean {_rounded(report.mean)}, deviation {_rounded(report.deviation)}"
    centered = f"{'yes' if report.zero_centered else 'no'}: {spread}"
    kinks = ", ".join(f"x = {x:g} (slope {before:g} to {after:g})" for x, before, after in report.kinks)
    low, high = report.slopes
    grows = "; grows without bound: explodes" if report.slope_grows else ""
    rows = [
        ("non-linear", "no" if report.linear else "yes"),
        ("zero gradient", zero),
        ("saturates", " and ".join(sides) or "no"),
        ("zero-centered", centered),
        ("kinks", kinks or "none"),
        ("monotone", report.monotone or "no"),
        ("gradient", f"{_rounded(low)} to {_rounded(high)} for -10 < x < 10{grows}"),
    ]
    if report.jumps:
        rows.insert(5, ("jumps", ", ".join(f"x = {x:g}" for x in report.jumps)))
    if not report.exact:
        rows.append(("derivative", "by centered differences: the function does not say its own"))
    if report.operations is not None or cost:
        known = [] if report.operations is None else [f"{report.operations} operation{'s' * (report.operations != 1)}"]
        known += [f"{phase} {times:.1f} x ReLU" for phase, times in (cost or {}).items()]
        rows.append(("cost", "; ".join(known)))
    return rows


def _rounded(value: float) -> str:
    return number_text(0.0 if abs(value) < 1e-6 else value, 3)


def verdict(report: ActivationReport) -> str:
    """Whether it serves, in a sentence."""
    word = "serves as an activation" if report.serves else "does not serve as an activation"
    return f"{report.name} {word}: {'; '.join(report.why)}."


def _sampled(function: Activation, count: int) -> tuple[Array, Array, Array, tuple[float, float]]:
    """x, values, derivatives and the range of y that is shown."""
    x = -SHOWN + 2 * SHOWN * (np.arange(count) + 0.5) / count
    with np.errstate(all="ignore"):
        value, slope = function.value(x), function.slope(x)
    both = np.concatenate([value, slope])
    both = both[np.isfinite(both)]
    low, high = (float(both.min()), float(both.max())) if both.size else (-1.0, 1.0)
    low, high = max(low, -TALL), min(high, TALL)
    if not high > low:
        low, high = min(low, high) - 1, max(low, high) + 1
    return x, value, slope, (low, high)


def _broken(y: Array, size: float) -> Array:
    """A line that is broken where it jumps from one point to the next."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(np.diff(y, append=y[-1])) > 0.08 * size, np.nan, y)


def plot_text(function: Activation, *, width: int = 61, height: int = 13) -> str:
    """Return a small plot for the terminal: the value as `*`, its derivative as a dot.

    Example:
        >>> from chainrule.analysis import find_activation
        >>> print(plot_text(find_activation("relu"), width=21, height=6).splitlines()[1].strip())
        3.8 |          |       *
    """
    _, value, slope, (low, high) = _sampled(function, width)
    grid = [[" "] * width for _ in range(height)]
    rows = [round((high - number) / (high - low) * (height - 1)) if np.isfinite(number) else -1 for number in value]
    dots = [round((high - number) / (high - low) * (height - 1)) if np.isfinite(number) else -1 for number in slope]
    zero = round(high / (high - low) * (height - 1)) if low <= 0 <= high else -1
    for column in range(width):
        if zero >= 0:
            grid[zero][column] = "-"
    for row in range(height):
        grid[row][width // 2] = "+" if row == zero else "|"
    for column in range(width):
        for mark, places in ((".", dots), ("*", rows)):
            if 0 <= places[column] < height:
                grid[places[column]][column] = mark
    lines = []
    for row in range(height):
        number = high - row * (high - low) / (height - 1)
        label = "0" if row == zero else f"{number:.2g}" if row % 2 == 1 or row == 0 else ""
        lines.append(f"{label:>6} |{''.join(grid[row])}".rstrip())
    return "\n".join(
        [*lines, f"{'':8}{-SHOWN:<{width // 2 - 1}g}0{SHOWN:>{width - width // 2}g}", f"{'':8}* value   . derivative"]
    )


def activation_picture(function: Activation, *, format: Literal["png", "svg"], theme: Theme = "light") -> bytes:
    """Return value and derivative as a picture file."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x, value, slope, (low, high) = _sampled(function, 2000)
    style: Any = matplotlib_style(theme)
    with rc_context(style):
        figure = Figure(figsize=(5.6, 3.6), dpi=200, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.axhline(0, color=PALETTES[theme].muted, linewidth=0.8)
        axes.axvline(0, color=PALETTES[theme].muted, linewidth=0.8)
        for label, y, dashes in (("value", value, "-"), ("derivative", slope, "--")):
            axes.plot(x, _broken(y, high - low), dashes, label=label)
        room = 0.06 * (high - low)
        axes.set_ylim(low - room, high + room)
        axes.set_title(function.name.replace("$", r"\$"))
        axes.legend()
        file = io.BytesIO()
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()


def activation_page(
    function: Activation, report: ActivationReport, *, command: str, cost: dict[str, float] | None = None
) -> str:
    """Return the page of a report."""
    x, value, slope, (low, high) = _sampled(function, 1000)
    room = 0.06 * (high - low)

    def shown(y: Array) -> Array:
        return np.where((y >= low - room) & (y <= high + room), _broken(y, high - low), np.nan)

    lines = [
        Line("value", Curve("value", "", x, shown(value))),
        Line("derivative", Curve("derivative", "", x, shown(slope)), 1, dashed=True),
    ]
    marks = [Mark(place, f"kink at {place:g}") for place, _, _ in report.kinks]
    drawn = chart_html(Chart("activation", "value and derivative", lines, x_label="x", marks=marks, log=False))
    body = render("charts.html", charts=[drawn], more=None, more_title="")
    facts = render("facts.html", pairs=fact_rows(report, cost))
    head = render(
        "head.html", kind="an activation", name=report.name, status="serves" if report.serves else "does not serve",
        tone="good" if report.serves else "bad", subtitle=[command], alarm="", cards=[],
    )  # fmt: skip
    lead = verdict(report)
    parts = [
        Part("curve", "Value and derivative", body, lead, ("C4",)),
        Part("facts", "What it is", facts, "Looked at from -10 to 10, and far beyond for its ends."),
    ]
    foot = render("foot.html", absent=[], lectures=[], version=__version__, made="the function alone")
    return page_html(f"{report.name} · chainrule", head, parts, foot=foot or Markup())
