"""Bias and variance: why a model that was trained on one set of data is wrong."""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array


def bias_variance_error(predictions: Array, targets: Array) -> tuple[Array, Array, Array]:
    """E ||f_D - y||^2 = bias^2 + variance, for one model trained on several sets D of data.

    variance = E ||f_D - f||^2 with f = E f_D, and bias^2 = ||f - y||^2. With R sets both are estimated without bias:
    the sum of squares is divided by R - 1, and the part of ||mean - y||^2 that is the variance of the mean goes to the
    variance. Their sum is the mean error exactly.

    Args:
        predictions: (R, N, K): of R trainings, for N examples; for classes, probability vectors.
        targets: (N, K); for classes, one-hot. Noise of the labels counts in bias^2.

    Returns:
        bias^2 (below 0 only by chance), variance, error: the mean over the examples of each.

    Example: two trainings that miss y = 1 by the same amount on opposite sides: no bias, all variance.
        >>> bias, variance, error = bias_variance_error(np.array([[[0.0]], [[2.0]]]), np.array([[1.0]]))
        >>> print(bias, variance, error)
        -1.0 2.0 1.0

    Source:
        LECTURES A8.

    Departures:
        003 4.6 calls the bias term variance.
    """
    R = len(predictions)
    mean = predictions.mean(axis=0)  # (N, K)
    variance = np.square(predictions - mean).sum(axis=(0, 2)) / (R - 1)  # (N,)
    bias_squared = np.square(mean - targets).sum(axis=1) - variance / R  # (N,)
    error = np.square(predictions - targets).sum(axis=2).mean(axis=0)  # (N,)
    return bias_squared.mean(), variance.mean(), error.mean()
