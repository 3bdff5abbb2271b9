"""What the checks of a loss work on: scores and right classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.diagnosis._check import Violation
from chainrule.diagnosis._compare import require_tensor


@dataclass
class LossSubject:
    """A loss.

    Args:
        loss: `(scores (N, K), classes (N,)) -> values (N,)`.
        classes: K.
        least: The smallest value that it can have, or None.
        seed: Of scores and classes.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    classes: int = 5
    least: float | None = 0.0
    seed: int = 0

    def scores(self, count: int, *, dtype: torch.dtype = torch.float64, scale: float = 2.0, salt: int = 0) -> Tensor:
        """Random scores (count, K)."""
        generator = torch.Generator().manual_seed(self.seed + 97 * salt + 1)
        return (torch.randn(count, self.classes, generator=generator, dtype=torch.float64) * scale).to(dtype)

    def targets(self, count: int) -> Tensor:
        """Classes (count,): all of them in turn, in a random order."""
        generator = torch.Generator().manual_seed(self.seed + 11)
        return (torch.randperm(count, generator=generator) % self.classes).to(torch.int64)

    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """One value for each example.

        Raises:
            Violation: Another shape, or numbers that are not finite.
        """
        found = require_tensor("the loss", self.loss(scores, targets))
        if tuple(found.shape) != (len(scores),):
            raise Violation(
                f"{len(scores)} examples give {tuple(found.shape)}, not one value each", shape=list(found.shape)
            )
        return found

    def gradient(self, scores: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """The gradient of the (weighted) sum of the values."""
        given = scores.clone().requires_grad_()
        values = self.loss(given, targets)
        total = values.sum() if weights is None else (values * weights).sum()
        (grad,) = torch.autograd.grad(total, given)
        return grad
