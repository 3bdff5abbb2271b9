"""Encoder and decoder: blind to padding and to the future, the same in pieces as at once, equal to torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.formulas import decoder_forward
from chainrule.formulas import transformer as book
from chainrule.formulas.decoder import DecoderBlock
from chainrule.formulas.norms import layer_norm_forward
from chainrule.nn.attention import (
    ORDERS,
    CrossAttention,
    CrossBlock,
    Decoder,
    Encoder,
    SelfAttention,
    SelfBlock,
    causal_mask,
    padding_mask,
    rotary,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def attention_of(part: SelfAttention | CrossAttention, norm: nn.LayerNorm) -> list[np.ndarray]:
    """An attention's weights and those of its norm as the book has them: rows are examples, there are no biases."""
    first = [part.project] if isinstance(part, SelfAttention) else [part.query, part.remember]
    for layer in (*first, part.out):
        nn.init.zeros_(layer.bias)
    joined = torch.cat([layer.weight for layer in first])  # queries, keys, values
    return arrays(*(one.T for one in joined.chunk(3)), part.out.weight.T, norm.weight, norm.bias)


def feed_forward_of(part: nn.Module, norm: nn.LayerNorm) -> list[np.ndarray]:
    first, second = part[0], part[3]  # type: ignore[index]
    return arrays(first.weight.T, first.bias, second.weight.T, second.bias, norm.weight, norm.bias)


def arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().numpy() for tensor in tensors]


def weights_of(block: SelfBlock) -> book.Block:
    return book.Block(*attention_of(block.attention, block.norm1), *feed_forward_of(block.feed_forward, block.norm2))


def decoder_weights_of(block: CrossBlock) -> DecoderBlock:
    attentions = [*attention_of(block.attention, block.norm1), *attention_of(block.cross, block.norm2)]
    return DecoderBlock(*attentions, *feed_forward_of(block.feed_forward, block.norm3))


@pytest.mark.parametrize("order", ORDERS)
def test_an_encoder_is_the_formula(order: str) -> None:
    encoder = Encoder(8, num_heads=2, depth=3, hidden=10, activation=nn.ReLU, order=order).double()
    for name, parameter in encoder.named_parameters():
        nn.init.normal_(parameter, mean=float("norm" in name), std=0.5)
    blocks, x = [weights_of(block) for block in encoder.blocks], draw(2, 5, 8)  # type: ignore[arg-type]
    wanted, _ = book.transformer_forward(x.numpy(), blocks, 2, order)
    if order != "post":
        gamma, beta = (one.detach().numpy() for one in encoder.norm.parameters())
        wanted, _ = layer_norm_forward(wanted, gamma, beta)
    np.testing.assert_allclose(encoder(x).detach().numpy(), wanted, atol=1e-11)
    causal = causal_mask(5)
    masked, _ = book.transformer_block_forward(x.numpy(), blocks[0], 2, order, causal.numpy())
    np.testing.assert_allclose(encoder.blocks[0](x, mask=causal)[0].detach().numpy(), masked, atol=1e-11)


@pytest.mark.parametrize("order", ORDERS)
def test_a_decoder_is_the_formula(order: str) -> None:
    decoder = Decoder(8, num_heads=2, depth=3, hidden=10, activation=nn.ReLU, order=order).double()
    for name, parameter in decoder.named_parameters():
        nn.init.normal_(parameter, mean=float("norm" in name), std=0.5)
    blocks = [decoder_weights_of(block) for block in decoder.blocks]  # type: ignore[arg-type]
    x, memory, mask = draw(2, 5, 8), draw(2, 6, 8), padding_mask(torch.tensor([4, 6]), 6)
    wanted, _ = decoder_forward(x.numpy(), memory.numpy(), blocks, 2, order, mask[:, 0].numpy())
    if order != "post":
        gamma, beta = arrays(*decoder.norm.parameters())
        wanted, _ = layer_norm_forward(wanted, gamma, beta)
    found, _ = decoder(x, decoder.read(memory), memory_mask=mask)
    np.testing.assert_allclose(found.detach().numpy(), wanted, atol=1e-11)


@pytest.mark.parametrize("order", ORDERS)
def test_padding_changes_nothing(order: str) -> None:
    encoder = Encoder(8, num_heads=2, depth=3, order=order, turn=rotary).double()
    decoder = Decoder(8, num_heads=2, depth=3, order=order, turn=rotary).double()
    short, x = draw(1, 4, 8), draw(2, 5, 8)
    padded = torch.cat([torch.cat([short, draw(1, 3, 8)], 1), draw(1, 7, 8)])
    mask = padding_mask(torch.tensor([4, 7]), 7)
    memory = encoder(padded, mask)
    torch.testing.assert_close(memory[:1, :4], encoder(short))
    torch.testing.assert_close(memory[1:], encoder(padded[1:]))
    wanted, _ = decoder(x[:1], decoder.read(memory[:1, :4]))
    found, _ = decoder(x, decoder.read(memory), memory_mask=mask)
    torch.testing.assert_close(found[:1], wanted)
    unmasked, _ = decoder(x, decoder.read(memory))
    assert (unmasked[:1] - wanted).abs().max() > 1e-3


