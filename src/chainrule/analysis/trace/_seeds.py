"""Where the backward pass starts, and what it starts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from chainrule.analysis._tape import Tape, Value
from chainrule.analysis.trace._observe import Edge, Observer
from chainrule.core.errors import UsageError

Upstream: TypeAlias = Tensor | Sequence[Any] | None


@dataclass(frozen=True)
class Start:
    """Edges of the outputs with the gradients that come from above, and the same in words."""

    seeds: list[tuple[Edge, Tensor]]
    words: str


def seeds_of(tape: Tape, observer: Observer, upstream: Upstream) -> Start:
    """Decide what the backward pass starts with: the given gradients, or ones.

    Raises:
        UsageError: The given gradients are not as many as the outputs that are floats, or have other shapes.
    """
    outputs = [tape.values[i] for i in dict.fromkeys(tape.outputs) if tape.values[i].dtype.is_floating_point]
    carrying = [value for value in outputs if value.index in observer.edges]
    given = _given(upstream, outputs)
    seeds = []
    for value in carrying:
        gradient = given.get(value.index)
        if gradient is None and upstream is not None:
            continue
        ones = torch.ones(value.shape, dtype=value.dtype, device=value.tensor.device)
        seeds.append((observer.edges[value.index], ones if gradient is None else gradient))
    return Start(seeds, _words(outputs, carrying, observer, upstream is not None))


def _given(upstream: Upstream, outputs: list[Value]) -> dict[int, Tensor | None]:
    if upstream is None:
        return {}
    every = [upstream] if isinstance(upstream, Tensor) else list(upstream)
    if len(every) != len(outputs):
        raise UsageError(
            "the upstream gradients do not fit the outputs",
            expected=f"{len(outputs)}, one for each output that is a float tensor",
            got=len(every),
            remedy="give None for an output without one",
        )
    found: dict[int, Tensor | None] = {}
    for number, (value, gradient) in enumerate(zip(outputs, every)):
        if gradient is not None and (not isinstance(gradient, Tensor) or tuple(gradient.shape) != value.shape):
            got = tuple(gradient.shape) if isinstance(gradient, Tensor) else type(gradient).__name__
            raise UsageError(
                f"the upstream gradient of output {number} does not fit it",
                expected=f"a tensor of shape {value.shape}",
                got=got,
            )
        found[value.index] = None if gradient is None else gradient.detach().to(value.tensor.device, value.dtype)
    return found


def _words(outputs: list[Value], carrying: list[Value], observer: Observer, given: bool) -> str:
    if not outputs:
        return "nothing: no float tensor was returned, so there is no gradient"
    if not carrying:
        name = observer.names.values[outputs[0].index]
        return f"nothing: {name} depends on no input or parameter in a way that carries a gradient"
    names = ", ".join(f"{observer.names.values[value.index]} {value.shape}" for value in carrying)
    if given:
        return f"the given gradient of {names}"
    if all(value.shape == () for value in carrying):
        return f"1 for {names}"
    return f"ones for {names}: gradients of the sum of all entries"
