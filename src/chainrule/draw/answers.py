"""The page of what a run answers to some pictures: which run, how many pictures, one part."""

from __future__ import annotations

from chainrule.core.version import __version__
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.wording import plain_text


def answers_html(name: str, part: Part, *, count: int) -> str:
    """Return the page.

    Args:
        name: Of the run.
        part: The answers.
        count: How many pictures there were.

    Example:
        >>> from markupsafe import Markup
        >>> page = answers_html("pets", Part("captions", "Captions", Markup("<p>a cat</p>")), count=1)
        >>> "<title>pets · captions" in page, "1 picture<" in page
        (True, True)
    """
    head = render(
        "head.html",
        kind=part.title.lower(),
        name=plain_text(name, limit=120),
        status="",
        tone="",
        subtitle=[f"{count:,} picture{'' if count == 1 else 's'}"],
        alarm="",
        cards=[],
    )
    made = "a run and the pictures that it was given"
    foot = render("foot.html", absent=[], lectures=[], version=__version__, made=made)
    return page_html(f"{plain_text(name, limit=100)} · {part.title.lower()}", head, [part], foot=foot)
