"""What made the run: command, recipe and environment."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.data import flat_pairs
from chainrule.draw.wording import mapping, plain_text

MOST_RECIPE: Final = 60_000
"""Characters of a recipe that are shown."""

_LINE: Final = re.compile(r"^(?P<blank>\s*(?:- )?)(?P<name>[^\s#:'\"][^:#'\"]*?)(?P<rest>:(?:\s.*)?)$", re.DOTALL)


def recipe_part(facts: Facts) -> Part | Absent:
    """Return the recipe as it was resolved."""
    if not facts.recipe:
        return absent(facts, "recipe", "Recipe")
    text = plain_text(facts.recipe, limit=MOST_RECIPE)
    body = render("code.html", text=text, label="Recipe", highlighted=colored(text))
    return Part("recipe", "Recipe", body, "Every setting of the run, the defaults included.")


def colored(text: str) -> list[tuple[str, str]]:
    r"""Return the pieces of a YAML text with what each is: "name", "comment" or "" for the rest.

    Example:
        >>> colored("# hi\nlr: 0.1")
        [('comment', '# hi'), ('', '\n'), ('name', 'lr'), ('', ': 0.1')]
    """
    pieces: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            pieces.append(("", "\n"))
        if line.lstrip().startswith("#"):
            pieces.append(("comment", line))
        elif len(line) < 1000 and (found := _LINE.match(line)):
            pieces += [("", found["blank"]), ("name", found["name"]), ("", found["rest"])]
        else:
            pieces.append(("", line))
    return [(kind, piece) for kind, piece in pieces if piece]


def command_part(facts: Facts) -> Part | Absent:
    """Return the command that makes the run again, and the environment in which it was made."""
    command = plain_text(facts.run.get("command"), limit=4000)
    environment = {**mapping(facts.run.get("environment"))}
    if mapping(facts.run.get("program")):
        environment["program"] = facts.run["program"]
    if not command and not environment:
        return Absent("Reproduce", "run.json names neither the command nor the environment of the run")
    body = render("code.html", text=command, label="Command", highlighted=None) if command else Markup()
    if environment:
        body += render("facts.html", pairs=flat_pairs(environment))
    lead = "The same command with the same versions gives the same run." if command else ""
    return Part("reproduce", "Reproduce" if command else "Environment", body, lead)
