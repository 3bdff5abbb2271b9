"""What the model gets right and wrong: confusion matrix, classes, worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from chainrule.draw.confusion import MAP_CLASSES, class_names, confusion_counts, confusion_html
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.picture import is_picture, picture_size
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, number_text, plain_text, real, share_text, whole

PARTS: Final = {"test": "test", "valid": "validation", "train": "training"}
MOST_MISTAKES: Final = 36
MOST_NEIGHBORS: Final = 9
SMALL: Final = 96
"""A picture of at most so many pixels a side is shown with its pixels."""


def main_part(facts: Facts) -> str | None:
    """Return the part of the data that a report speaks of: test if it was measured, else valid, else any.

    Example:
        >>> from pathlib import Path
        >>> main_part(Facts(Path("run"), evaluation={"valid": {"count": 9}}))
        'valid'
    """
    measured = [part for part, entry in facts.evaluation.items() if mapping(entry)]
    return next((part for part in ("test", "valid") if part in measured), measured[0] if measured else None)


def _measured(facts: Facts) -> tuple[Mapping[str, Any], str]:
    part = main_part(facts)
    return (mapping(facts.evaluation.get(part)), PARTS.get(part, plain_text(part, limit=40))) if part else ({}, "")


def confusion_part(facts: Facts) -> Part | Absent:
    """Return the confusion matrix of the main part, and of the others folded away."""
    entry, name = _measured(facts)
    matrix = _matrix(entry)
    if not matrix:
        return absent(facts, "evaluation", "Confusion matrix")
    body = confusion_html(confusion_counts(matrix), listing(entry.get("classes")))
    for part, other in facts.evaluation.items():
        if other is entry or not _matrix(mapping(other)):
            continue
        title = f"The same on the {PARTS.get(part, plain_text(part, limit=40))} part"
        counts = confusion_counts(other["confusion"])
        body += render(
            "fold.html",
            title=title,
            body=confusion_html(counts, listing(other.get("classes")), key=f"confusion-{len(body)}"),
        )
    lead = f"Which classes are taken for which, on the {name} part."
    return Part("confusion", "Confusion matrix", body, lead, ("A1",))


def _matrix(entry: Mapping[str, Any]) -> list[Any] | Mapping[str, Any]:
    """The counts of a part in either of their forms; empty where there are none."""
    found = entry.get("confusion")
    return mapping(found) or listing(found)


def classes_part(facts: Facts) -> Part | Absent:
    """Return precision, recall and F1 of each class."""
    entry, name = _measured(facts)
    figures, note = _most_telling(entry)
    rows = [[plain_text(row.get("name"), limit=120), *(_shown(row, key) for key in _CLASS_KEYS)] for row in figures]
    if not rows:
        return absent(facts, "evaluation", "Classes")
    columns = [
        Column("class"),
        Column("examples", "count"),
        Column("precision", "share", bar=True),
        Column("recall", "share", bar=True),
        Column("F1", "share", bar=True),
    ]
    lead = (
        f"On the {name} part. Precision: how many of those called so are so; recall: how many of those that are so were"
        " found; F1 is their harmonic mean."
    ) + note
    return Part("classes", "Classes", table_html(Table("Classes", columns, rows, sortable=True)), lead, ("A1",))


def _most_telling(entry: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], str]:
    """The figures of all classes, or of many those with the lowest F1; and which they are."""
    rows = [mapping(row) for row in listing(entry.get("per_class"))]
    known = max(len(rows), len(listing(entry.get("classes"))))
    if known <= MAP_CLASSES:
        return rows, ""
    said = (
        f" {known:,} classes, of which {len(rows):,} have examples here or were predicted" if len(rows) < known else ""
    )
    if len(rows) <= MAP_CLASSES:
        return rows, f"{said}."
    rows = sorted(rows, key=lambda row: (real(row.get("f1")) or 0.0, -(whole(row.get("count")) or 0)))[:MAP_CLASSES]
    return rows, f"{said or f' {known:,} classes'}; shown are the {MAP_CLASSES} with the lowest F1."


_CLASS_KEYS: Final = ("count", "precision", "recall", "f1")


def _shown(row: Mapping[str, Any], key: str) -> Any:
    """A figure of a class; the recall of one without examples is none, though it counts as 0 elsewhere."""
    return None if key == "recall" and row.get("count") == 0 else row.get(key)


def mistakes_part(facts: Facts) -> Part | Absent | None:
    """Return the worst mistakes: with pictures where there are, else as a table. None if there is no mistake."""
    entry, name = _measured(facts)
    if "mistakes" not in entry:
        return absent(facts, "evaluation", "Worst mistakes")
    mistakes = [mapping(one) for one in listing(entry["mistakes"])][:MOST_MISTAKES]
    if not mistakes:
        return None
    names = _names(entry, mistakes)
    pictures = any(is_picture(one.get("picture")) for one in mistakes)
    body = (
        render("mistakes.html", mistakes=[_mistake(one, names) for one in mistakes])
        if pictures
        else _table(mistakes, names)
    )
    lead = f"The examples of the {name} part with the largest loss: truth → prediction."
    if any(one.get("neighbors") for one in mistakes):
        lead += " Below each: the nearest training examples, framed where their class is the truth."
    return Part("mistakes", "Worst mistakes", body, lead, ("A1",))


def _names(entry: Mapping[str, Any], mistakes: list[Mapping[str, Any]]) -> list[str]:
    largest = max((whole(one.get(key)) or 0 for one in mistakes for key in ("truth", "predicted")), default=0)
    return class_names(listing(entry.get("classes")), min(max(largest, 0), 10**6) + 1)


def _name(number: Any, names: list[str]) -> str:
    place = whole(number)
    return names[place] if place is not None and 0 <= place < len(names) else plain_text(number, limit=40) or "?"


def _mistake(one: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    truth, predicted = _name(one.get("truth"), names), _name(one.get("predicted"), names)
    picture = one.get("picture") if is_picture(one.get("picture")) else None
    source = plain_text(one.get("source"), limit=160) or f"number {plain_text(one.get('index'), limit=20)}"
    return {
        "truth": truth,
        "predicted": predicted,
        "probability": share_text(one.get("probability")),
        "source": source,
        "picture": picture,
        "pixelated": picture is not None and is_small(picture),
        "alt": f"{source}: a {truth} taken for {predicted}",
        "neighbors": [
            _neighbor(near, names, truth)
            for near in map(mapping, listing(one.get("neighbors"))[:MOST_NEIGHBORS])
            if is_picture(near.get("picture"))
        ],
    }


def _neighbor(near: Mapping[str, Any], names: list[str], truth: str) -> dict[str, Any]:
    name = _name(near.get("class"), names)
    alt = f"{name}, at a distance of {number_text(near.get('distance'))}"
    return {"picture": near["picture"], "alt": alt, "right": name == truth}


def is_small(picture: str) -> bool:
    """Return whether a picture has so few pixels that each should be seen.

    Example:
        >>> from chainrule.draw.picture import png_uri
        >>> is_small(png_uri([[0.0, 1.0]]))
        True
    """
    size = picture_size(picture)
    return size is not None and max(size) <= SMALL


def _table(mistakes: list[Mapping[str, Any]], names: list[str]) -> Markup:
    rows = [
        [
            plain_text(one.get("source") or one.get("index"), limit=160),
            _name(one.get("truth"), names),
            _name(one.get("predicted"), names),
            real(one.get("probability")),
            real(one.get("loss")),
        ]
        for one in mistakes
    ]
    columns = [
        Column("example"),
        Column("truth"),
        Column("predicted"),
        Column("probability", "share"),
        Column("loss", "number"),
    ]
    return table_html(Table("Worst mistakes", columns, rows))
