"""The conditions of cases: `z1 = max(z1, z2, 0)`, as the lectures write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import sympy

from chainrule.analysis.expression._graph import Graph
from chainrule.analysis.expression._regions import OTHER, Box
from chainrule.analysis.expression._symbols import Expr, Guard, router, shown
from chainrule.analysis.expression._writer import Latex, Writer

Relation: TypeAlias = tuple[Expr, str, Expr]
"""Left side, `=`, `<`, `<=`, `>` or `>=`, right side."""
_LATEX: Final = {"<=": r"\le", ">=": r"\ge"}


def box_relations(graph: Graph, values: Mapping[int, Expr], box: Box) -> tuple[Relation, ...]:
    """What must hold for a box, all at once."""
    found = [one for n, chosen, excluded in box.choices for one in _relations(graph, values, n, chosen, excluded)]
    return tuple(dict.fromkeys(found))


def guard_relations(graph: Graph, values: Mapping[int, Expr], guard: Guard) -> tuple[Relation, ...]:
    """What must hold for a term."""
    none: frozenset[int] = frozenset()
    return tuple(one for n, choice in sorted(guard) for one in _relations(graph, values, n, frozenset([choice]), none))


def condition_text(writer: Writer, alternatives: Sequence[Sequence[Relation]]) -> str:
    """Relations joined by and, alternatives by or; empty where there is no condition."""
    latex = isinstance(writer.style, Latex)
    and_, or_ = (r" \text{ and } ", r" \text{ or } ") if latex else (" and ", " or ")
    words = []
    for relations in alternatives:
        parts = [
            f"{writer.write(left)} {_LATEX.get(sign, sign) if latex else sign} {writer.write(right)}"
            for left, sign, right in relations
        ]
        words.append(f"({and_.join(parts)})" if len(parts) > 1 and len(alternatives) > 1 else and_.join(parts))
    return or_.join(sorted(words, key=len))


def _relations(
    graph: Graph, values: Mapping[int, Expr], n: int, chosen: frozenset[int], excluded: frozenset[int]
) -> list[Relation]:
    node = graph.nodes[n]
    inputs = [shown(graph, values, i) for i in node.inputs]
    zero = sympy.Integer(0)
    if node.operation == "relu":
        return [(inputs[0], ">" if 0 in chosen else "<=", zero)]
    if node.operation == "abs":
        return [(inputs[0], ">" if 0 in chosen else "<", zero)]
    larger, smaller = (">", "<") if node.operation == "max" else ("<", ">")
    if len(inputs) == 2:  # of equal ones the first wins
        first = 0 in chosen or 1 in excluded
        if graph.nodes[node.inputs[0]].operation == "constant":
            return [(inputs[1], f"{smaller}=" if first else larger, inputs[0])]
        return [(inputs[0], f"{larger}=" if first else smaller, inputs[1])]
    whole = router(graph, values, n)
    if OTHER in chosen or len(chosen) > 1:
        return [(inputs[i], smaller, whole) for i in sorted(excluded)]
    return [(inputs[i], "=", whole) for i in chosen]
