"""Principal components: those of scikit-learn, for many examples and for few."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from chainrule.analysis import principal_components
from chainrule.core.errors import UsageError


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_they_are_scikit_learns(count: int, size: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(count, size)) * np.linspace(1, 9, size) + 100
    ours, peer = principal_components(torch.from_numpy(x)), PCA(2, svd_solver="full").fit(x)
    assert ours.share == pytest.approx(peer.explained_variance_ratio_.sum(), rel=1e-6)
    np.testing.assert_allclose(ours.axes @ ours.axes.T, np.eye(2), atol=1e-9)
    assert (ours.axes.gather(1, ours.axes.abs().argmax(1, keepdim=True)) > 0).all()
    values = np.append(peer.explained_variance_, 0)
    if count > 2 and values[0] - values[1] > 1e-3 * values[0]:  # told apart, and there
        signs = np.sign((ours.axes.numpy() * peer.components_).sum(1, keepdims=True))
        np.testing.assert_allclose(
            ours.project(torch.from_numpy(x))[:, 0], signs[0] * peer.transform(x)[:, 0], atol=1e-5
        )


@pytest.mark.parametrize("shape", [(1, 5), (4, 5), (9, 5)])
def test_examples_that_do_not_vary_have_a_plane(shape: tuple[int, int]) -> None:
    found = principal_components(torch.full(shape, 7.0))
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-12)
    assert found.share == 1.0
    np.testing.assert_allclose(found.project(torch.full(shape, 7.0)), np.zeros((shape[0], 2)), atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 5), (4, 1)])
def test_too_few_numbers_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="no such components: expected examples of at least 2 numbers"):
        principal_components(torch.zeros(shape))
