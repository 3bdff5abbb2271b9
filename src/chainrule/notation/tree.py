"""A parsed specification: layers, and the three ways to put them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from chainrule.notation.layer import Layer
from chainrule.notation.shapes import Shape
from chainrule.notation.source import Span

Node: TypeAlias = "Layer | Repeat | Residual | Concat"
Chain: TypeAlias = tuple[Node, ...]
"""Items one after the other; none at all is the identity."""


@dataclass(frozen=True)
class Repeat:
    """`(body)*count`: the body written count times, each with parameters of its own."""

    body: Chain
    count: int
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"({spell(self.body)})*{self.count}"


@dataclass(frozen=True)
class Residual:
    """`RES[body ; shortcut]`: the sum of both; an empty shortcut is the identity."""

    body: Chain
    shortcut: Chain = ()
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"RES[{spell(self.body)} ; {spell(self.shortcut)}]" if self.shortcut else f"RES[{spell(self.body)}]"


@dataclass(frozen=True)
class Concat:
    """`CAT[a ; b ; ...]`: the channels (or features) of all branches one after the other."""

    branches: tuple[Chain, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"CAT[{' ; '.join(spell(branch) for branch in self.branches)}]"


@dataclass(frozen=True)
class Spec:
    """A whole specification.

    Args:
        input: What INPUT says, or None when it is left out.
        layers: The rest.
        text: The text it was read from, for errors; not compared.
        span: Where INPUT stands.
    """

    input: Shape | None
    layers: Chain
    text: str = field(default="", compare=False, repr=False)
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        start = () if self.input is None else (f"INPUT {self.input}",)
        return " | ".join([*start, spell(self.layers)] if self.layers else start)


def spell(chain: Chain) -> str:
    """A chain in the notation.

    Example:
        >>> from chainrule.notation.spatial import FullyConnected
        >>> from chainrule.notation.pointwise import Activation
        >>> spell((FullyConnected(100), Activation("RELU"), FullyConnected(10)))
        'FC-100 | RELU | FC-10'
    """
    return " | ".join(str(node) for node in chain)


def format_spec(spec: Spec) -> str:
    """A specification in its shortest usual writing: capitals, defaults left out; `parse` gives the same tree back.

    Example:
        >>> from chainrule.notation.grammar import parse
        >>> format_spec(parse("input 8x8x3|conv3-8 /1 pad1|RES[relu;]"))
        'INPUT 8x8x3 | CONV3-8 | RES[RELU]'
    """
    return str(spec)


def count_layers(chain: Chain) -> int:
    """Layers after repetitions are written out; RES, CAT and an empty branch of CAT count as one each.

    Example:
        >>> from chainrule.notation.grammar import parse
        >>> count_layers(parse("(RES[FC-8 | RELU])*3 | FC-10").layers)
        10
    """
    total = 0
    for node in chain:
        match node:
            case Repeat():
                total += node.count * count_layers(node.body)
            case Residual():
                total += 1 + count_layers(node.body) + count_layers(node.shortcut)
            case Concat():
                total += 1 + sum(max(1, count_layers(branch)) for branch in node.branches)
            case _:
                total += 1
    return total
