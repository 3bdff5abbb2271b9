"""Which words are near each other: a map of the plane, and the nearest words of some."""

from __future__ import annotations

import math
from typing import Any, Final

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, number_text, plain_text, real, share_text, whole

MOST: Final = 400
"""Words of the map, and rows of the table, that are shown."""
WIDTH: Final = 1000.0
HEIGHT: Final = 640.0
MARGIN: Final = 30.0
LETTER: Final = 8.0
LINE: Final = 17.0
"""About the size of a letter and of a line on the map: a name that would cover another one is left out."""


def words_part(facts: Facts) -> Part | Absent:
    """Return the map of frequent words, and the table of nearest words."""
    points = [point for one in listing(facts.words.get("map"))[:MOST] if (point := _point(one)) is not None]
    rows = [_row(mapping(one)) for one in listing(facts.words.get("nearest"))[:MOST]]
    if not points and not rows:
        return absent(facts, "words", "Words")
    blocks = []
    if points:
        share = real(facts.words.get("variance"))
        note = "Across and up: the two directions in which the vectors of these words, all of length 1, differ the most"
        note += f"; they hold {share_text(share)} of the variance." if share is not None else "."
        blocks.append(("Map", render("words.html", words=_placed(points), width=WIDTH, height=HEIGHT, note=note)))
    if rows:
        columns = [Column("word"), Column("count", "count"), Column("nearest words, with the cosine of the angle")]
        blocks.append(("Nearest words", table_html(Table("Nearest words", columns, rows))))
    lead = "Words that stand among the same words have vectors that point the same way."
    return Part("words", "Words", render("stack.html", blocks=blocks), lead, ("G5",))


def _point(one: Any) -> tuple[str, int | None, float, float] | None:
    fact = mapping(one)
    word, x, y = plain_text(fact.get("word"), limit=60), real(fact.get("x")), real(fact.get("y"))
    if not word or x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    return word, whole(fact.get("count")), x, y


def _row(fact: Any) -> list[Any]:
    near = []
    for one in listing(fact.get("words"))[:12]:
        word, cosine = (listing(one) + [None] * 2)[:2]
        value = real(cosine)
        near.append(plain_text(word, limit=60) + (f" {number_text(value, digits=2)}" if value is not None else ""))
    return [plain_text(fact.get("word"), limit=60), whole(fact.get("count")), ", ".join(near)]


def _placed(points: list[tuple[str, int | None, float, float]]) -> list[dict[str, Any]]:
    """The dots of words; the names of the more frequent ones, which come first, as far as they have room."""
    across, down = _scale([x for *_, x, _ in points], WIDTH), _scale([-y for *_, y in points], HEIGHT)
    taken: list[tuple[float, float, float]] = []
    found = []
    for word, count, x, y in points:
        left, top = across(x), down(-y)
        half = LETTER * len(word) / 2
        middle = min(max(left, half + 2), WIDTH - half - 2)
        free = all(abs(middle - a) > half + b or abs(top - c) > LINE for a, b, c in taken)
        if free:
            taken.append((middle, half, top))
        told = word if count is None else f"{word}: {count_text(count)} times"
        found.append(
            {"word": word, "named": free, "told": told, "x": f"{left:.1f}", "y": f"{top:.1f}", "at": f"{middle:.1f}"}
        )
    return found


def _scale(values: list[float], size: float) -> Any:
    """A function from values to places between the margins."""
    low, high = min(values), max(values)
    reach = high - low
    if not math.isfinite(reach) or reach <= 0:
        return lambda value: size / 2
    return lambda value: MARGIN + (size - 2 * MARGIN) * (value - low) / reach
