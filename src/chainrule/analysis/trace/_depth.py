"""Gradients through the layers: do they vanish or explode on the way back to the input?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.analysis.trace._result import TracedOperation, TracedValue

LAYERS = 3
"""With fewer there is no depth to speak of."""
FAR = 1e3
"""A factor from end to end beyond which a gradient has vanished or exploded."""


@dataclass(frozen=True)
class Layer:
    """One layer with weights: norms of dL/d(its output) and dL/d(its weights), None where there is none."""

    name: str
    gradient: float
    weights: float | None


@dataclass(frozen=True)
class Depth:
    """The layers from the input on, and in words what becomes of the gradient on its way back through them."""

    layers: tuple[Layer, ...]
    words: str

    @property
    def ratio(self) -> float:
        """The norm at the first layer, divided by that at the last."""
        return ratio_of(self.layers[0].gradient, self.layers[-1].gradient)


def through_depth(operations: Sequence[TracedOperation], values: Mapping[str, TracedValue]) -> Depth | None:
    """Follow the gradient through all operations that have a matrix of weights, each matrix the first time it is used.

    Returns:
        None with fewer than three such layers.
    """
    layers: list[Layer] = []
    met: set[str] = set()
    for operation in operations:
        weights = [n for n in operation.inputs if values[n].kind == "parameter" and len(values[n].shape) >= 2]
        gradients = [values[n].gradient for n in operation.outputs if values[n].gradient is not None]
        if not weights or not gradients or met.issuperset(weights):
            continue
        met.update(weights)
        norms = [g.norm for n in weights if (g := values[n].gradient) is not None]
        own = math.hypot(*(norm or 0.0 for norm in norms)) if norms else None
        layers.append(Layer(operation.name, math.hypot(*(g.norm or 0.0 for g in gradients if g)), own))
    if len(layers) < LAYERS:
        return None
    return Depth(tuple(layers), _words(layers))


def ratio_of(first: float, last: float) -> float:
    """One norm divided by another; 1 where both are zero.

    Example:
        >>> ratio_of(1.0, 4.0), ratio_of(0.0, 0.0), ratio_of(1.0, 0.0)
        (0.25, 1.0, inf)
    """
    if first == last:
        return 1.0
    return math.inf if last == 0 else first / last


def _words(layers: list[Layer]) -> str:
    ratio = ratio_of(layers[0].gradient, layers[-1].gradient)
    ends = f"at {layers[0].name} it is {ratio:.2g} of that at {layers[-1].name}"
    if not math.isfinite(ratio):
        return f"the gradient is not finite, or zero at the last layer: {ends}"
    if ratio < 1 / FAR:
        return f"the gradient vanishes towards the input: {ends}"
    if ratio > FAR:
        return f"the gradient explodes towards the input: {ends}"
    return f"the gradient neither vanishes nor explodes over {len(layers)} layers: {ends}"
