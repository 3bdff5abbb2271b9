"""Attention: equal to its formula, to torch's own layers, and blind to what it must not see."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.formulas import attention as book
from chainrule.nn.attention import (
    ORDERS,
    POSITIONS,
    AdditiveScore,
    Attention,
    BilinearScore,
    CrossAttention,
    CrossBlock,
    DotScore,
    FeedForward,
    ScaledDotScore,
    SelfAttention,
    SelfBlock,
    attend,
    attention_weights,
    causal_mask,
    padding_mask,
    rotary,
    sinusoidal,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attend_is_the_formula_and_so_are_its_weights(causal: bool, masked: bool) -> None:
    q, k, v = draw(2, 5, 4), draw(2, 5, 4), draw(2, 5, 3)
    mask = (torch.rand(2, 5, 5) > 0.4) | torch.eye(5, dtype=torch.bool) if masked else None
    seen = np.ones((2, 5, 5), dtype=bool)
    if mask is not None:
        seen &= mask.numpy()
    if causal:
        seen &= book.causal_mask(5)
    wanted, _ = book.attention_forward(q.numpy(), k.numpy(), v.numpy(), seen)
    found = attend(q, k, v, mask=mask, causal=causal)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    weights = attention_weights(q, k, mask=mask, causal=causal)
    torch.testing.assert_close(weights @ v, found)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, dtype=torch.float64))


def test_a_query_that_may_look_at_nothing_gives_zero_and_no_nan() -> None:
    q, k, v = (draw(1, 2, 3, 4).requires_grad_() for _ in range(3))
    mask = padding_mask(torch.tensor([0]), 3)
    found = attend(q, k, v, mask=mask)
    assert found.abs().max() == 0
    assert attention_weights(q, k, mask=mask).abs().max() == 0
    found.sum().backward()
    assert all(bool(one.grad.isfinite().all()) for one in (q, k, v))  # type: ignore[union-attr]


def test_a_query_that_two_masks_together_leave_nothing_gives_zero() -> None:
    q, k, v = draw(1, 2, 3, 4), draw(1, 2, 3, 4), draw(1, 2, 3, 4)
    found = attend(q, k, v, mask=torch.tensor([False, True, True]), causal=True)
    assert found[:, :, 0].abs().max() == 0
    torch.testing.assert_close(found[:, :, 1], v[:, :, 1])


def test_masks() -> None:
    assert np.array_equal(causal_mask(4).numpy(), book.causal_mask(4))
    assert causal_mask(1, 3).tolist() == [[True, True, True]]
    assert padding_mask(torch.tensor([2, 0]), 2)[:, 0, 0].tolist() == [[True, True], [False, False]]


def test_scores_are_their_formulas() -> None:
    q, k, w = draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 6)
    pairs: list[tuple[nn.Module, Tensor, np.ndarray]] = [
        (DotScore(), k, book.dot_scores_forward(q.numpy(), k.numpy())[0]),
        (ScaledDotScore(), k, book.scaled_scores_forward(q.numpy(), k.numpy())[0]),
    ]
    bilinear, additive = BilinearScore(4, 6).double(), AdditiveScore(4, 6, 7).double()
    weight = bilinear.weight.detach().numpy()
    pairs.append((bilinear, w, book.bilinear_scores_forward(q.numpy(), w.numpy(), weight)[0]))
    parts = [additive.of_query.weight.T, additive.of_key.weight.T, additive.weight.weight[0]]
    parts = [one.detach().numpy() for one in parts]
    pairs.append((additive, w, book.additive_scores_forward(q.numpy(), w.numpy(), *parts)[0]))
    for score, keys, wanted in pairs:
        np.testing.assert_allclose(score(q, keys).detach().numpy(), wanted, atol=1e-12)


def test_attention_with_a_value_function_and_a_mask() -> None:
    value = nn.Linear(6, 3).double()
    layer = Attention(BilinearScore(4, 6).double(), value)
    q, x = draw(2, 3, 4), draw(2, 5, 6)
    mask = torch.ones(2, 1, 5, dtype=torch.bool)
    mask[1] = False
    given = layer(q, x, mask)
    torch.testing.assert_close(given.context[0], given.weights[0] @ value(x[0]))
    torch.testing.assert_close(given.weights[0].sum(-1), torch.ones(3, dtype=torch.float64))
    assert given.context[1].abs().max() == 0


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_is_torchs(causal: bool) -> None:
    ours = SelfAttention(12, 3, causal=causal).double()
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project.weight)
        theirs.in_proj_bias.copy_(ours.project.bias)
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = draw(2, 5, 12)
    hidden = ~causal_mask(5) if causal else None
    wanted, weights = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)
    torch.testing.assert_close(ours(x)[0], wanted)
    torch.testing.assert_close(ours.weights(x), weights)


def test_cross_attention_is_the_formula() -> None:
    layer = CrossAttention(8, 2, memory_dim=6).double()
    for parameter in layer.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
    x, memory = draw(2, 3, 8), draw(2, 5, 6)
    key, value = (part.T.detach().numpy() for part in layer.remember.weight.chunk(2))
    query, out = layer.query.weight.T.detach().numpy(), layer.out.weight.T.detach().numpy()
    wanted, _ = book.multi_head_attention_forward(x.numpy(), memory.numpy(), query, key, value, out, 2)
    np.testing.assert_allclose(layer(x, layer.read(memory)).detach().numpy(), wanted, atol=1e-12)
    assert layer.weights(x, layer.read(memory)).shape == (2, 2, 3, 5)


def test_without_positions_attention_knows_no_order() -> None:
    layer, x, order = SelfAttention(8, 2).double(), draw(1, 6, 8), torch.randperm(6)
    torch.testing.assert_close(layer(x[:, order])[0], layer(x)[0][:, order])


@pytest.mark.parametrize("cuts", list(itertools.combinations(range(1, 6), 2)))
def test_what_was_read_stays_read(cuts: tuple[int, int]) -> None:
    layer, x = SelfAttention(8, 2, causal=True, turn=rotary).double(), draw(2, 6, 8)
    whole, _ = layer(x)
    pieces, read = [], None
    for begin, end in zip((0, *cuts), (*cuts, 6)):
        out, read = layer(x[:, begin:end], read)
        pieces.append(out)
    torch.testing.assert_close(torch.cat(pieces, 1), whole)


def test_sinusoidal_positions_are_the_papers() -> None:
    found = sinusoidal(50, 6)
    for position, i in itertools.product((0, 1, 49), range(3)):
        angle = position / 10_000 ** (2 * i / 6)
        assert found[position, 2 * i].item() == pytest.approx(np.sin(angle), abs=1e-6)
        assert found[position, 2 * i + 1].item() == pytest.approx(np.cos(angle), abs=1e-6)
    assert torch.equal(sinusoidal(3, 5, first=4), sinusoidal(7, 5)[4:])


@pytest.mark.parametrize("name", sorted(POSITIONS))
def test_positions_go_on_where_they_stopped(name: str) -> None:
    table = POSITIONS[name](6, 8)
    torch.testing.assert_close(torch.cat([table(0, 3), table(3, 4)]), table(0, 7))
    if name == "learned":
        with pytest.raises(UsageError, match="longer than the table.*at most 8"):
            table(5, 4)
    else:
        assert table(7, 4).shape == (4, 6)


def test_rotary_positions_keep_lengths_and_depend_on_distance() -> None:
    q, k = draw(1, 8).expand(9, 8), draw(1, 8).expand(9, 8)
    turned_q, turned_k = rotary(q), rotary(k)
    torch.testing.assert_close(turned_q.norm(dim=1), q.norm(dim=1), atol=1e-6, rtol=1e-6)
    products = turned_q @ turned_k.T
    for distance in range(-4, 5):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_blocks_are_the_three_orders(order: str) -> None:
    block = SelfBlock(SelfAttention(8, 2), FeedForward(8, 16), 8, order=order).double().eval()
    x = draw(2, 3, 8)

    def attention(y: Tensor) -> Tensor:
        return block.attention(y)[0]

    def arranged(y: Tensor, norm: nn.Module, body: object) -> Tensor:
        f = body  # type: ignore[assignment]
        return {
            "pre": lambda: y + f(norm(y)),  # type: ignore[operator]
            "post": lambda: norm(y + f(y)),  # type: ignore[operator]
            "inner": lambda: y + norm(f(y)),  # type: ignore[operator]
        }[order]()

    wanted = arranged(arranged(x, block.norm1, attention), block.norm2, block.feed_forward)
    torch.testing.assert_close(block(x)[0], wanted)


@pytest.mark.parametrize("order", ["pre", "post"])
def test_blocks_are_torchs_layers(order: str) -> None:
    options = {"dim_feedforward": 16, "dropout": 0.0, "activation": "gelu", "batch_first": True}
    theirs = nn.TransformerDecoderLayer(8, 2, norm_first=order == "pre", **options).double().eval()  # type: ignore[arg-type]
    cross = CrossAttention(8, 2)
    ours = CrossBlock(SelfAttention(8, 2, causal=True), cross, FeedForward(8, 16), 8, order=order).double().eval()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.attention.project.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.project.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.attention.out.state_dict())
        theirs.multihead_attn.in_proj_weight.copy_(torch.cat([cross.query.weight, cross.remember.weight]))
        theirs.multihead_attn.in_proj_bias.copy_(torch.cat([cross.query.bias, cross.remember.bias]))
        theirs.multihead_attn.out_proj.load_state_dict(cross.out.state_dict())
        theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())  # type: ignore[index]
        theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())  # type: ignore[index]
    x, memory = draw(2, 5, 8), draw(2, 4, 8)
    hidden = ~causal_mask(5)
    wanted = theirs(x, memory, tgt_mask=hidden)
    torch.testing.assert_close(ours(x, cross.read(memory))[0], wanted)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(UsageError, match="a divisor of 10"):
        SelfAttention(10, 3)
    with pytest.raises(UsageError, match='did you mean "post"'):
        SelfBlock(SelfAttention(8, 2), FeedForward(8, 16), 8, order="pots")
