"""A step of captioning with attention: finite differences, and what attention cannot see."""

from __future__ import annotations

import numpy as np

from chainrule import formulas as f

N, R, E, D, H, S = 2, 4, 3, 5, 2, 3
SHAPES = [(N, D), (N, H), (N, R, E), (H, S), (E, S), (S,), (D + E, H), (H, H), (H,)]


def test_gradient_of_a_step(rng, check_backward) -> None:
    check_backward(f.caption_step_forward, f.caption_step_backward, *(rng.standard_normal(shape) for shape in SHAPES))


def test_a_picture_of_equal_regions_is_found_as_it_is(rng) -> None:
    x, h, _, *score, Wx, Wh, b = (rng.standard_normal(shape) for shape in SHAPES)
    region = rng.standard_normal((N, E))
    found, cache = f.caption_step_forward(x, h, np.repeat(region[:, None], R, axis=1), *score, Wx, Wh, b)
    plain, _ = f.rnn_step_forward(np.concatenate([x, region], axis=1), h, Wx, Wh, b)
    np.testing.assert_allclose(found, plain, atol=1e-12)
    np.testing.assert_allclose(cache[-1], np.full((N, R), 1 / R), atol=1e-12)


def test_regions_are_a_set(rng) -> None:
    x, h, regions, *rest = (rng.standard_normal(shape) for shape in SHAPES)
    order = [2, 0, 3, 1]
    found, cache = f.caption_step_forward(x, h, regions, *rest)
    other, others = f.caption_step_forward(x, h, regions[:, order], *rest)
    np.testing.assert_allclose(other, found, atol=1e-12)
    np.testing.assert_allclose(others[-1], cache[-1][:, order], atol=1e-12)
