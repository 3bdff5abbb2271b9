"""Masked words: shares, what stays, and the gradient."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import formulas as f


def test_the_chosen_words_by_hand() -> None:
    words, order = np.array([7, 8, 9, 6]), np.array([0.9, 0.1, 0.2, 0.3])
    fate, drawn = np.array([0.0, 0.79, 0.89, 0.91]), np.array([5, 5, 5, 5])
    inputs, chosen = f.mask_words(words, order, fate, drawn, mask=4, share=0.75)
    assert (inputs.tolist(), chosen.tolist()) == ([7, 4, 5, 6], [1, 2, 3])
    assert words.tolist() == [7, 8, 9, 6]
    assert f.mask_words(words[:1], order[:1], fate[:1], drawn[:1], mask=4)[1].tolist() == [0]  # one at least


def test_shares(rng) -> None:
    T = 200_000
    words, order, fate = rng.integers(5, 50, T), rng.random(T), rng.random(T)
    inputs, chosen = f.mask_words(words, order, fate, np.full(T, 99), mask=4)
    assert len(chosen) == 0.15 * T
    assert (np.delete(inputs, chosen) == np.delete(words, chosen)).all()
    assert (inputs[chosen] == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert (inputs[chosen] == 99).mean() == pytest.approx(0.1, abs=0.01)
    assert (inputs[chosen] == words[chosen]).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("chosen", [[0], [1, 3], [0, 1, 2, 3, 4]])
def test_gradient_of_the_masked_word_loss(chosen: list[int], rng, check_backward) -> None:
    words, places = rng.integers(0, 6, 5), np.array(chosen)

    def forward(scores: np.ndarray) -> tuple[float, object]:
        return f.masked_word_loss(scores, words, places)

    scores = 2 * rng.standard_normal((5, 6))
    check_backward(forward, f.masked_word_loss_backward, scores)
    loss, cache = forward(scores)
    assert loss == pytest.approx(-f.log_softmax(scores)[places, words[places]].mean(), rel=1e-14)
    rest = np.delete(f.masked_word_loss_backward(1.0, cache), places, axis=0)
    assert (rest == 0).all()
