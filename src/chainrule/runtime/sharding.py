"""A network laid out over processes: each keeps a part of every weight, and of what the optimizer keeps for it."""

from __future__ import annotations

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from chainrule.runtime.blocks import blocks

FORWARDS = ("encode", "read")
"""Methods beside `forward` by which networks are computed with; the weights of what has one are gathered for it too."""


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
    own = [*blocks(model), *(part for part in model.modules() if _entries(part)), model]
    places = {id(part): place for place, part in enumerate(model.modules())}
    for part in sorted({id(part): part for part in own}.values(), key=lambda part: -places[id(part)]):  # inner first
        if any(True for _ in part.parameters()):
            sharded: FSDPModule = fully_shard(part, mesh=mesh)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)
            for name in _entries(part):
                register_fsdp_forward_method(part, name)


def _entries(part: nn.Module) -> list[str]:
    return [name for name in FORWARDS if callable(getattr(type(part), name, None))]
