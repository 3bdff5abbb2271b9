"""The signal at the start: mean and spread of activations and of gradients, layer by layer.

Source: LECTURES C5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, log10
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis._as_it_was import as_it_was
from chainrule.analysis.layers import Layer, look

FADES, EXPLODES = 1e-2, 1e2
"""Last spread over first below or above which a signal vanishes or explodes."""
TOLD = ("name", "kind", "mean", "spread", "zeros", "silent", "gradient")
"""What is told of a layer; nothing moves here."""
SILENT = 0.01
"""Share of an activation's units that are zero on all examples from which it is told."""


@dataclass(frozen=True)
class Signal:
    """All layers in the order in which they run, the loss, and the verdict in words."""

    layers: tuple[Layer, ...]
    loss: float
    verdict: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; what is not finite is None."""
        told = [{name: getattr(layer, name) for name in TOLD} for layer in self.layers]
        layers = [
            {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in layer.items()} for layer in told
        ]
        loss = self.loss if isfinite(self.loss) else None
        return {"format": 1, "layers": layers, "loss": loss, "verdict": list(self.verdict)}


def measure_signal(network: nn.Module, inputs: Tensor, loss: Callable[[Any], Tensor]) -> Signal:
    """Send a batch through a network in training mode and its gradient back, and measure both at each layer.

    Args:
        network: Its modes, buffers and gradients are as before when this returns.
        inputs: A batch.
        loss: Of what the network returns: one number.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> deep = nn.Sequential(*[nn.Linear(50, 50) for _ in range(6)])
        >>> for layer in deep: _ = nn.init.normal_(layer.weight, 0, 0.01)
        >>> measure_signal(deep, torch.randn(20, 50), lambda out: out.square().mean()).verdict[0][:20]
        'the gradients vanish'

    Source:
        LECTURES C5.
    """
    with as_it_was(network), torch.enable_grad(), look(network) as found:
        network.train()
        value = loss(network(inputs))
        torch.autograd.grad(value, [p for p in network.parameters() if p.requires_grad], allow_unused=True)
    layers = tuple(layer for layer in found.layers if layer.spread is not None)
    return Signal(layers, float(value.detach()), tuple(_verdict(layers, dict(network.named_modules()))))


def _verdict(layers: tuple[Layer, ...], modules: dict[str, nn.Module]) -> list[str]:
    root = modules[""]  # a network that is one layer is called by its kind
    weighted = [layer for layer in layers if any(True for _ in modules.get(layer.name, root).parameters())]
    inner = [layer for layer in weighted if "Norm" not in layer.kind] or list(layers)
    said = []
    for word, values in (
        ("activations", [(layer.name, layer.spread) for layer in inner]),
        ("gradients", [(layer.name, layer.gradient) for layer in reversed(inner) if layer.gradient is not None]),
    ):
        if len(values) < 2:
            continue
        (first, given), (last, left) = values[0], values[-1]
        start, end = given or 0.0, left or 0.0
        if not isfinite(start) or not isfinite(end):
            said.append(f"the {word} are not finite")
        elif start and end / start < FADES:
            power = f"10^{log10(end / start):.1f}" if end else "0"
            said.append(f"the {word} vanish: their spread at {last} is {power} of that at {first}")
        elif start and end / start > EXPLODES:
            said.append(f"the {word} explode: their spread at {last} is {end / start:.3g} times that at {first}")
    for layer in layers:
        activation = type(modules.get(layer.name, root)).__module__ == nn.ReLU.__module__
        silent = layer.silent or 0.0
        if activation and silent > SILENT and layer.zeros != 1:
            said.append(f"{layer.name}: {100 * silent:.0f} % of its units are zero on the whole batch")
        elif layer.zeros == 1:
            said.append(f"{layer.name} gives nothing but zeros")
    return said or [
        "healthy: the spread of activations and gradients stays within a factor of 100, and no unit is silent"
    ]
