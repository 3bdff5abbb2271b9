"""Language models: scores depend on the past alone, and reading piece by piece is reading at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chainrule.core.errors import RecipeError
from chainrule.models import LANGUAGE_MODELS, MODELS

SMALL: dict[str, dict[str, Any]] = {
    "recurrent rnn": {"cell": "rnn", "width": 16, "layers": 2},
    "recurrent lstm": {"cell": "lstm", "width": 16, "embedding": 8, "tie": True},
    "recurrent gru": {"cell": "gru", "width": 16},
    "gpt": {"width": 16, "layers": 2, "num_heads": 2},
    "gpt learned": {"width": 16, "layers": 2, "num_heads": 2, "positions": "learned", "length": 40, "order": "post"},
    "gpt concatenated": {
        "width": 16, "layers": 1, "num_heads": 4, "positions": "sinusoidal", "join": "concatenate", "tie": False,
    },
}  # fmt: skip


def test_every_language_model_is_tried_here() -> None:
    assert {name.split()[0] for name in SMALL} == set(LANGUAGE_MODELS)
    assert not set(LANGUAGE_MODELS) & set(MODELS)


@pytest.fixture(params=sorted(SMALL))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = LANGUAGE_MODELS.resolve(request.param.split()[0])(11, **SMALL[request.param])
    return made.double().eval()


def test_reading_in_pieces_is_reading_at_once(model: torch.nn.Module) -> None:
    tokens = torch.randint(0, 11, (3, 9))
    whole, _ = model(tokens)
    assert whole.shape == (3, 9, 11)
    state, pieces = None, []
    for begin, end in ((0, 4), (4, 5), (5, 9)):
        scores, state = model(tokens[:, begin:end], state)
        assert all(len(value) == 3 for value in state.values())
        pieces.append(scores)
    torch.testing.assert_close(torch.cat(pieces, 1), whole)


def test_no_score_depends_on_what_comes_after_or_on_other_texts(model: torch.nn.Module) -> None:
    tokens = torch.randint(0, 11, (3, 9))
    other = tokens.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 11
    torch.testing.assert_close(model(tokens)[0][:, :5], model(other)[0][:, :5])
    torch.testing.assert_close(model(tokens)[0][1:2], model(tokens[1:2])[0])


def test_every_parameter_gets_a_gradient(model: torch.nn.Module) -> None:
    model.train()
    scores, _ = model(torch.randint(0, 11, (2, 7)))
    torch.nn.functional.cross_entropy(scores.flatten(0, 1), torch.randint(0, 11, (14,))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert parameter.grad.abs().max() > 0, name


def test_the_first_loss_is_that_of_knowing_nothing(model: torch.nn.Module) -> None:
    scores, _ = model(torch.randint(0, 11, (8, 9)))
    loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), torch.randint(0, 11, (72,)))
    assert abs(loss.item() - torch.tensor(11.0).log().item()) < 0.35


def test_forget_gates_begin_open() -> None:
    recurrent: Any = LANGUAGE_MODELS.resolve("recurrent")(11, width=16).recurrent
    assert recurrent.bias_ih_l0[16:32].tolist() == [1.0] * 16
    for gate in recurrent.weight_hh_l0.split(16):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpt", {"width": 10, "num_heads": 4}, "divide 10"),
        ("gpt", {"width": 6, "num_heads": 2}, "even share"),
        ("gpt", {"hidden": -4}, "hidden -4"),
        ("gpt", {"positions": "naive", "length": 0}, "length 0"),
        ("gpt", {"positions": "lerned"}, 'did you mean "learned"'),
        ("gpt", {"join": "concatenate", "positions": "rotary", "tie": False}, "table of their own"),
        ("recurrent", {"dropout": 1.0}, "probability of dropping"),
        ("recurrent", {"cell": "lstmm"}, 'did you mean "lstm"'),
        ("recurrent", {"layers": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        LANGUAGE_MODELS.resolve(name)(11, **options)
