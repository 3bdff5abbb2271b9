"""Gates, states and their gradients as they are recorded, against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from chainrule import formulas
from chainrule.analysis import record_attention, record_gates
from chainrule.analysis._gates import pace, vanishing
from chainrule.core.errors import UsageError
from chainrule.models.sequence._gpt import GPT
from chainrule.models.sequence._recurrent import Recurrent
from chainrule.nn.recurrent import lecture_weights, step_form

T, N, D, H = 7, 2, 3, 4


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def last(given: Any) -> Tensor:
    return given[0][-1].square().sum()


def test_gradients_of_an_rnn_are_the_product_of_its_jacobians() -> None:
    layer = nn.RNN(D, H).double()
    x = torch.randn(T, N, D, dtype=torch.float64)
    (found,) = record_gates(layer, x, output=last)
    h = found.values["h"]
    torch.testing.assert_close(h, layer(x)[0].detach())
    gradient = 2 * h[-1]
    for t in reversed(range(T)):
        torch.testing.assert_close(found.gradients["h"][t], gradient.norm(dim=1))
        gradient = (gradient * (1 - h[t] ** 2)) @ layer.weight_hh_l0.detach()  # dh_t/dh_{t-1} = diag(tanh') W_hh


def test_gates_and_gradients_of_an_lstm_are_the_formulas() -> None:
    layer = nn.LSTM(D, H).double()
    Wx, Wh, b = (weight.detach().numpy() for weight in lecture_weights(layer))
    x = np.random.default_rng(0).standard_normal((T, N, D))
    (found,) = record_gates(layer, torch.from_numpy(x), output=last)
    assert found.cell == "lstm"
    h, c, caches = np.zeros((N, H)), np.zeros((N, H)), []
    for t in range(T):
        h, c, cache = formulas.lstm_step_forward(x[t], h, c, Wx, Wh, b)
        caches.append(cache)
        for name, value in zip("ifog", cache[5:9]):
            np.testing.assert_allclose(found.values[name][t], value)
        np.testing.assert_allclose(found.values["c"][t], c)
        np.testing.assert_allclose(found.values["h"][t], h)
    dh, dc = 2 * h, np.zeros((N, H))
    for t in reversed(range(T)):
        o, tanh_c = caches[t][7], caches[t][9]
        np.testing.assert_allclose(found.gradients["h"][t], np.linalg.norm(dh, axis=1))
        through_h = dh * o * (1 - tanh_c**2)
        np.testing.assert_allclose(found.gradients["c"][t], np.linalg.norm(dc + through_h, axis=1))
        _, dh, dc, *_ = formulas.lstm_step_backward(dh, dc, caches[t])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_stacks_directions_and_step_forms(kind: type[nn.RNNBase]) -> None:
    layer = kind(D, H, 2, bidirectional=True)
    x = torch.randn(T, N, D)
    found = record_gates(layer, x, output=lambda given: given[0][2].sum())
    assert [one.name for one in found] == ["layer 1 forward", "layer 1 backward", "layer 2 forward", "layer 2 backward"]
    both = torch.cat([found[2].values["h"], found[3].values["h"]], dim=2)
    torch.testing.assert_close(both, layer(x)[0].detach())
    forward, backward = (one.gradients["h"] for one in found[2:])
    assert bool((forward[:3] > 0).all())
    assert not bool(forward[3:].any())  # the output at 2 knows nothing of later forward states
    assert bool((backward[2:] > 0).all())
    assert not bool(backward[:2].any())
    for mine, theirs in zip(record_gates(step_form(layer), x), found):
        assert mine.gradients == {}
        for name, value in theirs.values.items():
            torch.testing.assert_close(mine.values[name], value)


def test_nothing_of_the_network_changes() -> None:
    model = Recurrent(9, width=H, layers=2, dropout=0.5)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tokens = torch.randint(9, (1, T))
    state = torch.get_rng_state()
    with torch.inference_mode():
        found = record_gates(model, tokens, output=lambda given: given[0].sum())
    assert [one.name for one in found] == ["recurrent layer 1", "recurrent layer 2"]
    assert bool((found[0].gradients["c"] > 0).all())
    assert torch.equal(torch.get_rng_state(), state)
    assert "forward" not in vars(model.recurrent)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_layer_that_is_called_again_goes_on_in_time() -> None:
    class Writer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRU(H, H)

        def forward(self, x: Tensor) -> Tensor:
            state = None
            for _ in range(4):
                x, state = self.cell(x, state)
            return x

    writer, x = Writer(), torch.randn(1, N, H)
    (found,) = record_gates(writer, x, output=lambda given: given.sum())
    assert found.values["h"].shape == (4, N, H)
    torch.testing.assert_close(found.values["h"][-1], writer(x)[0].detach())
    assert bool((found.gradients["h"] > 0).all())


def test_layers_over_words_and_over_sentences_have_batches_of_their_own() -> None:
    class Documents(nn.Module):
        """A state of each sentence's words, then one of the document's sentences."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.sentences = nn.GRU(D, H, batch_first=True), nn.GRU(H, H, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:  # (N, sentences, T, D)
            read = self.words(x.flatten(0, 1))[1][-1]
            return self.sentences(read.view(len(x), -1, H))[1][-1]

    network = Documents()
    words, sentences = record_gates(network, torch.randn(N, 5, T, D), output=lambda given: given.sum())
    assert words.values["h"].shape == (T, N * 5, H)
    assert sentences.values["h"].shape == (5, N, H)
    assert words.gradients["h"].shape == (T, N * 5)
    network.forward = lambda x: network.sentences(x) and network.sentences(x[:1])  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="several lengths"):
        record_gates(network, torch.randn(N, 5, H))


