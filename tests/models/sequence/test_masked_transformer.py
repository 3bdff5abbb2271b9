"""The network of hidden words: padding, gradients, places, and the classifier that begins with its encoder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chainrule import formulas
from chainrule.core.errors import RecipeError, UsageError, WeightsError
from chainrule.data.masked_texts import Blanks
from chainrule.models import MASKED_MODELS, TEXT_MODELS, load_published
from chainrule.runtime.weights import write_weights

VOCABULARY = 23
SMALL: dict[str, dict[str, Any]] = {
    "tied": {"width": 8, "layers": 2, "num_heads": 2},
    "first": {"width": 8, "layers": 1, "num_heads": 2, "read": "first"},
    "rotary": {"width": 8, "layers": 1, "num_heads": 2, "positions": "rotary", "order": "post", "tie": False},
}


def made(name: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model: torch.nn.Module = MASKED_MODELS.resolve("masked_transformer")(VOCABULARY, **SMALL[name])
    return model.double().eval()


ROWS = [[4, 9, 22, 7, 5], [22, 8], [6, 22, 22]]
PLACES = [[2], [0], [0, 2]]


def blanks(rows: list[list[int]], places: list[list[int]], more: int = 0) -> Blanks:
    width = max(map(len, rows)) + more
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    asked = [number * width + place for number, row in enumerate(places) for place in row]
    return Blanks(tokens, torch.tensor(asked, dtype=torch.int64))


@pytest.mark.parametrize("name", SMALL)
def test_neither_the_other_texts_nor_the_padding_show(name: str) -> None:
    model = made(name)
    with torch.no_grad():
        together = model(blanks(ROWS, PLACES, more=4))
        alone = torch.cat([model(blanks([row], [asked])) for row, asked in zip(ROWS, PLACES)])
    assert together.shape == (4, VOCABULARY)
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns_from_the_loss_of_the_book(name: str) -> None:
    model = made(name).train()
    words = torch.tensor([11, 12, 13, 14])
    scores = model(blanks(ROWS, PLACES))
    scores.retain_grad()
    loss = torch.nn.functional.cross_entropy(scores, words)
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert float(parameter.grad.abs().max()) > 0, key
    values = scores.detach().numpy()
    right, cache = formulas.masked_word_loss(values, words.numpy(), np.arange(4))
    assert loss.item() == pytest.approx(right, rel=1e-12)
    np.testing.assert_allclose(scores.grad.numpy(), formulas.masked_word_loss_backward(1.0, cache), atol=1e-14)


def test_scores_are_taken_with_the_embeddings_unless_they_are_not_tied() -> None:
    tied, apart = made("tied"), made("rotary")
    assert tied.words.weight is tied.embed.weight
    assert apart.words.weight is not apart.embed.weight


def test_no_place_that_is_asked_for_is_no_score() -> None:
    scores = made("tied")(blanks(ROWS, [[], [], []]))
    assert scores.shape == (0, VOCABULARY)
    scores.sum().backward()


@pytest.mark.parametrize("name", SMALL)
def test_a_classifier_begins_with_the_encoder_and_says_so(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, form = made(name), {key: value for key, value in SMALL[name].items() if key != "tie"}
    path = tmp_path / "model.safetensors"
    write_weights(path, model.state_dict())
    torch.manual_seed(7)
    classifier = TEXT_MODELS.resolve("text_transformer")(VOCABULARY, 3, **form).double().eval()
    drawn = {key: value.clone() for key, value in classifier.head.state_dict().items()}
    with caplog.at_level(logging.WARNING, logger="chainrule"):
        load_published(classifier, path)
    assert "the head as it was drawn" in caplog.text
    assert all(torch.equal(classifier.head.state_dict()[key], value) for key, value in drawn.items())
    for key, value in model.state_dict().items():
        if not key.startswith(("transform.", "words.")):
            assert torch.equal(classifier.state_dict()[key], value), key
    seen = classifier.encoded(torch.tensor([ROWS[0]]) if name != "first" else torch.tensor([[2, *ROWS[0]]]))
    with torch.no_grad():
        scores = model.words(model.transform(seen[:, 2 if name != "first" else 3]))
        torch.testing.assert_close(scores, model(blanks(ROWS[:1], PLACES[:1])))


def test_an_encoder_of_another_size_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(path, made("tied").state_dict())
    for form, named in (({"width": 16}, "unlike"), ({"layers": 1}, "additional")):
        classifier = TEXT_MODELS.resolve("text_transformer")(VOCABULARY, 3, **{**SMALL["tied"], **form})
        with pytest.raises(WeightsError, match=named):
            load_published(classifier, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "masked_transformer: heads.*divide 64"),
        ({"read": "last"}, 'masked_transformer: there is no read "last"'),
        ({"length": 0}, "length at least 1"),
        ({"dropout": 1.0}, "below 1"),
    ],
)
def test_options_that_build_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        MASKED_MODELS.resolve("masked_transformer")(VOCABULARY, **options)


def test_a_text_longer_than_the_table_of_positions() -> None:
    model = MASKED_MODELS.resolve("masked_transformer")(VOCABULARY, length=5, read="first")
    model(blanks([ROWS[0]], [[1]]))
    with pytest.raises(UsageError, match="longer than the table"):
        model(blanks([[*ROWS[0], 4]], [[1]]))
