"""An expression as a surface: `x**2 + 10*y**2`, with exact gradient and second derivatives; without torch."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from chainrule.analysis.expression._graph import Graph, build_graph
from chainrule.analysis.surfaces._surface import Array, Surface, with_noise
from chainrule.core.errors import UsageError
from chainrule.formulas.graph import OPERATIONS, graph_backward, graph_forward

MOST_VARIABLES: Final = 64


def expression_surface(text: str, start: Sequence[float]) -> Surface:
    """Return what an expression computes as a surface.

    Args:
        text: In the language of `backprop`; it is read, never run.
        start: One number for each variable, in the order of their names: x before y, x[2] before x[10].

    Raises:
        UsageError: It cannot be read, gives a vector, or has another number of variables; the error shows the column.

    Example:
        >>> surface = expression_surface("10*y**2 + x**2", [1.0, 2.0])  # x = 1, y = 2
        >>> surface.value(np.array([[1.0, 2.0]])).tolist(), surface.hessian(np.array([1.0, 2.0])).tolist()
        ([41.0], [[2.0, 0.0], [0.0, 20.0]])

    Source:
        LECTURES C1, B13.
    """
    graph = build_graph(text)
    variables = _variables(graph)
    names = [graph.labels[n] for n in variables]
    if not isinstance(graph.output, int):
        raise UsageError(f"{_short(text)} is no surface", expected="one number", got=f"{len(graph.output)} numbers")
    if not 2 <= len(names) <= MOST_VARIABLES:
        shown = f"{len(names):,}" + (f" ({', '.join(names)})" if names else "")
        raise UsageError(f"{_short(text)} is no surface", expected=f"2 to {MOST_VARIABLES} variables", got=shown)
    point = np.array(start, dtype=np.float64)
    if point.shape != (len(names),) or not np.isfinite(point).all():
        raise UsageError(
            f"--start does not fit {_short(text)}",
            expected=f"a finite number for each of {', '.join(names)}",
            got=", ".join(f"{number:g}" for number in np.ravel(point)[:8]) or "nothing",
            remedy="in this order, with commas between: --start " + ",".join("1" for _ in names[:8]),
        )
    output = graph.output

    def leaves(points: Array) -> dict[Hashable, Array | float]:
        one = np.ones(len(points))
        found: dict[Hashable, Array | float] = {n: points[:, i] for i, n in enumerate(variables)}
        return found | {n: node.number * one for n, node in enumerate(graph.nodes) if node.number is not None}

    def value(points: Array) -> Array:
        return graph_forward(graph.list(), leaves(points))[0][output]

    def gradient(points: Array) -> Array:
        _, cache = graph_forward(graph.list(), leaves(points))
        found = graph_backward({output: np.ones(len(points))}, cache)
        return np.stack([found[n] * np.ones(len(points)) for n in variables], axis=1)

    return Surface(
        _short(text),
        f"an expression of {', '.join(names)}",
        point,
        value,
        gradient,
        with_noise(gradient, point),
        hessian=lambda x: _hessian(graph, variables, output, x),
    )


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 48 else words[:47] + "…"


def _variables(graph: Graph) -> list[int]:
    """The leaves without a value in the text, in the order of their names, numbers in them by size."""
    free = [n for n in graph.leaves if graph.nodes[n].number is None]
    return sorted(free, key=lambda n: [(part.isdigit(), part.zfill(9)) for part in re.split(r"(\d+)", graph.labels[n])])


def _hessian(graph: Graph, variables: Sequence[int], output: int, x: Array) -> Array:
    """Value, slope and curvature carried forward through the gates, by the chain rule of second order.

    For f(a, b): H = sum_i f_i H_i + sum_ij f_ij g_i g_j^T, with f_i, f_ij the local derivatives.
    """
    size = len(variables)
    zero, flat = np.zeros(size), np.zeros((size, size))
    values: dict[int, Array] = {
        n: np.array(node.number) for n, node in enumerate(graph.nodes) if node.number is not None
    }
    slopes, curves = dict.fromkeys(values, zero), dict.fromkeys(values, flat)
    for i, n in enumerate(variables):
        values[n], slopes[n], curves[n] = np.array(x[i]), np.eye(size)[i], flat
    fixed = set(range(len(graph.nodes))) - graph.behind(variables)
    with np.errstate(all="ignore"):
        for n, operation, inputs in graph.list():
            given = [values[i] for i in inputs]
            values[n] = np.asarray(OPERATIONS[operation].forward(*given))
            first = OPERATIONS[operation].local(values[n], *given)
            moves = [i not in fixed for i in inputs]
            slopes[n] = sum((d * slopes[i] for d, i, m in zip(first, inputs, moves, strict=True) if m), zero)
            curves[n] = sum((d * curves[i] for d, i, m in zip(first, inputs, moves, strict=True) if m), flat)
            for (a, b), second in _second(operation, values[n], given).items():
                if moves[a] and moves[b]:
                    curves[n] = curves[n] + second * np.outer(slopes[inputs[a]], slopes[inputs[b]])
    return curves[output]


def _second(operation: str, out: Array, x: Sequence[Array]) -> dict[tuple[int, int], Array]:
    """The second derivatives of a gate that are not 0, by the numbers of its inputs."""
    match operation:
        case "multiply":
            return {(0, 1): np.ones(()), (1, 0): np.ones(())}
        case "divide":
            mixed = -1 / x[1] ** 2
            return {(0, 1): mixed, (1, 0): mixed, (1, 1): 2 * out / x[1] ** 2}
        case "power":
            return _second_of_power(out, *x)
        case "exp":
            return {(0, 0): out}
        case "log":
            return {(0, 0): -1 / x[0] ** 2}
        case "sin" | "cos":
            return {(0, 0): -out}
        case "tanh":
            return {(0, 0): -2 * out * (1 - out**2)}
        case "sigmoid":
            return {(0, 0): out * (1 - out) * (1 - 2 * out)}
        case "sqrt":
            return {(0, 0): -1 / (4 * out**3)}
    return {}  # sums, signs, and what is straight between its kinks


def _second_of_power(out: Array, x: Array, n: Array) -> dict[tuple[int, int], Array]:
    found = {(0, 0): np.where((n == 0) | (n == 1), 0.0, n * (n - 1) * np.power(x, n - 2))}
    if x > 0:
        mixed = np.power(x, n - 1) * (1 + n * np.log(x))
        found |= {(0, 1): mixed, (1, 0): mixed, (1, 1): out * np.log(x) ** 2}
    return found
