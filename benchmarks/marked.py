"""Pages with measured parts, each between two marks that name a result; the rest is written by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Found = dict[str, Any]
Part = Callable[[Found], list[str]]
MARKED = re.compile(r"(<!-- measured: ([\w-]+) begin -->\n).*?(<!-- measured: \2 end -->)", re.DOTALL)


def with_parts(
    text: str, parts: Mapping[str, Part], read: Callable[[str], Found], machine: Callable[[Found], str]
) -> str:
    """The page with its measured parts renewed.

    Args:
        text: The page as it is.
        parts: Name of a result -> what makes its lines.
        read: Name of a result -> the result, empty where nothing was measured.
        machine: A result -> where it was measured, in words.
    """

    def part(match: re.Match[str]) -> str:
        name = match[2]
        found = read(name)
        lines = [*parts[name](found), "", origin(found, machine)] if found else ["Not measured yet."]
        return "\n".join([match[1].rstrip("\n"), *lines, match[3]])

    return MARKED.sub(part, text)


def origin(found: Found, machine: Callable[[Found], str]) -> str:
    """Where and when, and whether the machine had other work."""
    text = f"{found['what'][:1].upper()}{found['what'][1:]}. {machine(found)}, {found['date'][:10]}"
    quiet = {True: ", quiet", False: ", **beside other work: not to be relied on**", None: ""}[found.get("quiet")]
    return f"{text}{quiet}."


def table(head: list[str], rows: list[list[Any]]) -> list[str]:
    """Lines of a table."""
    ruler = ["---"] * len(head)
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ruler, *rows)]
