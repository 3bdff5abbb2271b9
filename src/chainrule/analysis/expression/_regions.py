"""Cases: which derivative holds where, by which input wins each router.

A region is one choice for every router. What matters to a derivative are the choices that its terms need; all others of
a router are one ("another input wins"). Regions that cannot be are left out, those with equal derivatives joined.

Source: LECTURES C2 (001 3.4: dL/dz1 = d1 if z1 is the max of its window else 0).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sympy

from chainrule.analysis.expression._graph import Graph
from chainrule.analysis.expression._simplify import shortest
from chainrule.analysis.expression._symbols import Expr, Guard, Terms

MOST_REGIONS: Final = 128
"""Regions of one derivative; above this its terms are shown, each with its condition."""
OTHER: Final = -1
"""The choice of an input that no term asks for."""


@dataclass(frozen=True)
class Box:
    """Some regions: for each router that matters, the inputs that may win it and those that must not."""

    choices: tuple[tuple[int, frozenset[int], frozenset[int]], ...]


@dataclass(frozen=True)
class Case:
    """A derivative, and where it holds.

    Args:
        formula: The derivative there, simplified.
        boxes: It holds where one of these holds; none at all where it holds everywhere.
    """

    formula: Expr
    boxes: tuple[Box, ...]


def cases(graph: Graph, values: Mapping[int, Expr], terms: Terms) -> tuple[Case, ...] | None:
    """Return the cases of a derivative, that with most terms first and 0 last; None where there are too many.

    Args:
        graph: The gates.
        values: The formula of each node.
        terms: The derivative, as `_symbols.formulas` gives it.
    """
    options = router_options(graph, terms)
    if math.prod(len(found) for found in options.values()) > MOST_REGIONS:
        return None
    short: dict[frozenset[Guard], Expr] = {}
    where: dict[Expr, list[dict[int, frozenset[int]]]] = {}
    weight: dict[Expr, int] = {}
    for region in regions(graph, options):
        made = frozenset(guard for guard in terms if satisfied(guard, region))
        if made not in short:
            short[made] = shortest(sympy.Add(*(terms[guard] for guard in terms if guard in made)))
        formula = short[made]
        where.setdefault(formula, []).append({router: frozenset([choice]) for router, choice in region.items()})
        weight[formula] = max(weight.get(formula, 0), len(made)) if formula != 0 else -1
    found = []
    for formula in sorted(where, key=lambda one: -weight[one]):
        boxes = _joined(where[formula], options)
        found.append(Case(_known(formula, boxes, graph, values), tuple(boxes) if len(where) > 1 else ()))
    return tuple(found)


def router_options(graph: Graph, terms: Terms) -> dict[int, tuple[int, ...]]:
    """For each router that a derivative depends on, the inputs that its terms ask for, and `OTHER` for the rest."""
    wanted: dict[int, set[int]] = {}
    for guard in terms:
        for router, choice in guard:
            wanted.setdefault(router, set()).add(choice)
    return {
        router: (*sorted(choices), *([OTHER] if len(choices) < _inputs(graph, router) else []))
        for router, choices in sorted(wanted.items())
    }


def regions(graph: Graph, options: Mapping[int, Sequence[int]]) -> Iterator[dict[int, int]]:
    """Every choice for every router, but for those that contradict each other."""
    for choice in itertools.product(*options.values()):
        region = dict(zip(options, choice, strict=True))
        if _possible(graph, region, options):
            yield region


def satisfied(guard: Guard, region: Mapping[int, int]) -> bool:
    """Whether a region makes all the choices that a term needs."""
    return all(region[router] == choice for router, choice in guard)


def _inputs(graph: Graph, router: int) -> int:
    """How many choices a router has; relu lets through or not, abs has two signs."""
    node = graph.nodes[router]
    return 2 if node.operation in ("relu", "abs") else len(node.inputs)


def _possible(graph: Graph, region: Mapping[int, int], options: Mapping[int, Sequence[int]]) -> bool:
    """Whether no chain of comparisons comes back to its start: a > b, b > c, c > a."""
    larger: dict[object, set[object]] = {}
    for router, choice in region.items():
        node = graph.nodes[router]
        inputs = [_identity(graph, i) for i in node.inputs]
        if node.operation in ("relu", "abs"):
            sides = (inputs[0], ("number", 0.0))
            above, below = sides if choice == 0 else sides[::-1]
            larger.setdefault(above, set()).add(below)
            continue
        if choice == OTHER:
            rest = [i for i in range(len(inputs)) if i not in options[router]]
            if len(rest) > 1:
                continue
            choice = rest[0]
        for i in inputs:
            if i != inputs[choice]:
                above, below = (inputs[choice], i) if node.operation == "max" else (i, inputs[choice])
                larger.setdefault(above, set()).add(below)
        if inputs.index(inputs[choice]) != choice:
            return False  # of equal ones the first wins
    numbers = sorted((key for key in {*larger, *itertools.chain(*larger.values())} if _is_number(key)), key=str)
    for one, other in itertools.combinations(numbers, 2):
        above, below = (one, other) if one[1] > other[1] else (other, one)  # type: ignore[index]
        larger.setdefault(above, set()).add(below)
    return not _has_cycle(larger)


def _identity(graph: Graph, n: int) -> object:
    """Equal for equal numbers, and else the node itself."""
    node = graph.nodes[n]
    return ("number", node.number) if node.operation == "constant" else n


def _is_number(key: object) -> bool:
    return isinstance(key, tuple)


def _has_cycle(larger: Mapping[object, set[object]]) -> bool:
    done: set[object] = set()
    for start in larger:
        path, rest = [start], [iter(larger[start])]
        on_path = {start}
        while path:
            below = next(rest[-1], None)
            if below is None:
                done.add(path[-1])
                on_path.discard(path.pop())
                rest.pop()
            elif below in on_path:
                return True
            elif below not in done and below in larger:
                path.append(below)
                on_path.add(below)
                rest.append(iter(larger[below]))
    return False


def _joined(boxes: Sequence[dict[int, frozenset[int]]], options: Mapping[int, Sequence[int]]) -> list[Box]:
    """Regions that differ in one router are one box; a router where all inputs may win does not matter."""
    found = [dict(box) for box in boxes]
    again = True
    while again:
        again = False
        for one, other in itertools.combinations(found, 2):
            differ = [router for router in one if one[router] != other[router]]
            if len(differ) == 1:
                found.remove(other)
                one[differ[0]] |= other[differ[0]]
                again = True
                break
    return [
        Box(
            tuple(
                (router, chosen, frozenset(options[router]) - chosen)
                for router, chosen in box.items()
                if len(chosen) < len(options[router])
            )
        )
        for box in found
    ]


def _known(formula: Expr, boxes: Sequence[Box], graph: Graph, values: Mapping[int, Expr]) -> Expr:
    """Inside a case a router's value is that of its winner: relu(z) is z where z > 0 is the condition."""
    if len(boxes) != 1:
        return formula
    for router, chosen, _ in boxes[0].choices:
        if len(chosen) == 1 and not values[router].is_Symbol and formula.has(values[router]):
            formula = shortest(formula.subs(values[router], _winner(graph, router, next(iter(chosen)), values)))
    return formula


def _winner(graph: Graph, router: int, choice: int, values: Mapping[int, Expr]) -> Expr:
    node = graph.nodes[router]
    if node.operation in ("relu", "abs"):
        factor = {("relu", OTHER): 0, ("abs", 1): -1}.get((node.operation, choice), 1)
        return factor * values[node.inputs[0]]
    return values[router] if choice == OTHER else values[node.inputs[choice]]
