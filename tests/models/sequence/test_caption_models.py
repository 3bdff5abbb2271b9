"""Every network that writes about pictures: batches and steps change nothing, regions are a set, formulas agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, UsageError
from chainrule.data.tokenizers._vocabulary import Vocabulary
from chainrule.data.tokenizers._words import Words
from chainrule.decoding import Beam, beam_search
from chainrule.formulas import caption_step_forward, rnn_step_forward
from chainrule.models import CAPTION_MODELS, EVERY_MODEL, MODELS, Captioner, maps_to_regions
from chainrule.nn.recurrent import lecture_weights
from chainrule.tasks.caption._looked import looked_at

SMALL: dict[str, dict[str, Any]] = {
    "caption_recurrent": {"width": 12, "embedding": 10, "layers": 2},
    "caption_recurrent state": {"width": 12, "enters": "state", "cell": "gru"},
    "caption_recurrent lstm": {"width": 12, "enters": "state", "cell": "lstm", "layers": 2},
    "caption_attention": {"width": 12, "embedding": 8},
    "caption_attention next": {"width": 12, "enters": "next", "score": "bilinear", "cell": "gru", "layers": 2},
    "caption_attention value": {"width": 12, "enters": "readout", "score": "dot", "value": 12},
    "caption_transformer": {"width": 12, "num_heads": 2, "layers": 2},
    "caption_transformer rotary": {"width": 12, "num_heads": 2, "layers": 1, "positions": "rotary", "tie": False},
}
FEATURES, REGIONS = 12, 9
SEEN = torch.randn(3, REGIONS, FEATURES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.tensor([[2, 5, 6, 7], [2, 9, 4, 11], [2, 8, 8, 3]])


def test_each_is_tried_here_and_has_a_name_of_its_own() -> None:
    assert {name.split()[0] for name in SMALL} == set(CAPTION_MODELS)
    for name in CAPTION_MODELS:
        assert EVERY_MODEL.entry(name) is CAPTION_MODELS.entry(name)
        assert EVERY_MODEL.entry(name).card["task"] == "caption"


@pytest.fixture(params=SMALL)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(3)
    made: nn.Module = CAPTION_MODELS.resolve(request.param.split()[0])(13, FEATURES, **SMALL[request.param])
    return made.double().eval()


def scores(model: Any, seen: Tensor, target: Tensor) -> Tensor:
    found, _ = model(target, model.encode(seen))
    return found


def test_the_rest_of_the_batch_changes_nothing(model: Any) -> None:
    together = scores(model, SEEN, TARGET)
    assert together.shape == (3, 4, 13)
    for row in range(3):
        alone = scores(model, SEEN[row : row + 1], TARGET[row : row + 1])
        assert torch.allclose(alone[0], together[row], atol=1e-12)


def test_the_picture_counts_and_its_regions_are_a_set(model: Any) -> None:
    assert not torch.allclose(scores(model, SEEN.flip(0), TARGET), scores(model, SEEN, TARGET), atol=1e-4)
    order = torch.randperm(REGIONS, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(scores(model, SEEN[:, order], TARGET), scores(model, SEEN, TARGET), atol=1e-12)


def test_step_by_step_is_all_at_once_and_nothing_sees_what_follows(model: Any) -> None:
    whole = scores(model, SEEN, TARGET)
    state, found = model.encode(SEEN), []
    for column in TARGET.split(1, dim=1):
        one, state = model(column, state)
        assert all(len(value) == len(SEEN) for value in state.values())
        found.append(one)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-12)
    changed = TARGET.clone()
    changed[:, 2:] = 12
    assert torch.allclose(scores(model, SEEN, changed)[:, :2], whole[:, :2], atol=1e-12)


def test_every_parameter_has_a_gradient(model: Any) -> None:
    scores(model.train(), SEEN, TARGET).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name


def test_the_beam_finds_the_same_alone_and_in_a_batch(model: Any) -> None:
    how = Beam(3, 6, end=3, best=3)

    def search(seen: Tensor) -> Any:
        with torch.inference_mode():
            state = model.encode(seen)
        return beam_search(model, torch.full((len(seen), 1), 2), how, state=state)

    together = search(SEEN)
    for row in range(3):
        alone = search(SEEN[row : row + 1])[0]
        assert [one.tokens for one in alone] == [one.tokens for one in together[row]]
        assert [one.log_p for one in alone] == pytest.approx([one.log_p for one in together[row]], abs=1e-9)
        best = together[row][0]
        given = torch.tensor([[2, *best.tokens[:-1]]])
        log_p = torch.log_softmax(scores(model, SEEN[row : row + 1], given)[0], 1)
        assert float(log_p[torch.arange(len(best.tokens)), list(best.tokens)].sum().detach()) == pytest.approx(
            best.log_p
        )


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("caption_recurrent", {"cell": "gruu"}, 'did you mean "gru"'),
        ("caption_recurrent", {"enters": "firs"}, 'did you mean "first"'),
        ("caption_attention", {"layers": 0}, "nothing can be built"),
        ("caption_attention", {"enters": "readin"}, 'did you mean "readout"'),
        ("caption_attention", {"score": "dot", "width": 7}, "caption_attention: "),
        ("caption_transformer", {"num_heads": 5}, "heads"),
        ("caption_transformer", {"dropout": 1.0}, "probability of dropping"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        CAPTION_MODELS.resolve(name)(13, FEATURES, **options)


def test_a_picture_must_be_seen_first(model: Any) -> None:
    with pytest.raises(UsageError, match="was not read"):
        model(TARGET, None)


def normalized(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def built(name: str, **options: Any) -> tuple[Any, dict[str, np.ndarray], list[np.ndarray]]:
    """A small network of one plain recurrent layer, its weights, and those of the layer as the formulas take them."""
    torch.manual_seed(5)
    model: Any = CAPTION_MODELS.resolve(name)(13, FEATURES, width=6, cell="rnn", **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases too have a part in it
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        model.norm.weight.fill_(1.0)
        model.norm.bias.fill_(0.0)
    layer = model.decoder.recurrent if name == "caption_attention" else model.recurrent
    return model, arrays(model), [value.detach().numpy() for value in lecture_weights(layer)]


def test_without_attention_the_picture_is_the_first_input_of_the_formula() -> None:
    model, p, layer = built("caption_recurrent")
    picture = normalized(SEEN.numpy()).mean(1) @ p["picture.weight"].T + p["picture.bias"]
    h, found = np.zeros((3, 6)), []
    for x in (picture, *p["embed.weight"][TARGET.numpy().T]):
        h, _ = rnn_step_forward(x, h, *layer)
        found.append(h @ p["head.weight"].T + p["head.bias"])
    assert np.allclose(scores(model, SEEN, TARGET).detach().numpy(), np.stack(found[1:], 1), atol=1e-12)


def test_attention_over_regions_is_the_formula_and_so_is_where_it_looks() -> None:
    model, p, layer = built("caption_attention", enters="state")
    seen = normalized(SEEN.numpy())
    score = [p[f"decoder.attention.score.{name}.weight"].T for name in ("of_query", "of_key", "weight")]
    h = np.tanh(seen.mean(1) @ p["decoder.first.weight"].T + p["decoder.first.bias"])
    found, looked = [], []
    for x in p["decoder.embed.weight"][TARGET.numpy().T]:
        h, cache = caption_step_forward(x, h, seen, score[0], score[1], score[2][:, 0], *layer)
        found.append(h @ p["decoder.head.weight"].T + p["decoder.head.bias"])
        looked.append(cache[-1])
    assert np.allclose(scores(model, SEEN, TARGET).detach().numpy(), np.stack(found, 1), atol=1e-12)
    for row in range(3):
        tokens = (*TARGET[row, 1:].tolist(), 3)
        _, weights = looked_at(model, Words(Vocabulary.of(list("abcdefghi"))), SEEN[row : row + 1], tokens, (12, 3, 3))
        assert np.allclose(weights.flatten(1).numpy(), np.stack(looked, 1)[row], atol=1e-12)


def test_maps_become_regions_row_by_row() -> None:
    maps = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    regions = maps_to_regions(maps)
    assert regions.shape == (2, 16, 3)
    assert torch.equal(regions[1, 6], maps[1, :, 1, 2])
    halves = maps_to_regions(maps, 2)
    assert torch.allclose(halves[0, 1], maps[0, :, :2, 2:].mean((1, 2)))


def test_a_captioner_is_its_two_parts() -> None:
    torch.manual_seed(0)
    decoder = CAPTION_MODELS.resolve("caption_attention")(13, 8, width=12).eval()
    model = Captioner(nn.Conv2d(3, 8, 4, stride=4), decoder, features=8, grid=2).eval()
    with torch.no_grad():
        regions = model.regions(torch.rand(2, 3, 16, 16))
    assert regions.shape == (2, 4, 8)
    mine, _ = model(TARGET[:2], model.encode(regions))
    assert torch.equal(mine, decoder(TARGET[:2], decoder.encode(regions))[0])


def test_regions_are_standardized_number_by_number() -> None:
    seen: list[Tensor] = []

    class Decoder(nn.Module):
        def encode(self, regions: Tensor) -> dict[str, Tensor]:
            seen.append(regions)
            return {}

    model = Captioner(nn.Identity(), Decoder(), features=3)
    regions = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 30.0, 0.0]) + 7
    model.measure(regions)
    model.encode(regions)
    assert seen[0].mean((0, 1)).tolist() == pytest.approx([0, 0, 0], abs=1e-4)
    assert seen[0].std((0, 1), correction=0)[1].item() == pytest.approx(1, abs=1e-3)
    assert bool(seen[0].isfinite().all())
    assert {"mean", "deviation"} <= set(model.state_dict())


@pytest.mark.parametrize("name", [name for name in MODELS if "maps" in MODELS.entry(name).card])
def test_what_cards_call_maps_are_maps_of_a_picture(name: str) -> None:
    card = MODELS.entry(name).card
    side = max(card["least"][1:]) + 40
    with torch.device("meta"):
        network = MODELS.resolve(name)((3, side, side), 10).eval()
        maps = network.get_submodule(card["maps"])(torch.zeros(2, 3, side, side))
    assert maps.ndim == 4
    assert len(maps) == 2
    assert min(maps.shape[2:]) >= 1
