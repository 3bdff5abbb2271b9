"""What a text in the language of expressions says: a tree whose nodes know their place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chainrule.notation.source import Span


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    text: str
    span: Span


@dataclass(frozen=True)
class Name:
    """A leaf, or what a statement above computes."""

    name: str
    span: Span


@dataclass(frozen=True)
class Call:
    """A function, an operator or a sign: `operation` is a gate of the book or a word of the language."""

    operation: str
    arguments: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True)
class Vector:
    """`[a, b, c]`."""

    elements: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True)
class Index:
    """`x[2]`, counted from 0."""

    base: Tree
    position: int
    span: Span


Tree: TypeAlias = Number | Name | Call | Vector | Index


@dataclass(frozen=True)
class Statement:
    """`name = value`; the name is empty where the last expression has none."""

    name: str
    value: Tree
    span: Span
