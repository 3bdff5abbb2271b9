"""The curves of a run, and what happened on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup

from chainrule.draw.chart import Chart, Line, Mark, chart_html
from chainrule.draw.curve import Curve, curves
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.layers import clipped_curve
from chainrule.draw.sections.lectures import ITEMS
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import mapping, number_text, plain_text, real, whole

TITLES: Final = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "bits": "Bits per character",
    "exact": "Exact matches",
    "nats": "Negative log-likelihood",
    "rate": "Learning rate",
    "norm": "Gradient norm",
    "penalty": "Penalty",
    "top5": "Top-5 accuracy",
}
SHARES: Final = frozenset({"accuracy", "exact", "top5", "error", "precision", "recall", "f1", "iou"})
MOST_CHARTS: Final = 24
_STYLES: Final = {"train": 0, "": 0, "valid": 1, "test": 2}
_ITEMS: Final = {"loss": ("A6", "B12"), "rate": ("B9",), "norm": ("B10",)}


def ordered(found: dict[str, list[Curve]], *, first: tuple[str, ...] = ("loss", "accuracy", "top5")) -> list[str]:
    """Return names of curves in the order in which people look at them: loss, accuracy, others, rate, norm.

    Args:
        found: Curves by name.
        first: Names that come before all others.

    Example:
        >>> ordered({"rate": [], "loss": [], "mine": []})
        ['loss', 'mine', 'rate']
    """
    last = ("rate", "norm")
    middle = [name for name in found if name not in first + last]
    return [name for name in (*first, *middle, *last) if name in found]


def is_share(name: str, lines: Sequence[Curve]) -> bool:
    """Return whether a quantity is a share: named like one, and never outside 0..1.

    Example:
        >>> is_share("accuracy", [Curve("accuracy", "", np.arange(2.0), np.array([0.5, 1.0]))])
        True
    """
    if name not in SHARES:
        return False
    values = np.concatenate([curve.finite() for curve in lines])
    return bool(values.size) and bool(np.all((values >= 0) & (values <= 1)))


def curves_part(facts: Facts) -> Part | Absent:
    """Return the curves of everything that was logged."""
    found = curves(facts.metrics)
    if not found:
        return absent(facts, "metrics", "Curves")
    names = ordered(found)
    marks = _marks(facts)
    charts = []
    for number, name in enumerate(names[:MOST_CHARTS]):
        lines = [
            Line(curve.part or name, curve, _STYLES.get(curve.part, 3 + place))
            for place, curve in enumerate(found[name])
        ]
        if name == "norm" and (after := clipped_curve(facts)) is not None:
            lines.append(Line(after.part, after, len(lines)))
        title = TITLES.get(name, name)
        charts.append(
            chart_html(Chart(f"metric-{number}", title, lines, share=is_share(name, found[name]), marks=marks))
        )
    rest = names[MOST_CHARTS:]
    body = render(
        "charts.html",
        charts=charts,
        more=table_html(_rest_table(found, rest)) if rest else "",
        more_title=f"{len(rest):,} more quantities, their last values",
    )
    items = tuple(item for name in names for item in _ITEMS.get(name, ()))
    if any(mark.label == "best" for mark in marks):
        items += ("B11",)
    return Part("curves", "Curves", body, _lead(facts, marks), tuple(item for item in ITEMS if item in items))


def _lead(facts: Facts, marks: Sequence[Mark]) -> str:
    known = {"best": "the best step", "resumed": "where the run was resumed"}
    meant = " and ".join(known[label] for label in dict.fromkeys(mark.label for mark in marks))
    text = f"Dotted line{'s' if len(marks) > 1 else ''}: {meant}." if marks else ""
    return f"{facts.problems['metrics']}. {text}".strip() if "metrics" in facts.problems else text


def _marks(facts: Facts) -> list[Mark]:
    best = whole(mapping(facts.run.get("result")).get("best_step"))
    marks = [Mark(float(best), "best")] if best is not None else []
    for event in facts.events[:200]:
        step = real(mapping(event).get("step"))
        if mapping(event).get("event") == "resumed" and step is not None:
            marks.append(Mark(step, "resumed"))
    return [mark for mark in marks if np.isfinite(mark.x)]


def _rest_table(found: dict[str, list[Curve]], names: Sequence[str]) -> Table:
    rows = [[name, curve.part, float(curve.y[-1]), len(curve.y)] for name in names[:2000] for curve in found[name]]
    columns = [Column("quantity"), Column("part"), Column("last value", "number"), Column("lines", "count")]
    return Table("More quantities", columns, rows, sortable=True)


def events_part(facts: Facts) -> Part | None:
    """Return what happened on the way: resumed, stopped, a checkpoint passed over. None if nothing did."""
    rows = []
    for event in facts.events[-500:]:
        known = mapping(event)
        rest = [f"{key}: {_short(value)}" for key, value in known.items() if key not in ("event", "step")]
        rows.append([plain_text(known.get("event"), limit=80), known.get("step"), plain_text(", ".join(rest))])
    if not rows:
        return None
    columns = [Column("event"), Column("step", "count"), Column("details")]
    more = len(facts.events) - len(rows)
    lead = f"The last {len(rows):,} of {len(facts.events):,} events." if more > 0 else ""
    return Part("events", "Events", table_html(Table("Events", columns, rows)), lead)


def _short(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_short(one) for one in value[:20])
    number = real(value)
    return number_text(number) if number is not None else plain_text(value, limit=200)


def time_part(facts: Facts) -> Part | None:
    """Return speed and memory over the run; None if no times were logged."""
    found = curves(facts.timing)
    named = {"examples_per_second": "Examples per second", "memory": "Memory, MiB", "seconds": "Seconds"}
    charts: list[Markup] = []
    for name, title in named.items():
        if name not in found or (name == "seconds" and charts):
            continue
        lines = []
        for place, curve in enumerate(found[name]):
            shown = Curve(name, curve.part, curve.x, curve.y / 2**20) if name == "memory" else curve
            lines.append(Line(curve.part or title, shown, _STYLES.get(curve.part, 3 + place)))
        charts.append(chart_html(Chart(f"time-{name}", title, lines, log=False)))
    if not charts:
        return None
    return Part("time", "Time and memory", render("charts.html", charts=charts, more="", more_title=""))


def last_value(facts: Facts, name: str, part: str) -> float | None:
    """Return the last finite value of a curve, None if there is none.

    Example:
        >>> from pathlib import Path
        >>> last_value(Facts(Path("run"), metrics=[{"step": 1, "part": "valid", "loss": 0.5}]), "loss", "valid")
        0.5
    """
    for curve in curves(facts.metrics).get(name, []):
        if curve.part == part and curve.finite().size:
            return float(curve.finite()[-1])
    return None
