"""A network laid out over processes: each keeps a part of every weight, and of what the optimizer keeps for it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard


def shard_over(model: nn.Module, mesh: DeviceMesh) -> None:
    """Lay out a network over a mesh of processes (FSDP2), in place.

    Weights are gathered block by block when they are needed. Gradients are summed over all processes, not averaged:
    a step divides by global counts.

    Args:
        model: Its parameters become `DTensor`s.
        mesh: One dimension ("shard"), or two ("replicate", "shard").
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.contiguous()  # FSDP2 knows no other layout
    for block in [*blocks(model), model]:
        fully_shard(block, mesh=mesh)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)


def blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks of which a network is a stack: the members of its lists and sequences that hold layers.

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
