"""What the checks of a network work on: fresh and settled copies of it, and inputs like those it is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.diagnosis._check import Violation
from chainrule.diagnosis._compare import require_tensor
from chainrule.models._fitted import Fitted
from chainrule.nn import DropPath

RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU, nn.FractionalMaxPool2d, DropPath)
"""Modules that say that they draw random numbers while training."""
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


@dataclass
class ModelSubject:
    """A network that can be built again and again.

    Args:
        make: Builds it for the shape of one input.
        shape: Of one input.
        classes: How many scores it gives.
        seed: Of weights and inputs.
        fits: Whether `make` takes other shapes than `shape`.
        name: Of the registered model, or None.
        options: Of the registered model.
        target: `module:function` that another process can import, or why there is none.
        parameters: Documented counts: what they are for -> (count, a function that builds the network meant).
        kept: What checks share with each other because it is dear.
    """

    make: Callable[[tuple[int, ...]], nn.Module]
    shape: tuple[int, ...]
    classes: int
    seed: int = 0
    fits: bool = False
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    parameters: Mapping[str, tuple[int, Callable[[], nn.Module]]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def network(self, seed: int | None = None, shape: tuple[int, ...] | None = None) -> nn.Module:
        """A fresh network whose weights are drawn from a seed.

        Raises:
            Violation: What is built is no module.
        """
        with seeded(self.seed if seed is None else seed):
            built = self.make(shape or self.shape)
        if not isinstance(built, nn.Module):
            raise Violation(f"what is built is no torch.nn.Module but {type(built).__name__}")
        return built

    def inputs(self, count: int, *, salt: int = 0, shape: tuple[int, ...] | None = None) -> Tensor:
        """Normalized noise (count, ...), float32: mean 0, deviation 1.

        Images are noise on four scales, from single pixels to the whole image: as in photographs neighbors are alike
        and one image is lighter than another. White noise alone looks the same to every deep layer.
        """
        shape = shape or self.shape
        generator = torch.Generator().manual_seed(7919 * (self.seed + 1) + salt)
        if len(shape) != 3:
            return torch.randn(count, *shape, generator=generator)
        total = torch.zeros(count, *shape)
        channels, height, width = shape
        for side in (1, 3, 8, max(height, width)):
            small = torch.randn(count, channels, -(-height // side), -(-width // side), generator=generator)
            total += small.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :height, :width]
        return total / 2

    def labels(self, count: int) -> Tensor:
        """Random classes (count,)."""
        generator = torch.Generator().manual_seed(self.seed + 104_729)
        return torch.randint(self.classes, (count,), generator=generator)

    def settle_for(self, shape: tuple[int, ...]) -> nn.Module:
        """A network for another shape of inputs, in evaluation mode, with statistics."""
        return self.settle(self.network(shape=shape), shape)

    def settle(self, network: nn.Module, shape: tuple[int, ...] | None = None) -> nn.Module:
        """Change to evaluation, with what a training leaves: statistics of noise, or all that a fitted model has."""
        if isinstance(network, Fitted):
            x = self.inputs(48, salt=103, shape=shape)
            network.fit((x[:32], self.labels(32)), (x[32:], self.labels(48)[32:]))
        norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = None  # plain averages
        network.train()
        with torch.no_grad(), seeded(self.seed):
            for salt in (101, 102):
                network(self.inputs(24, salt=salt, shape=shape))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        return network.eval()

    @cached_property
    def settled(self) -> nn.Module:
        """One network in evaluation mode, with statistics; no check changes it."""
        return self.settle(self.network())

    @cached_property
    def double(self) -> nn.Module:
        """The settled network in float64."""
        return self.like(self.settled).double()

    def like(self, other: nn.Module) -> nn.Module:
        """A fresh network with the weights and statistics of another, in evaluation mode."""
        fresh, state = self.network(self.seed + 1), other.state_dict()
        if isinstance(fresh, Fitted):
            fresh.make_room(state)
        fresh.load_state_dict(state, strict=True)
        return fresh.eval()

    @property
    def learns(self) -> bool:
        """Whether it has parameters to train."""
        return any(parameter.requires_grad for parameter in self.settled.parameters())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generator starts from a seed here, and is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def without_randomness(network: nn.Module) -> Iterator[None]:
    """Modules that say that they are random stand still here."""
    loud = [module for module in network.modules() if isinstance(module, RANDOM) and module.training]
    for module in loud:
        module.training = False
    try:
        yield
    finally:
        for module in loud:
            module.training = True


def scores(network: nn.Module, x: Tensor) -> Tensor:
    """The finite scores of a network, without gradients; the caller's input is safe.

    Raises:
        Violation: It returns something else, or numbers that are not finite.
    """
    with torch.no_grad():
        return require_tensor("the output", network(x.clone()))


def everything(output: Any) -> Tensor:
    """All numbers of an output, joined: networks with auxiliary heads return several tensors while they train."""
    parts = [output] if isinstance(output, Tensor) else list(_tensors(output))
    if not parts:
        raise Violation(f"the output holds no tensor: {type(output).__name__}")
    return torch.cat([part.flatten() for part in parts])


def main(output: Any) -> Tensor:
    """The scores in an output: itself, or the first tensor in it."""
    found = output if isinstance(output, Tensor) else next(_tensors(output), None)
    return require_tensor("the output", found)


def _tensors(output: Any) -> Iterator[Tensor]:
    items = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return (item for item in items if isinstance(item, Tensor))


def leaves(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules without parts, by name."""
    return [(name, module) for name, module in network.named_modules() if not any(True for _ in module.children())]
