"""Every transformer that CTranslate2 has computes there what it computes here; the others are refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from torch import nn

from chainrule.core.errors import UsageError
from chainrule.core.recipe import TranslateRecipe
from chainrule.data.tokenizers import END, START, TOKENIZERS
from chainrule.exporting._ctranslate2 import search_options
from chainrule.exporting._ctranslate2_weights import ctranslate2_spec, ctranslate2_weights
from chainrule.models.sequence._encoder_decoder import TIES, EncoderDecoder
from chainrule.models.sequence._placed import KNOWN
from chainrule.models.sequence._seq2seq import Seq2Seq
from chainrule.nn.attention import ORDERS
from chainrule.tasks import open_recipe
from chainrule.tasks.translate import translate
from chainrule.tasks.translate._tokens import Tokens

SENTENCES = ["abc", "b", "dapbfacb", "cc", "abcdefghijkl", "hoop"]
PLACES = 16
SUPPORTED = [order for order in ORDERS if order != "inner"]
FORMS = [
    (order, positions, join)
    for order, positions, join in itertools.product(SUPPORTED, KNOWN["positions"], KNOWN["join"])
    if join == "add" or positions not in ("rotary", "none")  # which have no table
]
OPTIONS = [
    ("relu", "all", True),
    ("gelu", "target", False),
    ("gelu-tanh", "none", True),
    ("relu", "none", False),
]
"""Activation, tie, scale."""


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    both = TOKENIZERS.resolve("characters")(["abcdefghijklmnop"])
    return Tokens(both, both, 12)


def network(tokens: Tokens, **options: Any) -> EncoderDecoder:
    """One with all its numbers drawn, so that none is 0 or 1 by chance of the start."""
    form = {"width": 12, "num_heads": 2, "layers": 2, "hidden": 20, "length": PLACES, **options}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EncoderDecoder(*tokens.sizes, **form)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter) * (0.6 if parameter.dim() > 1 else 0.1)
    return model.eval()


def opened(model: EncoderDecoder, tokens: Tokens, folder: Path) -> Any:
    spec = ctranslate2_spec(ctranslate2, model, tokens, places=PLACES)
    spec.optimize(quantization="float32")
    folder.mkdir()
    spec.save(str(folder))
    return ctranslate2.Translator(str(folder))


def log_p(model: nn.Module, tokens: Tokens, source: str, target: str) -> torch.Tensor:
    """Of each token of a translation and of its end, given those before."""
    row = tokens.target.encode(target)
    end = torch.tensor([END])
    with torch.no_grad():
        state = model.encode(torch.cat([tokens.source.encode(source), end]).unsqueeze(0))  # type: ignore[operator]
        scores, _ = model(torch.cat([torch.tensor([START]), row]).unsqueeze(0), state)
    return torch.log_softmax(scores[0], 1).gather(1, torch.cat([row, end]).unsqueeze(1))[:, 0]


def test_each_option_is_tried() -> None:
    activations, ties, scales = map(set, zip(*OPTIONS))
    assert (activations, ties, scales) == (set(KNOWN["activation"]), set(TIES), {True, False})


@pytest.mark.parametrize(("order", "positions", "join"), FORMS)
def test_each_form_scores_and_writes_the_same(
    order: str, positions: str, join: str, tokens: Tokens, tmp_path: Path
) -> None:
    recipe = open_recipe("addition-transformer", {"decode.beam": 1, "decode.length": 9})
    assert isinstance(recipe, TranslateRecipe)
    different: set[str] = set()
    for number, (activation, tie, scale) in enumerate(OPTIONS):
        if join == "concatenate" and tie != "none":
            continue
        model = network(
            tokens, order=order, positions=positions, join=join, activation=activation, tie=tie, scale=scale
        )
        translator = opened(model, tokens, tmp_path / str(number))
        found = translator.score_batch([list(one) for one in SENTENCES], [list(one) for one in reversed(SENTENCES)])
        for source, target, one in zip(SENTENCES, reversed(SENTENCES), found):
            np.testing.assert_allclose(one.log_probs, log_p(model, tokens, source, target), atol=1e-4, err_msg=tie)
        ours = translate(model, tokens, SENTENCES, recipe.decode)
        theirs = translator.translate_batch([list(one) for one in SENTENCES], **search_options(recipe, tokens))
        different |= {one.output for one in ours}
        assert [one.output for one in ours] == [
            "".join(token for token in one.hypotheses[0] if token != "</s>") for one in theirs
        ]
    assert len(different) > 2


def test_computed_positions_are_there_for_all_places_and_a_learned_table_keeps_its_length(tokens: Tokens) -> None:
    name = "decoder/position_encodings/encodings"
    long = ctranslate2_weights(network(tokens, positions="sinusoidal"), places=50)[name]
    assert long.shape == (50, 12)
    assert long[40, 1] == pytest.approx(np.cos(40), abs=1e-6)
    assert ctranslate2_weights(network(tokens, positions="learned"), places=50)[name].shape == (PLACES, 12)


def test_every_number_of_the_network_arrives_and_is_a_copy(tokens: Tokens) -> None:
    model = network(tokens, positions="learned", tie="none")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = ctranslate2_weights(model, places=PLACES)
    assert sum(value.numel() for value in found.values()) == sum(value.numel() for value in before.values())
    spec = ctranslate2_spec(ctranslate2, model, tokens, places=PLACES)
    spec.optimize(quantization="int8")  # which changes what it is given
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_a_network_that_is_not_there_is_refused(tokens: Tokens) -> None:
    with pytest.raises(UsageError, match=r"order pre or post, got order inner. Remedy: train with --model.order pre"):
        ctranslate2_spec(ctranslate2, network(tokens, order="inner"), tokens, places=PLACES)
    with pytest.raises(UsageError, match="expected a run of the model transformer, got a network Seq2Seq"):
        ctranslate2_spec(ctranslate2, Seq2Seq(*tokens.sizes, width=8), tokens, places=PLACES)

    class Other(EncoderDecoder):
        """What it computes is not known."""

    with pytest.raises(UsageError, match="a network Other"):
        ctranslate2_spec(ctranslate2, Other(*tokens.sizes, width=8, num_heads=2, layers=1), tokens, places=PLACES)
