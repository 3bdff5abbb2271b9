"""Reverse mode on a graph: every gate knows its local derivative, and one pass backward multiplies them together.

A graph is a list of gates in the order in which they can be computed. A gate is `(name, operation, inputs)`:

    q = x + y        ("q", "add", ("x", "y"))
    f = q * z        ("f", "multiply", ("q", "z"))

`values, cache = graph_forward(gates, leaves)` goes forward, `graph_backward({"f": 1.0}, cache)` gives the gradient of
everything. Numbers may be arrays of one shape: then each element is a graph of its own.

    add distributes     each input receives the gradient as it is
    multiply switches   each input receives the gradient times the other input
    max routes          the winner receives all of it, the others nothing
    a copy adds         what is used several times receives the sum of what comes back
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from chainrule.core.errors import UsageError, unknown
from chainrule.formulas._array import Array, Cache
from chainrule.formulas.activations import sigmoid_forward, tanh_forward

Ties = Literal["first", "shared"]
Gate: TypeAlias = tuple[Hashable, str, Sequence[Hashable]]
"""Its name, its operation (a key of `OPERATIONS`), and the names of its inputs."""


class Operation(NamedTuple):
    """What a gate does.

    Args:
        forward: Inputs -> output.
        local: (output, *inputs) -> derivative of the output with respect to each input.
        role: What the gate does with a gradient, in one word; empty where the lectures have none.
    """

    forward: Callable[..., Array]
    local: Callable[..., tuple[Array, ...]]
    role: str = ""


def graph_forward(gates: Sequence[Gate], leaves: Mapping[Any, Array | float]) -> tuple[dict[Hashable, Array], Cache]:
    """Compute gate after gate.

    Args:
        gates: The graph; each gate after its inputs.
        leaves: Values of the names that no gate computes: numbers, or arrays of one shape.

    Returns:
        The value of every name; and the cache.

    Raises:
        UsageError: An operation is unknown.

    Example:
        >>> gates = [("q", "add", ("x", "y")), ("f", "multiply", ("q", "z"))]
        >>> values, cache = graph_forward(gates, {"x": -2.0, "y": 5.0, "z": -4.0})
        >>> print(values["q"], values["f"])
        3.0 -12.0

    Source:
        LECTURES C1.
    """
    values = {name: np.asarray(value, dtype=np.float64) for name, value in leaves.items()}
    with np.errstate(all="ignore"):  # what is not a number stays one, for the caller to see
        for name, operation, inputs in gates:
            if operation not in OPERATIONS:
                raise UsageError(f'there is no gate "{operation}"', remedy=unknown("gate", operation, OPERATIONS))
            values[name] = OPERATIONS[operation].forward(*(values[i] for i in inputs))
    return values, (list(gates), values)


def local_derivatives(cache: Cache, ties: Ties = "first") -> dict[Hashable, tuple[Array, ...]]:
    """d(gate) / d(input), for every gate and each of its inputs: what a gate knows without the rest of the graph.

    Args:
        cache: From `graph_forward`.
        ties: Who wins where the largest of a max (the smallest of a min) is there twice: the `first`, or all of them,
            each receiving an equal share (`shared`).

    Returns:
        For each gate one derivative for each input.

    Example:
        >>> _, cache = graph_forward([("f", "multiply", ("q", "z"))], {"q": 3.0, "z": -4.0})
        >>> [float(d) for d in local_derivatives(cache)["f"]]
        [-4.0, 3.0]

    Source:
        LECTURES C1, C2. `first` is torch's rule for `max(dim)` and max pooling, `shared` that of `max()` of all,
        `amax` and `maximum`.
    """
    gates, values = cache
    found = {}
    with np.errstate(all="ignore"):
        for name, operation, inputs in gates:
            x = [values[i] for i in inputs]
            found[name] = OPERATIONS[operation].local(values[name], *x)
            if ties == "first" and operation in ("max", "min"):
                found[name] = _first(found[name])
    return found


def graph_backward(upstream: Mapping[Any, Array | float], cache: Cache, ties: Ties = "first") -> dict[Hashable, Array]:
    """One pass from the end to the beginning: gradient of an input = local derivative * gradient of the gate.

    Args:
        upstream: Where the pass starts, with dL / d(name): `{"f": 1.0}` for L = f. Several add up.
        cache: From `graph_forward`.
        ties: As for `local_derivatives`.

    Returns:
        dL / d(name) for every gate and leaf; 0 where no path leads to what the pass started from.

    Example:
        >>> gates = [("q", "add", ("x", "y")), ("f", "multiply", ("q", "z"))]
        >>> _, cache = graph_forward(gates, {"x": -2.0, "y": 5.0, "z": -4.0})
        >>> gradient = graph_backward({"f": 1.0}, cache)
        >>> [float(gradient[name]) for name in ("x", "y", "z", "q")]
        [-4.0, -4.0, 3.0, -4.0]

    Source:
        LECTURES C1.
    """
    gates, values = cache
    local = local_derivatives(cache, ties)
    gradient: dict[Hashable, Array] = {name: np.asarray(d, dtype=np.float64) for name, d in upstream.items()}
    with np.errstate(all="ignore"):
        for name, _, inputs in reversed(gates):
            if name in gradient:  # else no path leads on from here
                for i, derivative in zip(inputs, local[name], strict=True):
                    gradient[i] = gradient.get(i, 0.0) + derivative * gradient[name]  # a copy adds
    return {name: gradient[name] if name in gradient else np.zeros_like(value) for name, value in values.items()}


def _ones(out: Array) -> Array:
    return np.ones_like(out)


def _add(*x: Array) -> Array:
    return np.add.reduce(np.broadcast_arrays(*x))


def _maximum(*x: Array) -> Array:
    return np.maximum.reduce(np.broadcast_arrays(*x))


def _minimum(*x: Array) -> Array:
    return np.minimum.reduce(np.broadcast_arrays(*x))


def _winners(out: Array, *x: Array) -> tuple[Array, ...]:
    """1 / how many win, for each that equals the output; 0 for the others."""
    wins = np.stack([np.equal(i, out) for i in np.broadcast_arrays(*x)])
    return tuple(wins / np.maximum(wins.sum(axis=0), 1))


def _first(shares: tuple[Array, ...]) -> tuple[Array, ...]:
    """All for the first winner."""
    wins = np.stack(shares) > 0
    return tuple((wins & (np.cumsum(wins, axis=0) == 1)).astype(np.float64))


def _power(out: Array, x: Array, n: Array) -> tuple[Array, Array]:
    """n x^(n-1), and x^n log x; the latter is 0 at x = 0 and not a number below it."""
    positive = np.where(x > 0, x, 1.0)
    by_exponent = np.where(x > 0, out * np.log(positive), np.where((x == 0) & (n >= 0), 0.0, np.nan))
    return np.where(n == 0, 0.0, n * x ** (n - 1)), by_exponent


OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation(_add, lambda out, *x: (_ones(out),) * len(x), "distributor"),
    "subtract": Operation(np.subtract, lambda out, a, b: (_ones(out), -_ones(out)), "distributor"),
    "multiply": Operation(np.multiply, lambda out, a, b: (b, a), "switcher"),
    "divide": Operation(np.divide, lambda out, a, b: (1 / b, -a / b**2)),
    "power": Operation(np.power, _power),
    "negate": Operation(np.negative, lambda out, x: (-_ones(out),)),
    "exp": Operation(np.exp, lambda out, x: (out,)),
    "log": Operation(np.log, lambda out, x: (1 / x,)),
    "sin": Operation(np.sin, lambda out, x: (np.cos(x),)),
    "cos": Operation(np.cos, lambda out, x: (-np.sin(x),)),
    "tanh": Operation(lambda x: tanh_forward(x)[0], lambda out, x: (1 - out**2,)),
    "sigmoid": Operation(lambda x: sigmoid_forward(x)[0], lambda out, x: (out * (1 - out),)),
    "sqrt": Operation(np.sqrt, lambda out, x: (1 / (2 * out),)),
    "abs": Operation(np.abs, lambda out, x: (np.sign(x),)),
    "relu": Operation(lambda x: np.maximum(x, 0), lambda out, x: ((x > 0).astype(np.float64),), "router"),
    "max": Operation(_maximum, _winners, "router"),
    "min": Operation(_minimum, _winners, "router"),
}  # fmt: skip
"""Every gate: forward, local derivatives, and what it does with a gradient."""
