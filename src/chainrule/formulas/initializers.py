"""Initialization: random weights that neither shrink nor blow up what flows through them.

D_in is the fan-in, the number of inputs that one output sums over: D for an affine layer, F F C for a convolution.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array


def gaussian_weights(rng: np.random.Generator, D_in: int, D_out: int) -> Array:
    """W = 0.01 randn(D_in, D_out). Fine for small networks; in deep ones the activations fade away.

    Args:
        rng: Source of the draws.
        D_in: Inputs.
        D_out: Outputs.

    Returns:
        (D_in, D_out), standard deviation 0.01.

    Example:
        >>> W = gaussian_weights(np.random.default_rng(0), 100, 100)
        >>> round(float(W.std()), 4)
        0.01

    Source:
        LECTURES C5.
    """
    return 0.01 * rng.standard_normal((D_in, D_out))


def xavier_weights(rng: np.random.Generator, D_in: int, D_out: int) -> Array:
    """W = randn(D_in, D_out) / sqrt(D_in): Var(y) = D_in Var(w) Var(x) equals Var(x) when Var(w) = 1/D_in.

    Args:
        rng: Source of the draws.
        D_in: Inputs.
        D_out: Outputs.

    Returns:
        (D_in, D_out), variance 1/D_in.

    Example:
        >>> W = xavier_weights(np.random.default_rng(0), 100, 100)
        >>> round(float(W.std()), 2)
        0.1

    Source:
        LECTURES C5.

    Departures:
        torch's `xavier_normal_` is another form, with the average of fan-in and fan-out: variance 2 / (D_in + D_out).
    """
    return rng.standard_normal((D_in, D_out)) / np.sqrt(D_in)


def he_weights(rng: np.random.Generator, D_in: int, D_out: int) -> Array:
    """W = randn(D_in, D_out) sqrt(2 / D_in): a ReLU halves the mean square, the 2 gives it back.

    Args:
        rng: Source of the draws.
        D_in: Inputs.
        D_out: Outputs.

    Returns:
        (D_in, D_out), variance 2/D_in.

    Example:
        >>> W = he_weights(np.random.default_rng(0), 200, 100)
        >>> round(float(W.std()), 2)
        0.1

    Source:
        LECTURES C5 (the ReLU form of Xavier).
    """
    return rng.standard_normal((D_in, D_out)) * np.sqrt(2 / D_in)


def orthogonal_weights(rng: np.random.Generator, D_in: int, D_out: int) -> Array:
    """The left or right orthogonal factor of a random matrix, whichever has the shape: W keeps lengths.

    Args:
        rng: Source of the draws.
        D_in: Inputs.
        D_out: Outputs.

    Returns:
        (D_in, D_out); its columns are orthonormal if D_out <= D_in, its rows if D_in <= D_out.

    Example:
        >>> W = orthogonal_weights(np.random.default_rng(0), 5, 3)
        >>> bool(np.allclose(W.T @ W, np.eye(3)))
        True

    Source:
        LECTURES C5.
    """
    U, _, Vt = np.linalg.svd(rng.standard_normal((D_in, D_out)), full_matrices=False)
    return U if D_out <= D_in else Vt


def dirac_filters(rng: np.random.Generator, K: int, C: int, F: int) -> Array:
    """The first C filters pass the channels on: 1 in the middle of their own channel, else 0; the others are random.

    Args:
        rng: Source of the draws.
        K: Filters.
        C: Channels of the input.
        F: Height and width of a filter, odd.

    Returns:
        (K, C, F, F); filters C, C + 1, ... are uniform with variance 1 / (3 C F F).

    Example:
        >>> w = dirac_filters(np.random.default_rng(0), 3, 2, 3)
        >>> print(w[1, :, 1])
        [[0. 0. 0.]
         [0. 1. 0.]]

    Source:
        LECTURES C5, C8: a layer that begins as the identity lets signal and gradient through, as a shortcut does.
    """
    bound = 1 / np.sqrt(C * F * F)
    w = rng.uniform(-bound, bound, (K, C, F, F))
    for k in range(min(K, C)):
        w[k] = 0
        w[k, k, F // 2, F // 2] = 1
    return w


def constant_biases(D_out: int, value: float = 0.0) -> Array:
    """b = 0, or a small positive constant such as 0.1, which lets more ReLUs be active at the start.

    Args:
        D_out: Outputs.
        value: Of each bias.

    Returns:
        (D_out,).

    Example:
        >>> print(constant_biases(3, 0.1))
        [0.1 0.1 0.1]

    Source:
        LECTURES C5.

    Departures:
        003 says that half the units are dead at zero bias. They are inactive for that input; dead means zero on all
        data.
    """
    return np.full(D_out, value)


def whitening_filters(patches: Array, eps: float) -> Array:
    """W = (D + eps d_1)^(-1/2) E^T with E D E^T the covariance of patches: one filter a row.

    The answers W p are uncorrelated, and with eps = 0 each has variance 1; the largest direction comes first.

    Args:
        patches: (P, F F C), one patch a row.
        eps: Added to each variance, as a share of the largest.

    Returns:
        (F F C, F F C); the sum of each row is at least 0, as a filter and its negative do the same.

    Example:
        >>> patches = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> print(np.cov((whitening_filters(patches, 0.0) @ patches.T)).round(6) + 0.0)
        [[1. 0.]
         [0. 1.]]

    Source:
        LECTURES A9 (normalization), per patch.
    """
    centered = patches - patches.mean(axis=0)
    variances, directions = np.linalg.eigh(centered.T @ centered / (len(patches) - 1))
    variances, directions = variances[::-1].clip(min=0), directions[:, ::-1]
    directions = directions * np.where(directions.sum(axis=0) < 0, -1.0, 1.0)
    return (directions / np.sqrt((variances + eps * variances[0]).clip(min=1e-30))).T
