"""Reading a specification.

    spec   = [ "INPUT" shape "|" ] chain          shape  = HxWxC or D
    chain  = item { "|" item }                    item   = layer | repeat | res | cat
    layer  = NAME numbers { option }              option = /s | pad p | dil d | groups g | FLAG
    repeat = "(" chain ")" "*" n                            (the number joined to its word: pad2)
    FLAG   = "avg" | "ceil" | "nobias" | "keep"
    res    = "RES" "[" chain [ ";" [ chain ] ] "]"
    cat    = "CAT" "[" [ chain ] ";" [ chain ] { ";" [ chain ] } "]"

Capitals and small letters are the same. Every error points at its column, says why, and what to write instead.

Source: LECTURES D3, extended by branches, repetition and options.
"""

from __future__ import annotations

import re
from typing import Any

from chainrule.core.errors import NotationError, nearest
from chainrule.notation import limits
from chainrule.notation.layer import Options, Word, whole
from chainrule.notation.layers import LAYERS
from chainrule.notation.pointwise import DropPath
from chainrule.notation.shapes import Shape, Vector, Volume
from chainrule.notation.source import PlacedError, Span, Token, TokenReader, tokens
from chainrule.notation.tree import Chain, Concat, Node, Repeat, Residual, Spec, count_layers

_NAME = re.compile(r"([A-Za-z]+)(.*)")
_OPTION = re.compile(r"(PAD|P|DIL|GROUPS)([0-9]+)|(AVG|CEIL|NOBIAS|KEEP)")
_FLAGS = ("avg", "ceil", "nobias", "keep")
_OPTION_WORDS = ("pad", "dil", "groups", *_FLAGS)
_KEYS = {"PAD": "pad", "P": "pad", "DIL": "dil", "GROUPS": "groups"}
_WRITTEN = {"stride": "/s", "pad": "padp", "dil": "dild", "groups": "groupsg"}
_NAMES = [*LAYERS, "RES", "CAT", "INPUT"]
_OTHER_NAMES = {
    "MAXPOOL": "POOL", "AVGPOOL": "POOL2 avg", "AVG": "POOL2 avg", "LINEAR": "FC", "DENSE": "FC", "DECONV": "UPCONV",
    "CONVTRANSPOSE": "UPCONV", "BATCHNORM": "BN", "LAYERNORM": "LN", "GROUPNORM": "GN", "INSTANCENORM": "IN",
    "LEAKYRELU": "LRELU", "NORM": "BN, LN, GN, IN or LRN", "CONCAT": "CAT", "RESIDUAL": "RES", "SKIP": "RES",
}  # fmt: skip


def parse(text: str) -> Spec:
    """Read a specification into a tree whose nodes know their place in the text.

    Args:
        text: Layers separated by `|`, e.g. `INPUT 32x32x3 | CONV3-64 | RELU | GAP | FC-10`.

    Returns:
        The tree. Shapes are not looked at: `resolve` does that.

    Raises:
        NotationError: The text is not in the notation; the error shows the column and what to write.

    Example:
        >>> spec = parse("INPUT 32x32x1 | CONV5-10 | POOL2 | FC-10")
        >>> spec.input, len(spec.layers), spec.layers[0].filters
        (Volume(height=32, width=32, channels=1), 3, 10)

    Source: LECTURES D3.
    """
    return _Parser(text, tokens(text)).spec()


