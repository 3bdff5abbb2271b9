"""Optimizers that give each weight its own rate: AdaGrad, RMSProp, Adam, AdamW. torch's, fused where it has that.

Epsilon keeps the division by the root finite. Most notes have it outside, sqrt(s) + eps, as torch does; 004 has it
inside for AdaGrad and RMSProp, sqrt(s + eps), which torch lacks: `epsilon="inside"`. 003 has none there; torch would
divide 0 by 0 for a weight that never had a gradient, so give a tiny one.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from chainrule.optim._inside import InsideEpsilon
from chainrule.optim._layout import aligned
from chainrule.optim._options import can_be_fused, check_decay, check_epsilon, check_rate, check_share, listed


def adagrad(
    params: Any,
    *,
    lr: float = 0.01,
    eps: float = 1e-8,
    epsilon: Literal["outside", "inside"] = "outside",
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return AdaGrad: s += g^2; x -= lr g / (sqrt(s) + eps).

    Args:
        params: Parameters or groups.
        lr: Learning rate, at least 0.
        eps: Above 0.
        epsilon: Its place: outside the root, or inside, sqrt(s + eps).
        weight_decay: d in g + d W.

    Raises:
        UsageError: An option is out of range.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = adagrad([x], lr=0.1)
        >>> x.grad = torch.tensor([50.0])
        >>> optimizer.step()
        >>> round(x.item(), 4)
        0.9

    Source:
        LECTURES B4 (epsilon: B7); Duchi et al. 2011.

    Departures:
        torch's own default of eps is 1e-10.
    """
    check_rate("adagrad", lr)
    check_decay("adagrad", weight_decay)
    check_epsilon("adagrad", eps, epsilon)
    params = listed("adagrad", params)
    if epsilon == "inside":
        return InsideEpsilon(params, kind="adagrad", lr=lr, eps=eps, weight_decay=weight_decay)
    fused = can_be_fused(params)
    return aligned(torch.optim.Adagrad(params, lr=lr, eps=eps, weight_decay=weight_decay, fused=fused))


def rmsprop(
    params: Any,
    *,
    lr: float = 0.001,
    decay: float = 0.99,
    eps: float = 1e-8,
    epsilon: Literal["outside", "inside"] = "outside",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return RMSProp: s = decay s + (1 - decay) g^2; x -= lr g / (sqrt(s) + eps).

    Args:
        params: Parameters or groups.
        lr: Learning rate, at least 0.
        decay: Of s, in [0, 1).
        eps: Above 0.
        epsilon: Its place: outside the root, or inside, sqrt(s + eps).
        momentum: rho of a velocity of the steps, v = rho v + g / (sqrt(s) + eps), in [0, 1).
        weight_decay: d in g + d W.

    Raises:
        UsageError: An option is out of range.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = rmsprop([x], lr=0.1, decay=0.75)
        >>> x.grad = torch.tensor([50.0])
        >>> optimizer.step()
        >>> round(x.item(), 4)
        0.8

    Source:
        LECTURES B5 (epsilon: B7).
    """
    check_rate("rmsprop", lr)
    check_share("rmsprop", "decay", decay)
    check_share("rmsprop", "momentum", momentum)
    check_decay("rmsprop", weight_decay)
    check_epsilon("rmsprop", eps, epsilon)
    params = listed("rmsprop", params)
    if epsilon == "inside":
        return InsideEpsilon(
            params, kind="rmsprop", lr=lr, second=decay, eps=eps, momentum=momentum, weight_decay=weight_decay
        )
    # torch has no fused kernel for it
    return torch.optim.RMSprop(params, lr=lr, alpha=decay, eps=eps, momentum=momentum, weight_decay=weight_decay)


def adam(
    params: Any,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    epsilon: Literal["outside", "inside"] = "outside",
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return Adam: m, v running means of g and g^2, corrected for their start at 0; x -= lr m / (sqrt(v) + eps).

    Args:
        params: Parameters or groups.
        lr: Learning rate, at least 0.
        betas: Decay of m and of v, both in [0, 1).
        eps: Above 0.
        epsilon: Its place: outside the root, or inside, sqrt(v + eps).
        weight_decay: d in g + d W, before the means (L2 in the gradient; `adamw` decouples it).

    Raises:
        UsageError: An option is out of range.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = adam([x], lr=0.1)
        >>> x.grad = torch.tensor([50.0])
        >>> optimizer.step()
        >>> round(x.item(), 4)
        0.9

    Source:
        LECTURES B6, B7 (the line with L2 in the gradient); Kingma and Ba 2015.
    """
    return _adam("adam", params, lr, betas, eps, epsilon, weight_decay)


def adamw(
    params: Any,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    epsilon: Literal["outside", "inside"] = "outside",
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Return AdamW: as Adam, and x -= lr d x beside the gradient's step.

    Args:
        params: Parameters or groups.
        lr: Learning rate, at least 0.
        betas: Decay of m and of v, both in [0, 1).
        eps: Above 0.
        epsilon: Its place: outside the root, or inside, sqrt(v + eps).
        weight_decay: d, at least 0.

    Raises:
        UsageError: An option is out of range.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = adamw([x], lr=0.1, weight_decay=0.5)
        >>> x.grad = torch.tensor([0.0])
        >>> optimizer.step()
        >>> round(x.item(), 4)
        0.95

    Source:
        LECTURES B7; Loshchilov and Hutter 2019.

    Departures:
        torch decays by lr d. 004 decays by eta_t lambda, without its alpha: d = lambda / alpha.
    """
    return _adam("adamw", params, lr, betas, eps, epsilon, weight_decay)


def _adam(
    kind: Literal["adam", "adamw"],
    params: Any,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    epsilon: str,
    weight_decay: float,
) -> torch.optim.Optimizer:
    check_rate(kind, lr)
    for beta in betas:
        check_share(kind, "betas", beta)
    check_decay(kind, weight_decay)
    check_epsilon(kind, eps, epsilon)
    params = listed(kind, params)
    if epsilon == "inside":
        return InsideEpsilon(
            params, kind=kind, lr=lr, first=betas[0], second=betas[1], eps=eps, weight_decay=weight_decay
        )
    maker = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    fused = can_be_fused(params)
    return aligned(maker(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused))
