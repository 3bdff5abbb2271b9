"""A recurrent decoder with attention: equal to the formulas, in pieces as at once, blind to what is not there."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.decoding import Beam, beam_search
from chainrule.formulas import attention as book
from chainrule.formulas.recurrent import rnn_step_forward
from chainrule.nn.attention import SCORES, Attention, AttentionDecoder, make_score
from chainrule.nn.attention._recurrent_decoder import ENTERS

VOCABULARY = 11


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def made(memory_dim: int = 6, **options: Any) -> AttentionDecoder:
    return AttentionDecoder(VOCABULARY, memory_dim, **{"width": 8, **options}).double().eval()


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def tokens(*shape: int) -> Tensor:
    return torch.randint(0, VOCABULARY, shape)


CASES = [*itertools.product(ENTERS, ["rnn", "lstm", "gru"], [1, 2])]


@pytest.mark.parametrize(("enters", "cell", "layers"), CASES)
def test_in_pieces_as_at_once_and_blind_to_padding(enters: str, cell: str, layers: int) -> None:
    decoder = made(enters=enters, cell=cell, layers=layers, value=5)
    memory, said = draw(2, 4, 6), tokens(2, 7)
    seen = torch.tensor([[True] * 4, [True, True, False, False]])
    whole, _ = decoder(said, decoder.begin(memory, seen))
    state, pieces = decoder.begin(memory, seen), []
    for begin, end in ((0, 1), (1, 5), (5, 7)):
        scores, state = decoder(said[:, begin:end], state)
        assert all(len(value) == 2 for value in state.values())
        pieces.append(scores)
    torch.testing.assert_close(torch.cat(pieces, 1), whole)
    alone, _ = decoder(said[1:], decoder.begin(memory[1:, :2]))
    torch.testing.assert_close(whole[1:], alone)
    weights = decoder.weights(said, decoder.begin(memory, seen))
    assert weights.shape == (2, 1, 7, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1, 7, dtype=torch.float64))
    assert weights[1, :, :, 2:].abs().max() == 0
    later = said.clone()
    later[:, 4:] = (later[:, 4:] + 1) % VOCABULARY
    torch.testing.assert_close(decoder(later, decoder.begin(memory, seen))[0][:, :4], whole[:, :4])


def test_it_is_the_formula() -> None:
    """Each way to enter, written out step by step in NumPy, with a tanh cell."""
    for enters in ENTERS:
        decoder = made(enters=enters, cell="rnn", score="additive", embedding=5)
        for parameter in decoder.parameters():
            nn.init.normal_(parameter, std=0.4)
        memory, said = draw(2, 4, 6), tokens(2, 3)
        wanted_scores, wanted_weights = written_out(decoder, memory.numpy(), said.numpy())
        state = decoder.begin(memory)
        np.testing.assert_allclose(decoder(said, state)[0].detach().numpy(), wanted_scores, atol=1e-12)
        np.testing.assert_allclose(decoder.weights(said, state)[:, 0].detach().numpy(), wanted_weights, atol=1e-12)


def written_out(decoder: AttentionDecoder, memory: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = {name: value.detach().numpy() for name, value in decoder.state_dict().items()}

    def cell(name: str, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        bias = p[f"{name}.bias_ih_l0"] + p[f"{name}.bias_hh_l0"]
        return rnn_step_forward(x, h, p[f"{name}.weight_ih_l0"].T, p[f"{name}.weight_hh_l0"].T, bias)[0]

    def look(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        query, key = p["attention.score.of_query.weight"].T, p["attention.score.of_key.weight"].T
        e, _ = book.additive_scores_forward(s[:, None], memory, query, key, p["attention.score.weight.weight"][0])
        weights = np.exp(e) / np.exp(e).sum(-1, keepdims=True)
        return (weights @ memory)[:, 0], weights[:, 0]

    s = np.tanh(memory.mean(1) @ p["first.weight"].T + p["first.bias"])
    u, scores, looked = np.zeros_like(s), [], []
    for step in range(said.shape[1]):
        e = p["embed.weight"][said[:, step]]
        if decoder.enters == "state":
            found, weights = look(s)
            s = out = cell("recurrent", np.concatenate([e, found], 1), s)
        else:
            s = cell("recurrent", e, s)
            found, weights = look(s)
            both = np.concatenate([s, found], 1)
            if decoder.enters == "readout":
                out = np.tanh(both @ p["join.weight"].T + p["join.bias"])
            else:
                u = out = cell("upper", both, u)
        scores.append(out @ p["head.weight"].T + p["head.bias"])
        looked.append(weights)
    return np.stack(scores, 1), np.stack(looked, 1)


@pytest.mark.parametrize(("enters", "score"), [*itertools.product(ENTERS, SCORES)])
def test_every_parameter_gets_a_gradient(enters: str, score: str) -> None:
    decoder = made(8, enters=enters, score=score, value=7, layers=2, cell="lstm").train()
    scores, _ = decoder(tokens(3, 5), decoder.begin(draw(3, 4, 8)))
    nn.functional.cross_entropy(scores.flatten(0, 1), tokens(15)).backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert parameter.grad.abs().max() > 0, name


def test_a_memory_of_nothing_gives_scores_and_gradients() -> None:
    decoder = made()
    memory = draw(2, 3, 6).requires_grad_()
    scores, _ = decoder(tokens(2, 3), decoder.begin(memory, torch.tensor([[False] * 3, [True] * 3])))
    scores.sum().backward()
    assert bool(scores.isfinite().all())
    assert memory.grad is not None
    assert memory.grad[0].abs().max() == 0
    assert all(bool(p.grad.isfinite().all()) for p in decoder.parameters() if p.grad is not None)


def test_a_summary_makes_the_first_state() -> None:
    decoder, memory, summary = made(), draw(1, 3, 6), draw(1, 6)
    torch.testing.assert_close(decoder.begin(memory)["h"], decoder.begin(memory, summary=memory.mean(1))["h"])
    torch.testing.assert_close(decoder.begin(memory, summary=summary)["h"][0], torch.tanh(decoder.first(summary)))


@pytest.mark.parametrize("enters", ENTERS)
def test_the_search_goes_over_it(enters: str) -> None:
    decoder, memory = made(enters=enters), draw(2, 4, 6)
    seen = torch.tensor([[True] * 4, [True, True, True, False]])
    how, prompts = Beam(3, 5, end=0), torch.ones(2, 1, dtype=torch.int64)
    together = beam_search(decoder, prompts, how, state=decoder.begin(memory, seen))
    for row, length in enumerate((4, 3)):
        alone = beam_search(decoder, prompts[:1], how, state=decoder.begin(memory[row : row + 1, :length]))[0]
        assert [one.tokens for one in alone] == [one.tokens for one in together[row]]
        assert [one.log_p for one in alone] == pytest.approx([one.log_p for one in together[row]], abs=1e-9)


def test_a_score_prepared_once_is_the_score() -> None:
    for name in SCORES:
        keys = 4 if name in ("dot", "scaled") else 5
        score, q, k = make_score(name, 4, keys).double(), draw(2, 3, 4), draw(2, 6, keys)
        attention = Attention(score)
        given = attention.look(q, *attention.read(k))
        torch.testing.assert_close(given.weights, torch.softmax(score(q, k), -1))
        torch.testing.assert_close(given.context, given.weights @ k)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "bilinaer"}, 'did you mean "bilinear"'),
        ({"score": "dot"}, "keys of 8 numbers, got 6"),
        ({"enters": "readuot"}, 'did you mean "readout"'),
        ({"cell": "lstmm"}, 'did you mean "lstm"'),
        ({"layers": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_built_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(**options)


def test_no_memory_is_said() -> None:
    with pytest.raises(UsageError, match=r"decoder.begin\(memory\) comes first"):
        made()(tokens(1, 2), None)