class _Parser(TokenReader):
    """Recursive descent; each method reads the rule of its name."""

    def located(self, error: NotationError, span: Span) -> PlacedError:
        return self.error(error.what, span, expected=error.expected, got=error.got, remedy=error.remedy)

    # -- rules ---------------------------------------------------------------------------------------------------

    def spec(self) -> Spec:
        if self.token.kind == "end":
            raise self.error(
                "the specification is empty", (0, 1), remedy="write INPUT 32x32x3 | CONV3-16 | RELU | GAP | FC-10"
            )
        shape, span = self.input()
        chain = self.chain("the specification")
        if self.token.kind != "end":
            raise self.stray(self.token)
        return Spec(shape, chain, self.text, span)

    def input(self) -> tuple[Shape | None, Span]:
        word = self.token
        if not (word.kind == "word" and word.text.upper().startswith("INPUT")):
            return None, (0, 1)
        self.advance()
        sizes, span = word.text[5:], word.span
        if not sizes and self.token.kind == "word":
            sizes, span = self.token.text, (word.span[0], self.advance().span[1])
        match = re.fullmatch(r"([0-9]+)X([0-9]+)X([0-9]+)|([0-9]+)", sizes.upper())
        if match is None:
            raise self.error(
                "INPUT needs the shape of one example", span,
                expected="HxWxC or D", got=sizes[:20] or None,
                remedy="write INPUT 32x32x3 for an image, INPUT 784 for a vector",
            )  # fmt: skip
        try:
            numbers = [whole(digits, "rows, columns or channels of INPUT") for digits in match.groups() if digits]
            if len(numbers) == 3 and max(numbers[:2]) > limits.SIDE:
                raise NotationError("INPUT is too large", expected=f"sides up to {limits.SIDE:,}", got=max(numbers[:2]))
        except NotationError as error:
            raise self.located(error, span) from None
        if self.next_is("|"):
            self.advance()
            if self.token.kind == "end":
                raise self.nothing("after the |", self.token.span)
        elif self.token.kind == "end":
            raise self.error(
                "no layer follows INPUT", span,
                remedy="add layers after |; on a command line put the whole in quotes: the shell takes | for itself",
            )  # fmt: skip
        else:
            raise self.error(
                "a | is missing after INPUT", self.token.span, remedy=f"write INPUT {sizes} | {self.token.text} ..."
            )
        return (Volume(*numbers) if len(numbers) == 3 else Vector(numbers[0])), span

    def chain(self, inside: str, *, may_end_in_drop_path: bool = False) -> Chain:
        """Items up to a closing mark; none at all when that mark comes first."""
        nodes: list[Node] = []
        closing = (")", "]", ";")
        if self.token.kind == "end" or (self.token.kind == "mark" and self.token.text in closing):
            return ()
        while True:
            nodes.append(self.item(inside))
            if not self.next_is("|"):
                break
            bar = self.advance()
            if self.token.kind == "end" or (self.token.kind == "mark" and self.token.text in (*closing, "|")):
                raise self.nothing("after this |", bar.span)
        if self.token.kind in ("word", "stride") or self.next_is("("):
            raise self.not_an_option(nodes[-1], self.token)
        for node in nodes[: -1 if may_end_in_drop_path else None]:
            if isinstance(node, DropPath):
                raise self.error(
                    f"{node} must be the last item of a RES body", node.span, remedy=f"write RES[ ... | {node}]"
                )
        chain = tuple(nodes)
        self.check_count(chain)
        return chain

    def item(self, inside: str) -> Node:
        token = self.token
        if self.next_is("("):
            return self.repeat()
        if token.kind == "end":
            raise self.nothing(f"at the end of {inside}", token.span)
        if token.kind == "stride":
            raise self.error("a stride stands after a layer", token.span, remedy="write CONV3-64 /2")
        if token.kind == "mark":
            if token.text == "|":
                raise self.nothing("before this |", token.span)
            raise self.stray(token)
        name = token.text.upper()
        if name in ("RES", "CAT"):
            return self.branches(name)
        return self.layer()

    def repeat(self) -> Repeat:
        opening = self.advance()
        self.enter(opening)
        body = self.chain("the group")
        self.close(opening, ")")
        if not body:
            raise self.error("this group is empty", opening.span, remedy="write (CONV3-64 | RELU)*2")
        if not self.next_is("*"):
            raise self.error(
                "a group says how often it is repeated", (opening.span[0], self.tokens[self.at - 1].span[1]),
                remedy="write ( ... )*2, or leave the round brackets out",
            )  # fmt: skip
        self.advance()
        number = self.advance()
        if not (number.kind == "word" and re.fullmatch(r"[0-9]+", number.text)):
            raise self.error(
                "a whole number follows *", number.span, got=number.text or "the end", remedy="write ( ... )*2"
            )
        try:
            count = whole(number.text, "repetitions")
        except NotationError as error:
            raise self.located(error, number.span) from None
        node = Repeat(body, count, (opening.span[0], number.span[1]))
        self.check_count((node,))
        return node

    def branches(self, name: str) -> Residual | Concat:
        word = self.advance()
        if not self.next_is("["):
            example = "RES[CONV3-64 | BN]" if name == "RES" else "CAT[ ; CONV3-64]"
            raise self.error(f"{name} needs its branches in square brackets", word.span, remedy=f"write {example}")
        opening = self.advance()
        self.enter(opening)
        found = [self.chain(name, may_end_in_drop_path=name == "RES")]
        while self.next_is(";"):
            self.advance()
            found.append(self.chain(name))
        end = self.close(opening, "]")
        span = (word.span[0], end.span[1])
        if name == "CAT":
            if len(found) < 2:
                raise self.error(
                    "CAT joins two or more branches", span, got="one",
                    remedy="separate them by ; (an empty branch is the identity: CAT[ ; CONV3-12])",
                )  # fmt: skip
            return Concat(tuple(found), span)
        if len(found) > 2:
            raise self.error(
                "RES has a body and one shortcut", span, got=f"{len(found)} branches", remedy="use CAT for more"
            )
        if not found[0]:
            raise self.error(
                "the body of this RES is empty", span, remedy="write RES[body ; shortcut]: the shortcut may be empty"
            )
        return Residual(found[0], found[1] if len(found) == 2 else (), span)

    def layer(self) -> Node:
        token = self.advance()
        match = _NAME.fullmatch(token.text)
        name, rest = (match.group(1).upper(), match.group(2)) if match else ("", token.text)
        if name not in LAYERS:
            raise self.unknown_layer(token, name)
        kind = LAYERS[name]
        numbers = re.fullmatch(kind.NUMBERS, rest)
        if numbers is None:
            raise self.malformed(token, name, rest)
        options, end = self.options(name, kind.TAKES, token.span[1])
        span = (token.span[0], end)
        try:
            return kind.read(Word(name, numbers.groups(), options), span)
        except NotationError as error:
            raise self.located(error, span) from None

    def options(self, name: str, takes: frozenset[str], end: int) -> tuple[Options, int]:
        found: dict[str, Any] = {}
        while self.token.kind in ("word", "stride"):
            token = self.token
            match = _OPTION.fullmatch(token.text.upper())
            if match is None and token.kind == "word":
                break
            if match is None:
                key, digits = "stride", token.text[1:]
            else:
                key, digits = (_KEYS[match[1]], match[2]) if match[1] else (match[3].lower(), "")
            if key not in takes:
                listed = ", ".join(_WRITTEN.get(k, k) for k in ("stride", *_OPTION_WORDS) if k in takes)
                remedy = f"its options are {listed}" if takes else f"{name} takes none"
                raise self.error(f"{name} has no option {token.text}", token.span, remedy=remedy)
            if key in found:
                raise self.error(f"{token.text} is the second {key} of this {name}", token.span, remedy="state it once")
            try:
                found[key] = True if key in _FLAGS else self.option_number(key, digits)
            except NotationError as error:
                raise self.located(error, token.span) from None
            end = self.advance().span[1]
        return Options(**found), end

    def option_number(self, key: str, digits: str) -> int:
        if not digits:
            raise NotationError("a stride is a whole number", remedy="write /2 without a space")
        return whole(digits, "pixels of " + key if key != "groups" else "groups", least=0 if key == "pad" else 1)

    # -- brackets and errors -------------------------------------------------------------------------------------

    def enter(self, opening: Token) -> None:
        self.depth += 1
        if self.depth > limits.NESTING:
            raise self.error(
                "brackets are nested too deeply", opening.span, expected=f"at most {limits.NESTING} inside each other"
            )

    def close(self, opening: Token, mark: str) -> Token:
        if self.next_is(mark):
            self.depth -= 1
            return self.advance()
        if self.token.kind == "end":
            raise self.error(f"this {opening.text} is never closed", opening.span, remedy=f"add {mark}")
        branch = "use ; only between the branches of RES[ ] and CAT[ ]"
        raise self.error(
            f"{self.token.text} stands where {mark} should close the {opening.text} of column {opening.span[0] + 1}",
            self.token.span,
            remedy=branch if self.token.text == ";" else f"write {mark}",
        )

    def check_count(self, chain: Chain) -> None:
        count = count_layers(chain)
        if count > limits.LAYERS:
            start, end = chain[0].span[0], chain[-1].span[1]
            raise self.error(
                "these are too many layers", (start, end), expected=f"at most {limits.LAYERS:,}", got=f"{count:,}"
            )

    def nothing(self, where: str, span: Span) -> PlacedError:
        return self.error(f"a layer is missing {where}", span, remedy="add one, or take the | away")

    def stray(self, token: Token) -> PlacedError:
        why = {
            "]": "nothing was opened by [ before this ]",
            ")": "nothing was opened by ( before this )",
            ";": "; separates the branches of RES[ ] and CAT[ ], and none is open here",
            "*": "* follows a group in round brackets",
            "[": "square brackets follow RES or CAT",
        }
        remedies = {"*": "write (CONV3-64 | RELU)*2", ";": "separate items by |", "[": "write RES[ ... ] or CAT[ ... ]"}
        return self.error(
            why.get(token.text, f"{token.text} cannot stand here"),
            token.span,
            remedy=remedies.get(token.text, "take it away"),
        )

    def unknown_layer(self, token: Token, name: str) -> PlacedError:
        if name == "INPUT":
            return self.error("INPUT stands first and only once", token.span, remedy="take this one away")
        if _OPTION.fullmatch(token.text.upper()):
            return self.error(
                f"{token.text} is an option and stands after a layer", token.span, remedy="write CONV3-64 pad1"
            )
        shown = name or token.text[:20]
        if name in _OTHER_NAMES:
            remedy = f"it is called {_OTHER_NAMES[name]} here"
        elif re.fullmatch(r"[0-9]+X[0-9]+(X[0-9]+)?", token.text.upper()):
            remedy = f"write INPUT {token.text} | ... in front"
        else:
            guess = nearest(shown, [known.lower() for known in _NAMES])
            remedy = (f"did you mean {guess.upper()}? " if guess else "") + f"The layers are {', '.join(_NAMES)}"
        return self.error(f"there is no layer {shown[:20]}", token.span, remedy=remedy)

    def malformed(self, token: Token, name: str, rest: str) -> PlacedError:
        """A known name with the wrong numbers behind it."""
        kind = LAYERS[name]
        form = name if not kind.NUMBERS else kind.FORM
        if not kind.NUMBERS:
            remedy = f"write {name}: no number belongs to it"
        elif re.fullmatch(kind.NUMBERS, f"-{rest}"):
            remedy = f"write {name}-{rest}"
        elif re.fullmatch(kind.NUMBERS, rest.replace("-", "", 1)):
            remedy = f"write {name}{rest.replace('-', '', 1)}"
        else:
            remedy = f"for example {next(item for item in kind.EXAMPLE.split(' | ') if item.startswith(name))}"
        return self.error(
            f"{name} is not written like this", token.span, expected=form, got=token.text[:20], remedy=remedy
        )

    def not_an_option(self, before: Node, token: Token) -> PlacedError:
        """What follows an item is neither an option nor a separator."""
        match = _NAME.fullmatch(token.text)
        name = match.group(1).upper() if match else ""
        if name in _NAMES or token.text == "(":
            return self.error(f"a | is missing before {token.text[:20]}", token.span, remedy="separate items by |")
        if not isinstance(before, Repeat | Residual | Concat):
            guess = nearest(name, _OPTION_WORDS)
            return self.error(
                f"{token.text[:20]} is no option", token.span,
                remedy=(f"did you mean {guess}? " if guess else "")
                + "The options are /s, padp, dild, groupsg, avg, ceil, nobias, keep",
            )  # fmt: skip
        return self.error(
            f"{token.text[:20]} cannot follow a closing bracket", token.span, remedy="separate items by |"
        )
