"""The decoder in the book: gradients by differences, torch's layers, and what may be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chainrule import formulas as f
from chainrule.formulas.decoder import DecoderBlock

D, HIDDEN = 4, 6
ATTENTION = [(D, D)] * 4 + [(D,)] * 2
SHAPES = [*ATTENTION, *ATTENTION, (D, HIDDEN), (HIDDEN,), (HIDDEN, D), (D,), (D,), (D,)]


def drawn(rng: np.random.Generator) -> DecoderBlock:
    return DecoderBlock(*(0.6 * rng.standard_normal(shape) for shape in SHAPES))


@pytest.mark.parametrize("order", ["post", "pre", "inner"])
def test_gradient_of_a_decoder(order: str, rng, check_backward) -> None:
    blocks, x, memory = [drawn(rng), drawn(rng)], rng.standard_normal((2, 3, D)), rng.standard_normal((2, 5, D))
    mask = np.arange(5) < np.array([5, 3])[:, None, None]  # of the second memory three count

    def one(x: np.ndarray, memory: np.ndarray, *weights: np.ndarray) -> tuple[Any, Any]:
        return f.decoder_block_forward(x, memory, DecoderBlock(*weights), 2, order, mask)

    def one_backward(dout: np.ndarray, cache: Any) -> Any:
        dx, dmemory, grads = f.decoder_block_backward(dout, cache)
        return dx, dmemory, *grads

    def both(x: np.ndarray, memory: np.ndarray, W1: np.ndarray, Mk: np.ndarray) -> tuple[Any, Any]:
        return f.decoder_forward(x, memory, [blocks[0]._replace(W1=W1), blocks[1]._replace(Mk=Mk)], 2, order, mask)

    def both_backward(dout: np.ndarray, cache: Any) -> Any:
        dx, dmemory, grads = f.decoder_backward(dout, cache)
        return dx, dmemory, grads[0].W1, grads[1].Mk

    check_backward(one, one_backward, x, memory, *blocks[0], tol=1e-7)
    check_backward(both, both_backward, x, memory, blocks[0].W1, blocks[1].Mk, tol=1e-7)


def as_torch(blocks: list[DecoderBlock], heads: int, *, norm_first: bool) -> nn.TransformerDecoder:
    layer = nn.TransformerDecoderLayer(D, heads, HIDDEN, batch_first=True, norm_first=norm_first, dropout=0.0)
    stack = nn.TransformerDecoder(layer, len(blocks)).double().eval()
    for layer, block in zip(stack.layers, blocks, strict=True):
        own, other = block[:4], block[6:10]
        pairs = {
            "linear1.weight": block.W1.T,
            "linear1.bias": block.b1,
            "linear2.weight": block.W2.T,
            "linear2.bias": block.b2,
        }
        for name, (q, k, v, o) in {"self_attn": own, "multihead_attn": other}.items():
            pairs[f"{name}.in_proj_weight"] = np.concatenate([q.T, k.T, v.T])
            pairs[f"{name}.in_proj_bias"] = np.zeros(3 * D)
            pairs[f"{name}.out_proj.weight"], pairs[f"{name}.out_proj.bias"] = o.T, np.zeros(D)
        for number in (1, 2, 3):
            pairs[f"norm{number}.weight"] = getattr(block, f"gamma{number}")
            pairs[f"norm{number}.bias"] = getattr(block, f"beta{number}")
        layer.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in pairs.items()})
    return stack


@pytest.mark.parametrize("order", ["post", "pre"])
def test_torch_agrees_on_a_decoder(order: str, rng) -> None:
    blocks, x, memory = [drawn(rng) for _ in range(3)], rng.standard_normal((2, 5, D)), rng.standard_normal((2, 6, D))
    counts = np.arange(6) < np.array([[6], [4]])
    wanted = as_torch(blocks, 2, norm_first=order == "pre")(
        torch.from_numpy(x),
        torch.from_numpy(memory),
        tgt_mask=torch.from_numpy(~f.causal_mask(5)),
        memory_key_padding_mask=torch.from_numpy(~counts),
    )
    found, _ = f.decoder_forward(x, memory, blocks, 2, order, counts[:, None, :])
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=1e-10)
    alone, _ = f.decoder_block_forward(x, memory, blocks[0], 2, order, counts[:, None, :])
    np.testing.assert_allclose(f.decoder_forward(x, memory, blocks[:1], 2, order, counts[:, None, :])[0], alone)


def test_later_tokens_and_hidden_memory_change_nothing_earlier(rng) -> None:
    blocks, x, memory = [drawn(rng), drawn(rng)], rng.standard_normal((4, D)), rng.standard_normal((5, D))
    mask = np.arange(5)[None] < 3
    before, _ = f.decoder_forward(x, memory, blocks, 2, "pre", mask)
    x[2:] += 1.0
    memory[3:] += 1.0
    after, _ = f.decoder_forward(x, memory, blocks, 2, "pre", mask)
    np.testing.assert_allclose(after[:2], before[:2], atol=1e-12)
    assert np.all(np.abs(after[2:] - before[2:]) > 1e-3)
    memory[:3] += 1.0
    assert np.all(np.abs(f.decoder_forward(x, memory, blocks, 2, "pre", mask)[0] - after) > 1e-6)
