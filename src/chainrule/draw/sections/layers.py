"""What each layer did while the network learned: outputs, gradients, and how far its weights moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, number_text, plain_text, real, whole

MOST_LINES: Final = 8
"""Layers in one chart; of more, so many at equal distances, the first and the last among them."""
FAST, SLOW, MOST_SILENT = 0.1, 1e-6, 0.5
_COLUMNS: Final = {
    "mean": Column("mean", "number"),
    "spread": Column("spread", "number"),
    "zeros": Column("zeros", "share", bar=True),
    "silent": Column("silent units", "share", bar=True),
    "gradient": Column("gradient", "number"),
    "update": Column("update ratio", "number"),
}


def layers_part(facts: Facts) -> Part | Absent:
    """Return the layers of the last look, and how updates and gradients went."""
    looks = [mapping(look) for look in facts.layers if listing(mapping(look).get("layers"))]
    if not looks:
        return absent(facts, "layers", "Layers")
    charts = [
        chart_html(Chart(f"layers-{name}", title, lines, log=True))
        for name, title in (("update", "Update ratio"), ("gradient", "Gradient by the outputs"))
        if (lines := _lines(looks, name))
    ]
    body = render("charts.html", charts=charts, more="", more_title="") + table_html(_table(looks[-1]))
    return Part("layers", "Layers", body, _lead(facts, looks), ("B10", "C5", "C9"))


def clipped_curve(facts: Facts) -> Curve | None:
    """Return the gradient's norm after clipping, None where nothing was clipped."""
    steps, before, after = [], [], []
    for look in map(mapping, facts.layers):
        step, norm, rest = (real(look.get(name)) for name in ("step", "norm", "norm_after"))
        if step is not None and norm is not None and rest is not None:
            steps.append(step)
            before.append(norm)
            after.append(rest)
    if not steps or np.allclose(before, after, rtol=1e-3):
        return None
    return Curve("norm", "after clipping", np.array(steps), np.array(after))


def _layers(look: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for layer in map(mapping, listing(look.get("layers"))):
        yield plain_text(layer.get("name"), limit=120), layer


def _lines(looks: list[Mapping[str, Any]], quantity: str) -> list[Line]:
    """One line for each layer with weights, or for some of them."""
    points: dict[str, list[tuple[float, float]]] = {}
    for look in looks:
        step = real(look.get("step"))
        for name, layer in _layers(look):
            value = real(layer.get(quantity))
            if step is not None and value is not None and "update" in layer:
                points.setdefault(name, []).append((step, value))
    names = list(points)
    if len(names) > MOST_LINES:
        chosen = np.linspace(0, len(names) - 1, MOST_LINES).round().astype(int)
        names = [names[i] for i in chosen]
    found = []
    for number, name in enumerate(names):
        x, y = np.array(points[name]).T
        found.append(Line(name, Curve(quantity, name, x, y), number))
    return found


def _table(look: Mapping[str, Any]) -> Table:
    layers = list(_layers(look))
    kept = [name for name in _COLUMNS if any(real(layer.get(name)) for _, layer in layers)]  # zeros alone say nothing
    remarks = [_remark(layer) for _, layer in layers]
    rows = [
        [name, plain_text(layer.get("kind"), limit=80), *(real(layer.get(key)) for key in kept)]
        for name, layer in layers
    ]
    columns = [Column("layer"), Column("kind"), *(_COLUMNS[name] for name in kept)]
    if any(remarks):
        columns.append(Column("remark"))
        rows = [[*row, remark] for row, remark in zip(rows, remarks)]
    step = whole(look.get("step"))
    return Table(f"Layers at step {step}" if step is not None else "Layers", columns, rows)


def _remark(layer: Mapping[str, Any]) -> str:
    update, silent = real(layer.get("update")), real(layer.get("silent"))
    said = []
    if update is not None and update > FAST:
        said.append(f"its weights move by {100 * update:.0f} % a step")
    elif update is not None and update < SLOW:
        said.append("its weights hardly move")
    if silent is not None and silent > MOST_SILENT:
        said.append("most of its units are silent")
    return ", ".join(said)


def _lead(facts: Facts, looks: list[Mapping[str, Any]]) -> str:
    step, count = whole(looks[-1].get("step")), len(looks)
    when = f"{count} look{'s' if count > 1 else ''}, the last at step {step}" if step is not None else f"{count} looks"
    text = (
        f"{when}. Update ratio: how far the weights of a layer move in a step, measured by their own size; about 0.001 "
        "is usual. Silent units are zero for every example of the batch."
    )
    clip = real(mapping(facts.run.get("result")).get("suggested_clip_norm"))
    if clip is not None:
        text += f" A clipping threshold that ordinary steps pass: --train.clip_norm {number_text(clip)}."
    return text
