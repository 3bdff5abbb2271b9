"""R(W), the price of large weights. Full loss = mean data loss + lambda R(W).

Source:
    LECTURES A6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def l2_penalty(W: Array) -> tuple[float, Array]:
    """R = sum W^2, and its gradient 2 W.

    Example:
        >>> l2_penalty(np.array([1.0, -2.0]))[0]
        5.0
    """
    return float((W**2).sum()), 2 * W


def l1_penalty(W: Array) -> tuple[float, Array]:
    """R = sum |W|, and its gradient sign(W) (0 at 0).

    Example:
        >>> l1_penalty(np.array([1.0, -2.0]))[0]
        3.0
    """
    return float(np.abs(W).sum()), np.sign(W)


def elastic_net(W: Array, beta: float) -> tuple[float, Array]:
    """R = sum (beta W^2 + |W|).

    Example:
        >>> elastic_net(np.array([1.0, -2.0]), beta=0.5)[0]
        5.5
    """
    return float((beta * W**2 + np.abs(W)).sum()), 2 * beta * W + np.sign(W)


def lambda_of_gaussian_prior(sigma: float, N: int) -> float:
    """The lambda at which mean loss + L2 is the posterior under W ~ Normal(0, sigma^2): 1 / (2 N sigma^2).

    Example:
        >>> lambda_of_gaussian_prior(sigma=0.5, N=100)
        0.02

    Departures:
        003's last line has the sign wrong: the penalty is added. With the summed likelihood it is 1 / (2 sigma^2).
    """
    return 1 / (2 * N * sigma**2)


def weight_decay_of_lambda(lam: float) -> float:
    """The weight decay d of SGD that equals a penalty lambda: lambda W^2 has the gradient 2 lambda W, decay has d W.

    Example:
        >>> weight_decay_of_lambda(0.01)
        0.02
    """
    return 2 * lam
