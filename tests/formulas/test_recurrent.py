"""One step of recurrent networks: finite differences, torch's cells, and what gates do at their ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas as f

SHAPES = [(1, 1, 1), (1, 3, 2), (4, 2, 5)]  # N, D, H


def draw(rng: np.random.Generator, shape: tuple[int, int, int], gates: int) -> list[np.ndarray]:
    N, D, H = shape
    sizes = [(N, D), (N, H), (N, H), (D, gates * H), (H, gates * H), (gates * H,)]
    x, h, c, Wx, Wh, b = (rng.standard_normal(size) for size in sizes)
    return [x, h, c, Wx, Wh, b]


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_rnn(shape, rng, check_backward) -> None:
    x, h, _, Wx, Wh, b = draw(rng, shape, 1)
    check_backward(f.rnn_step_forward, f.rnn_step_backward, x, h, Wx, Wh, b)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_gru(shape, rng, check_backward) -> None:
    x, h, _, Wx, Wh, b = draw(rng, shape, 3)
    check_backward(f.gru_step_forward, f.gru_step_backward, x, h, Wx, Wh, b)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_lstm(shape, rng, check_backward) -> None:
    def forward(*arrays: np.ndarray) -> tuple[np.ndarray, object]:
        next_h, next_c, cache = f.lstm_step_forward(*arrays)
        return np.stack([next_h, next_c]), cache

    check_backward(forward, lambda d, cache: f.lstm_step_backward(d[0], d[1], cache), *draw(rng, shape, 4))


def columns(W: np.ndarray, order: list[int]) -> np.ndarray:
    """Blocks of columns (or of a vector) in another order."""
    blocks = np.split(W, len(order), axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def test_torch_agrees_on_rnn(rng) -> None:
    x, h, _, Wx, Wh, b = draw(rng, (3, 4, 5), 1)
    out, cache = f.rnn_step_forward(x, h, Wx, Wh, b)
    tx, th, tWx, tWh, tb = tensors(x, h, Wx.T, Wh.T, b)
    theirs = torch.rnn_tanh_cell(tx, th, tWx, tWh, tb, torch.zeros_like(tb))
    np.testing.assert_allclose(out, theirs.detach(), atol=1e-12)
    dout = rng.standard_normal(out.shape)
    theirs.backward(torch.tensor(dout))
    dx, dh, dWx, dWh, db = f.rnn_step_backward(dout, cache)
    for ours, t in ((dx, tx), (dh, th), (dWx.T, tWx), (dWh.T, tWh), (db, tb)):
        np.testing.assert_allclose(ours, t.grad, atol=1e-12)


def test_torch_agrees_on_lstm(rng) -> None:
    x, h, c, Wx, Wh, b = draw(rng, (3, 4, 5), 4)
    order = [0, 1, 3, 2]  # torch: i, f, g, o
    next_h, next_c, cache = f.lstm_step_forward(x, h, c, Wx, Wh, b)
    arrays = [columns(Wx, order).T, columns(Wh, order).T, columns(b, order)]
    tx, th, tc, tWx, tWh, tb = tensors(x, h, c, *arrays)
    their_h, their_c = torch.lstm_cell(tx, (th, tc), tWx, tWh, tb, torch.zeros_like(tb))
    np.testing.assert_allclose(next_h, their_h.detach(), atol=1e-12)
    np.testing.assert_allclose(next_c, their_c.detach(), atol=1e-12)
    dh_next, dc_next = rng.standard_normal(next_h.shape), rng.standard_normal(next_c.shape)
    ((their_h * torch.tensor(dh_next)).sum() + (their_c * torch.tensor(dc_next)).sum()).backward()
    dx, dh, dc, dWx, dWh, db = f.lstm_step_backward(dh_next, dc_next, cache)
    for ours, t in ((dx, tx), (dh, th), (dc, tc)):
        np.testing.assert_allclose(ours, t.grad, atol=1e-12)
    for ours, t in ((dWx, tWx), (dWh, tWh), (db, tb)):
        np.testing.assert_allclose(columns(ours, order).T, t.grad, atol=1e-12)


def test_torch_agrees_on_gru(rng) -> None:
    x, h, _, Wx, Wh, b = draw(rng, (3, 4, 5), 3)
    order = [1, 0, 2]  # torch: r, z, n
    out, cache = f.gru_step_forward(x, h, Wx, Wh, b)
    tx, th, tWx, tWh, tb = tensors(x, h, columns(Wx, order).T, columns(Wh, order).T, columns(b, order))
    theirs = torch.gru_cell(tx, th, tWx, tWh, torch.zeros_like(tb), tb)
    np.testing.assert_allclose(out, theirs.detach(), atol=1e-12)
    dout = rng.standard_normal(out.shape)
    theirs.backward(torch.tensor(dout))
    dx, dh, dWx, dWh, db = f.gru_step_backward(dout, cache)
    for ours, t in ((dx, tx), (dh, th)):
        np.testing.assert_allclose(ours, t.grad, atol=1e-12)
    for ours, t in ((dWx, tWx), (dWh, tWh), (db, tb)):
        np.testing.assert_allclose(columns(ours, order).T, t.grad, atol=1e-12)


def test_an_open_forget_gate_and_a_closed_input_gate_keep_the_cell(rng) -> None:
    x, h, c, Wx, Wh, _ = draw(rng, (2, 3, 4), 4)
    b = np.repeat([-1e4, 1e4, 1e4, 0.0], 4)  # i shut, f and o open
    next_h, next_c, cache = f.lstm_step_forward(x, h, c, Wx, Wh, b)
    np.testing.assert_allclose(next_c, c)
    np.testing.assert_allclose(next_h, np.tanh(c))
    dc = f.lstm_step_backward(np.zeros(c.shape), np.ones(c.shape), cache)[2]
    np.testing.assert_allclose(dc, 1.0)  # neither vanishes nor explodes


def test_z_keeps_the_old_state(rng) -> None:
    x, h, _, Wx, Wh, _ = draw(rng, (2, 3, 4), 3)
    np.testing.assert_allclose(f.gru_step_forward(x, h, Wx, Wh, np.repeat([1e4, 0.0, 0.0], 4))[0], h)
    forgets = np.repeat([-1e4, -1e4, 0.0], 4)  # z and r shut: the old state is not seen at all
    expected = np.tanh(np.split(x @ Wx, 3, axis=1)[2])
    np.testing.assert_allclose(f.gru_step_forward(x, h, Wx, Wh, forgets)[0], expected)


def test_rnn_by_hand() -> None:
    x, h, b = np.array([[1.0, 2.0]]), np.array([[0.5]]), np.array([-1.0])
    out, cache = f.rnn_step_forward(x, h, np.array([[0.5], [0.25]]), np.array([[1.0]]), b)
    assert out[0, 0] == pytest.approx(0.46211715726)  # tanh(0.5 + 0.5 + 0.5 - 1)
    dx, dh, _, dWh, db = f.rnn_step_backward(np.ones((1, 1)), cache)
    slope = 1 - 0.46211715726**2
    np.testing.assert_allclose(dx, [[0.5 * slope, 0.25 * slope]])
    np.testing.assert_allclose([dh[0, 0], dWh[0, 0], db[0]], [slope, 0.5 * slope, slope])
