"""The blocks of which a network is a stack: what is laid out, or computed anew, as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks of a network: the members of its lists and sequences that hold layers.

    Example:
        >>> layers = [nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)]
        >>> len(list(blocks(nn.Sequential(nn.Linear(2, 2), *layers))))
        3
    """
    for part in model.modules():
        if isinstance(part, nn.ModuleList | nn.Sequential):
            for member in part:
                holds_layers = any(True for _ in member.children()) and any(True for _ in member.parameters())
                if holds_layers and not isinstance(member, nn.ModuleList | nn.ModuleDict):
                    yield member


@contextmanager
def recomputed(model: nn.Module) -> Iterator[None]:
    """While it lasts, the insides of the outermost blocks are not kept for the way back, but computed anew.

    Masks of dropout are drawn as they were, and running statistics move once: the step is the same, bit for bit.

    Example:
        >>> import torch
        >>> net = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3)))
        >>> with recomputed(net):
        ...     net(torch.ones(1, 4)).sum().backward()
        >>> net[0][0].weight.grad is not None
        True

    Source:
        LECTURES C1; Chen et al. 2016 (training deep nets with sublinear memory cost).
    """
    changed = list(outermost(model))
    for block in changed:
        vars(block)["forward"] = partial(_checkpointed, block, block.forward)
    try:
        yield
    finally:
        for block in changed:
            vars(block).pop("forward", None)


def outermost(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks that are in no other block."""
    inside: set[int] = set()
    for block in blocks(model):
        if id(block) not in inside:
            inside |= {id(part) for part in block.modules()}
            yield block


def _checkpointed(block: nn.Module, forward: Any, *args: Any, **kwargs: Any) -> Any:
    import torch
    from torch.utils.checkpoint import checkpoint

    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(
        forward, *args, use_reentrant=False, context_fn=lambda: (_as_is(), _statistics_stay(block)), **kwargs
    )


@contextmanager
def _as_is() -> Iterator[None]:
    yield


@contextmanager
def _statistics_stay(block: nn.Module) -> Iterator[None]:
    """Running statistics have moved already: while it lasts, copies of them move."""
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm)]
    before = [dict(norm._buffers) for norm in norms]
    for norm in norms:
        norm._buffers.update({name: None if b is None else b.clone() for name, b in norm._buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before):
            norm._buffers.update(buffers)
