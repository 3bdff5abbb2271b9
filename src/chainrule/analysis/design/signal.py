"""The signal at the start: mean and spread of activations and of gradients, layer by layer.

Source: LECTURES C5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite, log10
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis.design.measure import as_before

FADES, EXPLODES = 1e-2, 1e2
"""Last spread over first below or above which a signal vanishes or explodes."""
SILENT = 0.01
"""Share of an activation's units that are zero on all examples from which it is told."""


@dataclass(frozen=True)
class LayerSignal:
    """What flows out of one layer, and the gradient that comes back to it.

    Args:
        path: Of the module.
        kind: What sort of module.
        mean: Of its activations.
        spread: Their standard deviation.
        zeros: Share of numbers that are exactly 0.
        silent: Share of units (channels or features) that are 0 for all examples and positions of this batch; dead
            ones are so on the whole data set.
        gradient: Standard deviation of the gradient of the loss with respect to it; None if none comes.
    """

    path: str
    kind: str
    mean: float
    spread: float
    zeros: float
    silent: float
    gradient: float | None


@dataclass(frozen=True)
class Signal:
    """All layers in the order in which they run, the loss, and the verdict in words."""

    layers: tuple[LayerSignal, ...]
    loss: float
    verdict: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; what is not finite is None."""
        layers = [
            {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in asdict(layer).items()}
            for layer in self.layers
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
    found: list[dict[str, Any]] = []
    hooks = [
        module.register_forward_hook(_watch(found, path))
        for path, module in network.named_modules()
        if not list(module.children())
    ]
    try:
        with as_before(network), torch.enable_grad():
            network.train()
            value = loss(network(inputs))
            parameters = [p for p in network.parameters() if p.requires_grad]
            torch.autograd.grad(value, parameters, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    layers = tuple(LayerSignal(**facts) for facts in found)
    return Signal(layers, float(value.detach()), tuple(_verdict(layers, dict(network.named_modules()))))


def _watch(found: list[dict[str, Any]], path: str) -> Callable[..., None]:
    def watch(module: nn.Module, given: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or not tensor.numel():
            return
        values = tensor.detach()
        units = {2: 1, 3: 2}.get(values.dim(), 1)  # features of vectors and sequences, channels of images
        idle = values == 0
        if values.dim() > 1:
            idle = idle.movedim(units, 0).flatten(1).all(1)
        facts = {
            "path": path,
            "kind": type(module).__name__,
            "mean": float(values.mean()),
            "spread": float(values.std(correction=0)),
            "zeros": float((values == 0).float().mean()),
            "silent": float(idle.float().mean()),
            "gradient": None,
        }
        found.append(facts)
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: facts.update(gradient=float(gradient.std(correction=0))))

    return watch


def _verdict(layers: tuple[LayerSignal, ...], modules: dict[str, nn.Module]) -> list[str]:
    weighted = [layer for layer in layers if any(True for _ in modules[layer.path].parameters())]
    inner = [layer for layer in weighted if "Norm" not in layer.kind] or list(layers)
    said = []
    for word, values in (
        ("activations", [(layer.path, layer.spread) for layer in inner]),
        ("gradients", [(layer.path, layer.gradient) for layer in reversed(inner) if layer.gradient is not None]),
    ):
        if len(values) < 2:
            continue
        (first, start), (last, end) = values[0], values[-1]
        if not isfinite(start or 0.0) or not isfinite(end or 0.0):
            said.append(f"the {word} are not finite")
        elif start and (end or 0.0) / start < FADES:
            power = f"10^{log10(end / start):.1f}" if end else "0"
            said.append(f"the {word} vanish: their spread at {last} is {power} of that at {first}")
        elif start and (end or 0.0) / start > EXPLODES:
            said.append(f"the {word} explode: their spread at {last} is {end / start:.3g} times that at {first}")
    for layer in layers:
        activation = type(modules[layer.path]).__module__ == nn.ReLU.__module__
        if activation and layer.silent > SILENT and layer.zeros < 1:
            said.append(f"{layer.path}: {100 * layer.silent:.0f} % of its units are zero on the whole batch")
        elif layer.zeros == 1:
            said.append(f"{layer.path} gives nothing but zeros")
    return said or [
        "healthy: the spread of activations and gradients stays within a factor of 100, and no unit is silent"
    ]
