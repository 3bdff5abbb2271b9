"""The text of a specification: its tokens with their columns, and errors that point into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from chainrule.core.errors import NotationError
from chainrule.notation import limits

Span: TypeAlias = tuple[int, int]
"""Where something stands in the text: first character, and the one after its last."""

_TOKEN = re.compile(r"(?P<space>[ \t\r\n]+)|(?P<mark>[|()\[\];*])|(?P<stride>/[0-9]*)|(?P<word>[A-Za-z0-9.\-]+)")
_INSTEAD = {"×": "x", "·": "|", ",": "|", "→": "|", ">": "|", "{": "( or [", "}": ") or ]", "\\": "/", ":": ";"}
_WIDTH = 100


class PlacedError(NotationError):
    """A mistake in a specification, shown at its column under the line it stands in.

    Example:
        >>> print(PlacedError("no such layer", text="RELU | FOO", span=(7, 10), remedy="write FC-10"))
        column 8: no such layer. Remedy: write FC-10.
            RELU | FOO
                   ^^^
    """

    def __init__(
        self,
        what: str,
        *,
        text: str = "",
        span: Span = (0, 0),
        expected: object = None,
        got: object = None,
        remedy: str | None = None,
    ) -> None:
        self.raw, self.text, self.span = what, text, span
        start = min(span[0], len(text))
        before = text[:start]
        self.line, self.column = before.count("\n") + 1, start - before.rfind("\n")
        place = f"line {self.line}, column {self.column}" if "\n" in text.strip() else f"column {self.column}"
        self.picture = _picture(text, (start, max(span[1], start + 1)), self.column)
        super().__init__(f"{place}: {what}", expected=expected, got=got, remedy=remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.raw, self.text, self.span, self.expected, self.got, self.remedy)

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.picture}"


def _rebuild(what: str, text: str, span: Span, expected: object, got: object, remedy: str | None) -> PlacedError:
    return PlacedError(what, text=text, span=span, expected=expected, got=got, remedy=remedy)


def _picture(text: str, span: Span, column: int) -> str:
    """The line that holds the span, cut around it when long, and carets below the span."""
    start = span[0] - column + 1
    end = text.find("\n", start)
    line = text[start : end if end >= 0 else len(text)]
    line = "".join(c if c.isprintable() else " " for c in line)
    width = max(1, min(span[1] - span[0], len(line) - column + 1))
    first = column - 1
    cut = max(0, min(first - _WIDTH // 3, len(line) - _WIDTH))
    head, tail = ("..." if cut else ""), ("..." if len(line) > cut + _WIDTH else "")
    shown = line[cut : cut + _WIDTH]
    carets = "^" * max(1, min(width, len(shown) - (first - cut)))
    return f"    {head}{shown.rstrip()}{tail}\n    {' ' * (len(head) + first - cut)}{carets}"


@dataclass(frozen=True)
class Token:
    """One word or mark. `kind` is `mark`, `stride`, `word` or `end`."""

    kind: str
    text: str
    span: Span


def is_layers(text: str) -> bool:
    """Return whether a text is meant as layers, and not as the name of something.

    Example:
        >>> is_layers("INPUT 8x8x1"), is_layers("CONV3-4 | RELU"), is_layers("resnet50")
        (True, True, False)
    """
    return "|" in text or text.strip().upper().startswith("INPUT")


def tokens(text: str) -> list[Token]:
    """Cut a specification into words and marks; the last one is the end.

    Args:
        text: The specification, at most `limits.LENGTH` characters.

    Raises:
        NotationError: It is too long, or holds a character that no specification has.

    Example:
        >>> [t.text for t in tokens("CONV3-8 /2 | (RELU)*2")]
        ['CONV3-8', '/2', '|', '(', 'RELU', ')', '*', '2', '']
    """
    if len(text) > limits.LENGTH:
        raise NotationError(
            "the specification is too long",
            expected=f"at most {limits.LENGTH:,} characters",
            got=f"{len(text):,}",
            remedy="write what repeats as ( ... )*n",
        )
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            char = text[at]
            instead = _INSTEAD.get(char)
            raise PlacedError(
                f"the notation has no character {char!r}",
                text=text,
                span=(at, at + 1),
                remedy=f"write {instead} instead" if instead else "items are separated by |",
            )
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), match.span()))
        at = match.end()
    found.append(Token("end", "", (len(text), len(text))))
    return found


class TokenReader:
    """What a parser by recursive descent stands on: the tokens, with one of look-ahead, and errors at their places.

    Args:
        text: What is read, which errors show.
        found: Its tokens; the last one is of kind `end`, and never passed.
    """

    def __init__(self, text: str, found: list[Token]) -> None:
        self.text, self.tokens = text, found
        self.at = self.depth = 0

    @property
    def token(self) -> Token:
        """The next one."""
        return self.tokens[self.at]

    def advance(self) -> Token:
        """Take the next one."""
        token = self.token
        self.at += token.kind != "end"
        return token

    def next_is(self, *marks: str) -> bool:
        """Whether the next one is one of these marks."""
        return self.token.kind == "mark" and self.token.text in marks

    def error(self, what: str, span: Span, **details: Any) -> PlacedError:
        """A mistake at a place of the text."""
        return PlacedError(what, text=self.text, span=span, **details)
