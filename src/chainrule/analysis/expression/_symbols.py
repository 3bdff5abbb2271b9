"""The walk in symbols: the same pass backward, with formulas in place of numbers.

A router (max, min, relu, abs) does not make a formula piecewise here: what it lets through is marked with the choice
that must be made for it, `(router, input)`. A derivative is then a sum of terms, each with the choices that it needs,
and grows with the paths of the graph and not with the 2^routers regions; `_regions.py` makes cases of it.

Source: LECTURES C1, C2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import sympy

from chainrule.analysis.expression._graph import Graph

Expr: TypeAlias = Any
"""A formula of SymPy's."""
Guard: TypeAlias = frozenset[tuple[int, int]]
"""Choices that must be made for a term: router and number of its input. relu has the input 0, abs 0 (+) and 1 (-)."""
Terms: TypeAlias = dict[Guard, Expr]
"""A derivative: the sum of those formulas whose choices are made."""

ROUTERS: Final = ("max", "min", "relu", "abs")
MOST_GATES: Final = 300
"""Gates on the way back, above which there are no formulas."""
LONGEST_VALUE: Final = 120
"""Signs of a gate's value written in leaves; a longer one is written as the gate's own name."""
LONGEST: Final = 2_000
"""Signs of a derivative."""
MOST_TERMS: Final = 256
"""Terms of a derivative."""
_SHORT: Final = 15
"""Signs of a formula that stands for itself in a condition."""
_LONG: Final = 40
"""Characters of a router that is called by its name in a condition."""

_FUNCTIONS: Final = {name: sympy.Function(name) for name in ("sigmoid", *ROUTERS)}
sigmoid: Final = _FUNCTIONS["sigmoid"]


class TooLong(Exception):
    """A derivative that nobody would read."""


@dataclass(frozen=True)
class Formulas:
    """Values and derivatives in symbols.

    Args:
        values: The formula of each node.
        derivatives: dL / d(node) for each node asked for.
        written_as: Gates that stand in formulas under their own label.
    """

    values: Mapping[int, Expr]
    derivatives: Mapping[int, Terms]
    written_as: tuple[int, ...]


def symbol(name: str) -> Expr:
    """A real variable."""
    return sympy.Symbol(name, real=True)


def formulas(graph: Graph, start: Mapping[int, Expr], wrt: Sequence[int], named: Iterable[int] = ()) -> Formulas:
    """Go backward in symbols.

    Args:
        graph: The gates.
        start: Nodes with the formula of the gradient that arrives at them from outside.
        wrt: Nodes whose derivatives are wanted.
        named: Gates that stand in formulas under their own names.

    Raises:
        TooLong: The derivatives are longer than anybody reads.
    """
    behind, before = graph.behind(wrt), graph.before(list(start))
    if len([n for n in graph.gates if n in behind and n in before]) > MOST_GATES:
        raise TooLong
    values, written_as = _values(graph, set(named), before)
    gradient: dict[int, Terms] = {n: {frozenset(): formula} for n, formula in start.items()}
    for n in reversed(graph.gates):
        if n not in behind or n not in gradient:
            continue
        for position, i in enumerate(graph.nodes[n].inputs):
            if i in behind:
                _send(gradient, i, gradient[n], _local(graph, values, n, position))
    return Formulas(values, {n: gradient.get(n, {}) for n in wrt}, tuple(sorted(written_as)))


def signs(formula: Expr) -> int:
    """The size of a formula: its symbols, numbers and operations.

    Example:
        >>> signs(symbol("x") * symbol("y") + 1)
        5
    """
    total, rest = 0, [formula]
    while rest and total <= 10 * LONGEST:
        one = rest.pop()
        total += 1
        rest.extend(one.args)
    return total


def _send(gradient: dict[int, Terms], target: int, upstream: Terms, local: Terms) -> None:
    """What arrives is added, choice by choice."""
    terms = dict(gradient.get(target, {}))
    for guard, formula in upstream.items():
        for more, factor in local.items():
            key = guard | more
            terms[key] = terms.get(key, sympy.Integer(0)) + formula * factor
    terms = {guard: formula for guard, formula in terms.items() if formula != 0}
    if len(terms) > MOST_TERMS or sum(signs(formula) for formula in terms.values()) > LONGEST:
        raise TooLong
    gradient[target] = terms


def _values(graph: Graph, named: set[int], wanted: frozenset[int]) -> tuple[dict[int, Expr], set[int]]:
    """The formula of each node: in leaves, but for what is to keep its name, is long, or hangs on a router."""
    values: dict[int, Expr] = {}
    sizes: dict[int, int] = {}
    routed = graph.behind([n for n in graph.gates if graph.nodes[n].operation in ROUTERS])
    written_as = {n for n in graph.gates if n in named or (n in routed and graph.nodes[n].name)}
    for n in sorted(wanted):
        node = graph.nodes[n]
        sizes[n] = 1 + sum(sizes[i] for i in node.inputs)
        if node.inputs and sizes[n] > LONGEST_VALUE:
            written_as.add(n)
        if node.operation == "constant":
            values[n] = _exact(node.literal)
        elif not node.inputs or n in written_as:
            values[n], sizes[n] = symbol(graph.labels[n]), 1
        else:
            values[n] = _value(node.operation, [values[i] for i in node.inputs])
    return values, written_as & wanted


