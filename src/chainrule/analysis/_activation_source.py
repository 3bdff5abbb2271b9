"""What a person names as an activation: a name of the book, an expression of x, a function in a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule import formulas
from chainrule.core.errors import UsageError, unknown
from chainrule.formulas._array import Array
from chainrule.formulas.graph import graph_backward, graph_forward

SLOPE_STEP: Final = 1e-5
"""Of centered differences, for functions whose derivative nobody wrote."""


@dataclass(frozen=True)
class Activation:
    """A function of one number with its derivative.

    Args:
        name: What it is called.
        value: Any shape -> same shape.
        slope: Its derivative; at a kink whatever the function's own rule says.
        exact: Whether the derivative is, and not of differences.
        operations: How many operations compute it; None where nobody counted.
        gates: The operations, where they are known one by one (`formulas.graph_forward`), and the number of the last.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    exact: bool = True
    operations: int | None = None
    gates: tuple[list[tuple[int, str, tuple[int, ...]]], dict[int, float], int, int] | None = None


def _of_book(
    forward: Callable[..., Any], backward: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return (lambda x: forward(x)[0]), (lambda x: backward(np.ones_like(x), forward(x)[1]))


_NAMED: Final[dict[str, tuple[Callable[..., Any], Callable[..., Any], int]]] = {
    "sigmoid": (*_of_book(formulas.sigmoid_forward, formulas.sigmoid_backward), 4),
    "tanh": (*_of_book(formulas.tanh_forward, formulas.tanh_backward), 1),
    "relu": (*_of_book(formulas.relu_forward, formulas.relu_backward), 1),
    "leaky_relu": (*_of_book(formulas.leaky_relu_forward, formulas.leaky_relu_backward), 2),
    "elu": (*_of_book(formulas.elu_forward, formulas.elu_backward), 4),
    "gelu": (*_of_book(formulas.gelu_forward, formulas.gelu_backward), 9),
    "identity": (lambda x: x + 0.0, np.ones_like, 0),
    "step": (lambda x: np.where(x > 0, 1.0, 0.0), np.zeros_like, 1),
}


def find_activation(text: str) -> Activation:
    """Return the activation of a name, of `FILE.py:NAME`, or of an expression of x such as `max(0.25*x, 0.75*x)`.

    Args:
        text: What was written. Code of a file runs: a person named it.

    Raises:
        UsageError: It cannot be read, or is no function of one number.

    Example:
        >>> find_activation("max(0.25*x, 0.75*x)").slope(np.array([-1.0, 1.0])).tolist()
        [0.25, 0.75]

    Source:
        LECTURES C4.
    """
    word = text.strip().lower().replace("-", "_") if re.fullmatch(r"\s*[A-Za-z][A-Za-z_-]+\s*", text) else ""
    if word in _NAMED:
        value, slope, operations = _NAMED[word]
        return Activation(word, value, slope, operations=operations)
    if text.endswith(".py") or ".py:" in text:
        return _of_file(text)
    if word == "maxout":
        raise UsageError("maxout is no function of one number", expected="a function of x",
                         remedy='it is the largest of several: "max(0.5*x + 1, 2*x)" is one of them')  # fmt: skip
    if word:
        raise UsageError(f'there is no activation "{text}"', remedy=f"{unknown('activation', word, _NAMED)}; "
                         'or write an expression: "max(0, x)"')  # fmt: skip
    return _of_expression(text)


def _of_expression(text: str) -> Activation:
    from chainrule.analysis.expression._graph import build_graph

    graph = build_graph(text)
    free = [n for n in graph.leaves if graph.nodes[n].number is None]
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    if not isinstance(graph.output, int):
        raise UsageError(f"{shown} is no activation", expected="one number", got=f"{len(graph.output)} numbers")
    if len(free) != 1:
        names = ", ".join(graph.labels[n] for n in free[:6])
        raise UsageError(
            f"{shown} is no activation",
            expected="a function of one variable",
            got=f"{len(free)} ({names or 'a constant'})",
        )
    (leaf,), output = free, graph.output
    fixed = {n: float(node.number) for n, node in enumerate(graph.nodes) if node.number is not None}

    def leaves(x: Array) -> dict[Hashable, Array | float]:
        found: dict[Hashable, Array | float] = {leaf: x}
        return found | {n: np.full(x.shape, number) for n, number in fixed.items()}

    def value(x: Array) -> Array:
        return graph_forward(graph.list(), leaves(x))[0][output]

    def slope(x: Array) -> Array:
        _, cache = graph_forward(graph.list(), leaves(x))
        return graph_backward({output: np.ones(x.shape)}, cache)[leaf]

    gates = (graph.list(), fixed, leaf, output)
    return Activation(shown, value, slope, operations=len(graph.gates), gates=gates)


def _of_file(text: str) -> Activation:
    from chainrule.core.program import load_program, parse_target, their_failure

    target = parse_target(text)
    function = load_program(target).objects[0]
    if not callable(function):
        raise UsageError(f"{text} is no function", expected="a function of one number", got=repr(function)[:60])
    call = _caller(function)

    def value(x: Array) -> Array:
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(call(x), dtype=np.float64)
            except (KeyboardInterrupt, UsageError):
                raise
            except BaseException as error:
                raise their_failure(target.path, error) from error
        if found.shape != x.shape:
            raise UsageError(f"{text} is no activation", expected="a number for each number",
                             got=f"shape {found.shape} for {x.shape}")  # fmt: skip
        return found

    def slope(x: Array) -> Array:
        return (value(x + SLOPE_STEP) - value(x - SLOPE_STEP)) / (2 * SLOPE_STEP)

    return Activation(Path(target.path).name + ":" + target.names[0], value, slope, exact=False)


def _caller(function: Callable[..., Any]) -> Callable[[Array], Any]:
    """How a function wants its numbers: as an array, as a tensor (where its file imported torch), or one by one."""
    probe = np.array([-1.0, 0.5])
    torch = sys.modules.get("torch")
    ways: list[Callable[[Array], Any]] = [lambda x: function(x.copy())]
    if torch is not None:
        ways.insert(0, lambda x: function(torch.from_numpy(x.copy())).detach().numpy())
    for way in ways:
        try:
            if np.shape(way(probe)) == probe.shape:
                return way
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S112 the next way; what fails in all of them is told when it is used
            continue
    return lambda x: np.array([function(float(number)) for number in x.ravel()], dtype=np.float64).reshape(x.shape)
