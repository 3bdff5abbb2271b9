"""What a language model wrote."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.wording import listing, number_text, plain_text, real

MOST: Final = 12
"""Texts that are shown."""
LONGEST: Final = 8000
"""Characters of a text that are shown."""


def samples_part(facts: Facts) -> Part | Absent:
    """Return the texts that were drawn when the run ended, each after what it was given to begin with."""
    texts = [plain_text(text, limit=LONGEST) for text in listing(facts.samples.get("texts"))[:MOST]]
    if not texts:
        return absent(facts, "samples", "Samples")
    prompt = plain_text(facts.samples.get("prompt"), limit=LONGEST)
    blocks: list[tuple[str, Markup]] = [
        (f"Sample {number}", render("written.html", prompt=prompt, text=text)) for number, text in enumerate(texts, 1)
    ]
    temperature = real(facts.samples.get("temperature"))
    note = "The network was given what is printed in gray and wrote the rest" + (
        f", at temperature {number_text(temperature)}." if temperature is not None else "."
    )
    return Part("samples", "Samples", render("stack.html", blocks=blocks), note, ("G4",))
