"""Steps that somebody takes without an optimizer: how weights change from one backward pass to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class HandStep:
    """Inner products of a step's change of all weights d, the gradient g before it, and the change before that, e."""

    dd: float
    dg: float
    gg: float
    de: float
    ge: float
    ee: float


@dataclass(frozen=True)
class HandRule:
    """The rule that explains the steps best: d = momentum e - rate g.

    Args:
        rate: Of what is like plain gradient descent.
        momentum: Of the change before.
        fit: The share of the changes that the rule explains, up to 1.
    """

    rate: float
    momentum: float
    fit: float


class ByHand:
    """Looks at weights before each backward pass, and at gradients after it."""

    def __init__(self) -> None:
        self.steps: list[HandStep] = []
        self._weights: dict[int, Tensor] = {}
        self._gradients: dict[int, Tensor] = {}
        self._change: dict[int, Tensor] = {}

    def before(self, parameters: Sequence[Tensor]) -> None:
        """Right before a backward pass."""
        now = {id(p): p.detach().clone() for p in parameters if p.is_floating_point()}
        change = {k: t - self._weights[k] for k, t in now.items() if k in self._weights and k in self._gradients}
        if change and any(bool(t.any()) for t in change.values()):
            g, e = self._gradients, self._change
            pairs = ((change, change), (change, g), (g, g), (change, e), (g, e), (e, e))
            self.steps.append(HandStep(*(_inner(a, b) for a, b in pairs)))
        self._change, self._weights = change, now

    def after(self, parameters: Sequence[Tensor], wanted: Any = None, given: Any = None) -> None:
        """Right after it: gradients lie in the parameters, or were `given` for those that were `wanted`."""
        if given is None:  # `backward`, not `grad`
            found = {id(p): p.grad for p in parameters if p.grad is not None}
        else:
            found = {id(p): g for p, g in zip(tree_leaves(wanted), tree_leaves(given)) if isinstance(g, Tensor)}
        self._gradients = {key: g.detach().clone() for key, g in found.items() if key in self._weights}


def rule(steps: Sequence[HandStep]) -> HandRule | None:
    """Return the rate and momentum that explain the steps best (least squares); None without a step.

    Example:
        >>> w, seen = torch.tensor([4.0, 1.0], requires_grad=True), ByHand()
        >>> for _ in range(4):
        ...     seen.before([w])
        ...     (g,) = torch.autograd.grad((w * torch.tensor([1.0, 3.0]) * w).sum(), [w])
        ...     seen.after([w], [w], [g])
        ...     _ = w.data.sub_(0.1 * g)
        >>> found = rule(seen.steps)
        >>> round(found.rate, 4), round(abs(found.momentum), 4), round(found.fit, 4)
        (0.1, 0.0, 1.0)
    """
    dd, dg, gg, de, ge, ee = (sum(getattr(s, n) for s in steps) for n in ("dd", "dg", "gg", "de", "ge", "ee"))
    if not steps or not gg or not dd:
        return None
    determinant = gg * ee - ge * ge
    if determinant > 1e-9 * gg * ee:
        rate = (-dg * ee + de * ge) / determinant
        momentum = (de * gg - dg * ge) / determinant
    else:
        rate, momentum = -dg / gg, 0.0
    unexplained = dd + rate * dg - momentum * de
    return HandRule(rate, momentum, 1.0 - unexplained / dd)


def _inner(one: dict[int, Tensor], other: dict[int, Tensor]) -> float:
    shared = one.keys() & other.keys()
    return float(sum(torch.sum(one[k].double() * other[k].double()) for k in shared))
