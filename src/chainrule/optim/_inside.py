"""AdaGrad, RMSProp, Adam and AdamW with epsilon inside the root, which torch does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["adagrad", "rmsprop", "adam", "adamw"]


class InsideEpsilon(torch.optim.Optimizer):
    """x -= lr m / sqrt(s + eps), with s from the squared gradients and m from the gradients as the kind has them.

    - adagrad: s += g^2; m = g
    - rmsprop: s = second s + (1 - second) g^2; m = g; with momentum, x -= lr v and v = momentum v + m / sqrt(s + eps)
    - adam, adamw: s likewise, m = first m + (1 - first) g, both divided by 1 - their decay to the number of steps

    Each parameter keeps `square` (s), and what its kind needs of `mean` (m), `velocity` (v) and `step`.

    Args:
        params: Parameters or groups.
        kind: Which of the four.
        lr: Learning rate.
        eps: Added to s.
        first: Decay of m.
        second: Decay of s.
        momentum: Decay of v.
        weight_decay: d in g + d W; for adamw in x -= lr d x.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = InsideEpsilon([x], kind="adagrad", lr=0.1, eps=9.0)
        >>> x.grad = torch.tensor([4.0])
        >>> optimizer.step()
        >>> round(x.item(), 4)  # 1 - 0.1 * 4 / sqrt(16 + 9)
        0.92

    Source:
        LECTURES B4-B7 (004's places of epsilon).
    """

    def __init__(
        self,
        params: Any,
        *,
        kind: Kind,
        lr: float,
        eps: float,
        first: float = 0.9,
        second: float = 0.999,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.kind = kind
        defaults = {
            "lr": lr,
            "eps": eps,
            "first": first,
            "second": second,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    def __getstate__(self) -> dict[str, Any]:
        """What a deep copy has: torch's base class would leave out the kind."""
        return {**super().__getstate__(), "kind": self.kind}

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
        lr, decay = group["lr"], group["weight_decay"]
        if decay and self.kind == "adamw":
            torch._foreach_mul_(parameters, 1 - lr * decay)
        elif decay:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=decay))

        squares = self._slot(parameters, "square")
        if self.kind == "adagrad":
            torch._foreach_addcmul_(squares, gradients, gradients, 1.0)
        else:
            torch._foreach_mul_(squares, group["second"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["second"])

        roots, directions, rates = squares, gradients, [lr] * len(parameters)
        if self.kind in ("adam", "adamw"):
            times = self._count(parameters)
            directions = self._slot(parameters, "mean")
            torch._foreach_lerp_(directions, gradients, 1 - group["first"])
            roots = list(torch._foreach_div(squares, [1 - group["second"] ** t for t in times]))
            rates = [lr / (1 - group["first"] ** t) for t in times]
        roots = list(torch._foreach_add(roots, group["eps"]))
        torch._foreach_sqrt_(roots)

        if self.kind == "rmsprop" and group["momentum"]:
            velocities = self._slot(parameters, "velocity")
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_addcdiv_(velocities, directions, roots, 1.0)
            torch._foreach_add_(parameters, velocities, alpha=-lr)
        else:
            torch._foreach_addcdiv_(parameters, directions, roots, [-rate for rate in rates])

    def _slot(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        for p in parameters:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in parameters]

    def _count(self, parameters: list[Tensor]) -> list[float]:
        """Steps of each parameter, this one included; tensors, as torch's own optimizers keep them."""
        for p in parameters:
            if "step" not in self.state[p]:
                self.state[p]["step"] = torch.zeros((), dtype=torch.float32)
            self.state[p]["step"] += 1
        return [self.state[p]["step"].item() for p in parameters]
