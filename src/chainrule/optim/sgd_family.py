"""Gradient descent, with momentum in both conventions, and Nesterov's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.optim._layout import aligned
from chainrule.optim._options import can_be_fused, check_decay, check_rate, check_share, listed


def sgd(
    params: Any,
    *,
    lr: float = 0.1,
    momentum: float = 0.0,
    nesterov: bool = False,
    form: Literal["velocity", "step"] = "velocity",
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return gradient descent.

    - plain: x -= lr g
    - momentum, form "velocity": v = rho v + g; x -= lr v
    - momentum, form "step": m = rho m - lr g; x += m
    - Nesterov, form "step": m' = rho m - lr g; x += -rho m + (1 + rho) m'
    - Nesterov, form "velocity": v' = rho v + g; x -= lr (g + rho v'), the same with m = -lr v

    The two forms are equal at a constant rate. When the rate changes, the first scales the whole velocity at once; the
    second lets old steps keep the rate that they were made with.

    Args:
        params: Parameters or groups.
        lr: Learning rate, at least 0.
        momentum: rho, in [0, 1).
        nesterov: Look ahead along the velocity; needs momentum. The weights are the point looked at.
        form: Which convention of momentum.
        weight_decay: d in g + d W, at least 0; equal to a penalty lambda = d / 2.

    Raises:
        UsageError: An option is out of range, or Nesterov without momentum.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = sgd([x], lr=0.1, momentum=0.9)
        >>> for _ in range(3):
        ...     x.grad = 2 * x.detach()
        ...     optimizer.step()
        >>> round(x.item(), 3)
        0.062

    Source:
        LECTURES B1-B3.

    Departures:
        torch's SGD, which serves the form "velocity", keeps the velocity without the rate. The notes write Nesterov in
        the form "step" (B3): the same at a constant rate.
    """
    check_rate("sgd", lr)
    check_share("sgd", "momentum", momentum)
    check_decay("sgd", weight_decay)
    if nesterov and not momentum:
        raise UsageError("sgd: Nesterov looks ahead along the velocity", expected="momentum above 0", got=momentum)
    if form not in ("velocity", "step"):
        raise UsageError("sgd: momentum has two forms", expected="velocity or step", got=form)
    params = listed("sgd", params)
    if form == "step":
        return StepMomentum(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    fused = can_be_fused(params)
    optimizer = aligned(
        torch.optim.SGD(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused)
    )
    optimizer.register_step_pre_hook(_start_velocities)
    return optimizer


def _start_velocities(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Give a parameter whose first gradient comes after those of its group a velocity of 0.

    torch's fused kernel starts the velocities of a group all at once, and ends in an error when one is missing (2.13).
    """
    for group in optimizer.param_groups:
        if not (group.get("fused") and group["momentum"]):
            continue
        live = [p for p in group["params"] if p.grad is not None]
        missing = [p for p in live if optimizer.state[p].get("momentum_buffer") is None]
        if len(missing) < len(live):
            for p in missing:
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)


class StepMomentum(torch.optim.Optimizer):
    """m = rho m - lr g; x += m. With Nesterov: x += -rho m_old + (1 + rho) m_new.

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        momentum: rho.
        nesterov: Look ahead.
        weight_decay: d in g + d W.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = StepMomentum([x], lr=0.1, momentum=0.9)
        >>> x.grad = torch.tensor([2.0])
        >>> optimizer.step()
        >>> optimizer.state[x]["step_taken"].tolist()
        [-0.20000000298023224]

    Source:
        LECTURES B2 (second form), B3.
    """

    def __init__(
        self, params: Any, *, lr: float, momentum: float, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step.

        Args:
            closure: Computes the loss and its gradients anew; seldom needed.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._step(group, parameters)
        return loss

    def _step(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        for p in parameters:
            if "step_taken" not in self.state[p]:
                self.state[p]["step_taken"] = torch.zeros_like(p)
        moves = [self.state[p]["step_taken"] for p in parameters]
        if group["nesterov"]:
            torch._foreach_add_(parameters, moves, alpha=-group["momentum"])
        torch._foreach_mul_(moves, group["momentum"])
        torch._foreach_add_(moves, gradients, alpha=-group["lr"])
        torch._foreach_add_(parameters, moves, alpha=1 + group["momentum"] if group["nesterov"] else 1.0)
