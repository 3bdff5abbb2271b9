"""Texts as numbers, and vectors of words: beside numbers by hand, differences, and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from torch.nn import functional

from chainrule.formulas import (
    bag_of_words,
    cosine_similarity,
    inverse_document_frequency,
    keep_probability,
    mean_vector_backward,
    mean_vector_forward,
    negative_sampling_backward,
    negative_sampling_forward,
    noise_probabilities,
    one_hot,
    principal_plane,
    tf_idf,
)

TEXTS = [[0, 1, 1, 4], [2, 1], [3, 3, 3, 0, 2]]


def differences(f, x, h=1e-6):
    """The gradient of f by central differences."""
    grad = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        grad[place] = (f(x + step) - f(x - step)) / (2 * h)
    return grad


def test_bags_by_hand_and_one_hot_rows_by_torch() -> None:
    np.testing.assert_array_equal(one_hot([3, 1], 5), functional.one_hot(torch.tensor([3, 1]), 5).numpy())
    np.testing.assert_array_equal(bag_of_words([3, 1, 3], 5), [0, 1, 0, 2, 0])
    np.testing.assert_array_equal(bag_of_words([3, 1, 3], 5, binary=True), [0, 1, 0, 1, 0])


def test_weighted_bags_are_scikit_learns() -> None:
    other = TfidfVectorizer(token_pattern=r"\w+")
    expected = other.fit_transform([" ".join(map(str, words)) for words in TEXTS]).toarray()
    idf = inverse_document_frequency(TEXTS, 5)
    np.testing.assert_allclose(idf, other.idf_)
    np.testing.assert_allclose([tf_idf(words, idf) for words in TEXTS], expected)


def test_noise_and_frequent_words_by_hand() -> None:
    np.testing.assert_allclose(noise_probabilities(np.array([1, 16, 81])), np.array([1, 8, 27]) / 36)
    np.testing.assert_allclose(keep_probability(np.array([0.1, 0.001, 1e-5]), t=1e-3), [0.1, 1, 1])


def test_negative_sampling_is_torchs_and_its_gradient_that_of_differences() -> None:
    rng = np.random.default_rng(0)
    h, u = rng.normal(size=4), rng.normal(size=(6, 4))
    loss, cache = negative_sampling_forward(h, u)
    scores, truth = torch.from_numpy(u @ h), torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64)
    assert loss == pytest.approx(float(functional.binary_cross_entropy_with_logits(scores, truth, reduction="sum")))
    dh, du = negative_sampling_backward(1.7, cache)
    np.testing.assert_allclose(dh, 1.7 * differences(lambda h: negative_sampling_forward(h, u)[0], h), atol=1e-8)
    np.testing.assert_allclose(du, 1.7 * differences(lambda u: negative_sampling_forward(h, u)[0], u), atol=1e-8)


def test_means_of_neighbors_are_embedding_bags() -> None:
    rng = np.random.default_rng(1)
    E, dout = rng.normal(size=(5, 3)), rng.normal(size=3)
    words = [4, 0, 4, 2]
    h, cache = mean_vector_forward(E, words)
    table = torch.from_numpy(E).requires_grad_()
    other = functional.embedding_bag(torch.tensor([words]), table, mode="mean")
    np.testing.assert_allclose(h, other[0].detach())
    (grad,) = torch.autograd.grad(other[0] @ torch.from_numpy(dout), table)
    np.testing.assert_allclose(mean_vector_backward(dout, cache), grad)


def test_cosine_is_torchs_and_the_plane_scikit_learns() -> None:
    X = np.random.default_rng(2).normal(size=(20, 7)) * np.arange(1, 8)
    expected = functional.cosine_similarity(torch.from_numpy(X[0]), torch.from_numpy(X[1]), dim=0)
    assert cosine_similarity(X[0], X[1]) == pytest.approx(float(expected))
    np.testing.assert_allclose(np.abs(principal_plane(X)), np.abs(PCA(2).fit_transform(X)), atol=1e-9)
