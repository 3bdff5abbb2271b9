"""Hidden words: which are chosen, what becomes of them, and on what that depends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import formulas
from chainrule.core.errors import DataError
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.masked_texts import MaskedTexts, Masking
from chainrule.data.ragged import Ragged
from chainrule.data.sentences import Sentences
from chainrule.data.texts import Text
from chainrule.data.tokenizers import Vocabulary
from chainrule.data.windows import IGNORED
from chainrule.runtime.rng import keys, uniform

VOCABULARY = Vocabulary.of([f"word {number}" for number in range(30)]).with_mask()
MASK = VOCABULARY.mask
assert MASK is not None


def pieces(count: int, seed: int = 0) -> Ragged:
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 40, (count,), generator=draw).tolist()
    return Ragged(torch.randint(1, MASK, (length,), generator=draw) for length in lengths)


def test_shares_and_that_special_tokens_are_never_chosen() -> None:
    texts, masking = pieces(3000), Masking(VOCABULARY)
    index = torch.arange(len(texts))
    tokens = texts.padded(index).tokens
    inputs, targets = masking(tokens, keys(5, 0, index, "example"))
    chosen, words = targets != IGNORED, tokens > 3
    assert not bool((chosen & ~words).any())
    assert bool((inputs[~chosen] == tokens[~chosen]).all())
    assert bool((targets[chosen] == tokens[chosen]).all())
    count = words.sum(1)
    wanted = [0 if n == 0 else max(1, round(0.15 * n)) for n in count.tolist()]
    assert chosen.sum(1).tolist() == wanted
    masked, same = inputs[chosen] == MASK, inputs[chosen] == tokens[chosen]
    assert masked.double().mean() == pytest.approx(0.8, abs=0.02)
    assert same.double().mean() == pytest.approx(0.1 + 0.1 / 30, abs=0.02)
    others = inputs[chosen][~masked & ~same]
    assert set(others.tolist()) == set(VOCABULARY.ordinary)  # any word, no special one
    where = chosen[count == 20].nonzero()[:, 1]
    assert len(where.unique()) > 20  # any place


@pytest.mark.parametrize("shares", [(1.0, 1.0, 0.0), (0.3, 0.0, 1.0), (0.5, 0.0, 0.0), (0.15, 0.8, 0.1)])
def test_it_is_the_formula(shares: tuple[float, float, float]) -> None:
    share, masked, random = shares
    masking = Masking(VOCABULARY, share=share, masked=masked, random=random)
    for length in (1, 2, 7, 10, 23):
        words = torch.randint(4, MASK, (1, length), generator=torch.Generator().manual_seed(length))
        key = torch.tensor([length])
        order, fate, drawn = (
            uniform(key, name, (length,), dtype=torch.float64)[0] for name in ("chosen", "fate", "drawn")
        )
        word = masking.words[(drawn * 30).long()]
        inputs, chosen = formulas.mask_words(
            words[0].numpy(), order.numpy(), fate.numpy(), word.numpy(), MASK, share, masked, random
        )
        found, targets = masking(words, key)
        np.testing.assert_array_equal(found[0].numpy(), inputs)
        np.testing.assert_array_equal((targets[0] != IGNORED).nonzero()[:, 0].numpy(), chosen)


@given(st.lists(st.integers(0, 19), min_size=1, max_size=6, unique=True), st.integers(0, 12))
@settings(deadline=None)
def test_neither_the_batch_nor_the_padding_shows(chosen: list[int], more: int) -> None:
    texts, masking = pieces(20), Masking(VOCABULARY, share=0.4)
    index = torch.tensor(chosen)
    key = keys(1, 3, index, "example")
    tokens = torch.nn.functional.pad(texts.padded(index).tokens, (0, more))
    inputs, targets = masking(tokens, key)
    for row, number in enumerate(chosen):
        alone, asked = masking(texts[number].unsqueeze(0), key[row : row + 1])
        width = alone.shape[1]
        assert inputs[row, :width].tolist() == alone[0].tolist()
        assert targets[row, :width].tolist() == asked[0].tolist()
        assert not inputs[row, width:].any()


def test_each_visit_hides_other_words_and_the_same_visit_the_same() -> None:
    part = MaskedTexts(pieces(50), torch.arange(50), Masking(VOCABULARY))
    index = torch.arange(50)
    visits = [part.fetch(index, keys(0, epoch, index, "example")).inputs.tokens for epoch in (0, 1, 0)]
    assert not torch.equal(visits[0], visits[1])
    assert torch.equal(visits[0], visits[2])


def test_a_vocabulary_without_words_or_mask() -> None:
    for vocabulary, lacks in ((Vocabulary.of(["a"]), "mask"), (Vocabulary.of([]).with_mask(), "words")):
        with pytest.raises(DataError, match=f"has no {lacks}"):
            Masking(vocabulary)


def test_lines_of_a_text_stand_in_one_part_each_and_empty_ones_in_none() -> None:
    lines = [f"line {number}" if number % 4 else "  " for number in range(40)]
    found = Sentences.of_lines(Text("lines", "\n".join(lines)), validation=0.2, test_share=0.3)
    told = [found.texts[number] for part in ("train", "valid", "test") for number in found.parts[part].tolist()]
    assert told == [line for line in lines if line.strip()]
    assert found.facts["empty"] == 10
    assert all(len(index) >= 5 for index in found.parts.values())
    few = Sentences.of_lines(Text("lines", "\n".join(lines)), validation=0.2, test_share=0.3, limit=2)
    assert [few.texts[number] for number in few.parts["train"].tolist()] == ["line 1", "line 2"]
    assert [few.texts[n] for n in few.parts["test"].tolist()] == [found.texts[n] for n in found.parts["test"].tolist()]


def test_parts_that_are_empty_are_named() -> None:
    with pytest.raises(DataError, match="its part test has no line with a word"):
        Sentences.of_lines(Text("lines", "a\nb\nc\nd\n\n\n\n\n"), validation=0.2, test_share=0.3)
    with pytest.raises(DataError, match="no training part.*got valid alone"):
        Sentences("none", ["a"], {"train": torch.arange(0), "valid": torch.arange(1)})
    with pytest.raises(DataError, match="holds no texts"):
        Sentences("none", [], {"train": torch.arange(0)})


def test_texts_with_classes_are_split_as_for_a_classifier() -> None:
    texts = LabeledTexts("said", [f"text {n}" for n in range(60)], torch.arange(60) % 2, ("no", "yes"))
    shares = {"validation": 0.2, "test_share": 0.3, "seed": 4}
    found, parts = Sentences.of_labeled(texts, **shares), texts.parts(**shares)  # type: ignore[arg-type]
    assert {part: index.tolist() for part, index in found.parts.items()} == {
        part: index.tolist() for part, index in parts.items()
    }
