"""The judge of every backward pass: centered finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

STEP = 1e-5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240521)


@pytest.fixture
def check_backward(rng: np.random.Generator) -> Callable[..., None]:
    """`check(forward, backward, *arrays)`: every gradient that backward gives, against differences of forward.

    forward takes the arrays and returns `out, cache`; backward takes `dout, cache` and returns one gradient for each
    array. The error is measured against the largest gradient, so a slip in one element cannot hide.
    """

    def check(
        forward: Callable[..., tuple[Any, Any]], backward: Callable[..., Any], *arrays: np.ndarray, tol: float = 2e-8
    ) -> None:
        before = [a.copy() for a in arrays]
        out, cache = forward(*arrays)
        dout = rng.standard_normal(np.shape(out)) if np.ndim(out) else 1.7
        grads = backward(dout, cache)
        again = backward(dout, cache)
        grads, again = ((g,) if isinstance(g, np.ndarray) else g for g in (grads, again))
        assert len(grads) == len(arrays)
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b, err_msg="an input was changed")
        for g, h in zip(grads, again, strict=True):
            np.testing.assert_array_equal(g, h, err_msg="the second backward pass differs: the cache was changed")
        for index, (a, g) in enumerate(zip(arrays, grads, strict=True)):
            assert g.shape == a.shape
            assert g.dtype == np.float64
            slopes = np.zeros(a.shape)
            for place in np.ndindex(*a.shape):
                ends = []
                for sign in (1, -1):
                    moved = [b.copy() for b in before]
                    moved[index][place] += sign * STEP
                    ends.append(np.sum(np.asarray(forward(*moved)[0]) * dout))
                slopes[place] = (ends[0] - ends[1]) / (2 * STEP)
            scale = max(1.0, float(np.abs(slopes).max(initial=0)))
            assert np.abs(g - slopes).max(initial=0) <= tol * scale, f"gradient of input {index}"

    return check
