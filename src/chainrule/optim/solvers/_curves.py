"""The losses of linear classifiers as curves: value, slope and curvature, in the layout that is fast.

Scores lie class by class, (K, B): the maximum and the sums over few classes then run along memory, ten times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from chainrule.core.errors import UsageError, unknown

Loss = TypeVar("Loss", bound="Slope")


class Slope(Protocol):
    """A loss of scores (K, B) and right classes (B,) that has a derivative (almost everywhere)."""

    @staticmethod
    def slope(scores: Tensor, right: Tensor) -> tuple[float, Tensor]:
        """The sum of the losses, added up in float64, and their derivatives (K, B)."""


class Curve(Slope, Protocol):
    """One that has second derivatives as well (almost everywhere)."""

    @staticmethod
    def curvature(scores: Tensor, right: Tensor) -> Tensor:
        """What `bend` needs to know, (K, B)."""

    @staticmethod
    def bend(curvature: Tensor, right: Tensor, u: Tensor) -> Tensor:
        """The second derivatives of each loss times a change u of the scores, (K, B)."""


class Softmax:
    """-log p_y with p = softmax(s): slope p - one_hot(y), curvature diag(p) - p p^T (LECTURES A5)."""

    @staticmethod
    def slope(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> tuple[float, Float[Tensor, "k b"]]:
        """log sum_j e^{s_j} - s_y, with the largest score moved to 0 first; p - one_hot(y)."""
        shifted = scores - scores.amax(0)
        p = shifted.exp()
        total = p.sum(0)
        losses = total.log() - shifted.gather(0, right[None])[0]
        p /= total
        p.scatter_add_(0, right[None], p.new_full((1, len(right)), -1.0))
        return losses.sum(dtype=torch.float64).item(), p

    @staticmethod
    def curvature(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> Float[Tensor, "k b"]:
        """The probabilities p."""
        return scores.softmax(0)

    @staticmethod
    def bend(
        curvature: Float[Tensor, "k b"], right: Int64[Tensor, " b"], u: Float[Tensor, "k b"]
    ) -> Float[Tensor, "k b"]:
        """p * (u - sum_j p_j u_j)."""
        moved = curvature * u
        return moved.addcmul_(curvature, moved.sum(0), value=-1)


class Hinge:
    """sum over j != y of max(0, s_j - s_y + 1) (LECTURES A4); at the kink nobody pulls."""

    @staticmethod
    def slope(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> tuple[float, Float[Tensor, "k b"]]:
        """1 for the wrong classes that violate the margin, and minus their number for the right one."""
        violations = margins(scores, right)
        losses = violations.sum(0)
        slopes = violations.sign_()
        return losses.sum(dtype=torch.float64).item(), slopes.scatter_(0, right[None], -slopes.sum(0)[None])


class SquaredHinge:
    """sum over j != y of max(0, s_j - s_y + 1)^2: A4's loss with the kink smoothed away."""

    @staticmethod
    def slope(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> tuple[float, Float[Tensor, "k b"]]:
        """2 max(0, m_j) for the wrong classes, and minus their sum for the right one."""
        violations = margins(scores, right)
        losses = violations.square().sum(0)
        slopes = violations.mul_(2)
        return losses.sum(dtype=torch.float64).item(), slopes.scatter_(0, right[None], -slopes.sum(0)[None])

    @staticmethod
    def curvature(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> Float[Tensor, "k b"]:
        """2 where a wrong class violates the margin, else 0."""
        return 2 * margins(scores, right).sign_()

    @staticmethod
    def bend(
        curvature: Float[Tensor, "k b"], right: Int64[Tensor, " b"], u: Float[Tensor, "k b"]
    ) -> Float[Tensor, "k b"]:
        """2 (u_j - u_y) for the classes that violate the margin, and minus their sum for the right one."""
        moved = curvature * (u - u.gather(0, right[None]))
        return moved.scatter_(0, right[None], -moved.sum(0)[None])


def margins(scores: Float[Tensor, "k b"], right: Int64[Tensor, " b"]) -> Float[Tensor, "k b"]:
    """By how much each wrong class violates the margin: max(0, s_j - s_y + 1), and 0 for the right one."""
    violations = (scores - scores.gather(0, right[None]) + 1).clamp_(min=0)
    return violations.scatter_(0, right[None], 0.0)


SLOPES: dict[str, type[Slope]] = {"hinge": Hinge, "softmax": Softmax}
CURVES: dict[str, type[Curve]] = {"softmax": Softmax, "squared_hinge": SquaredHinge}


def known_loss(solver: str, name: str, losses: Mapping[str, type[Loss]]) -> type[Loss]:
    """Return the loss of a name.

    Raises:
        UsageError: The solver has none of this name.

    Example:
        >>> known_loss("newton_cg", "softmax", CURVES).__name__
        'Softmax'
    """
    if name not in losses:
        raise UsageError(f'{solver}: there is no loss "{name}"', remedy=unknown("loss", name, losses))
    return losses[name]
