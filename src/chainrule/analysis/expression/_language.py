"""Reading expressions. Nothing is evaluated as code: a text becomes a tree, and a mistake points at its column.

    program   = statement { ( ";" | newline ) statement }
    statement = [ NAME "=" ] sum                    only the last may lack its name
    sum       = product { ( "+" | "-" ) product }
    product   = signed { ( "*" | "/" ) signed }
    signed    = ( "-" | "+" ) signed | power
    power     = item [ "**" signed ]                -x**2 is -(x**2)
    item      = ( NUMBER | NAME | NAME "(" list ")" | "(" sum ")" | "[" list "]" ) { "[" INTEGER "]" }
    list      = sum { "," sum }

Source: LECTURES C2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from chainrule.analysis.expression._tree import Call, Index, Name, Number, Statement, Tree, Vector
from chainrule.core.errors import UsageError, unknown
from chainrule.notation.source import PlacedError, Span, Token, TokenReader

LENGTH: Final = 10_000
"""Characters of a text."""
NESTING: Final = 32
"""Brackets, signs and powers inside each other."""
LARGEST_INDEX: Final = 9_999

FUNCTIONS: Final = {
    **dict.fromkeys(("exp", "log", "sin", "cos", "tanh", "sigmoid", "relu", "sqrt", "abs"), (1, 1)),
    **dict.fromkeys(("max", "min"), (1, 1_000)),
    "sum": (1, 1),
    "conv1d": (2, 3),
}
"""The functions, with the fewest and the most arguments."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+)|(?P<line>\n)|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<mark>\*\*|[-+*/()\[\],;=])"
)
_INSTEAD = {
    "^": "** for a power", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "{": "( or [",
    "}": ") or ]", "²": "**2", "³": "**3", "√": "sqrt(...)", "|": "abs(...)", "@": "sum(x*y)",
}  # fmt: skip
_SIGNS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def tokens(text: str) -> list[Token]:
    """Cut a text into numbers, names and marks; the last one is the end. Line ends inside brackets are spaces.

    Raises:
        UsageError: It is too long, or holds a character that the language has not.

    Example:
        >>> [t.text for t in tokens("y = 1e-3*x[0]")]
        ['y', '=', '1e-3', '*', 'x', '[', '0', ']', '']
    """
    if len(text) > LENGTH:
        raise UsageError("the expression is too long", expected=f"at most {LENGTH:,} characters", got=f"{len(text):,}")
    found: list[Token] = []
    at = open_brackets = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            found.append(_name(text, at))
            at = found[-1].span[1]
            continue
        kind, word = str(match.lastgroup), match.group()
        open_brackets += (word in "([") - (word in ")]")
        if kind == "line" and open_brackets <= 0:
            kind, word = "mark", ";"
        if kind not in ("space", "line"):
            found.append(Token(kind, word, match.span()))
        at = match.end()
    found.append(Token("end", "", (len(text), len(text))))
    return found


def _name(text: str, at: int) -> Token:
    end = at
    while end < len(text) and ("a" + text[end]).isidentifier() and text[at].isidentifier():
        end += 1
    if end == at:
        instead = _INSTEAD.get(text[at])
        raise PlacedError(
            f"the language has no character {text[at]!r}", text=text, span=(at, at + 1),
            remedy=f"write {instead}" if instead else "it has + - * / ** ( ) [ ] , ; = and names",
        )  # fmt: skip
    return Token("name", unicodedata.normalize("NFC", text[at:end]), (at, end))


def parse(text: str) -> tuple[Statement, ...]:
    """Read statements.

    Args:
        text: Statements between `;` or line ends, e.g. `x = u*u; y = 3*u; z = x*y + sin(y)`.

    Returns:
        The statements; only the last may lack its name.

    Raises:
        UsageError: The text is not in the language; the error shows the column.

    Example:
        >>> [statement.name for statement in parse("q = x + y; q*z")]
        ['q', '']

    Source:
        LECTURES C2.
    """
    parser = _Parser(text, tokens(text))
    statements = tuple(parser.statements())
    if not statements:
        raise UsageError("the expression is empty", remedy='write one: "1/(1 + exp(-(w*x + b)))"')
    for statement in statements[:-1]:
        if not statement.name:
            raise parser.error(
                "only the last expression may lack a name: this one is lost", statement.span,
                remedy="write NAME = before it",
            )  # fmt: skip
    return statements


