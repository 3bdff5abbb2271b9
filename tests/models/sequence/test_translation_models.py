"""Every network that translates: padding, batches and steps change nothing; it searches as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from chainrule.core.errors import RecipeError, UsageError
from chainrule.decoding import Beam, beam_search
from chainrule.models import EVERY_MODEL, TRANSLATION_MODELS

SMALL: dict[str, dict[str, Any]] = {
    "seq2seq": {"width": 12, "embedding": 10, "layers": 2, "tie": True},
    "seq2seq lstm": {"width": 12, "cell": "lstm", "bidirectional": False, "tie": False},
    "seq2seq rnn": {"width": 12, "cell": "rnn"},
    "attention": {"width": 12, "layers": 2},
    "attention state": {"width": 12, "embedding": 8, "enters": "state", "cell": "lstm"},
    "attention next": {"width": 12, "enters": "next", "score": "bilinear", "bidirectional": False},
    "transformer": {"width": 12, "num_heads": 2, "layers": 2},
    "transformer rotary": {"width": 12, "num_heads": 2, "layers": 1, "positions": "rotary", "tie": "none"},
}
SOURCE = torch.tensor([[5, 7, 9, 6, 3], [8, 3, 0, 0, 0], [4, 4, 10, 3, 0]])
TARGET = torch.tensor([[2, 5, 6, 7], [2, 9, 4, 11], [2, 8, 8, 3]])


def test_each_is_tried_here_and_has_a_name_of_its_own() -> None:
    assert {name.split()[0] for name in SMALL} == set(TRANSLATION_MODELS)
    for name in TRANSLATION_MODELS:
        assert EVERY_MODEL.entry(name) is TRANSLATION_MODELS.entry(name)
        assert EVERY_MODEL.entry(name).card["task"] == "translate"


@pytest.fixture(params=SMALL)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(3)
    made: torch.nn.Module = TRANSLATION_MODELS.resolve(request.param.split()[0])(11, 13, **SMALL[request.param])
    return made.double().eval()


def scores(model: Any, source: Tensor, target: Tensor) -> Tensor:
    found, _ = model(target, model.encode(source))
    return found


def test_padding_and_the_rest_of_the_batch_change_nothing(model: Any) -> None:
    together = scores(model, SOURCE, TARGET)
    wider = scores(model, torch.cat([SOURCE, torch.zeros(3, 4, dtype=torch.int64)], 1), TARGET)
    assert torch.allclose(wider, together, atol=1e-12)
    for row, length in enumerate((5, 2, 4)):
        alone = scores(model, SOURCE[row : row + 1, :length], TARGET[row : row + 1])
        assert torch.allclose(alone[0], together[row], atol=1e-12)
    turned = scores(model, SOURCE.flip(0), TARGET.flip(0))
    assert torch.allclose(turned.flip(0), together, atol=1e-12)


def test_the_source_counts(model: Any) -> None:
    assert not torch.allclose(scores(model, SOURCE.flip(0), TARGET), scores(model, SOURCE, TARGET), atol=1e-4)


def test_step_by_step_is_all_at_once_and_nothing_sees_what_follows(model: Any) -> None:
    whole = scores(model, SOURCE, TARGET)
    state, found = model.encode(SOURCE), []
    for column in TARGET.split(1, dim=1):
        one, state = model(column, state)
        assert all(len(value) == len(SOURCE) for value in state.values())
        found.append(one)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-12)
    changed = TARGET.clone()
    changed[:, 2:] = 12
    assert torch.allclose(scores(model, SOURCE, changed)[:, :2], whole[:, :2], atol=1e-12)


def test_every_parameter_has_a_gradient(model: Any) -> None:
    scores(model.train(), SOURCE, TARGET).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0) or "pad" in name, name


def test_the_beam_finds_the_same_alone_and_in_a_batch(model: Any) -> None:
    how = Beam(3, 6, end=3, best=3)

    def search(source: Tensor) -> Any:
        with torch.inference_mode():
            state = model.encode(source)
        return beam_search(model, torch.full((len(source), 1), 2), how, state=state)

    together = search(SOURCE)
    for row, length in enumerate((5, 2, 4)):
        alone = search(SOURCE[row : row + 1, :length])[0]
        assert [one.tokens for one in alone] == [one.tokens for one in together[row]]
        assert [one.log_p for one in alone] == pytest.approx([one.log_p for one in together[row]], abs=1e-9)
        best = together[row][0]
        given = torch.tensor([[2, *best.tokens[:-1]]])
        log_p = torch.log_softmax(scores(model, SOURCE[row : row + 1], given)[0], 1)
        assert float(log_p[torch.arange(len(best.tokens)), list(best.tokens)].sum().detach()) == pytest.approx(
            best.log_p
        )


def test_a_search_makes_nothing_on_another_device(model: Any) -> None:
    """Where no device is said, tensors are made on `meta`: to add one to a tensor of the model's is an error there."""
    how = Beam(3, 6, end=3, best=3, no_repeat=2, forbidden=(1,))
    start, prefixes, watched = torch.full((3, 1), 2), [[5], [], [6, 7]], []

    def search() -> Any:
        with torch.inference_mode():
            state = model.encode(SOURCE)
        return beam_search(model, start, how, state=state, prefixes=prefixes, watch=watched.append)

    wanted = search()
    with torch.device("meta"):
        assert search() == wanted
    assert watched


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("seq2seq", {"cell": "gruu"}, 'did you mean "gru"'),
        ("seq2seq", {"width": 7}, "even width"),
        ("attention", {"layers": 0}, "nothing can be built"),
        ("attention", {"enters": "readin"}, 'did you mean "readout"'),
        ("transformer", {"hidden": -4}, "hidden -4"),
        ("transformer", {"positions": "learned", "length": -1}, "length -1"),
        ("transformer", {"tie": "all"}, "two vocabularies"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        TRANSLATION_MODELS.resolve(name)(11, 13, **options)


def test_a_source_must_be_read_first(model: Any) -> None:
    with pytest.raises(UsageError, match="was not read"):
        model(TARGET, None)