def shown(graph: Graph, values: Mapping[int, Expr], n: int) -> Expr:
    """A node as conditions name it: by its own name, or by its formula where that is short."""
    if graph.nodes[n].name or signs(values[n]) > _SHORT:
        return symbol(graph.labels[n]) if graph.nodes[n].operation != "constant" else values[n]
    return values[n]


def router(graph: Graph, values: Mapping[int, Expr], n: int) -> Expr:
    """A router as conditions name it: max(z1, z2, 0), or its name where that is long."""
    node = graph.nodes[n]
    if node.name and len(graph.formula(n)) > _LONG:
        return symbol(node.name)
    return _value(node.operation, [shown(graph, values, i) for i in node.inputs])


def _exact(literal: str) -> Expr:
    """A number as it was written: 0.5 is a half; what is very long or very small stays a float."""
    mantissa, _, exponent = literal.lower().partition("e")
    if len(mantissa) > 15 or len(exponent) > 3 or abs(int(exponent or 0)) > 15:
        return sympy.Float(float(literal))
    return sympy.Rational(literal)


def _value(operation: str, x: Sequence[Expr]) -> Expr:
    match operation:
        case "add":
            return sympy.Add(*x)
        case "subtract":
            return x[0] - x[1]
        case "multiply":
            return x[0] * x[1]
        case "divide":
            return x[0] / x[1]
        case "power":
            return power(x[0], x[1])
        case "negate":
            return -x[0]
        case "sqrt":
            return sympy.sqrt(x[0])
        case "exp" | "log" | "sin" | "cos" | "tanh":
            return getattr(sympy, operation)(x[0])
    return _FUNCTIONS[operation](*x)


def power(base: Expr, exponent: Expr) -> Expr:
    """A power; a number to the power of a number that would have thousands of digits is a float.

    Example:
        >>> power(symbol("x"), sympy.Integer(2)), power(sympy.Rational(1, 2), sympy.Integer(10**9))
        (x**2, 0)
    """
    if base.is_number and exponent.is_number and abs(exponent) > 64:
        with np.errstate(all="ignore"):
            number = float(np.power(np.float64(base), np.float64(exponent)))
        if not math.isfinite(number):
            raise TooLong
        return sympy.Float(number) if number else sympy.Integer(0)
    return base**exponent


def local_formula(graph: Graph, n: int, position: int) -> Expr | None:
    """The local derivative of a gate in the labels of what goes in; None for a router, which has none in one formula.

    Example:
        >>> from chainrule.analysis.expression._graph import build_graph
        >>> graph = build_graph("f = x**2 / y")
        >>> [str(local_formula(graph, graph.gates[-1], i)) for i in (0, 1)]
        ['1/y', '-g1/y**2']
    """
    node = graph.nodes[n]
    if node.operation in ROUTERS:
        return None
    inputs = [_own(graph, i) for i in node.inputs]
    by_its_output = node.operation in ("sigmoid", "tanh", "exp", "sqrt")
    out = symbol(graph.labels[n]) if by_its_output else _value(node.operation, inputs)
    return _smooth(node.operation, position, out, inputs)


def gate_formula(graph: Graph, n: int) -> Expr:
    """What a gate computes, in the labels of what goes in."""
    return _value(graph.nodes[n].operation, [_own(graph, i) for i in graph.nodes[n].inputs])


def _own(graph: Graph, n: int) -> Expr:
    node = graph.nodes[n]
    return _exact(node.literal) if node.operation == "constant" else symbol(graph.labels[n])


def _local(graph: Graph, values: Mapping[int, Expr], n: int, position: int) -> Terms:
    """The local derivative of one gate with respect to one input, with the choice that it needs."""
    node = graph.nodes[n]
    one = sympy.Integer(1)
    if node.operation in ("max", "min", "relu"):
        return {frozenset({(n, position)}): one}
    if node.operation == "abs":
        return {frozenset({(n, 0)}): one, frozenset({(n, 1)}): -one}
    return {frozenset(): _smooth(node.operation, position, values[n], [values[i] for i in node.inputs])}


def _smooth(operation: str, position: int, out: Expr, x: Sequence[Expr]) -> Expr:
    match operation:
        case "add":
            return sympy.Integer(1)
        case "subtract":
            return sympy.Integer(1 - 2 * position)
        case "multiply":
            return x[1 - position]
        case "divide":
            return 1 / x[1] if position == 0 else (-out / x[1] if out.is_Symbol else -x[0] / x[1] ** 2)
        case "power":
            return x[1] * power(x[0], x[1] - 1) if position == 0 else out * sympy.log(x[0])
        case "negate":
            return sympy.Integer(-1)
        case "exp":
            return out
        case "log":
            return 1 / x[0]
        case "sin":
            return sympy.cos(x[0])
        case "cos":
            return -sympy.sin(x[0])
        case "tanh":
            return 1 - out**2
        case "sigmoid":
            return out * (1 - out)
    return 1 / (2 * out)  # sqrt