@pytest.mark.parametrize("order", ORDERS)
def test_what_was_read_stays_read(order: str) -> None:
    decoder = Decoder(8, num_heads=2, depth=2, memory_dim=6, order=order, turn=rotary).double()
    memory, x = decoder.read(draw(3, 4, 6)), draw(3, 6, 8)
    whole, all_read = decoder(x, memory)
    read, pieces = None, []
    for begin, end in ((0, 1), (1, 4), (4, 6)):
        piece, read = decoder(x[:, begin:end], memory, read)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, 1), whole)
    assert read is not None
    for one, other in zip(read, all_read, strict=True):
        torch.testing.assert_close(one, other)


def test_a_mask_of_tokens_holds_beside_the_order_of_time() -> None:
    decoder = Decoder(8, num_heads=2, depth=2).double()
    memory, x = decoder.read(draw(1, 4, 8)), draw(1, 5, 8)
    mask = torch.tensor([False, True, True, True, True])
    found, _ = decoder(x, memory, mask=mask)
    wanted, _ = decoder(x[:, 1:], memory)  # without positions, a token that nobody sees might as well not be there
    torch.testing.assert_close(found[:, 1:], wanted)
    later = x.clone()
    later[:, 3:] += 1
    torch.testing.assert_close(decoder(later, memory, mask=mask)[0][:, :3], found[:, :3])


def test_the_last_norm_stands_where_the_order_needs_it() -> None:
    for order in ORDERS:
        encoder = Encoder(8, num_heads=2, depth=2, order=order)
        out = encoder(torch.randn(2, 3, 8) * 5)
        torch.testing.assert_close(out.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
        torch.testing.assert_close(out.std(-1, correction=0), torch.ones(2, 3), atol=1e-3, rtol=0)
        norms = [
            one for one in Encoder(8, num_heads=2, depth=2, order=order).modules() if isinstance(one, nn.LayerNorm)
        ]
        assert len(norms) == 4 + (order != "post")


def test_every_parameter_gets_a_gradient() -> None:
    for order in ORDERS:
        encoder, decoder = (kind(8, num_heads=2, depth=2, order=order).double() for kind in (Encoder, Decoder))
        out, _ = decoder(draw(2, 3, 8), decoder.read(encoder(draw(2, 4, 8))))
        (out * draw(2, 3, 8)).sum().backward()
        for name, parameter in [*encoder.named_parameters(), *decoder.named_parameters()]:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
            assert parameter.grad.abs().max() > 0, name


def test_a_memory_of_padding_alone_gives_no_nan() -> None:
    encoder, decoder = (kind(8, num_heads=2, depth=2).double() for kind in (Encoder, Decoder))
    mask = padding_mask(torch.tensor([0, 3]), 3)
    out, _ = decoder(draw(2, 2, 8), decoder.read(encoder(draw(2, 3, 8), mask)), memory_mask=mask)
    out.sum().backward()
    assert bool(out.isfinite().all())
    assert all(bool(p.grad.isfinite().all()) for p in encoder.parameters() if p.grad is not None)


def test_the_base_size_of_the_paper() -> None:
    """Vaswani et al. 2017, table 3: 65 million parameters with 37,000 shared embeddings."""
    with torch.device("meta"):
        parts = [kind(512, num_heads=8, depth=6, order="post", activation=nn.ReLU) for kind in (Encoder, Decoder)]
    attention, feed, norm = 4 * (512 * 512 + 512), 512 * 2048 * 2 + 2048 + 512, 2 * 512
    wanted = [6 * (attention + feed + 2 * norm), 6 * (2 * attention + feed + 3 * norm)]
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == wanted
    assert sum(wanted) + 37_000 * 512 == pytest.approx(65e6, rel=0.05)


@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_what_cannot_be_built_is_said(kind: type[nn.Module]) -> None:
    with pytest.raises(UsageError, match="depth at least 1, got 0"):
        kind(8, num_heads=2, depth=0)
    with pytest.raises(UsageError, match='did you mean "post"'):
        kind(8, num_heads=2, depth=1, order="pots")
    with pytest.raises(UsageError, match="a divisor of 8, got 3"):
        kind(8, num_heads=3, depth=1)
