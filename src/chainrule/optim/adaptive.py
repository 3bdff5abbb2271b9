"""Optimizers that give each weight its own rate: AdaGrad, RMSProp, Adam, AdamW. torch's, fused where it has that."""

from __future__ import annotations

from typing import Any

import torch


def adagrad(params: Any, *, lr: float = 0.01, eps: float = 1e-8, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Return AdaGrad: s += g^2; x -= lr g / (sqrt(s) + eps).

    Source:
        LECTURES B4; Duchi et al. 2011.
    """
    return torch.optim.Adagrad(params, lr=lr, eps=eps, weight_decay=weight_decay, fused=True)


def rmsprop(
    params: Any,
    *,
    lr: float = 0.001,
    decay: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return RMSProp: s = decay s + (1 - decay) g^2; x -= lr g / (sqrt(s) + eps).

    Source:
        LECTURES B5.
    """
    return torch.optim.RMSprop(params, lr=lr, alpha=decay, eps=eps, momentum=momentum, weight_decay=weight_decay)


def adam(
    params: Any,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return Adam: m, v running means of g and g^2, corrected for their start at 0; x -= lr m / (sqrt(v) + eps).

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        betas: Decay of m and of v.
        eps: Added outside the root.
        weight_decay: d in g + d W, before the means (L2 in the gradient; `adamw` decouples it).

    Source:
        LECTURES B6; Kingma and Ba 2015.
    """
    return torch.optim.Adam(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def adamw(
    params: Any,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Return AdamW: as Adam, and x -= lr d x beside the gradient's step.

    Source:
        LECTURES B7; Loshchilov and Hutter 2019.

    Departures:
        torch decays by lr d. 004 decays by eta_t lambda, without its alpha: d = lambda / alpha.
    """
    return torch.optim.AdamW(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)
