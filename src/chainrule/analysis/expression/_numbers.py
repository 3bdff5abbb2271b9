"""The walk in numbers: forward through all gates, then backward along every edge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.analysis.expression._graph import Graph
from chainrule.formulas.graph import OPERATIONS, Ties, graph_backward, graph_forward, local_derivatives
from chainrule.notation.source import PlacedError


@dataclass(frozen=True)
class Arrow:
    """What one gate sends back to one of its inputs: local derivative times upstream gradient.

    Args:
        gate: The node that sends.
        target: The node that receives; one that several arrows lead to adds what arrives.
        local: d(gate) / d(target) at this input.
        upstream: dL / d(gate).
        gives: Their product.
    """

    gate: int
    target: int
    local: float
    upstream: float
    gives: float


@dataclass(frozen=True)
class Tie:
    """A max or min whose winner is there more than once.

    Args:
        gate: The router.
        winners: The inputs that are equal to its value.
    """

    gate: int
    winners: tuple[int, ...]


@dataclass(frozen=True)
class Walk:
    """Everything in numbers.

    Args:
        values: Of each node.
        gradients: dL / d(node) of each node; None for constants and what depends on constants alone.
        start: Where the backward pass begins, with the gradient given there.
        arrows: Every step backward, in the order in which they are taken.
        ties: Where a router has more than one winner.
    """

    values: tuple[float, ...]
    gradients: tuple[float | None, ...]
    start: Mapping[int, float]
    arrows: tuple[Arrow, ...]
    ties: tuple[Tie, ...]


def walk(graph: Graph, point: Mapping[int, float], start: Mapping[int, float], ties: Ties = "first") -> Walk:
    """Go forward and backward.

    Args:
        graph: The gates.
        point: The value of every leaf.
        start: Nodes with the gradient that arrives at them from outside; 1 at the output for dL/d... with L the output.
        ties: Who wins where the largest of a max is there twice.

    Raises:
        UsageError: A gate has no finite value, or no finite derivative, at this point.
    """
    leaves = {n: float(node.number) for n, node in enumerate(graph.nodes) if node.number is not None} | dict(point)
    values, cache = graph_forward(graph.list(), leaves)
    for n in graph.gates:
        if not math.isfinite(values[n]):
            given = ", ".join(f"{values[i]:.6g}" for i in graph.nodes[n].inputs)
            remedy = "choose another point" if math.isnan(values[n]) else "choose a point where it is smaller"
            raise _at(graph, n, f"{graph.nodes[n].operation} has no finite value at {given}", remedy)
    local = local_derivatives(cache, ties)
    gradient = graph_backward(dict(start), cache, ties)
    active, reached = graph.behind(graph.leaves), graph.before(list(start))
    arrows = []
    for n in reversed(graph.gates):
        if n not in active or n not in reached:
            continue
        for i, derivative in zip(graph.nodes[n].inputs, local[n], strict=True):
            if i in active:
                if not math.isfinite(derivative):
                    what = f"{graph.nodes[n].operation} has no finite derivative at {values[i]:.6g}"
                    raise _at(graph, n, what, "choose another point")
                one, upstream = _float(derivative), _float(gradient[n])
                arrows.append(Arrow(n, i, one, upstream, one * upstream + 0.0))
    for n in active & reached:
        if not math.isfinite(gradient[n]):
            raise _at(graph, n, f"the gradient of {graph.labels[n]} is too large for a number", "choose another point")
    return Walk(
        tuple(_float(values[n]) for n in range(len(graph.nodes))),
        tuple(_float(gradient[n]) if n in active else None for n in range(len(graph.nodes))),
        dict(start),
        tuple(arrows),
        tuple(
            Tie(n, won)
            for n in graph.gates
            if n in active and n in reached and len(won := _winners(graph, n, values)) > 1
        ),
    )


def _float(value: object) -> float:
    """A number; minus zero is zero to a reader."""
    return float(value) + 0.0  # type: ignore[arg-type]


def role(graph: Graph, node: int) -> str:
    """What a gate does with a gradient: distributor, switcher or router; empty where the lectures have no word."""
    operation = OPERATIONS.get(graph.nodes[node].operation)
    return operation.role if operation else ""


def _winners(graph: Graph, n: int, values: Mapping[object, np.ndarray]) -> tuple[int, ...]:
    node = graph.nodes[n]
    if node.operation in ("relu", "abs"):
        return (*node.inputs, n) if values[node.inputs[0]] == 0 else ()
    if node.operation not in ("max", "min"):
        return ()
    return tuple(i for i in node.inputs if values[i] == values[n])


def _at(graph: Graph, n: int, what: str, remedy: str) -> PlacedError:
    return PlacedError(what, text=graph.text, span=graph.nodes[n].span, remedy=remedy)
