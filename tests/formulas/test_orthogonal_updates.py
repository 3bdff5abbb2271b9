"""Newton-Schulz iterations against the singular value decomposition; steps that depend on no scale of the gradient."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import formulas as f

SHAPES = [(1, 1), (1, 5), (4, 4), (3, 7), (7, 3), (16, 40)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("iterations", [1, 3, 5])
def test_singular_vectors_stay_and_values_follow_the_quintic(shape: tuple[int, int], iterations: int, rng) -> None:
    G = rng.standard_normal(shape)
    U, S, Vt = np.linalg.svd(G, full_matrices=False)
    S = S / np.linalg.norm(S)
    for _ in range(iterations):
        S = 3.4445 * S - 4.7750 * S**3 + 2.0315 * S**5
    np.testing.assert_allclose(f.newton_schulz(G, iterations), U * S @ Vt, atol=1e-10)


def test_after_five_iterations_all_directions_are_about_as_long(rng) -> None:
    for shape in SHAPES:
        U, _, Vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
        S = np.geomspace(1, 0.05, min(shape))
        found = np.linalg.svd(f.newton_schulz(U * S @ Vt, 5), compute_uv=False)
        assert found.min() > 0.65
        assert found.max() < 1.22


def test_a_step_does_not_depend_on_the_scale_of_the_gradients(rng) -> None:
    W, gradients = rng.standard_normal((6, 9)), rng.standard_normal((4, 6, 9))
    ends = []
    for scale in (1e-3, 1.0, 1e3):
        x, m = W, np.zeros_like(W)
        for dW in gradients:
            x, m = f.muon(x, scale * dW, m, lr=0.1)
        ends.append(x)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)
    np.testing.assert_allclose(ends[2], ends[1], rtol=1e-12)


def test_the_size_of_the_weights_is_kept_and_momentum_looks_ahead(rng) -> None:
    W, dW, m = rng.standard_normal((3, 6, 9))
    moved, after = f.muon(W, dW, m, lr=0.0, rho=0.7)
    assert np.linalg.norm(moved) == pytest.approx(np.sqrt(6))
    np.testing.assert_allclose(moved / np.linalg.norm(moved), W / np.linalg.norm(W), rtol=1e-12)
    np.testing.assert_allclose(after, 0.7 * m + dW)
    step = (moved - f.muon(W, dW, m, lr=0.1, rho=0.7)[0]) / 0.1
    np.testing.assert_allclose(step, f.newton_schulz(dW + 0.7 * after), rtol=1e-9)