def test_what_cannot_be_recorded() -> None:
    with pytest.raises(UsageError, match="no recurrent layer"):
        record_gates(nn.Linear(2, 2), torch.zeros(1, 2))
    layer = nn.GRU(D, H)
    for output in (lambda given: given[0], lambda given: 1.0, lambda given: torch.zeros(())):
        with pytest.raises(UsageError, match="the output has no gradient"):
            record_gates(layer, torch.zeros(T, N, D), output=output)
    packed = pack_padded_sequence(torch.zeros(T, N, D), torch.tensor([7, 3]))
    with pytest.raises(UsageError, match="several lengths"):
        record_gates(layer, packed)
    even = pack_padded_sequence(torch.zeros(T, N, D), torch.tensor([T, T]))
    assert record_gates(layer, even)[0].values["h"].shape == (T, N, H)
    lonely = nn.Sequential(nn.Linear(2, 2))
    lonely.spare = layer
    lonely.forward = lambda x: x  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="did not call"):
        record_gates(lonely, torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("norms", "backward", "steps", "factor"),
    [
        ([1e-6, 1e-5, 0.1, 1.0, 0.0], False, 2, 1e-2),
        ([0.5, 1.0], False, None, 0.5),
        ([0.0, 1.0, 1e-4, 1e-4], True, 1, 1e-4**0.5),
        ([1.0, 1e-4, 1.0], False, None, 1.0),  # it comes back
        ([0.0, 0.0], False, None, None),
    ],
)
def test_where_a_gradient_vanishes(norms: list[float], backward: bool, steps: int | None, factor: float | None) -> None:
    assert vanishing(torch.tensor(norms), backward=backward) == steps
    assert pace(torch.tensor(norms), backward=backward) == (None if factor is None else pytest.approx(factor, rel=1e-4))


def test_attention_is_recorded_block_by_block() -> None:
    model = GPT(11, width=8, layers=2, num_heads=2).eval()
    tokens = torch.randint(11, (1, 5))
    found = record_attention(model, tokens)
    assert [one.name[:8] for one in found] == ["blocks.0", "blocks.1"]
    for one in found:
        assert one.weights.shape == (1, 2, 5, 5)
        torch.testing.assert_close(one.weights.sum(-1), torch.ones(1, 2, 5))
        assert not bool(one.weights.triu(1).any())
    assert not any(part._forward_pre_hooks for part in model.modules())
    with pytest.raises(UsageError, match="no attention"):
        record_attention(nn.Linear(2, 2), torch.zeros(1, 2))
