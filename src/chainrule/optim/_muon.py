"""Muon: momentum whose steps are made orthogonal, for matrices; Nesterov's momentum or AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adamw import adamw as torch_adamw
from torch.optim.sgd import sgd as torch_sgd

from chainrule.core.errors import UsageError
from chainrule.optim._layout import aligned
from chainrule.optim._options import can_be_fused, check_decay, check_rate, check_share, listed
from chainrule.runtime.laid_out import laid_as, whole

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of X <- a X + (b A + c A A) X with A = X X^T: the quintic whose slope at 0 is steepest (Jordan 2024)."""

RESTS = ("nesterov", "adamw")
EPSILON = 1e-8
"""In AdamW's division, outside of the root."""


def muon(
    params: Any,
    *,
    lr: float = 0.05,
    momentum: float = 0.6,
    iterations: int = 3,
    normalize: bool = True,
    scale: Literal["unit", "rms"] = "unit",
    min_ndim: Literal[2, 4] = 2,
    orthogonal: bool = True,
    rest: Literal["nesterov", "adamw"] = "nesterov",
    rest_lr: float = 0.1,
    rest_momentum: float = 0.85,
    rest_betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return Muon for filters and matrices, and Nesterov's momentum or AdamW for all other parameters.

    A weight (K, ...) is taken as a matrix (K, the rest): m = rho m + g; x -= lr orthogonalize(g + rho m). All
    directions of the step have about the same length, so rare ones are learned as fast as frequent ones.

    Rates keep their ratio: where a parameter is no matrix, or its group says `orthogonal: False`, it moves at
    `group["lr"] * rest_lr / lr`, by v = rho v + g; x -= that (g + rho v), or by AdamW (B7).

    Args:
        params: Parameters or groups; a group may have its own `lr`, `momentum`, `rest_momentum`, `rest_betas`,
            `weight_decay`, `normalize` and `orthogonal`.
        lr: Learning rate of the matrices, above 0.
        momentum: rho of the matrices, in [0, 1).
        iterations: Newton-Schulz iterations, at least 1.
        normalize: Before each step give each matrix the norm sqrt(K): for layers that a norm follows, where the scale
            of the weights has no meaning.
        scale: "unit": the step as it is; "rms": times 0.2 sqrt(max(rows, columns)), the size of Adam's steps.
        min_ndim: Smallest number of dimensions that is taken as a matrix: 2, or 4 for filters of convolutions alone.
        orthogonal: Whether matrices are taken as such; false for tables of embeddings and for the last layer, whose
            rows are no directions of one space.
        rest: Rule of the rest.
        rest_lr: Learning rate of the rest when that of the matrices is `lr`, at least 0.
        rest_momentum: rho of the rest, in [0, 1), for nesterov.
        rest_betas: Decay of AdamW's two means, both in [0, 1).
        weight_decay: d in x -= lr d x for matrices and for AdamW, d in g + d x for nesterov.

    Raises:
        UsageError: An option is out of range.

    Example:
        >>> weight = torch.eye(2, requires_grad=True)
        >>> optimizer = muon([weight], lr=0.1, momentum=0.0, iterations=30, normalize=False)
        >>> weight.grad = torch.tensor([[3.0, 0.0], [0.0, 0.001]])
        >>> optimizer.step()
        >>> [round(x, 1) for x in weight.diagonal().tolist()]
        [0.9, 0.9]

    Source:
        Jordan et al. 2024 (Muon, airbench94; with AdamW beside it in language models); LECTURES B2, B3, B7.

    Departures:
        torch's own Muon computes in bfloat16, which is slow on most CPUs, and takes matrices alone.
    """
    for option, value in (("lr", lr), ("rest_lr", rest_lr)):
        check_rate(f"muon ({option})", value)
    if lr == 0:
        raise UsageError("muon: the rates keep their ratio", expected="lr above 0", got=lr)
    for option, value in (("momentum", momentum), ("rest_momentum", rest_momentum)):
        check_share("muon", option, value)
    check_decay("muon", weight_decay)
    if iterations < 1:
        raise UsageError("muon: a step is made orthogonal by iterations", expected="at least 1", got=iterations)
    for option, value in zip(("rest_betas[0]", "rest_betas[1]"), rest_betas, strict=True):
        check_share("muon", option, value)
    if rest not in RESTS:
        raise UsageError("muon: the rest has one of two rules", expected=" or ".join(RESTS), got=rest)
    if scale not in ("unit", "rms") or min_ndim not in (2, 4):
        raise UsageError("muon: scale is unit or rms, min_ndim 2 or 4", got=f"{scale}, {min_ndim}")
    defaults = {
        "lr": lr,
        "momentum": momentum,
        "iterations": iterations,
        "normalize": normalize,
        "scale": scale,
        "min_ndim": min_ndim,
        "orthogonal": orthogonal,
        "rest": rest,
        "rest_scale": rest_lr / lr,
        "rest_momentum": rest_momentum,
        "rest_betas": rest_betas,
        "weight_decay": weight_decay,
    }
    return aligned(Muon(listed("muon", params), defaults))


class Muon(torch.optim.Optimizer):
    """What `muon` returns; its options are there. Each parameter keeps `momentum_buffer`, or what AdamW keeps."""

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
            live: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            matrices = [p for p in live if group["orthogonal"] and p.ndim >= group["min_ndim"]]
            chosen = {id(p) for p in matrices}
            rest = [p for p in live if id(p) not in chosen]
            if matrices:
                self._step_matrices(group, matrices)
            if rest:
                (self._step_nesterov if group["rest"] == "nesterov" else self._step_adamw)(group, rest)
        return loss

    def _step_matrices(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        buffers = self._buffers(parameters)
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        ahead = torch._foreach_add(gradients, buffers, alpha=group["momentum"])
        steps = _orthogonal_steps([whole(step).flatten(1) for step in ahead], group["iterations"])
        for p, step in zip(parameters, steps):
            if group["normalize"]:
                p.mul_(len(p) ** 0.5 / whole(p.norm()).clamp_min(1e-7))
            if group["weight_decay"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            factor = 0.2 * max(step.shape) ** 0.5 if group["scale"] == "rms" else 1.0
            p.add_(laid_as(step.reshape(p.shape), p), alpha=-group["lr"] * factor)

    def _step_nesterov(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        momentum = group["rest_momentum"]
        torch_sgd(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            list(self._buffers(parameters)) if momentum else [None] * len(parameters),
            fused=can_be_fused(parameters),
            weight_decay=group["weight_decay"],
            momentum=momentum,
            lr=group["lr"] * group["rest_scale"],
            dampening=0.0,
            nesterov=momentum > 0,
            maximize=False,
        )

    def _step_adamw(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        for p in parameters:
            if "step" not in self.state[p]:
                self.state[p]["step"] = torch.zeros((), device=p.device)
        first, second = group["rest_betas"]
        torch_adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            self._buffers(parameters, "exp_avg"),
            self._buffers(parameters, "exp_avg_sq"),
            [],
            [self.state[p]["step"] for p in parameters],
            fused=can_be_fused(parameters),
            amsgrad=False,
            beta1=first,
            beta2=second,
            lr=group["lr"] * group["rest_scale"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )

    def _buffers(self, parameters: list[Tensor], name: str = "momentum_buffer") -> list[Tensor]:
        for p in parameters:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in parameters]


def orthogonalize(matrices: Float[Tensor, "b m n"], iterations: int = 3) -> Float[Tensor, "b m n"]:
    """Bring all singular values near 1 and leave the singular vectors: G = U S V^T becomes about U V^T.

    Newton-Schulz iterations of a quintic, in the precision of the input (float32 at least). With three iterations
    singular values above 1 % of the norm end between 0.4 and 1.21. Below a norm of 1e-7 the result fades with the norm,
    so that what is left of a momentum without new gradients comes to rest; a matrix of zeros stays.

    Args:
        matrices: A batch of matrices of one shape.
        iterations: How often the quintic is applied.

    Example:
        >>> G = torch.diag(torch.tensor([3.0, 1.0, 0.5]))[None]
        >>> [round(s, 1) for s in orthogonalize(G, 5)[0].diagonal().tolist()]
        [0.7, 1.1, 1.0]

    Source:
        Jordan et al. 2024 (Muon).
    """
    x = matrices.float() if matrices.dtype in (torch.float16, torch.bfloat16) else matrices
    if not x.numel():
        return matrices.clone()
    x = x / x.abs().amax((1, 2), keepdim=True).clamp_min(1)  # the squares of huge numbers would overflow in the norm
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x  # (b, small, large): the smaller Gram matrix
    x = x / x.flatten(1).norm(dim=1).clamp_min(1e-7)[:, None, None]
    a, b, c = COEFFICIENTS
    for _ in range(iterations):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _orthogonal_steps(matrices: list[Tensor], iterations: int) -> list[Tensor]:
    """Orthogonalize all, those of one shape at once."""
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for place, matrix in enumerate(matrices):
        shapes.setdefault((*matrix.shape, matrix.dtype, matrix.device), []).append(place)
    found = list(matrices)
    for places in shapes.values():
        for place, step in zip(places, orthogonalize(torch.stack([matrices[p] for p in places]), iterations)):
            found[place] = step
    return found
