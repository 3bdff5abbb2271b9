"""The affine layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas as f


@pytest.mark.parametrize(("shape", "K"), [((1, 1), 1), ((3, 4), 2), ((2, 3, 2), 5), ((2, 1, 2, 2), 3), ((5, 1), 4)])
def test_gradient(shape: tuple[int, ...], K: int, rng, check_backward) -> None:
    W, b = rng.standard_normal((int(np.prod(shape[1:])), K)), rng.standard_normal(K)
    check_backward(f.affine_forward, f.affine_backward, rng.standard_normal(shape), W, b)
    back = rng.standard_normal(shape[::-1]).T
    check_backward(f.affine_forward, f.affine_backward, back, W[::-1, ::-1], b[::-1])  # not contiguous


def test_torch_agrees(rng) -> None:
    x, W, b = rng.standard_normal((4, 3, 2)), rng.standard_normal((6, 5)), rng.standard_normal(5)
    out, _ = f.affine_forward(x, W, b)
    reference = torch.nn.functional.linear(torch.tensor(x).flatten(1), torch.tensor(W).T, torch.tensor(b))
    np.testing.assert_allclose(out, reference.numpy(), rtol=1e-12)


def test_each_column_is_a_template(rng) -> None:
    W, b, x = rng.standard_normal((6, 3)), rng.standard_normal(3), rng.standard_normal(6)
    scores = f.affine_forward(x[None], W, b)[0][0]
    np.testing.assert_allclose(scores, [W[:, k] @ x + b[k] for k in range(3)], rtol=1e-12)
