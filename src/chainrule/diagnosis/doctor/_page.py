"""A diagnosis as a page of one file, and as it shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup

from chainrule.core.paths import visible
from chainrule.core.version import __version__
from chainrule.diagnosis.doctor._words import FULL, left_out, seen_text, sure_text, tried_text, verdict
from chainrule.diagnosis.doctor.findings import Diagnosis, Finding, Plot
from chainrule.diagnosis.doctor.labels import LABELS
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, duration_text, number_text


def diagnosis_page(diagnosis: Diagnosis, *, command: str = "") -> str:
    """Return the page of a diagnosis: the findings in order, each with its evidence and plot, then the notes.

    Args:
        diagnosis: What was found.
        command: What gave it.

    Example:
        >>> "nothing is wrong" in diagnosis_page(Diagnosis("train.py", ()))
        True
    """
    serious = [each for each in diagnosis.findings if each.level != "note"]
    notes = [each for each in diagnosis.findings if each.level == "note"]
    parts = [
        Part(f"finding-{n}", f"{n}. {visible(each.title)}", _body(each, n), sure_text(each), _items(each))
        for n, each in enumerate(serious, 1)
    ]
    if notes:
        parts.append(Part("notes", "Notes", _notes(notes), "Worth knowing, and no reason to act."))
    parts.append(Part("looked", "What was looked for", _looked(diagnosis), visible(seen_text(diagnosis))))
    tone = "good" if diagnosis.healthy else "bad"
    head = render(
        "head.html",
        kind="doctor",
        name=visible(diagnosis.subject),
        status="nothing wrong" if diagnosis.healthy else f"{len(serious)} to look at",
        tone=tone,
        subtitle=[
            visible(verdict(diagnosis).removeprefix(f"{diagnosis.subject}: ")),
            *([visible(command)] if command else []),
        ],
        alarm="",
        cards=_cards(diagnosis),
    )
    foot = render("foot.html", absent=[], lectures=[], version=__version__, made="a training that was watched")
    return page_html(f"{diagnosis.subject} · chainrule doctor", head, parts, foot=foot)


def _items(finding: Finding) -> tuple[str, ...]:
    """The items of the lectures that a label stands on."""
    known = LABELS.get(finding.label)
    words = known.source.replace(",", " ").replace(";", " ").split() if known else []
    return tuple(word for word in words if word[:1] in "ABCDEFGHI" and word[1:].isdigit())


def _cards(diagnosis: Diagnosis) -> list[dict[str, str]]:
    seen = diagnosis.seen
    cards = [{"title": "steps watched", "value": count_text(seen.get("steps")),
              "more": f"in {duration_text(seen.get('seconds'))}"}]  # fmt: skip
    if seen.get("first loss") is not None:
        cards.append({"title": "loss", "value": number_text(seen.get("last loss")),
                      "more": f"at first {number_text(seen['first loss'])}"})  # fmt: skip
    return [*cards, {"title": "parameters", "value": count_text(seen.get("parameters")), "more": ""}]


def _body(finding: Finding, number: int) -> Markup:
    pieces = []
    if finding.code:
        pieces.append(
            render("code.html", text=visible(finding.code), label=visible(finding.where) or "Code", highlighted=None)
        )
    pairs = [("where", finding.where)] if finding.where else []
    pairs += [(fact.what, fact.value) for fact in finding.evidence]
    pairs += [("what to change", finding.change)] if finding.change else []
    pairs += [("tried", tried_text(finding.tried))] if finding.tried else []
    pairs += [("label", finding.label)]
    pieces.append(render("facts.html", pairs=[(visible(name), visible(value)) for name, value in pairs]))
    if finding.plot is not None and any(finding.plot.lines.values()):
        pieces.append(render("charts.html", charts=[_chart(finding.plot, number)], more=None, more_title=""))
    return Markup("").join(pieces)


def _chart(plot: Plot, number: int) -> Markup:
    lines = []
    for style, (name, points) in enumerate(plot.lines.items()):
        there = sorted((point for point in points if np.isfinite(point[0])), key=lambda point: point[0])
        x, y = np.array([[p[0] for p in there], [p[1] for p in there]], dtype=np.float64)
        lines.append(Line(visible(name), Curve(visible(name), "", x, y), style))
    title = plot.title if not plot.y or plot.y in plot.title else f"{plot.title}: {plot.y}"
    return chart_html(Chart(f"plot-{number}", title, lines, x_label=plot.x))


def _notes(notes: Sequence[Finding]) -> Markup:
    rows: list[list[Any]] = [
        [each.title, each.where, "; ".join(f"{fact.what}: {fact.value}" for fact in each.evidence), each.label]
        for each in notes
    ]
    return table_html(Table("Notes", [Column("note"), Column("where"), Column("seen"), Column("label")], rows))


def _looked(diagnosis: Diagnosis) -> Markup:
    found = {each.label: each.level for each in diagnosis.findings}
    labels = [*diagnosis.asked, *(label for label in found if label not in diagnosis.asked), *diagnosis.skipped]
    rows: list[list[Any]] = [
        [label, LABELS[label].means if label in LABELS else "", found.get(label, diagnosis.skipped.get(label, "no"))]
        for label in dict.fromkeys(labels)
    ]
    columns = [Column("label"), Column("what it would be"), Column("found")]
    left = Markup("").join(Markup('<p class="note">{}</p>').format(visible(line)) for line in left_out(diagnosis))
    return left + table_html(Table("What was looked for", columns, rows))


def diagnosis_notebook(diagnosis: Diagnosis) -> str:
    """Return what a notebook shows; it has no style of its own."""
    serious = [each for each in diagnosis.findings if each.level != "note"]
    notes = [each for each in diagnosis.findings if each.level == "note"]
    blocks = [f"<p><b>{_text(verdict(diagnosis))}</b></p>", *map(_block, serious[:FULL])]
    rest = [*serious[FULL:], *notes]
    if rest:
        blocks.append(
            "<ul>"
            + "".join(f"<li>{_text(each.title)} <code>{_text(each.label)}</code></li>" for each in rest)
            + "</ul>"
        )
    blocks += [f"<p><small>{_text(line)}</small></p>" for line in (seen_text(diagnosis), *left_out(diagnosis))]
    return "".join(blocks)


def _block(finding: Finding) -> str:
    lines = [(fact.what, fact.value) for fact in finding.evidence]
    lines += [("change", finding.change)] if finding.change else []
    lines += [("tried", tried_text(finding.tried))] if finding.tried else []
    place = " ".join(f"<code>{_text(part)}</code>" for part in (finding.where, finding.code) if part)
    rows = "".join(
        f"<tr><td style='text-align:left'>{_text(name)}</td><td style='text-align:left'>{_text(value)}</td></tr>"
        for name, value in lines
    )
    head = (
        f"<b>{_text(finding.title)}</b> <small>{_text(sure_text(finding))}, <code>{_text(finding.label)}</code></small>"
    )
    return f"<details open><summary>{head}</summary>{place}<table>{rows}</table></details>"


def _text(value: str) -> str:
    return escape(visible(value))
