"""Transformers in the book: gradients by differences, torch's layers, and the worked example number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chainrule import formulas as f
from chainrule.formulas.transformer import Block

ORDERS = ["post", "pre", "inner"]


def normal(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.standard_normal(shape) for shape in shapes]


def drawn(rng: np.random.Generator, D: int = 4, F: int = 6) -> Block:
    shapes = [(D, D)] * 4 + [(D,)] * 2 + [(D, F), (F,), (F, D), (D,)] + [(D,)] * 2
    return Block(*(0.6 * a for a in normal(rng, *shapes)))


def test_positions_are_clocks() -> None:
    found = f.sinusoidal_positions(50, 8)
    for p, i in ((0, 0), (3, 0), (7, 2), (49, 3)):
        angle = p / 10_000 ** (2 * i / 8)
        np.testing.assert_allclose(found[p, [2 * i, 2 * i + 1]], [np.sin(angle), np.cos(angle)], atol=1e-15)
    np.testing.assert_allclose((found**2).sum(axis=1), 4)  # sin^2 + cos^2, four times
    near = found @ found.T
    assert np.all(near[0, 1:] < near[0, 0])
    np.testing.assert_allclose(np.diagonal(near, 5), near[0, 5])  # a product tells the distance alone


def test_gradient_of_feed_forward(rng, check_backward) -> None:
    x, W1, b1, W2, b2 = normal(rng, (2, 3, 4), (4, 5), (5,), (5, 4), (4,))
    check_backward(f.feed_forward_forward, f.feed_forward_backward, x, W1, b1, W2, b2)
    wanted = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4)).double()
    with torch.no_grad():
        for layer, W, b in ((wanted[0], W1, b1), (wanted[2], W2, b2)):
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
    found, _ = f.feed_forward_forward(x, W1, b1, W2, b2)
    np.testing.assert_allclose(found, wanted(torch.from_numpy(x)).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_of_a_residual_with_its_norm(order: str, rng, check_backward) -> None:
    def forward(x: np.ndarray, W: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple[Any, Any]:
        return f.residual_norm_forward(x, lambda x: (x @ W, (x, W)), gamma, beta, order)

    def backward(dout: np.ndarray, cache: Any) -> Any:
        def inside(d: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray]:
            x, W = cache
            return d @ W.T, x.T @ d

        dx, dgamma, dbeta, (dW,) = f.residual_norm_backward(dout, inside, cache)
        return dx, dW, dgamma, dbeta

    check_backward(forward, backward, *normal(rng, (3, 4), (4, 4), (4,), (4,)))


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_of_a_transformer(order: str, rng, check_backward) -> None:
    blocks, x = [drawn(rng), drawn(rng)], rng.standard_normal((2, 3, 4))
    mask = f.causal_mask(3)

    def one(x: np.ndarray, *weights: np.ndarray) -> tuple[Any, Any]:
        return f.transformer_block_forward(x, Block(*weights), 2, order, mask)

    def one_backward(dout: np.ndarray, cache: Any) -> Any:
        dx, grads = f.transformer_block_backward(dout, cache)
        return dx, *grads

    def both(x: np.ndarray, W1: np.ndarray, Wv: np.ndarray) -> tuple[Any, Any]:
        return f.transformer_forward(x, [blocks[0]._replace(W1=W1), blocks[1]._replace(Wv=Wv)], 2, order, mask)

    def both_backward(dout: np.ndarray, cache: Any) -> Any:
        dx, grads = f.transformer_backward(dout, cache)
        return dx, grads[0].W1, grads[1].Wv

    check_backward(one, one_backward, x, *blocks[0], tol=1e-7)
    check_backward(both, both_backward, x, blocks[0].W1, blocks[1].Wv, tol=1e-7)


def as_torch(blocks: list[Block], heads: int, *, norm_first: bool) -> nn.TransformerEncoder:
    D, F = blocks[0].W1.shape
    layer = nn.TransformerEncoderLayer(D, heads, F, batch_first=True, norm_first=norm_first, dropout=0.0)
    stack = nn.TransformerEncoder(layer, len(blocks), enable_nested_tensor=False).double().eval()
    with torch.no_grad():
        for layer, block in zip(stack.layers, blocks, strict=True):
            joined = np.concatenate([block.Wq.T, block.Wk.T, block.Wv.T])
            pairs = {
                "self_attn.in_proj_weight": joined,
                "self_attn.in_proj_bias": np.zeros(3 * D),
                "self_attn.out_proj.weight": block.Wo.T,
                "self_attn.out_proj.bias": np.zeros(D),
                "linear1.weight": block.W1.T,
                "linear1.bias": block.b1,
                "linear2.weight": block.W2.T,
                "linear2.bias": block.b2,
                "norm1.weight": block.gamma1,
                "norm1.bias": block.beta1,
                "norm2.weight": block.gamma2,
                "norm2.bias": block.beta2,
            }
            layer.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in pairs.items()})
    return stack


@pytest.mark.parametrize("order", ["post", "pre"])
@pytest.mark.parametrize("masked", [False, True])
def test_torch_agrees_on_a_transformer(order: str, masked: bool, rng) -> None:
    blocks, x = [drawn(rng) for _ in range(3)], rng.standard_normal((2, 5, 4))
    stack = as_torch(blocks, 2, norm_first=order == "pre")
    hidden = torch.from_numpy(~f.causal_mask(5)) if masked else None
    wanted = stack(torch.from_numpy(x), mask=hidden).detach().numpy()
    mask = f.causal_mask(5) if masked else None
    np.testing.assert_allclose(f.transformer_forward(x, blocks, 2, order, mask)[0], wanted, atol=1e-10)
    first = f.transformer_block_forward(x, blocks[0], 2, order, mask)[0]
    np.testing.assert_allclose(f.transformer_forward(x, blocks[:1], 2, order, mask)[0], first)


def test_the_worked_transformer_is_torchs_and_line_by_line_right() -> None:
    x, heads, blocks = f.worked_transformer()
    wanted = as_torch(blocks, heads, norm_first=False)(torch.from_numpy(x)[None])[0].detach().numpy()
    lines = f.transformer_trace(x, blocks, heads)
    np.testing.assert_allclose(lines[-1].value, wanted, atol=1e-12)
    np.testing.assert_allclose(f.transformer_forward(x, blocks, heads)[0], wanted, atol=1e-12)
    assert len(lines) == 28
    of = {line.name: line.value for line in lines[:14]}
    # by hand: both matrices of queries and keys are the identity, so that e is x x' in each pair of columns / sqrt(2)
    np.testing.assert_array_equal(of["q"], [[[1, 0], [0, 2], [1, 1]], [[2, 0], [0, 1], [0, 3]]])
    np.testing.assert_array_equal(of["v"], [[[0, 1], [1, 0], [3, 1]], [[0, 2], [2, 0], [1, 0]]])  # moved on by one
    products = [[[1, 0, 1], [0, 4, 2], [1, 2, 2]], [[4, 0, 0], [0, 1, 3], [0, 3, 9]]]
    np.testing.assert_allclose(of["e"], np.array(products) / np.sqrt(2))
    weight = np.exp(1 / np.sqrt(2))  # the first token sees itself and the third with e^(1/sqrt 2), the second with 1
    np.testing.assert_allclose(of["a"][0, 0], np.array([weight, 1, weight]) / (2 * weight + 1))
    np.testing.assert_allclose(of["a"].sum(axis=-1), 1)
    np.testing.assert_allclose(of["c"][0, 0], (1 + 3 * weight) / (2 * weight + 1))  # 0, 1, 3 by those weights
    np.testing.assert_allclose(of["s"], x + of["z"])
    np.testing.assert_allclose(of["h"].mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(of["u"], np.maximum(np.cumsum(of["h"], axis=1), 0))  # W1 adds up what stands before
    np.testing.assert_allclose(of["y"], of["u"] - np.roll(of["u"], 1, axis=1))  # W2 takes the difference of neighbours


def test_a_trace_with_a_mask_shows_what_is_hidden() -> None:
    x, heads, blocks = f.worked_transformer()
    mask = f.causal_mask(3)
    lines = f.transformer_trace(x, blocks, heads, mask)
    np.testing.assert_array_equal(np.isneginf(lines[4].value), np.broadcast_to(~mask, (2, 3, 3)))
    np.testing.assert_allclose(lines[-1].value, f.transformer_forward(x, blocks, heads, "post", mask)[0])


def test_without_positions_a_transformer_knows_no_order(rng) -> None:
    blocks, x, order = [drawn(rng), drawn(rng)], rng.standard_normal((5, 4)), rng.permutation(5)
    plain = f.transformer_forward(x, blocks, 2)[0]
    np.testing.assert_allclose(f.transformer_forward(x[order], blocks, 2)[0], plain[order], atol=1e-12)
    placed = x + f.sinusoidal_positions(5, 4)
    other = f.transformer_forward(x[order] + f.sinusoidal_positions(5, 4), blocks, 2)[0]
    assert np.abs(other - f.transformer_forward(placed, blocks, 2)[0][order]).max() > 0.01
