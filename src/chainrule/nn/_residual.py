"""Blocks with branches: the sum of a body and a shortcut, and the channels of several branches side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Residual(nn.Module):
    """y = body(x) + shortcut(x). No activation follows the sum.

    Args:
        body: What is learned on top of the shortcut.
        shortcut: The identity, or a projection to the body's shape.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> Residual(nn.Linear(4, 4), nn.Identity())(torch.ones(2, 4)).shape
        torch.Size([2, 4])

    Source: LECTURES C8; He et al. 2016.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Return the sum."""
        return self.body(x) + self.shortcut(x)


class Concat(nn.Module):
    """The outputs of all branches joined along the channels (features), in order.

    Args:
        branches: Name -> branch; all see the same input.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> Concat({"branch1": nn.Identity(), "branch2": nn.Linear(4, 3)})(torch.ones(2, 4)).shape
        torch.Size([2, 7])

    Source: LECTURES D6 (Inception, dense connections), E8 (U-Net).
    """

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Float[Tensor, "n c ..."]) -> Float[Tensor, "n c2 ..."]:
        """Return the joined outputs."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)
