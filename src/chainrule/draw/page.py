"""One HTML file that needs nothing else: style and script inside, nothing fetched, nothing from data that could run.

Every value goes through Jinja's autoescape; data for the script stand in JSON blocks; the policy in the page's head
lets only the one script of this package run, known by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from chainrule.core.plain import to_json
from chainrule.draw import wording
from chainrule.draw.palette import css_variables

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """One section of a page.

    Args:
        key: Its anchor, a plain word.
        title: Its heading, and its name in the page's table of contents.
        body: What stands under the heading.
        lead: One sentence that says what to look for.
        items: The items of the lectures that it shows ("A3").
        extras: Names of this package's assets, style and script of each, that the section needs ("heat").
    """

    key: str
    title: str
    body: Markup
    lead: str = ""
    items: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Absent:
    """A section that a page does not have.

    Args:
        title: What is not there.
        why: The reason, and what brings it, in a sentence.
    """

    title: str
    why: str


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        wording.plain_text,
        wording.count_text,
        wording.short_count,
        wording.share_text,
        wording.number_text,
        wording.duration_text,
    ):
        environment.filters[function.__name__] = function
    return environment


def render(template: str, **values: Any) -> Markup:
    """Return a template of this package filled in; every value is escaped unless it is Markup.

    Example:
        >>> render("code.html", text="<b>", label="Command", highlighted=None)[:11]
        Markup('<div class=')
    """
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704 autoescape is on


def data_block(value: Any) -> Markup:
    r"""Return plain data as JSON that may stand in a `<script type="application/json">`.

    Example:
        >>> print(data_block({"name": "</script>"}))
        {"name":"\u003c/script\u003e"}
    """
    text = to_json(value).decode("ascii")
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 no markup character is left


@functools.cache
def _asset(name: str) -> str:
    return (_HERE / "assets" / name).read_text("utf-8")


def style() -> str:
    """Return the style of every page: the palette, light and dark, and the rules.

    Example:
        >>> "prefers-color-scheme" in style()
        True
    """
    light, dark = css_variables("light"), css_variables("dark")
    return (
        f":root{{{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}\n" + _asset("page.css")
    )


def policy(extras: Sequence[str] = ()) -> str:
    """Return the page's content security policy: no source but the page itself, no script but this package's.

    Args:
        extras: Those of the page's parts.

    Example:
        >>> policy().split("; ")[0]
        "default-src 'none'"
    """
    scripts = " ".join(f"'sha256-{_digest(_asset(f'{name}.js'))}'" for name in ("page", *extras))
    rules = ("default-src 'none'", "style-src 'unsafe-inline'", "img-src data:", f"script-src {scripts}")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def page_html(title: str, head: Markup, parts: Sequence[Part], *, foot: Markup | None = None) -> str:
    """Return a whole page.

    Args:
        title: The title of the window.
        head: What stands above the sections.
        parts: The sections.
        foot: What stands below them.

    Example:
        >>> page = page_html("a run", Markup("<h1>a run</h1>"), [Part("curves", "Curves", Markup("<p>none</p>"))])
        >>> page[:15], 'id="curves"' in page
        ('<!doctype html>', True)
    """
    extras = sorted({name for part in parts for name in part.extras})
    return str(
        render(
            "page.html",
            title=wording.plain_text(title, limit=160),
            head=head,
            parts=parts,
            foot=foot or Markup(),
            style=Markup(style() + "".join(_asset(f"{name}.css") for name in extras)),  # noqa: S704 files of this package
            scripts=[Markup(_asset(f"{name}.js")) for name in ("page", *extras)],  # noqa: S704
            policy=Markup(policy(extras)),  # noqa: S704 its quotes must stay
        )
    )
