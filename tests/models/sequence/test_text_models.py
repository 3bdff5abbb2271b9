"""Networks that classify texts: padding and other texts change nothing, and each sees what it should."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ChainruleError, RecipeError, UsageError
from chainrule.data.ragged import Ragged
from chainrule.models import LANGUAGE_MODELS, MODELS, TEXT_MODELS

VOCABULARY, CLASSES = 23, 3
SMALL: dict[str, dict[str, Any]] = {
    "bag_of_words": {},
    "bag_of_words binary": {"weighting": "binary"},
    "bag_of_words tf-idf": {"weighting": "tf-idf"},
    "text_average": {"embedding": 8},
    "text_average hidden": {"embedding": 8, "hidden": (6, 5)},
    "text_recurrent": {"width": 5},
    "text_recurrent rnn": {"width": 5, "cell": "rnn", "bidirectional": False},
    "text_recurrent lstm deep": {"width": 5, "cell": "lstm", "layers": 2, "embedding": 7},
    "text_recurrent mean": {"width": 5, "read": "mean"},
    "text_recurrent max": {"width": 5, "read": "max", "bidirectional": False},
    "text_transformer": {"width": 8, "num_heads": 2, "layers": 2},
    "text_transformer first": {"width": 8, "num_heads": 2, "layers": 2, "read": "first"},
    "text_transformer rotary": {"width": 8, "num_heads": 2, "layers": 1, "positions": "rotary", "order": "post"},
    "text_transformer none": {"width": 8, "num_heads": 2, "layers": 1, "positions": "none"},
    "text_cnn": {"embedding": 6, "filters": 4},
}
NO_ORDER = {"bag_of_words", "bag_of_words binary", "bag_of_words tf-idf", "text_average", "text_average hidden"}
NO_ORDER |= {"text_transformer none"}
TEXTS = st.lists(st.lists(st.integers(4, VOCABULARY - 1), min_size=1, max_size=12), min_size=1, max_size=5)


def made(name: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model: torch.nn.Module = TEXT_MODELS.resolve(name.split()[0])(VOCABULARY, CLASSES, **SMALL[name])
    for parameter in model.parameters():  # nothing that begins at 0 hides a fault
        torch.nn.init.normal_(parameter, std=0.5)
    return model.double().eval()


def test_every_network_is_here_and_none_has_a_name_of_another_task() -> None:
    assert {name.split()[0] for name in SMALL} == set(TEXT_MODELS)
    assert not set(TEXT_MODELS) & (set(MODELS) | set(LANGUAGE_MODELS))


@pytest.mark.parametrize("name", SMALL)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(TEXTS, st.integers(0, 9))
def test_padding_and_other_texts_change_nothing(name: str, rows: list[list[int]], more: int) -> None:
    model = made(name)
    texts = Ragged(torch.tensor(row) for row in rows)
    together = texts.padded(torch.arange(len(texts))).tokens
    together = torch.nn.functional.pad(together, (0, more))
    with torch.no_grad():
        found = model(together)
        assert found.shape == (len(rows), CLASSES)
        for place, row in enumerate(rows):
            alone = model(torch.tensor([row]))[0]
            torch.testing.assert_close(found[place], alone, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_padding_changes_no_gradient(name: str) -> None:
    tokens = torch.tensor([[4, 9, 5, 7], [6, 8, 0, 0]])
    gradients = []
    for more in (0, 5):
        model = made(name).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            elif isinstance(module, torch.nn.RNNBase):
                module.dropout = 0.0
        scores = model(torch.nn.functional.pad(tokens, (0, more)))
        torch.nn.functional.cross_entropy(scores, torch.tensor([0, 2])).backward()
        gradients.append({key: parameter.grad for key, parameter in model.named_parameters()})
    for key, gradient in gradients[0].items():
        assert gradient is not None, key
        assert float(gradient.abs().max()) > 0, key
        torch.testing.assert_close(gradient, gradients[1][key], atol=1e-12, rtol=1e-10, msg=key)


@pytest.mark.parametrize("name", SMALL)
def test_who_sees_the_order_of_words(name: str) -> None:
    model = made(name)
    with torch.no_grad():
        one, other = model(torch.tensor([[4, 9, 5, 7]])), model(torch.tensor([[7, 5, 4, 9]]))
    assert torch.allclose(one, other, atol=1e-12) == (name in NO_ORDER)


@pytest.mark.parametrize("name", SMALL)
def test_a_text_without_tokens_has_scores(name: str) -> None:
    with torch.no_grad():
        found = made(name)(torch.tensor([[0, 0, 0], [4, 5, 0]]))
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_packed_network_is_the_plain_one_on_each_text(cell: str) -> None:
    torch.manual_seed(1)
    model = TEXT_MODELS.resolve("text_recurrent")(VOCABULARY, CLASSES, cell=cell, width=6).double().eval()
    row = torch.tensor([5, 9, 12, 4, 20])
    padded = torch.nn.functional.pad(row, (0, 7)).unsqueeze(0)
    outputs, _ = model.recurrent(model.embed(row.unsqueeze(0)))
    last = torch.cat([outputs[:, -1, :6], outputs[:, 0, 6:]], dim=1)  # the second way ends at the first token
    torch.testing.assert_close(model(padded), model.head(last), atol=1e-12, rtol=1e-12)


def test_a_bag_is_what_it_says() -> None:
    tokens = torch.tensor([[4, 4, 5, 1, 0]])
    counts, binary, weighted = (made(name) for name in list(SMALL)[:3])
    with torch.no_grad():
        for model, bag in ((counts, [2.0, 1.0]), (binary, [1.0, 1.0])):
            expected = model.head.bias + model.head.weight[:, 4] * bag[0] + model.head.weight[:, 5] * bag[1]
            torch.testing.assert_close(model(tokens)[0], expected)
        weighted.prepare([torch.tensor([4, 5]), torch.tensor([4, 4]), torch.tensor([6])])
        idf = [math.log(4 / 3) + 1, math.log(4 / 2) + 1]
        length = math.hypot(2 * idf[0], idf[1])
        weight = weighted.head.weight
        expected = weighted.head.bias + (weight[:, 4] * 2 * idf[0] + weight[:, 5] * idf[1]) / length
        torch.testing.assert_close(weighted(tokens)[0], expected)
    assert torch.allclose(weighted.state_dict()["idf"][4], torch.tensor(idf[0]).double(), atol=1e-6)
    assert "idf" not in counts.state_dict()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bag_of_words", {"weighting": "tfidf"}, 'did you mean "tf-idf"'),
        ("bag_of_words", {"dropout": 1.0}, "below 1"),
        ("text_average", {"embedding": 0}, "embedding at least 1"),
        ("text_average", {"hidden": (4, 0)}, "hidden 2 at least 1"),
        ("text_recurrent", {"cell": "grü"}, 'did you mean "gru"'),
        ("text_recurrent", {"read": "first"}, 'no read "first"'),
        ("text_recurrent", {"width": 0}, "width and layers at least 1"),
        ("text_transformer", {"num_heads": 3}, "heads that divide 64"),
        ("text_transformer", {"hidden": -4}, "hidden -4"),
        ("text_transformer", {"length": 0}, "length 0"),
        ("text_transformer", {"positions": "rotery"}, 'did you mean "rotary"'),
        ("text_transformer", {"order": "before"}, 'no order "before"'),
        ("text_transformer", {"read": "last"}, 'no read "last"'),
        ("text_cnn", {"widths": ()}, "no filters"),
        ("text_cnn", {"widths": (0,)}, "width 0 at least 1"),
    ],
)
def test_options_that_build_nothing(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        TEXT_MODELS.resolve(name)(VOCABULARY, CLASSES, **options)


@pytest.mark.parametrize(("read", "fits"), [("mean", 6), ("first", 6)])
def test_a_text_longer_than_the_table_of_positions(read: str, fits: int) -> None:
    model = TEXT_MODELS.resolve("text_transformer")(VOCABULARY, CLASSES, length=6, read=read)
    model(torch.full((1, fits), 4))
    with pytest.raises(UsageError, match="longer than the table"):
        model(torch.full((1, fits + 1), 4))
    assert issubclass(UsageError, ChainruleError)
