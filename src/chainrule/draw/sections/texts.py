"""Texts with classes: how long they are, what padding costs, which words tell the classes apart."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, number_text, plain_text, real, share_text, whole

MOST_BINS: Final = 64
MOST_CLASSES: Final = 40
MOST_WORDS: Final = 40


def lengths_part(facts: Facts) -> Part | Absent | None:
    """Return how many tokens the texts have, how many were cut, and which share of the computing is padding."""
    lengths = mapping(facts.data.get("lengths"))
    if not lengths:
        return None
    blocks: list[tuple[str, Markup]] = [("", render("facts.html", pairs=_pairs(lengths)))]
    parts = {plain_text(part, limit=40): listing(row) for part, row in mapping(lengths.get("counts")).items()}
    rows = [
        [_range(span), *(row[place] if place < len(row) else None for row in parts.values())]
        for place, span in enumerate(listing(lengths.get("bins"))[:MOST_BINS])
    ]
    if rows and parts:
        columns = [Column("tokens"), *(Column(part, "count", bar=True) for part in parts)]
        blocks.append(("Texts by their length", table_html(Table("Lengths", columns, rows))))
    lead = "Texts of a step are padded to the longest of them; what stands in the padding changes no answer."
    return Part("lengths", "Lengths", render("stack.html", blocks=blocks), lead, ("A9",))


def _pairs(lengths: Any) -> list[tuple[str, str]]:
    pairs = [
        ("mean length", f"{number_text(lengths.get('mean'))} tokens" if real(lengths.get("mean")) is not None else ""),
        ("longest", f"{count_text(lengths.get('longest'))} tokens" if whole(lengths.get("longest")) else ""),
    ]
    cut = {part: whole(count) or 0 for part, count in mapping(lengths.get("cut")).items()}
    if any(cut.values()):
        said = ", ".join(f"{count_text(count)} in {plain_text(part, limit=40)}" for part, count in cut.items() if count)
        whole_length = count_text(lengths.get("longest_whole"))
        pairs.append(("cut", f"{said}, at {count_text(lengths.get('limit'))} tokens; the longest has {whole_length}"))
    if real(lengths.get("padding")) is not None:
        pairs.append(("padding", f"{share_text(lengths['padding'], digits=1)} of the places of an epoch"))
    if lengths.get("order") != "shuffled" and real(lengths.get("padding_shuffled")) is not None:
        pairs.append(("padding without buckets", share_text(lengths["padding_shuffled"], digits=1)))
    return [pair for pair in pairs if pair[1]]


def _range(span: Any) -> str:
    ends = [count_text(end) for end in listing(span)[:2]]
    return " to ".join(dict.fromkeys(ends))


def telling_part(facts: Facts) -> Part | Absent | None:
    """Return the words that speak most for each class; None where the network is not one that says so."""
    rows = []
    for one in map(mapping, listing(facts.telling.get("classes"))[:MOST_CLASSES]):
        words = [listing(pair) for pair in listing(one.get("words"))[:MOST_WORDS]]
        said = [f"{plain_text(pair[0], limit=60)} {number_text(pair[1], digits=2)}" for pair in words if len(pair) == 2]
        rows.append([plain_text(one.get("class"), limit=120), ", ".join(said)])
    if not rows:
        return None
    columns = [Column("class"), Column("words, and how much each adds to the score")]
    lead = (
        "The words of the training part that speak most for each class: the greatest weights of the linear classifier."
    )
    return Part("telling", "Telling words", table_html(Table("Telling words", columns, rows)), lead, ("A3",))