def parse_assignments(text: str) -> tuple[Statement, ...]:
    """Read `name = value, name = value`; a name may be that of an element, `x[0]`.

    Raises:
        UsageError: The text is not of that form; the error shows the column.

    Example:
        >>> [statement.name for statement in parse_assignments("w0=2, x[1]=-1, v=[1, 2]")]
        ['w0', 'x[1]', 'v']
    """
    return tuple(_Parser(text, tokens(text)).assignments())


class _Parser(TokenReader):
    """Recursive descent; each method reads the rule of its name."""

    def deeper(self, span: Span) -> None:
        self.depth += 1
        if self.depth > NESTING:
            raise self.error("this is nested too deeply", span, expected=f"at most {NESTING} levels")

    # -- rules ---------------------------------------------------------------------------------------------------

    def statements(self) -> Iterator[Statement]:
        while True:
            while self.next_is(";"):
                self.advance()
            if self.token.kind == "end":
                return
            yield self.statement()
            if self.token.kind != "end" and not self.next_is(";"):
                raise self.stray()

    def statement(self) -> Statement:
        start = self.token
        name = ""
        if start.kind == "name" and self.tokens[self.at + 1].text == "=":
            if start.text in FUNCTIONS:
                raise self.error(f"{start.text} is a function and cannot be a name", start.span)
            name = start.text
            self.at += 2
        value = self.sum()
        if self.next_is("="):
            raise self.error(
                "only a name can stand before =", value.span, remedy="write NAME = expression, elements as v = [a, b]"
            )
        return Statement(name, value, start.span if name else value.span)

    def assignments(self) -> Iterator[Statement]:
        while self.token.kind != "end":
            name = self.advance()
            text = name.text
            if name.kind != "name":
                raise self.error("a name is missing", name.span, remedy='write "w0=2, x=[1, 2]"')
            if self.next_is("["):
                text += f"[{self.position()}]"
            if not self.next_is("="):
                raise self.error(f"a = is missing after {text}", self.token.span, remedy=f"write {text}=2")
            self.advance()
            yield Statement(text, self.sum(), name.span)
            if self.token.kind != "end" and not self.next_is(",", ";"):
                raise self.stray("a comma")
            self.advance()

    def sum(self) -> Tree:
        value = self.product()
        while self.next_is("+", "-"):
            sign = self.advance()
            right = self.product()
            value = Call(_SIGNS[sign.text], (value, right), (value.span[0], right.span[1]))
        return value

    def product(self) -> Tree:
        value = self.signed()
        while self.next_is("*", "/"):
            sign = self.advance()
            right = self.signed()
            value = Call(_SIGNS[sign.text], (value, right), (value.span[0], right.span[1]))
        return value

    def signed(self) -> Tree:
        if not self.next_is("+", "-"):
            return self.power()
        sign = self.advance()
        self.deeper(sign.span)
        value = self.signed()
        self.depth -= 1
        if sign.text == "+":
            return value
        span = (sign.span[0], value.span[1])
        if isinstance(value, Number) and not value.text.startswith("-"):
            return Number("-" + value.text, span)
        return Call("negate", (value,), span)

    def power(self) -> Tree:
        value = self.item()
        if self.next_is("**"):
            sign = self.advance()
            self.deeper(sign.span)
            exponent = self.signed()
            self.depth -= 1
            value = Call("power", (value, exponent), (value.span[0], exponent.span[1]))
        return value

    def item(self) -> Tree:
        token = self.advance()
        value: Tree
        if token.kind == "number":
            value = Number(token.text, token.span)
        elif token.kind == "name":
            value = self.call(token) if self.next_is("(") else self.name(token)
        elif token.text in ("(", "["):
            self.deeper(token.span)
            inside = self.list(token)
            self.depth -= 1
            span = (token.span[0], self.tokens[self.at - 1].span[1])
            if token.text == "(" and len(inside) > 1:
                raise self.error("these brackets hold several values", span, remedy="a vector has square ones: [a, b]")
            value = inside[0] if token.text == "(" else Vector(tuple(inside), span)
        else:
            raise self.missing(token)
        while self.next_is("["):
            position = self.position()
            value = Index(value, position, (value.span[0], self.tokens[self.at - 1].span[1]))
        return value

    def name(self, token: Token) -> Name:
        if token.text in FUNCTIONS:
            raise self.error(f"{token.text} is a function", token.span, remedy=f"write {token.text}(...)")
        return Name(token.text, token.span)

    def call(self, name: Token) -> Call:
        if name.text not in FUNCTIONS:
            raise self.error(
                f"there is no function {name.text}", name.span,
                remedy=f"{unknown('function', name.text, FUNCTIONS)}; a product needs its *",
            )  # fmt: skip
        opening = self.advance()
        self.deeper(opening.span)
        arguments = self.list(opening)
        self.depth -= 1
        span = (name.span[0], self.tokens[self.at - 1].span[1])
        fewest, most = FUNCTIONS[name.text]
        if not fewest <= len(arguments) <= most:
            expected = str(fewest) if fewest == most else f"{fewest} to {most:,}"
            raise self.error(
                f"{name.text} has a wrong number of arguments", span, expected=expected, got=len(arguments)
            )
        return Call(name.text, tuple(arguments), span)

    def list(self, opening: Token) -> list[Tree]:
        closing = {"(": ")", "[": "]"}[opening.text]
        if self.next_is(closing):
            raise self.error("there is nothing in these brackets", (opening.span[0], self.token.span[1]))
        found = [self.sum()]
        while self.next_is(","):
            self.advance()
            found.append(self.sum())
        if not self.next_is(closing):
            if self.token.kind == "end":
                raise self.error(f"this {opening.text} is never closed", opening.span, remedy=f"write {closing}")
            raise self.stray(f"a comma or {closing}")
        self.advance()
        return found

    def position(self) -> int:
        opening = self.advance()
        number = self.advance()
        if not (number.kind == "number" and number.text.isdigit() and int(number.text[:9]) <= LARGEST_INDEX):
            raise self.error(
                "an index is a whole number, counted from 0", number.span,
                got=number.text or "the end", remedy="write x[0] for the first element",
            )  # fmt: skip
        if not self.next_is("]"):
            raise self.error("this [ is never closed", opening.span, remedy="write ]")
        self.advance()
        return int(number.text)

    # -- mistakes ------------------------------------------------------------------------------------------------

    def missing(self, token: Token) -> PlacedError:
        if token.kind == "end" or token.text in (";", ")", "]", ","):
            before = (
                self.tokens[self.at - (1 if token.kind == "end" else 2)] if self.at > 1 or token.kind == "end" else None
            )
            after = f" after {before.text}" if before is not None and before.kind == "mark" else ""
            return self.error(f"a value is missing{after}", token.span)
        return self.error(f"a value cannot start with {token.text}", token.span)

    def stray(self, expected: str = "") -> PlacedError:
        token = self.token
        if token.text == "=":
            return self.error("only a name can stand before =", token.span, remedy="write NAME = expression")
        if token.text in (")", "]"):
            return self.error(f"this {token.text} closes nothing", token.span, remedy="take it away")
        if token.kind in ("number", "name") or token.text == "(":
            return self.error(
                f"{'an operator' if not expected else f'an operator or {expected}'} is missing before {token.text}",
                token.span, remedy="a product needs its *: 2*x",
            )  # fmt: skip
        return self.error(f"{token.text} cannot stand here", token.span, expected=expected or None)
