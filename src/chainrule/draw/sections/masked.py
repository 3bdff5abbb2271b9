"""Texts in which words are hidden, what stood there, and what the network fills in."""

from __future__ import annotations

from typing import Any, Final

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, number_text, plain_text

MOST: Final = 24
"""Texts that are shown."""
LONGEST: Final = 1000
"""Characters of a text that are shown."""
WORDS: Final = 40
"""Hidden words of a text that are shown."""
COLUMNS: Final = [Column("text"), Column("what stood there"), Column("what the network fills in")]


def masked_part(facts: Facts) -> Part | Absent:
    """Return texts with hidden words, and the words that the network finds most probable there."""
    rows: list[list[Any]] = []
    for one in map(mapping, listing(facts.masked.get("examples"))[:MOST]):
        words, found = listing(one.get("words"))[:WORDS], listing(one.get("found"))[:WORDS]
        for place, (word, guesses) in enumerate(zip(words, found)):
            text = plain_text(one.get("text"), limit=LONGEST) if place == 0 else ""
            rows.append([text, plain_text(word, limit=80), ", ".join(map(_guess, listing(guesses)[:5]))])
    if not rows:
        return absent(facts, "masked", "Hidden words")
    part = plain_text(facts.masked.get("part"), limit=20)
    lead = f"Texts of the part {part}, the words at each [MASK] in their order, and the most probable ones there."
    return Part("masked", "Hidden words", table_html(Table("Hidden words", COLUMNS, rows)), lead, ("H9",))


def _guess(pair: Any) -> str:
    word, chance = [*listing(pair), None, None][:2]
    return f"{plain_text(word, limit=80)} {number_text(chance, digits=2)}"
