"""Stochastic depth: dropping the body of a residual block."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def drop_path(
    x: Float[Tensor, "n ..."], p: float, *, training: bool = True, generator: torch.Generator | None = None
) -> Float[Tensor, "n ..."]:
    """Zero whole examples with probability p, and divide what is kept by 1 - p.

    Args:
        x: One residual body's output for each example, (N, ...).
        p: Probability of dropping an example, at least 0 and below 1.
        training: When false, x is returned as it is.
        generator: Source of the draws; torch's global one by default.

    Returns:
        (N, ...).

    Example:
        >>> import torch
        >>> kept = drop_path(torch.ones(1000, 3), 0.25, generator=torch.Generator().manual_seed(0))
        >>> sorted(set(kept.flatten().tolist())), bool((kept[:, 0] == kept[:, 2]).all())
        ([0.0, 1.3333333730697632], True)

    Source: LECTURES D6 (stochastic depth), C7 (the inverted form); Huang et al. 2016.

    Departures: The paper and D6 multiply by 1 - p at test. Here the kept examples are divided by 1 - p while
        training, as inverted dropout does: the same in expectation, and the trained network needs no factor.
    """
    if not training or p == 0.0:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    keep = torch.rand(shape, generator=generator, device=x.device, dtype=torch.float32) >= p
    return x * (keep / (1.0 - p)).to(x.dtype)


class DropPath(nn.Module):
    """`drop_path` as the last layer of a residual body.

    Args:
        p: Probability of dropping the body for an example.

    Example:
        >>> import torch
        >>> DropPath(0.5).eval()(torch.ones(2, 3))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Return x with whole examples zeroed while training."""
        return drop_path(x, self.p, training=self.training)

    def extra_repr(self) -> str:
        """What the module prints between its brackets."""
        return f"p={self.p}"
