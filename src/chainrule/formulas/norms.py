"""Normalization: mean 0 and variance 1, then a learnable scale gamma and shift beta.

Batch, layer, instance and group normalization are one idea, `standardize`, over different axes of (N, C, H, W):

    batch      N, H, W       statistics of each channel, over the minibatch; running averages at test time
    layer      C, H, W       statistics of each example
    instance   H, W          statistics of each example and channel
    group      C/G, H, W     statistics of each example and group of channels

All but batch normalization do the same at train and test time. Local response normalization is another idea.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache


def standardize(x: Array, axes: tuple[int, ...], eps: float = 1e-5) -> tuple[Array, Cache]:
    """xhat = (x - mu) / sqrt(sigma^2 + eps), with mean and variance over some axes.

    Args:
        x: Any shape.
        axes: What mean and variance are taken over.
        eps: Keeps the division finite where all are equal.

    Returns:
        xhat, shape of x; and the cache.

    Example:
        >>> print(standardize(np.array([[1.0, 3.0], [5.0, 5.0]]), axes=(1,), eps=0.01)[0].round(3))
        [[-0.995  0.995]
         [ 0.     0.   ]]

    Source:
        LECTURES C6.
    """
    mu = x.mean(axis=axes, keepdims=True)
    sigma2 = ((x - mu) ** 2).mean(axis=axes, keepdims=True)
    std = np.sqrt(sigma2 + eps)
    xhat = (x - mu) / std
    return xhat, (xhat, std, axes)


def standardize_backward(dxhat: Array, cache: Cache) -> Array:
    """dx = (dxhat - mean(dxhat) - xhat mean(dxhat xhat)) / std.

    The three terms are the three paths from x to xhat: straight, through the mean, through the variance. What adds the
    same to all x, or scales them all, changes no xhat; so those two parts of the gradient are taken out.

    Args:
        dxhat: Shape of x.
        cache: From `standardize`.

    Returns:
        dx, shape of x.
    """
    xhat, std, axes = cache
    through_mean = dxhat.mean(axis=axes, keepdims=True)
    through_variance = xhat * (dxhat * xhat).mean(axis=axes, keepdims=True)
    return (dxhat - through_mean - through_variance) / std


def batch_norm_train(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
    """Batch normalization while training: y = gamma xhat + beta with the minibatch's own statistics.

    Args:
        x: (N, D), or (N, C, H, W) with statistics for each channel.
        gamma: (D,) or (C,).
        beta: (D,) or (C,).
        eps: Under the root.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> out, cache = batch_norm_train(np.array([[1.0], [3.0]]), np.array([2.0]), np.array([10.0]))
        >>> print(out.round(3))
        [[ 8.]
         [12.]]

    Source:
        LECTURES C6.
    """
    axes = (0, *range(2, x.ndim))  # all but features or channels
    xhat, cache = standardize(x, axes, eps)
    return _per_channel(gamma, x) * xhat + _per_channel(beta, x), (cache, gamma)


def batch_norm_train_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """beta is added (its gradient is the sum), gamma multiplies (swaps with xhat); then `standardize_backward`.

    Args:
        dout: Shape of x.
        cache: From `batch_norm_train`.

    Returns:
        dx, shape of x; dgamma and dbeta, (D,) or (C,).
    """
    standardized, gamma = cache
    xhat, _, axes = standardized
    dx = standardize_backward(dout * _per_channel(gamma, dout), standardized)
    return dx, (dout * xhat).sum(axis=axes), dout.sum(axis=axes)


def batch_norm_test(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float = 1e-5
) -> tuple[Array, Cache]:
    """Batch normalization at test time: an affine map of each feature, with statistics that are fixed.

    Args:
        x: (N, D) or (N, C, H, W).
        gamma: (D,) or (C,).
        beta: (D,) or (C,).
        mean: Running average of `batch_statistics`, or the mean of the whole training set, (D,) or (C,).
        var: The same for the variance.
        eps: Under the root.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> one = np.ones(1)
        >>> print(batch_norm_test(np.array([[3.0]]), gamma=2 * one, beta=one, mean=one, var=4 * one, eps=0.0)[0])
        [[3.]]

    Source:
        LECTURES C6.
    """
    std = np.sqrt(var + eps)
    xhat = (x - _per_channel(mean, x)) / _per_channel(std, x)
    return _per_channel(gamma, x) * xhat + _per_channel(beta, x), (xhat, gamma, std)


def batch_norm_test_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """As an affine map has it: dx = dout gamma / std.

    Args:
        dout: Shape of x.
        cache: From `batch_norm_test`.

    Returns:
        dx, shape of x; dgamma and dbeta, (D,) or (C,).
    """
    xhat, gamma, std = cache
    axes = (0, *range(2, dout.ndim))
    return dout * _per_channel(gamma / std, dout), (dout * xhat).sum(axis=axes), dout.sum(axis=axes)


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and variance of each feature or channel: mu = 1/N sum x, sigma^2 = 1/N sum (x - mu)^2.

    Args:
        x: (N, D) or (N, C, H, W): a minibatch, or the whole training set.

    Returns:
        Mean and variance, (D,) or (C,).

    Example:
        >>> print(*batch_statistics(np.array([[1.0], [3.0]])))
        [2.] [1.]

    Source:
        LECTURES C6.
    """
    axes = (0, *range(2, x.ndim))
    return x.mean(axis=axes), x.var(axis=axes)


