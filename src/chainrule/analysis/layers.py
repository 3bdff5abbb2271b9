"""What each layer does in one pass or step: its outputs, their gradients, and how far its weights move."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.runtime.laid_out import local, whole

SAMPLE = 1 << 17
"""About how many elements of an output or a weight are looked at: whole examples, or elements at equal distances."""


@dataclass(frozen=True)
class Layer:
    """One layer in one step; None where it has no such thing.

    Args:
        name: Its path in the network.
        kind: What sort of module.
        mean: Of its outputs.
        spread: Their standard deviation.
        zeros: Share of its outputs that are exactly zero.
        silent: Share of its units (channels, features) that are zero for every example looked at.
        gradient: Standard deviation of the gradient of the loss by its outputs.
        weight_gradient: Norm of the gradient by its weights, after clipping.
        update: ||change of the weights|| / ||weights||; about 1e-3 is usual.
    """

    name: str
    kind: str
    mean: float | None = None
    spread: float | None = None
    zeros: float | None = None
    silent: float | None = None
    gradient: float | None = None
    weight_gradient: float | None = None
    update: float | None = None


@dataclass
class Look:
    """What `look` found: the layers in the order in which they ran, and the gradient's norm after clipping."""

    layers: tuple[Layer, ...] = ()
    clipped: float = math.nan

    def to_data(self) -> dict[str, Any]:
        """As plain data, what is None left out."""
        rows = [{name: value for name, value in asdict(layer).items() if value is not None} for layer in self.layers]
        return {"norm_after": self.clipped, "layers": rows}


@contextmanager
def look(model: nn.Module) -> Iterator[Look]:
    """Look at each layer during one training step: forward, backward, and update if there is one.

    Nothing that is computed changes. Where a layer runs several times in the step, its first run counts.

    Args:
        model: The network that takes the step inside of the `with` block.

    Example:
        >>> torch.manual_seed(0)
        <...>
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with look(model) as found:
        ...     model(torch.randn(16, 4)).square().mean().backward()
        ...     optimizer.step()
        >>> [(layer.kind, layer.update is not None) for layer in found.layers]
        [('Linear', True), ('ReLU', False), ('Linear', True)]

    Source:
        LECTURES B10, C5, C9.
    """
    found, seen = Look(), _Seen()
    hooks = [
        module.register_forward_hook(seen.hook(name))
        for name, module in model.named_modules()
        if not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))
    ]
    before = {name: _sample(weight) for name, weight in _weights(model)}
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
    moved = _moves(model, before)
    every = [p.grad for p in model.parameters() if p.grad is not None]
    total = torch.nn.utils.get_total_norm(every) if every else torch.zeros(())
    names = [*seen.order, *(name for name in moved if name not in seen.order)]
    facts = [{**seen.facts.get(name, {}), **moved.get(name, {})} for name in names]
    numbers = _numbers([total, *(value for fact in facts for value in fact.values())])
    found.clipped = next(numbers)
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    found.layers = tuple(
        Layer(name or kinds[name], kinds[name], **{key: next(numbers) for key in fact})
        for name, fact in zip(names, facts)
    )


@dataclass
class _Seen:
    """What the hooks saw: layer -> named tensors of one element."""

    order: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def hook(self, name: str) -> Any:
        def watch(_: nn.Module, inputs: Any, output: Any) -> None:
            tensor = next((part for part in _parts(output) if part.is_floating_point()), None)
            if name in self.facts or tensor is None or not tensor.numel():
                return
            self.order.append(name)
            facts = self.facts[name] = _output_facts(tensor.detach())
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient: _keep_gradient(facts, gradient))

        return watch


def _parts(output: Any) -> Sequence[Tensor]:
    parts = output if isinstance(output, (tuple, list)) else [output]
    return [part for part in parts if isinstance(part, Tensor)]


def _output_facts(output: Tensor) -> dict[str, Tensor]:
    some = _examples(output).float()
    variance, mean = torch.var_mean(some, correction=0)
    is_zero = some == 0
    units = 2 if some.ndim == 3 else 1  # of a sequence its features, of an image its channels
    others = [dim for dim in range(some.ndim) if dim != units]
    silent = is_zero.float().amin(others) if some.ndim > 1 else is_zero.float()
    return {"mean": mean, "spread": variance.sqrt(), "zeros": is_zero.float().mean(), "silent": silent.mean()}


def _keep_gradient(facts: dict[str, Tensor], gradient: Tensor) -> None:
    facts["gradient"] = _examples(gradient.detach()).float().std(correction=0)


def _examples(tensor: Tensor) -> Tensor:
    """The first examples of a batch, about `SAMPLE` elements; never a copy."""
    if tensor.ndim == 0:
        return tensor.reshape(1)
    return tensor[: max(1, SAMPLE * len(tensor) // tensor.numel())]


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Layer -> its first weight that is trained; biases and norms, which begin at zero or one, only where alone."""
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad and p.numel()]
        if own:
            yield name, max(own, key=lambda p: p.ndim)


def _sample(weight: Tensor) -> Tensor:
    flat = local(weight.detach()).reshape(-1)  # of weights laid out over processes this one's part
    return flat[:: max(1, -(-len(flat) // SAMPLE))].clone()


def _moves(model: nn.Module, before: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """How far each layer's weights went, and by which gradient."""
    moved = {}
    for name, weight in _weights(model):
        if name in before and weight.grad is not None:
            old = before[name].float()
            change = (_sample(weight).float() - old).norm() / old.norm().clamp_min(1e-30)
            moved[name] = {"weight_gradient": weight.grad.detach().float().norm(), "update": change}
    return moved


def _numbers(tensors: list[Tensor]) -> Iterator[float]:
    """All values at once: one wait for the device."""
    return iter(torch.stack([whole(tensor).double() for tensor in tensors]).tolist())
