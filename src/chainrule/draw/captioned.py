"""The page of some captions: each picture, what was written about it, and where the network looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.draw.answers import answers_html
from chainrule.draw.page import Part
from chainrule.draw.sections.captions import LOOKED, captioned_html, list_html
from chainrule.draw.wording import listing, mapping, number_text, plain_text


def captions_html(name: str, captions: Sequence[Mapping[str, Any]], *, count: int | None = None) -> str:
    """Return the page.

    Args:
        name: Of the run.
        captions: Each as `captioned_html` takes it; `others` are further captions `{"output", "log_p"}`.
        count: How many pictures there were, where not all are drawn.

    Example:
        >>> page = captions_html("pets", [{"source": "a.png", "output": "a cat", "others": [{"output": "the cat"}]}])
        >>> page.count("a cat"), page.count("the cat"), "1 picture" in page
        (1, 1, True)
    """
    total = len(captions) if count is None else count
    shown = [captioned_html({**one, "references": _others(one)}) for one in captions]
    lead = "Each picture as the network was given it, its caption, and the next best ones."
    if total > len(captions):
        lead += f" The first {len(captions):,} of {total:,} pictures are drawn."
    looked = any("where it looked for" in one for one in shown)
    lead = f"{lead} {LOOKED}" if looked else lead
    part = Part("captions", "Captions", list_html(shown), lead, ("G8", "H1") if looked else ("G8",))
    return answers_html(name, part, count=total)


def _others(one: Mapping[str, Any]) -> list[str]:
    """The next best captions, in words."""
    return [
        f"{plain_text(mapping(other).get('output'))} (log p {number_text(mapping(other).get('log_p'))})"
        for other in listing(one.get("others"))
    ]
