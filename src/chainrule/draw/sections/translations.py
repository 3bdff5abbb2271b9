"""What a translator makes of some sentences, and what it looked at meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from chainrule.draw.facts import Facts
from chainrule.draw.heat import EXTRAS, HeatMap, heat_html, token_mark
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, plain_text, real, whole

MOST: Final = 24
"""Sentences that are shown."""
LONGEST: Final = 1000
"""Characters of a sentence that are shown."""
TOKENS: Final = 60
"""Tokens of a sentence whose weights are drawn."""
ROWS: Final = "Each row is a token that was written, each column one of the sentence; a row sums to 1."
COLUMNS: Final = [Column("sentence"), Column("translation"), Column("right"), Column("log p", "number")]


def translations_part(facts: Facts) -> Part | Absent:
    """Return sentences with their translations, the references, and what the network looked at."""
    found = facts.translations
    examples = [mapping(one) for one in listing(found.get("examples"))[:MOST]]
    rows: list[list[Any]] = [
        [
            plain_text(one.get("source"), limit=LONGEST),
            plain_text(one.get("output"), limit=LONGEST),
            " / ".join(plain_text(text, limit=LONGEST) for text in listing(one.get("references"))[:6]),
            real(one.get("log_p")),
        ]
        for one in examples
    ]
    if not rows:
        return absent(facts, "translations", "Translations")
    blocks: list[tuple[str, Markup]] = [("", table_html(Table("Translations", COLUMNS, rows)))]
    drawn = [one for one in map(_looked_html, listing(found.get("attention"))[:6]) if one]
    if drawn:
        blocks.append(("What it looked at", Markup('<div class="heats">{}</div>').format(Markup().join(drawn))))
    body, items = render("stack.html", blocks=blocks), ("G6", "G7", "H1") if drawn else ("G6", "G7")
    return Part("translations", "Translations", body, _lead(facts, found), items, EXTRAS if drawn else ())


def _lead(facts: Facts, found: Mapping[str, Any]) -> str:
    part = plain_text(found.get("part"), limit=20)
    measured = mapping(facts.evaluation.get(part))
    beam = whole(found.get("beam"))
    said = [f"The first sentences of the part {part}" + (f", by a beam of {beam}" if beam else "")]
    score, signature = real(measured.get("bleu")), plain_text(measured.get("signature"), limit=200)
    count = whole(measured.get("translated"))
    if score is not None:
        said.append(f"BLEU of {count_text(count)} sentences: {score:.2f} ({signature})")
    exact = real(measured.get("exact"))
    if exact is not None:
        said.append(f"{100 * exact:.2f} % of them are a reference to the letter")
    return ". ".join(said) + "."


def _looked_html(one: Any) -> Markup | None:
    """The weights of one translation as a map; None where they are damaged."""
    told = mapping(one)
    source = [plain_text(text, limit=40) for text in listing(told.get("source"))[:TOKENS]]
    output = [plain_text(text, limit=40) for text in listing(told.get("output"))[:TOKENS]]
    weights = [[real(value) or 0.0 for value in listing(row)[:TOKENS]] for row in listing(told.get("weights"))[:TOKENS]]
    if not source or not output or len(weights) != len(output) or any(len(row) != len(source) for row in weights):
        return None
    title = " ".join(token_mark(text) for text in output)
    return heat_html(HeatMap(title, np.array(weights), source, output, named=True, note=ROWS))
