"""Fully connected layers whose weights lie in memory as the kernel reads them."""

from __future__ import annotations

import copy
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.nn._opaque import Opaque

ROWS = 8
"""Inputs that the weights are laid out for; others are computed too."""


class PackedLinear(nn.Linear):
    """y = W x + b, with a copy of W in the order in which oneDNN's kernel reads it.

    A product with few inputs waits for the weights. As they are, they are put in that order at each call; laid out once
    they are read at the speed of memory. Where a gradient may be asked for, or the inputs are no float32 on a CPU, it
    is torch's own layer.

    Args:
        layer: float32, on a CPU; its weights are shared, and must not change any more.

    Source:
        LECTURES A3, H9. The operation is the one that torch's compiler uses, as `chainrule.runtime.fused`.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.laid_out = Opaque(torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), ROWS))

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b k"]:
        """Return W x + b."""
        if torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
            return super().forward(x)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.laid_out.tensor, self.bias, "none", [], "")
        return y


def packed_weights(model: nn.Module) -> nn.Module:
    """Return the network for prediction, its fully connected layers `PackedLinear`: equal up to rounding, and faster.

    Args:
        model: In evaluation mode; it is left as it is, and its weights are shared.

    Returns:
        The network itself where nothing can be laid out: in training mode, on another device, of another type, or
        where torch has no such operation.

    Example:
        >>> model = nn.Sequential(nn.Linear(64, 8)).eval()
        >>> x = torch.randn(5, 64)
        >>> with torch.no_grad():
        ...     torch.allclose(packed_weights(model)(x), model(x), atol=1e-5)
        True

    Source:
        LECTURES H9. docs/speed.md says what it brings.
    """
    if model.training or not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return model
    made: dict[int, Any] = {id(part): PackedLinear(part).eval() for part in model.modules() if _can_be_packed(part)}
    if not made:
        return model
    shared = {id(value): value for value in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, {**shared, **made})  # what is named there takes the place of a copy


def _can_be_packed(part: nn.Module) -> TypeGuard[nn.Linear]:
    """Exactly torch's layer, which nobody watches: what derives from it may compute something else."""
    return (
        type(part) is nn.Linear
        and "forward" not in vars(part)
        and not part._forward_hooks
        and not part._forward_pre_hooks
        and part.weight.dtype == torch.float32
        and part.weight.device.type == "cpu"
    )
