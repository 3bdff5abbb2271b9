"""Losses: how wrong the scores are, one number for each example.

`losses, cache = softmax_loss(scores, y)` goes forward; `softmax_loss_backward(dlosses, cache)` takes the upstream
gradient of each example's loss, (N,), and gives the gradient with respect to the scores. The loss of a minibatch is
their mean, so that `mean_loss_backward` makes `dlosses` 1/N for each.

Shapes: N examples, K classes, D outputs.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache, Labels


def svm_loss(scores: Array, y: Labels) -> tuple[Array, Cache]:
    """Multiclass SVM (hinge) loss: L_i = sum over j != y_i of max(0, s_j - s_{y_i} + 1).

    Args:
        scores: (N, K).
        y: Right classes, (N,).

    Returns:
        The loss of each example, (N,), at least 0; and the cache.

    Example:
        >>> scores = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
        >>> losses, cache = svm_loss(scores, np.array([0, 1, 2]))
        >>> print(losses)
        [ 2.9  0.  12.9]

    Source:
        LECTURES A4.
    """
    rows = np.arange(len(y))
    right = scores[rows, y][:, None]  # (N, 1)
    margins = np.maximum(0, scores - right + 1)  # (N, K)
    margins[rows, y] = 0  # j != y_i
    return margins.sum(axis=1), (margins, y)


def svm_loss_backward(dlosses: Array, cache: Cache) -> Array:
    """Each class that violates the margin pulls its score down and the right score up; at the kink nobody pulls.

    Args:
        dlosses: (N,).
        cache: From `svm_loss`.

    Returns:
        dscores, (N, K).
    """
    margins, y = cache
    dscores = (margins > 0).astype(np.float64)  # (N, K)
    dscores[np.arange(len(y)), y] = -dscores.sum(axis=1)
    return dscores * dlosses[:, None]


def log_softmax(scores: Array) -> Array:
    """log p_k = s_k - log(sum_j e^{s_j}), with the largest score moved to 0 first so that nothing overflows.

    Args:
        scores: (N, K).

    Returns:
        (N, K), at most 0.

    Example:
        >>> print(log_softmax(np.array([[1e4, 0.0]])))
        [[     0. -10000.]]

    Source:
        LECTURES A5.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(scores: Array) -> Array:
    """p_k = e^{s_k} / sum_j e^{s_j}: scores read as unnormalized log probabilities.

    Args:
        scores: (N, K).

    Returns:
        Probabilities, (N, K); each row sums to 1.

    Example:
        >>> print(softmax(np.array([[3.2, 5.1, -1.7]])).round(2))
        [[0.13 0.87 0.  ]]

    Source:
        LECTURES A5.
    """
    return np.exp(log_softmax(scores))


def softmax_loss(scores: Array, y: Labels) -> tuple[Array, Cache]:
    """Softmax (cross-entropy) loss: L_i = -log(e^{s_{y_i}} / sum_j e^{s_j}).

    It is the negative log-likelihood of the right class: minimizing it maximizes the likelihood of the data. Small
    random weights give every class about 1/K, so a training starts at about log K.

    Args:
        scores: (N, K).
        y: Right classes, (N,).

    Returns:
        The loss of each example, (N,), at least 0; and the cache.

    Example:
        >>> losses, cache = softmax_loss(np.array([[3.2, 5.1, -1.7]]), np.array([0]))
        >>> print(losses.round(2))
        [2.04]

    Source:
        LECTURES A5.
    """
    log_p = log_softmax(scores)
    return -log_p[np.arange(len(y)), y], (np.exp(log_p), y)


def softmax_loss_backward(dlosses: Array, cache: Cache) -> Array:
    """dL_i/ds = p - one_hot(y_i): what the network says minus what is true.

    Args:
        dlosses: (N,).
        cache: From `softmax_loss`.

    Returns:
        dscores, (N, K); each row sums to 0.
    """
    p, y = cache
    dscores = p.copy()
    dscores[np.arange(len(y)), y] -= 1
    return dscores * dlosses[:, None]


