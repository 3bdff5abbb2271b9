"""What an activation costs beside ReLU, forward and backward, in torch."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import torch
from torch import Tensor

from chainrule.analysis._activation_source import Activation
from chainrule.core.errors import UsageError

NUMBERS: Final = 1_000_000
ROUNDS: Final = 15
_NAMED: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functools.partial(torch.nn.functional.leaky_relu, negative_slope=0.1),
    "elu": torch.nn.functional.elu,
    "gelu": functools.partial(torch.nn.functional.gelu, approximate="tanh"),
}
_GATES: Final[dict[str, Callable[..., Tensor]]] = {
    "add": lambda *x: functools.reduce(torch.add, x),
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "power": torch.pow,
    "negate": torch.neg,
    "max": lambda *x: functools.reduce(torch.maximum, x),
    "min": lambda *x: functools.reduce(torch.minimum, x),
    **{name: getattr(torch, name) for name in ("exp", "log", "sin", "cos", "tanh", "sigmoid", "sqrt", "abs", "relu")},
}


def cost_beside_relu(function: Activation) -> dict[str, float]:
    """Measure a function and ReLU in turn on a million numbers of float32.

    Args:
        function: One of the book or an expression.

    Returns:
        `{"forward", "backward"}`: the medians of time, as multiples of ReLU's; backward without forward.

    Raises:
        UsageError: It is a function in a file, or has no gradient.
    """
    call = _in_torch(function)
    x = torch.randn(NUMBERS, generator=torch.Generator().manual_seed(0)).requires_grad_()
    if not call(x).requires_grad:
        raise UsageError(f"{function.name} has no gradient to be measured", expected="a function that changes with x")
    times: dict[str, list[tuple[float, float]]] = {"own": [], "relu": []}
    for _ in range(ROUNDS):
        for name, one in (("own", call), ("relu", torch.relu)):
            times[name].append(_once(one, x))
    found = {}
    for place, phase in enumerate(("forward", "backward")):
        own, relu = (median(pair[place] for pair in times[name][3:]) for name in ("own", "relu"))
        found[phase] = own / relu
    return found


def _once(call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float]:
    begun = time.perf_counter()
    out = call(x)
    between = time.perf_counter()
    torch.autograd.grad(out, x, torch.ones_like(out))
    return between - begun, time.perf_counter() - between


def _in_torch(function: Activation) -> Callable[[Tensor], Tensor]:
    if function.name in _NAMED:
        return _NAMED[function.name]
    if function.gates is None:
        raise UsageError(
            f"{function.name} cannot be measured in torch", expected="an expression, or an activation that torch has"
        )
    gates, fixed, leaf, output = function.gates

    def call(x: Tensor) -> Tensor:
        values = {leaf: x, **{n: torch.tensor(number) for n, number in fixed.items()}}
        for n, operation, inputs in gates:
            values[n] = _GATES[operation](*(values[i] for i in inputs))
        return values[output]

    return call
