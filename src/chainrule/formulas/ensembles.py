"""Ensembles: what M members answer together, and whether what they say of their certainty is true.

p has the shape (M, N, K): the probability that member m gives example n to be of class k.

    >>> p = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.4, 0.6]]])
    >>> mean_probability(p).round(4).tolist(), vote_of_members(p).tolist()
    ([[0.5667, 0.4333]], [1])

Source: LECTURES B14.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.formulas._array import Array


def mean_probability(p: Array) -> Array:
    """Return p(y|x) = 1/M sum_m p_m(y|x).

    Args:
        p: (M, N, K).

    Returns:
        (N, K).
    """
    return p.mean(axis=0)


def vote_of_members(p: Array) -> Array:
    """Return the class that most members hold for the most probable; of classes with as many votes, the one with the
    higher mean probability.

    Args:
        p: (M, N, K).

    Returns:
        (N,), whole numbers.

    Example:
        >>> vote_of_members(np.array([[[0.9, 0.1]], [[0.4, 0.6]]])).tolist()
        [0]
    """
    votes = np.eye(p.shape[2])[p.argmax(axis=2)].sum(axis=0)  # (N, K)
    leading = votes == votes.max(axis=1, keepdims=True)
    return np.where(leading, p.mean(axis=0), -1.0).argmax(axis=1)


def average_parameters(w: Sequence[Array]) -> Array:
    """Return 1/M sum_m w_m, one parameter of M networks: sensible where they stem from one trajectory.

    Example:
        >>> average_parameters([np.array([1.0, 4.0]), np.array([3.0, 0.0])]).tolist()
        [2.0, 2.0]
    """
    return np.mean(np.stack(w), axis=0)


def expected_calibration_error(p: Array, y: Array, bins: int = 15) -> float:
    """Return ECE = sum_b n_b/N |acc_b - conf_b|: how far confidence is from accuracy.

    conf is the highest probability of an example. Bin b holds the examples with (b-1)/B < conf <= b/B; acc_b is the
    share of them that is right, conf_b their mean confidence.

    Args:
        p: (N, K) probabilities.
        y: (N,) right classes.
        bins: B.

    Example:
        >>> p = np.array([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]])
        >>> round(expected_calibration_error(p, np.array([0, 1, 0, 1])), 4)
        0.35

    Source:
        Guo et al. 2017 (On calibration of modern neural networks), equation 3.
    """
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    error = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def negative_log_likelihood(p: Array, y: Array) -> float:
    """Return -1/N sum_n log p_n(y_n): lower is better, and only true probabilities reach the lowest.

    Example:
        >>> round(negative_log_likelihood(np.array([[0.8, 0.2], [0.4, 0.6]]), np.array([0, 1])), 4)
        0.367
    """
    return float(-np.log(p[np.arange(len(y)), y]).mean())