def running_average(running: Array, now: Array, momentum: float = 0.1) -> Array:
    """running <- (1 - momentum) running + momentum now: what batch normalization remembers for test time.

    Args:
        running: So far; it starts at mean 0 and variance 1.
        now: Of this minibatch.
        momentum: Share of this minibatch.

    Returns:
        The new average.

    Example:
        >>> print(running_average(np.array([0.0]), np.array([5.0])))
        [0.5]

    Source:
        LECTURES C6.

    Departures:
        torch averages the unbiased variance, M/(M - 1) sigma^2 with M the numbers it is taken over, and normalizes by
        the biased one; the notes have only sigma^2.
    """
    return (1 - momentum) * running + momentum * now


def layer_norm_forward(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
    """Layer normalization: each example by its own statistics, over as many last axes as gamma has.

    Args:
        x: (N, D); (N, C, H, W); or a sequence (N, T, D) with gamma of (D,).
        gamma: (D,) or (C, H, W).
        beta: Shape of gamma.
        eps: Under the root.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> out, cache = layer_norm_forward(np.array([[1.0, 3.0]]), gamma=np.array([1.0, 10.0]), beta=np.zeros(2))
        >>> print(out.round(3))
        [[-1. 10.]]

    Source:
        LECTURES C6.
    """
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    xhat, cache = standardize(x, axes, eps)
    return gamma * xhat + beta, (cache, gamma)


def layer_norm_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """As batch normalization, over the other axes.

    Args:
        dout: Shape of x.
        cache: From `layer_norm_forward`.

    Returns:
        dx, shape of x; dgamma and dbeta, shape of gamma.
    """
    standardized, gamma = cache
    xhat, _, axes = standardized
    examples = tuple(range(dout.ndim - len(axes)))
    dx = standardize_backward(dout * gamma, standardized)
    return dx, (dout * xhat).sum(axis=examples), dout.sum(axis=examples)


def group_norm_forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5) -> tuple[Array, Cache]:
    """Group normalization: each example and group of consecutive channels by its own statistics.

    One group is layer normalization, C groups are instance normalization, but for gamma and beta of each channel.

    Args:
        x: (N, C, H, W) or (N, C).
        gamma: (C,).
        beta: (C,).
        groups: G, which divides C.
        eps: Under the root.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
        >>> print(group_norm_forward(x, np.ones(4), np.zeros(4), groups=2)[0].round(3))
        [[-1.  1. -1.  1.]]

    Source:
        LECTURES C6.
    """
    N = len(x)
    xhat, cache = standardize(x.reshape(N, groups, -1), (2,), eps)  # (N, G, C/G H W)
    xhat = xhat.reshape(x.shape)
    return _per_channel(gamma, x) * xhat + _per_channel(beta, x), (cache, xhat, gamma)


def group_norm_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """As batch normalization, over the groups.

    Args:
        dout: Shape of x.
        cache: From `group_norm_forward`.

    Returns:
        dx, shape of x; dgamma and dbeta, (C,).
    """
    standardized, xhat, gamma = cache
    dxhat = (dout * _per_channel(gamma, dout)).reshape(standardized[0].shape)  # (N, G, C/G H W)
    dx = standardize_backward(dxhat, standardized).reshape(dout.shape)
    axes = (0, *range(2, dout.ndim))
    return dx, (dout * xhat).sum(axis=axes), dout.sum(axis=axes)


def instance_norm_forward(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
    """Instance normalization: each example and channel by its own statistics.

    Args:
        x: (N, C, H, W).
        gamma: (C,).
        beta: (C,).
        eps: Under the root.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> x = np.array([[[[1.0, 3.0]], [[10.0, 30.0]]]])
        >>> print(instance_norm_forward(x, np.ones(2), np.zeros(2))[0].round(3).ravel())
        [-1.  1. -1.  1.]

    Source:
        LECTURES C6.
    """
    xhat, cache = standardize(x, (2, 3), eps)
    return _per_channel(gamma, x) * xhat + _per_channel(beta, x), (cache, gamma)


def instance_norm_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """As batch normalization, over the positions.

    Args:
        dout: (N, C, H, W).
        cache: From `instance_norm_forward`.

    Returns:
        dx, (N, C, H, W); dgamma and dbeta, (C,).
    """
    standardized, gamma = cache
    xhat, _, _ = standardized
    dx = standardize_backward(dout * _per_channel(gamma, dout), standardized)
    return dx, (dout * xhat).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


def _per_channel(v: Array, x: Array) -> Array:
    """(C,) -> (1, C, 1, 1), to multiply or add to (N, C, H, W)."""
    return v.reshape(1, -1, *[1] * (x.ndim - 2))
