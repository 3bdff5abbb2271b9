"""Pictures with what a network wrote about them, and where it looked meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.picture import is_picture
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, number_text, plain_text, real, share_text, whole

MOST: Final = 24
"""Pictures of a part that are shown."""
LONGEST: Final = 400
"""Characters of a caption that are shown."""
WORDS: Final = 60
"""Words of a caption for which the picture is shown."""
_PARTS: Final = {"train": "Training", "valid": "Validation", "test": "Test"}
LOOKED: Final = "Where it looked: bright is where the weights of attention are, for each token that was written."


def captions_part(facts: Facts) -> Part | Absent:
    """Return pictures with captions, part by part, how good the captions are, and what was looked at."""
    blocks: list[tuple[str, Markup]] = []
    looked = False
    for part in map(mapping, listing(facts.captions.get("parts"))[:3]):
        name = plain_text(part.get("part"), limit=20)
        shown = [captioned_html(mapping(one)) for one in listing(part.get("examples"))[:MOST]]
        if not shown:
            continue
        looked = looked or any("where it looked for" in one for one in shown)
        blocks.append((_PARTS.get(name, name), list_html(shown)))
    if not blocks:
        return absent(facts, "captions", "Captions")
    if (table := _measured(facts)) is not None:
        blocks.insert(0, ("", table_html(table)))
    items = ("G7", "G8", "H1") if looked else ("G7", "G8")
    return Part("captions", "Captions", render("stack.html", blocks=blocks), _lead(facts, looked=looked), items)


def captioned_html(one: Mapping[str, Any]) -> Markup:
    """Return one picture with its caption, what people wrote, and where the network looked.

    Args:
        one: `{"picture": data URI, "source", "output", "references", "log_p", "looked": [{"word", "picture"}, ...]}`.

    Example:
        >>> "a cat" in captioned_html({"output": "a cat", "references": ["the cat"]})
        True
    """
    words = [mapping(word) for word in listing(one.get("looked"))[:WORDS]]
    return render(
        "captioned.html",
        picture=one.get("picture") if is_picture(one.get("picture")) else None,
        source=plain_text(one.get("source"), limit=200),
        output=plain_text(one.get("output"), limit=LONGEST) or "(nothing)",
        log_p=number_text(one.get("log_p")) if real(one.get("log_p")) is not None else "",
        references=[plain_text(text, limit=LONGEST) for text in listing(one.get("references"))[:6]],
        words=[
            {"word": plain_text(word.get("word"), limit=40), "picture": word["picture"]}
            for word in words
            if is_picture(word.get("picture"))
        ],
    )


def list_html(shown: list[Markup]) -> Markup:
    """Return pictures with their captions as a list."""
    return Markup('<ul class="predictions captioned">{}</ul>').format(Markup("").join(shown))


def _measured(facts: Facts) -> Table | None:
    """How good the captions of each part are, beside each other."""
    columns = [Column("part"), Column("pictures", "count"), *(Column(f"BLEU-{n}", "number") for n in range(1, 5))]
    columns += [Column("equal to a reference", "share"), Column("perplexity", "number")]
    rows: list[list[Any]] = []
    for part in ("train", "valid", "test"):
        found = mapping(facts.evaluation.get(part))
        orders = [real(value) for value in listing(found.get("orders"))[:4]]
        if len(orders) == 4:
            count = whole(found.get("pictures"))
            rows.append([_PARTS[part], count, *orders, real(found.get("exact")), real(found.get("perplexity"))])
    return Table("How good the captions are", columns, rows) if rows else None


def _lead(facts: Facts, *, looked: bool) -> str:
    beam = whole(facts.captions.get("beam"))
    said = ["The first pictures of each part" + (f", captioned by a beam of {beam}" if beam else "")]
    measured = next((mapping(facts.evaluation.get(part)) for part in ("test", "valid", "train")), {})
    if signature := plain_text(measured.get("signature"), limit=200):
        said.append(f"BLEU is measured against all captions of a picture ({signature})")
    train, test = (mapping(facts.evaluation.get(part)) for part in ("train", "test"))
    if real(train.get("bleu")) is not None and real(test.get("bleu")) is not None:
        count, exact = count_text(train.get("pictures")), share_text(train.get("exact"))
        said.append(
            f"On {count} pictures that it has learned from, {exact} of the captions are one of theirs to the letter; "
            "how far the test lies below the training is what it has learned by heart"
        )
    if note := plain_text(facts.data.get("note")):
        said.append(note.rstrip("."))
    if looked:
        said.append(LOOKED.rstrip("."))
    return ". ".join(said) + "."
