"""Penalties R(W) on large weights, and the full loss L = mean data loss + lambda R(W).

W may have any shape. Biases, and the gamma and beta of norms, are usually left out.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.formulas._array import Array, Cache


def full_loss(losses: Array, R: float, lam: float) -> tuple[float, Cache]:
    """L = 1/N sum_i L_i + lambda R(W).

    The data loss says that predictions should match the training data, the penalty that they should not match it too
    well. It also chooses between W and 2W where both have a hinge loss of 0.

    Args:
        losses: Of each example, (N,).
        R: The penalty.
        lam: Its strength lambda, at least 0.

    Returns:
        The full loss; and the cache.

    Example:
        >>> full_loss(np.array([1.0, 3.0]), 5.0, 0.1)[0]
        2.5

    Source:
        LECTURES A6.
    """
    return float(losses.mean()) + lam * R, (len(losses), lam)


def full_loss_backward(dL: float, cache: Cache) -> tuple[Array, float]:
    """Each example has a share of 1/N, the penalty one of lambda.

    Args:
        dL: Upstream gradient, 1 for the loss itself.
        cache: From `full_loss`.

    Returns:
        dlosses, (N,); and dR.
    """
    N, lam = cache
    return np.full(N, dL / N), dL * lam


def l2_penalty(W: Array) -> tuple[float, Cache]:
    """R(W) = sum W^2: many small weights rather than a few large ones.

    Returns:
        R; and the cache.

    Example:
        >>> l2_penalty(np.array([[1.0, -2.0]]))[0]
        5.0

    Source:
        LECTURES A6.
    """
    return float((W**2).sum()), W


def l2_penalty_backward(dR: float, cache: Cache) -> Array:
    """dR/dW = 2W: the larger a weight, the harder it is pulled to 0."""
    W = cache
    return dR * 2 * W


def l1_penalty(W: Array) -> tuple[float, Cache]:
    """R(W) = sum |W|: some weights become exactly 0.

    Returns:
        R; and the cache.

    Example:
        >>> l1_penalty(np.array([[1.0, -2.0]]))[0]
        3.0

    Source:
        LECTURES A6.
    """
    return float(np.abs(W).sum()), W


def l1_penalty_backward(dR: float, cache: Cache) -> Array:
    """dR/dW = sign(W): every weight is pulled alike; one that is 0 is left alone."""
    W = cache
    return dR * np.sign(W)


def elastic_net_penalty(W: Array, beta: float) -> tuple[float, Cache]:
    """R(W) = sum (beta W^2 + |W|): both.

    Args:
        W: Weights.
        beta: How much the squares count beside the absolute values, at least 0.

    Returns:
        R; and the cache.

    Example:
        >>> elastic_net_penalty(np.array([[1.0, -2.0]]), 0.1)[0]
        3.5

    Source:
        LECTURES A6.
    """
    return float((beta * W**2 + np.abs(W)).sum()), (W, beta)


def elastic_net_penalty_backward(dR: float, cache: Cache) -> Array:
    """dR/dW = 2 beta W + sign(W)."""
    W, beta = cache
    return dR * (2 * beta * W + np.sign(W))


def prior_to_penalty(sigma: float, N: int = 1) -> float:
    """lambda = 1 / (2 N sigma^2): the L2 strength that a Gaussian prior W ~ N(0, sigma^2) means.

    The most probable weights minimize -log p(data | W) - log p(W), and -log p(W) = sum W^2 / (2 sigma^2) + a constant.

    Args:
        sigma: Standard deviation of the prior.
        N: Examples over which the negative log-likelihood is averaged; 1 where it is summed.

    Example:
        >>> prior_to_penalty(0.5), prior_to_penalty(0.5, N=100)
        (2.0, 0.02)

    Source:
        LECTURES A6.

    Departures:
        The last line of 003's derivation subtracts the penalty; it is added.
    """
    return 1 / (2 * N * sigma**2)


def penalty_to_prior(lam: float, N: int = 1) -> float:
    """sigma = 1 / sqrt(2 N lambda): the Gaussian prior that an L2 strength means.

    Args:
        lam: Strength lambda, above 0.
        N: As in `prior_to_penalty`.

    Example:
        >>> penalty_to_prior(2.0)
        0.5

    Source:
        LECTURES A6.
    """
    return 1 / math.sqrt(2 * N * lam)


def penalty_to_decay(lam: float) -> float:
    """d = 2 lambda: the weight decay with which SGD does what an L2 penalty of lambda does.

    The penalty lambda W^2 has the gradient 2 lambda W; weight decay adds d W to the gradient.

    Example:
        >>> penalty_to_decay(0.05)
        0.1

    Source:
        LECTURES A6.
    """
    return 2 * lam


def decay_to_penalty(d: float) -> float:
    """lambda = d / 2: the L2 penalty that does what a weight decay of d does under SGD.

    Example:
        >>> decay_to_penalty(0.1)
        0.05

    Source:
        LECTURES A6.
    """
    return d / 2
