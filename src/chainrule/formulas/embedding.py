"""Texts as numbers: one-hot words, bags of words, and vectors of words that are learned from their neighbors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.formulas._array import Array
from chainrule.formulas.activations import sigmoid_forward


def one_hot(words: Sequence[int], V: int) -> Array:
    """A row for each word: zeros, and a one at the word's place.

    Example:
        >>> one_hot([2, 0], 3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    Source:
        LECTURES A9, G5.
    """
    return np.eye(V)[list(words)]


def bag_of_words(words: Sequence[int], V: int, binary: bool = False) -> Array:
    """x_v = how often word v stands in the text, or only whether: the order of the words is lost.

    Example:
        >>> bag_of_words([1, 0, 1], 3).tolist(), bag_of_words([1, 0, 1], 3, binary=True).tolist()
        ([1.0, 2.0, 0.0], [1.0, 1.0, 0.0])

    Source:
        LECTURES A9, G5.
    """
    counts = one_hot(words, V).sum(0)
    return np.minimum(counts, 1.0) if binary else counts


def inverse_document_frequency(texts: Sequence[Sequence[int]], V: int) -> Array:
    """idf_v = ln((1 + n) / (1 + n_v)) + 1 with n texts, n_v of which have word v: what stands everywhere says little.

    Example:
        >>> inverse_document_frequency([[0, 1], [0]], 3).round(3).tolist()
        [1.0, 1.405, 2.099]

    Source:
        LECTURES A9.

    Departures:
        The ones are those of scikit-learn: a word that no text has divides by nothing.
    """
    having = sum(bag_of_words(words, V, binary=True) for words in texts)
    return np.log((1 + len(texts)) / (1 + having)) + 1


def tf_idf(words: Sequence[int], idf: Array) -> Array:
    """Counts times idf, scaled to length 1.

    Example:
        >>> tf_idf([0, 0, 1], np.array([1.0, 1.5])).round(3).tolist()
        [0.8, 0.6]

    Source:
        LECTURES A9.
    """
    x = bag_of_words(words, len(idf)) * idf
    return x / np.linalg.norm(x)


def noise_probabilities(counts: Array, power: float = 0.75) -> Array:
    """p(w) = count(w)^0.75 / sum: how probable a word is as noise.

    Example:
        >>> noise_probabilities(np.array([1, 16])).round(3).tolist()
        [0.111, 0.889]

    Source:
        LECTURES G5; Mikolov et al. 2013, 2.2.
    """
    weights = np.asarray(counts, dtype=float) ** power
    return weights / weights.sum()


def keep_probability(share: Array, t: float = 1e-3) -> Array:
    """min(1, sqrt(t / f)): with what probability a word with the share f of a text is not left out.

    Example:
        >>> keep_probability(np.array([0.04, 0.0001]), t=0.01).tolist()
        [0.5, 1.0]

    Source:
        LECTURES G5; Mikolov et al. 2013, 2.3.
    """
    return np.minimum(1.0, np.sqrt(t / share))


def negative_sampling_forward(h: Array, u: Array) -> tuple[float, tuple[Array, Array, Array]]:
    """L = -ln sigmoid(h . u_0) - sum_j ln sigmoid(-h . u_j): the right word u_0 against words drawn as noise.

    Args:
        h: (D,) the vector of what is known: of a word (skip-gram), or the mean of its neighbors' (CBOW).
        u: (1 + K, D) the other vectors of the right word and of K drawn ones.

    Returns:
        L and the cache.

    Example:
        >>> loss, _ = negative_sampling_forward(np.zeros(2), np.ones((3, 2)))
        >>> round(float(loss / np.log(2)), 6)
        3.0

    Source:
        LECTURES G5; Mikolov et al. 2013, equation 4.
    """
    signs = np.where(np.arange(len(u)) == 0, 1.0, -1.0)
    p, _ = sigmoid_forward(signs * (u @ h))  # (1 + K,) the probability of being right about each
    return float(-np.log(p).sum()), (h, u, signs * (p - 1))


def negative_sampling_backward(dout: float, cache: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """dL/dh = sum_j g_j u_j and dL/du_j = g_j h, with g_j = sigmoid(score_j) - [j is right].

    Example:
        >>> _, cache = negative_sampling_forward(np.array([0.0, 0.0]), np.array([[2.0, 4.0], [6.0, 2.0]]))
        >>> negative_sampling_backward(1.0, cache)[0].tolist()
        [2.0, -1.0]

    Source:
        LECTURES G5.
    """
    h, u, g = cache
    return dout * (g @ u), dout * np.outer(g, h)


def mean_vector_forward(E: Array, words: Sequence[int]) -> tuple[Array, tuple[tuple[int, ...], Sequence[int]]]:
    """h = mean of E[w] over the words around: what CBOW knows.

    Args:
        E: (V, D) the vector of each word.
        words: Which words; of one word it is a look-up, and so the input of skip-gram.

    Example:
        >>> mean_vector_forward(np.array([[1.0, 0.0], [3.0, 2.0]]), [0, 1])[0].tolist()
        [2.0, 1.0]

    Source:
        LECTURES G5.
    """
    return E[list(words)].mean(0), (E.shape, words)


def mean_vector_backward(dout: Array, cache: tuple[tuple[int, ...], Sequence[int]]) -> Array:
    """dE[w] = dh * (how often w stands there) / (number of words).

    Example:
        >>> mean_vector_backward(np.array([4.0]), ((3, 1), [0, 2, 2, 2])).ravel().tolist()
        [1.0, 0.0, 3.0]

    Source:
        LECTURES G5.
    """
    shape, words = cache
    dE = np.zeros(shape)
    for w in words:
        dE[w] += dout / len(words)
    return dE


def cosine_similarity(a: Array, b: Array) -> float:
    """a . b / (|a| |b|): 1 where two vectors point the same way, whatever their lengths.

    Example:
        >>> round(cosine_similarity(np.array([1.0, 1.0]), np.array([3.0, 0.0])), 4)
        0.7071

    Source:
        LECTURES G5.
    """
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def principal_plane(X: Array) -> Array:
    """(X - mean) V with the first two right singular vectors V: the plane in which the rows differ the most.

    Args:
        X: (N, D) rows.

    Returns:
        (N, 2) their places on a map.

    Example:
        >>> np.abs(principal_plane(np.array([[0.0, 0, 0], [0, 4, 0], [0, 2, 1], [0, 2, -1]]))).round(6).tolist()
        [[2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 1.0]]

    Source:
        LECTURES G5 (2-D map).
    """
    centered = X - X.mean(0)
    _, _, Vt = np.linalg.svd(centered, full_matrices=False)
    return centered @ Vt[:2].T