def smoothed_softmax_loss(scores: Array, y: Labels, smoothing: float) -> tuple[Array, Cache]:
    """Label smoothing: L_i = -sum_k q_k log p_k with q = (1 - smoothing) one_hot(y_i) + smoothing / K.

    The right class is to be probable, not certain: certainty would need endless scores.

    Args:
        scores: (N, K).
        y: Right classes, (N,).
        smoothing: Share of the target that is spread evenly, in [0, 1).

    Returns:
        The loss of each example, (N,); and the cache.

    Example:
        >>> losses, cache = smoothed_softmax_loss(np.array([[3.2, 5.1, -1.7]]), np.array([0]), 0.1)
        >>> print(losses.round(2))
        [2.14]

    Source:
        LECTURES A5; Szegedy et al. 2016, section 7.
    """
    K = scores.shape[1]
    q = (1 - smoothing) * np.eye(K)[y] + smoothing / K
    log_p = log_softmax(scores)
    return -(q * log_p).sum(axis=1), (np.exp(log_p), q)


def smoothed_softmax_loss_backward(dlosses: Array, cache: Cache) -> Array:
    """dL_i/ds = p - q.

    Args:
        dlosses: (N,).
        cache: From `smoothed_softmax_loss`.

    Returns:
        dscores, (N, K); each row sums to 0.
    """
    p, q = cache
    dscores: Array = (p - q) * dlosses[:, None]
    return dscores


def binary_cross_entropy(scores: Array, y: Array) -> tuple[Array, Cache]:
    """L_i = -[y log p + (1 - y) log(1 - p)] with p = sigmoid(s).

    From the scores, log p = -log(1 + e^{-s}) and log(1 - p) = -log(1 + e^s): no logarithm of a rounded 0 is taken.

    Args:
        scores: Before the sigmoid, (N,).
        y: 1 for the class, 0 for the other, or a probability between, (N,).

    Returns:
        The loss of each example, (N,); and the cache.

    Example:
        >>> losses, cache = binary_cross_entropy(np.array([0.0, 1e4]), np.array([1.0, 0.0]))
        >>> print(losses)
        [6.93147181e-01 1.00000000e+04]

    Source:
        LECTURES A5.
    """
    log_p, log_1_minus_p = -np.logaddexp(0, -scores), -np.logaddexp(0, scores)
    return -(y * log_p + (1 - y) * log_1_minus_p), (np.exp(log_p), y)


def binary_cross_entropy_backward(dlosses: Array, cache: Cache) -> Array:
    """dL_i/ds = p - y.

    Args:
        dlosses: (N,).
        cache: From `binary_cross_entropy`.

    Returns:
        dscores, (N,).
    """
    p, y = cache
    return (p - y) * dlosses


def mean_squared_error(yhat: Array, y: Array) -> tuple[Array, Cache]:
    """L_i = mean over the D outputs of (yhat - y)^2.

    Args:
        yhat: What the network gives, (N, D).
        y: What is true, (N, D).

    Returns:
        The loss of each example, (N,); and the cache.

    Example:
        >>> losses, cache = mean_squared_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
        >>> print(losses)
        [2.5]

    Source:
        LECTURES A7.
    """
    difference = yhat - y
    return (difference**2).mean(axis=1), difference


def mean_squared_error_backward(dlosses: Array, cache: Cache) -> Array:
    """dL_i/dyhat = 2 (yhat - y) / D.

    Args:
        dlosses: (N,).
        cache: From `mean_squared_error`.

    Returns:
        dyhat, (N, D).
    """
    difference = cache
    return 2 * difference / difference.shape[1] * dlosses[:, None]


def mean_loss(losses: Array) -> tuple[float, Cache]:
    """L = 1/N sum_i L_i: the data loss.

    Args:
        losses: Of each example, (N,).

    Returns:
        The mean; and the cache.

    Example:
        >>> round(mean_loss(np.array([2.9, 0.0, 12.9]))[0], 2)
        5.27

    Source:
        LECTURES A4, A6.
    """
    return float(losses.mean()), len(losses)


def mean_loss_backward(dL: float, cache: Cache) -> Array:
    """Every example has a share of 1/N.

    Args:
        dL: Upstream gradient of the mean, 1 where the mean is the loss itself.
        cache: From `mean_loss`.

    Returns:
        dlosses, (N,).
    """
    N = cache
    return np.full(N, dL / N)
