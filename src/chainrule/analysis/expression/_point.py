"""What stands beside the expression: the values of its leaves, and the gradients that arrive from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.analysis.expression._graph import Graph, constants
from chainrule.core.errors import UsageError
from chainrule.core.paths import shown

Given: TypeAlias = "float | str | tuple[float | str, ...]"
"""A number, the name of a symbol, or a vector of these."""
At: TypeAlias = "str | Mapping[str, Any] | None"
LARGEST: Final = 10_000
"""Elements of a vector."""


def read_given(given: At, what: str, *, names: bool = False) -> dict[str, Given]:
    """Read `w0=2, x=[1, 2]`, or a mapping of the same.

    Args:
        given: Text or mapping; values are numbers or sequences of numbers.
        what: The option, for messages.
        names: Whether a value may be the name of a symbol.

    Raises:
        UsageError: It is not of that form.

    Example:
        >>> read_given("w0=2, x=[1, -0.5]", "--at"), read_given({"v1": "d1"}, "upstream", names=True)
        ({'w0': 2.0, 'x': (1.0, -0.5)}, {'v1': 'd1'})
    """
    if given is None:
        return {}
    if isinstance(given, str):
        return constants(given, what, names=names)
    return {str(name): _value(f"{what}: {name}", value, names) for name, value in given.items()}


def _value(what: str, value: Any, names: bool) -> Given:
    if isinstance(value, str):
        if not (names and value.isidentifier()):
            raise UsageError(f"{what} needs a number", got=shown(value))
        return value
    if isinstance(value, Sequence) and any(isinstance(one, str) for one in value):
        return tuple(one for part in value for one in [_value(what, part, names)] if not isinstance(one, tuple))
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{what} needs a number", got=type(value).__name__) from None
    if array.ndim > 1 or not 0 < array.size <= LARGEST:
        raise UsageError(f"{what} needs a number or a vector", expected="at most one dimension", got=array.shape)
    if not np.isfinite(array).all():
        raise UsageError(f"{what} is not finite", expected="finite numbers")
    return tuple(array.tolist()) if array.ndim else float(array)


def leaf_values(graph: Graph, given: Mapping[str, Given]) -> dict[int, float]:
    """The value of each leaf that has one.

    Raises:
        UsageError: A name is not of the expression, is computed by it, or has another size.
    """
    found = {
        n: float(node.number)
        for n, node in enumerate(graph.nodes)
        if node.operation == "leaf" and node.number is not None
    }
    for name, value in given.items():
        nodes = graph.find(name, what="--at")
        for n in nodes:
            if graph.nodes[n].operation != "leaf" or graph.nodes[n].number is not None:
                raise UsageError(
                    f"--at: {name} has its value in the expression", remedy="give the names without a value"
                )
        found |= dict(zip(nodes, _numbers(value, len(nodes), f"--at: {name}"), strict=True))
    return found


def start_values(graph: Graph, given: Mapping[str, Given]) -> dict[int, float | str]:
    """Where the way back begins: at the output with 1, or where it was said.

    Raises:
        UsageError: The output is a vector and nothing was said, or a name or size does not fit.
    """
    if not given:
        if isinstance(graph.output, tuple) and len(graph.output) > 1:
            raise UsageError(
                f"the result is a vector of {len(graph.output)}, and a gradient starts at one number",
                remedy="end with sum(...) or one element, or give --upstream NAME=[...]",
            )
        return {graph.output if isinstance(graph.output, int) else graph.output[0]: 1.0}
    found: dict[int, float | str] = {}
    for name, value in given.items():
        nodes = graph.find(name, what="--upstream")
        values = value if isinstance(value, tuple) else (value,)
        if len(values) != len(nodes):
            raise UsageError(f"--upstream: {name} has another size", expected=len(nodes), got=len(values))
        for n, one in zip(nodes, values, strict=True):
            if isinstance(one, str) and (one in graph.names or one in graph.labels):
                raise UsageError(f"--upstream: {one} is a name of the expression", remedy=f"take another, as d_{one}")
            if n in found:
                raise UsageError(f"--upstream: {name} is given twice")
            found[n] = one
    return found


def _numbers(value: Given, size: int, what: str) -> tuple[float, ...]:
    values = value if isinstance(value, tuple) else (value,)
    if len(values) != size:
        raise UsageError(f"{what} has another size", expected=size, got=len(values))
    numbers = tuple(float(one) for one in values if not isinstance(one, str))
    if len(numbers) < size or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{what} needs finite numbers")
    return numbers
