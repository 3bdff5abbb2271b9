"""The judge of a walk: centered finite differences, in float64, one leaf after the other.

The differences share nothing with the backward pass but the forward formulas. Where a max, min, relu or abs changes
its winner between the two points of a difference there is a kink: closer points are tried, and where the point itself
is the kink both one-sided slopes are given instead of an accusation.

Source: LECTURES C3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from chainrule.analysis.expression._graph import Graph
from chainrule.analysis.expression._numbers import Walk
from chainrule.formulas.graph import graph_forward

Verdict = Literal["agrees", "kink", "unclear", "differs"]
TOLERANCE: Final = 1e-6
"""Relative error up to which a gradient agrees."""
_SIZES: Final = (1e-3, 1e-5, 1e-7)
"""Steps, as parts of the larger of 1 and the value; a half and a quarter of each are combined, so that h^6 remains."""
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Compared:
    """One gradient against differences.

    Args:
        node: Whose.
        analytic: The gradient by the backward pass.
        numeric: By differences; at a kink, the mean of both sides.
        error: |analytic - numeric| over the larger of both; 0 where both are within rounding of it.
        verdict: Whether they agree; `unclear` where differences resolve too little to say.
        sides: At a kink the slopes to the left and to the right.
        gate: At a kink the router that changes its winner.
    """

    node: int
    analytic: float
    numeric: float
    error: float
    verdict: Verdict
    sides: tuple[float, float] | None = None
    gate: int | None = None


def compare(graph: Graph, walk: Walk, nodes: Sequence[int]) -> tuple[Compared, ...]:
    """Compare gradients with centered differences.

    Args:
        graph: The gates.
        walk: What went forward and backward through them.
        nodes: Leaves, or gates, which are then moved as if they were leaves.
    """
    return tuple(_one(graph, walk, node) for node in nodes)


def _one(graph: Graph, walk: Walk, node: int) -> Compared:
    """Steps of three sizes: one that agrees is enough, and only steps that agree with each other accuse."""
    analytic = walk.gradients[node] or 0.0
    at, found, kink = walk.values[node], [], None
    for size in _SIZES:
        steps = size * max(1.0, abs(at)) / np.array([1.0, 2.0, 4.0])
        outside, kink = _moved(graph, walk, node, np.concatenate([at + steps, at - steps]))
        if kink is None:
            found.append(_verdict(node, analytic, outside, steps, _scale(walk)))
            if found[-1].verdict == "agrees":
                return found[-1]
    if not found:
        return _kink(graph, walk, node, kink)
    sure = [one for one in found if one.verdict == "differs"]
    spread = max((abs(one.numeric - sure[0].numeric) for one in sure), default=0.0)
    size = max((abs(one.numeric) for one in sure), default=0.0)
    steady = spread <= 0.01 * size or size <= 1e-6 * abs(analytic)
    if len(sure) > 1 and steady and spread <= 0.1 * abs(sure[0].numeric - analytic):
        return sure[0]
    return replace(found[0], verdict="unclear")


def _kink(graph: Graph, walk: Walk, node: int, gate: int | None) -> Compared:
    h = 1e-9 * max(1.0, abs(walk.values[node]))
    (right, left), _ = _moved(graph, walk, node, walk.values[node] + np.array([h, -h]))
    middle = sum(walk.values[n] * d for n, d in walk.start.items())
    sides = (float(middle - left) / h, float(right - middle) / h)
    return Compared(node, walk.gradients[node] or 0.0, sum(sides) / 2, 0.0, "kink", sides, gate)


def _scale(walk: Walk) -> float:
    """The largest number that takes part: its rounding is what differences cannot see through."""
    return max((abs(value) for value in walk.values), default=0.0) * max(
        (abs(d) for d in walk.start.values()), default=1.0
    )


def _verdict(node: int, analytic: float, outside: np.ndarray, steps: np.ndarray, scale: float) -> Compared:
    slopes = (outside[:3] - outside[3:]) / (2 * steps)
    better = (4 * slopes[1:] - slopes[:-1]) / 3  # Richardson: the h^2 of the error cancels
    best = float((16 * better[1] - better[0]) / 15)
    if not math.isfinite(best):
        return Compared(node, analytic, 0.0, 0.0, "unclear")
    rounding = 8 * _EPS * scale / float(steps[-1])
    doubt = max(rounding, abs(best - float(better[1])))
    largest, apart = max(abs(analytic), abs(best)), abs(analytic - best)
    error = apart / max(largest, 1e-300)
    if error <= TOLERANCE or (analytic == 0 and apart <= rounding):
        return Compared(node, analytic, best, error if analytic else 0.0, "agrees")
    return Compared(node, analytic, best, error, "unclear" if apart <= 10 * doubt else "differs")


def _moved(graph: Graph, walk: Walk, node: int, places: np.ndarray) -> tuple[np.ndarray, int | None]:
    """L at each place of one node, and the first router that does not have the same winner everywhere."""
    gates = [gate for gate in graph.list() if gate[0] != node]
    known = {n: walk.values[n] for n, one in enumerate(graph.nodes) if not one.inputs}
    values, _ = graph_forward(gates, {**known, node: places})
    total = np.zeros_like(places)
    for n, d in walk.start.items():
        total = total + d * values[n]
    return total, next((n for n, _, _ in gates if _changes(graph, n, values, places)), None)


def _changes(graph: Graph, n: int, values: Mapping[object, np.ndarray], places: np.ndarray) -> bool:
    node = graph.nodes[n]
    if node.operation in ("relu", "abs"):
        sign = np.sign(np.broadcast_to(values[node.inputs[0]], places.shape))
        return bool((sign != sign[0]).any())
    if node.operation in ("max", "min"):
        wins = np.stack([np.broadcast_to(values[i] == values[n], places.shape) for i in node.inputs])
        return bool((wins != wins[:, :1]).any())
    return False
