"""A network for one image, given every image of a sequence."""

from __future__ import annotations

from torch import Tensor, nn

from chainrule.core.errors import UsageError


class EachStep(nn.Module):
    """Any network at every step of time: (B, T, ...) -> (B, T, ...), all steps of all sequences in one batch.

    Args:
        network: What one step is given to, such as a CNN of images (N, C, H, W); what it gives is made flat for each
            step where `flat` is true.
        flat: Whether each step becomes one vector, as recurrent layers take it.

    Example:
        >>> import torch
        >>> cnn = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1))
        >>> EachStep(cnn)(torch.zeros(2, 5, 1, 8, 8)).shape
        torch.Size([2, 5, 4])

    Source:
        LECTURES G1: a CNN encoder per time step.

    Departures:
        Batch normalization in the network sees all steps at once, and so the future.
    """

    def __init__(self, network: nn.Module, *, flat: bool = True) -> None:
        super().__init__()
        self.network, self.flat = network, flat

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network says of every step."""
        if x.dim() < 3 or not x.shape[0] or not x.shape[1]:
            raise UsageError("these are no sequences", expected="(B, T, ...), not empty", got=tuple(x.shape))
        each: Tensor = self.network(x.flatten(0, 1))  # (B T, ...)
        each = each.flatten(1) if self.flat else each
        return each.unflatten(0, x.shape[:2])
