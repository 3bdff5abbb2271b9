"""Examples of many numbers seen in the plane."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.core.errors import UsageError


@dataclass(frozen=True)
class Components:
    """The directions in which examples vary most.

    Args:
        mean: Of the examples, (D,).
        axes: Directions of length 1, at right angles, the strongest first, (C, D); the largest number of each is above
            0.
        share: How much of the variance lies along them, 0 to 1.
    """

    mean: Float[Tensor, " d"]
    axes: Float[Tensor, "c d"]
    share: float

    def project(self, examples: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Return how far each example lies along each direction, from the mean."""
        return (examples.to(self.mean) - self.mean) @ self.axes.T


def principal_components(examples: Float[Tensor, "n d"], count: int = 2) -> Components:
    """Return the first principal components: the eigenvectors of the covariance with the largest eigenvalues.

    Args:
        examples: At least `count` numbers each; work grows with the cube of the smaller of N and D.
        count: How many.

    Raises:
        UsageError: The examples have fewer numbers, or there is none.

    Example:
        >>> found = principal_components(torch.tensor([[0.0, 0.0, 1.0], [3.0, 4.0, 1.0], [-3.0, -4.0, 1.0]]))
        >>> [round(number, 3) for number in found.axes[0].tolist()], round(found.share, 3)
        ([0.6, 0.8, 0.0], 1.0)

    Source:
        Pearson 1901. Computed in float64 by singular values, of the smaller of the two square matrices.
    """
    if not len(examples) or examples.shape[1] < count:
        raise UsageError(
            "there are no such components", expected=f"examples of at least {count} numbers", got=tuple(examples.shape)
        )
    x = examples.double()
    mean = x.mean(0)
    x = x - mean
    if len(x) < x.shape[1]:
        values, vectors = torch.linalg.eigh(x @ x.T)  # of as many rows as there are examples
        axes = vectors[:, -count:].T @ x  # along the directions, not of length 1 yet
    else:
        values, vectors = torch.linalg.eigh(x.T @ x)
        axes = vectors[:, -count:].T
    axes = _at_right_angles(axes.flip(0), count)
    total = float(values.clamp_min(0).sum())
    share = float(values.clamp_min(0)[-count:].sum()) / total if total > 0 else 1.0
    return Components(mean, axes, share)


def _at_right_angles(rows: Tensor, count: int) -> Tensor:
    """So many rows of length 1 that span what these span, or more; where nothing is left, any direction will do."""
    found: list[Tensor] = []
    scale = float(rows.norm(dim=1).max())
    for row in [*rows, *torch.eye(count, rows.shape[1], dtype=rows.dtype)]:
        for other in [*found, *found]:  # twice: the first time rounding leaves a little
            row = row - (row @ other) * other
        if float(row.norm()) > 1e-6 * max(scale, 1.0) and len(found) < count:
            row = row / row.norm()
            found.append(row * (1.0 if float(row[row.abs().argmax()]) > 0 else -1.0))
    return torch.stack(found)
