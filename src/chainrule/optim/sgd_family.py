"""Gradient descent, with momentum in both conventions, and Nesterov's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor


def sgd(
    params: Any,
    *,
    lr: float = 0.1,
    momentum: float = 0.0,
    nesterov: bool = False,
    form: Literal["gradient", "step"] = "gradient",
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return gradient descent.

    - plain: x -= lr g
    - momentum, form "gradient": v = rho v + g; x -= lr v (torch's)
    - momentum, form "step": m = rho m - lr g; x += m

    The two forms are equal at a constant rate. When the rate changes, the first scales the whole velocity at once; the
    second lets old steps keep the rate that they were made with.

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        momentum: rho, in [0, 1).
        nesterov: v' = rho v - lr g; x += -rho v + (1 + rho) v', in torch's form (look-ahead variable).
        form: Which convention of momentum.
        weight_decay: d in g + d W; equal to a penalty of d / 2.

    Source:
        LECTURES B1-B3.

    Departures:
        torch keeps the velocity without the rate, so Nesterov equals the notes' at a constant rate.
    """
    if form == "step":
        return StepMomentum(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    return torch.optim.SGD(
        params, lr=lr, momentum=momentum, nesterov=nesterov and momentum > 0, weight_decay=weight_decay, fused=True
    )


class StepMomentum(torch.optim.Optimizer):
    """m = rho m - lr g; x += m. With Nesterov: x += -rho m_old + (1 + rho) m_new.

    Source:
        LECTURES B2 (second form), B3.
    """

    def __init__(self, params: Any, *, lr: float, momentum: float, nesterov: bool, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters if p.grad is not None]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
            for p in parameters:
                self.state[p].setdefault("step_taken", torch.zeros_like(p))
            moves = [self.state[p]["step_taken"] for p in parameters]
            if group["nesterov"]:
                torch._foreach_add_(parameters, moves, alpha=-group["momentum"])
            torch._foreach_mul_(moves, group["momentum"])
            torch._foreach_add_(moves, gradients, alpha=-group["lr"])
            torch._foreach_add_(parameters, moves, alpha=1 + group["momentum"] if group["nesterov"] else 1.0)
        return loss
