"""Whether a classifier is right as often as it says: the reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.evaluation import PARTS, main_part
from chainrule.draw.wording import listing, mapping, number_text, plain_text, real, share_text

MOST_MEMBERS: Final = 6
"""Of more members none is drawn for itself."""


def calibration_part(facts: Facts) -> Part | Absent | None:
    """Return accuracy over confidence on the main part; None of a network whose answers are no probabilities."""
    part = main_part(facts)
    entry = mapping(facts.evaluation.get(part)) if part is not None else {}
    drawn = _line("this network", listing(entry.get("calibration")), 1)
    if drawn is None:
        return None
    members = [mapping(one) for one in listing(entry.get("members"))]
    lines = [Line("as often right as said", Curve("accuracy", "", np.array([0.0, 1.0]), np.array([0.0, 1.0])), 0, True)]
    lines.append(Line("all together", drawn.curve, 1) if members else drawn)
    if len(members) <= MOST_MEMBERS:
        every = [_line(f"member {n}", listing(one.get("calibration")), n + 1) for n, one in enumerate(members, 1)]
        lines += [line for line in every if line is not None]
    chart = Chart("calibration", "Accuracy", lines, x_label="confidence", share=True, log=False)
    name = PARTS.get(str(part), plain_text(part, limit=40))
    return Part("calibration", "Calibration", render("charts.html", charts=[chart_html(chart)], more="", more_title=""),
                _lead(entry, name))  # fmt: skip


def _lead(entry: Mapping[str, Any], part: str) -> str:
    ece, nll = real(entry.get("ece")), real(entry.get("nll"))
    said = [f"expected calibration error {share_text(ece, digits=2)}"] if ece is not None else []
    said += [f"negative log-likelihood {number_text(nll)}"] if nll is not None else []
    first = f"On the {part} part: {', '.join(said)}. " if said else f"On the {part} part. "
    return first + "Below the line: surer than right; above it: more often right than said. Empty bins are left out."


def _line(label: str, bins: Sequence[Any], style: int) -> Line | None:
    """Accuracy over mean confidence, where a bin holds examples."""
    points = [(real(one.get("confidence")), real(one.get("accuracy"))) for one in map(mapping, bins)]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    if not known:
        return None
    x, y = (np.array(values, dtype=np.float64) for values in zip(*known, strict=True))
    return Line(label, Curve("accuracy", "", x, y), style)
