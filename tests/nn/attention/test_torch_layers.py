"""Weights to and from torch's transformers: equal outputs in float64, both ways, and back again."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.nn.attention import CrossBlock, Decoder, Encoder, SelfBlock, from_torch, padding_mask, rotary, to_torch

KINDS = [(norm_first, activation) for norm_first in (False, True) for activation in ("relu", "gelu")]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def shaken(module: nn.Module) -> Any:
    """In evaluation mode, with no weight that is 0 or 1: a bias that is left out would be seen."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double().eval()


def future(count: int) -> Tensor:
    return torch.ones(count, count, dtype=torch.bool).triu(1)


def options(norm_first: bool, activation: str) -> dict[str, Any]:
    return {"dim_feedforward": 20, "norm_first": norm_first, "activation": activation, "batch_first": True}


def same_weights(one: nn.Module, other: nn.Module) -> None:
    assert list(one.state_dict()) == list(other.state_dict())
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize(("norm_first", "activation"), KINDS)
def test_layers(norm_first: bool, activation: str) -> None:
    x, memory = draw(2, 5, 12), draw(2, 4, 12)
    mask = padding_mask(torch.tensor([5, 3]), 5)
    theirs = shaken(nn.TransformerEncoderLayer(12, 3, **options(norm_first, activation), layer_norm_eps=1e-3))
    ours = from_torch(theirs)
    assert isinstance(ours, SelfBlock)
    torch.testing.assert_close(ours(x)[0], theirs(x))
    hidden = theirs(x, src_key_padding_mask=~mask[:, 0, 0])
    torch.testing.assert_close(ours(x, mask=mask)[0][1, :3], hidden[1, :3])
    same_weights(to_torch(ours), theirs)
    torch.testing.assert_close(to_torch(ours)(x), theirs(x))

    decodes = shaken(nn.TransformerDecoderLayer(12, 3, **options(norm_first, activation)))
    block = from_torch(decodes)
    assert isinstance(block, CrossBlock)
    wanted = decodes(x, memory, tgt_mask=future(5), tgt_is_causal=True)
    torch.testing.assert_close(block(x, block.cross.read(memory))[0], wanted)
    same_weights(to_torch(block), decodes)
    torch.testing.assert_close(to_torch(block)(x, memory, tgt_mask=future(5)), wanted)


@pytest.mark.parametrize(("norm_first", "activation"), KINDS)
@pytest.mark.parametrize("normed", [False, True])
def test_stacks(norm_first: bool, activation: str, normed: bool) -> None:
    x, memory = draw(2, 5, 12), draw(2, 4, 12)
    layer = nn.TransformerEncoderLayer(12, 3, **options(norm_first, activation))
    theirs = shaken(
        nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(12) if normed else None, enable_nested_tensor=False)
    )
    ours = from_torch(theirs)
    assert isinstance(ours, Encoder)
    torch.testing.assert_close(ours(x), theirs(x))
    same_weights(to_torch(ours), theirs)

    layer = nn.TransformerDecoderLayer(12, 3, **options(norm_first, activation))
    decodes = shaken(nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(12) if normed else None))
    own = from_torch(decodes)
    assert isinstance(own, Decoder)
    wanted = decodes(x, memory, tgt_mask=future(5))
    torch.testing.assert_close(own(x, own.read(memory))[0], wanted)
    same_weights(to_torch(own), decodes)


@pytest.mark.parametrize("order", ["pre", "post"])
def test_ours_as_torchs(order: str) -> None:
    encoder = shaken(Encoder(12, num_heads=3, depth=3, order=order, activation=nn.ReLU, dropout=0.2))
    decoder = shaken(Decoder(12, num_heads=3, depth=2, order=order, dropout=0.2))
    x, y = draw(2, 5, 12), draw(2, 4, 12)
    theirs, decodes = to_torch(encoder), to_torch(decoder)
    torch.testing.assert_close(theirs(x), encoder(x))
    torch.testing.assert_close(decodes(y, x, tgt_mask=future(4)), decoder(y, decoder.read(x))[0])
    same_weights(from_torch(theirs), encoder)
    same_weights(from_torch(decodes), decoder)
    assert {m.p for m in theirs.modules() if isinstance(m, nn.Dropout)} == {0.2}
    assert {m.dropout for m in decodes.modules() if isinstance(m, nn.MultiheadAttention)} == {0.2}
    assert {m.p for m in from_torch(decodes).modules() if isinstance(m, nn.Dropout)} == {0.2}


def test_a_whole_transformer() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells which of its shortcuts it does not take
        theirs = shaken(nn.Transformer(12, 3, 2, 3, 20, batch_first=False, norm_first=False))
    encoder, decoder = from_torch(theirs)
    source, target = draw(2, 5, 12), draw(2, 4, 12)
    wanted = theirs(source.transpose(0, 1), target.transpose(0, 1), tgt_mask=future(4)).transpose(0, 1)
    torch.testing.assert_close(decoder(target, decoder.read(encoder(source)))[0], wanted)


def test_the_copy_stands_alone_and_trains() -> None:
    theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    ours = from_torch(theirs)
    assert ours.training
    x = torch.randn(2, 3, 8)
    wanted = theirs(x)
    ours(x)[0].square().sum().backward()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter -= parameter.grad  # type: ignore[operator]
    assert torch.equal(theirs(x), wanted)
    assert not torch.allclose(ours(x)[0], wanted)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to_torch(Encoder(8, num_heads=2, depth=1, order="inner")), "pre or post, got inner"),
        (lambda: to_torch(Encoder(8, num_heads=2, depth=1, turn=rotary)), "without rotary positions"),
        (lambda: to_torch(Encoder(8, num_heads=2, depth=1, activation=nn.Tanh)), "relu or gelu"),
        (lambda: to_torch(Encoder(8, num_heads=2, depth=1, activation=partial(nn.GELU, "tanh"))), "relu or gelu"),
        (lambda: to_torch(Decoder(8, num_heads=2, depth=1, memory_dim=6)), "a memory of 8 numbers, got 6"),
        (lambda: from_torch(nn.TransformerEncoderLayer(8, 2, bias=False)), "bias=True"),
        (lambda: from_torch(nn.TransformerEncoderLayer(8, 2, activation=torch.tanh)), "relu or gelu"),
        (lambda: from_torch(nn.Linear(2, 2)), "none of torch's transformers"),  # type: ignore[call-overload]
    ],
)
def test_what_cannot_be_converted_is_said(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
