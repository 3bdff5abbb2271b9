"""One-hot tokens and bags of words, beside the book and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from chainrule.core.errors import DataError, UsageError
from chainrule.data.text_features import BagOfWords, one_hot
from chainrule.data.tokenizers import TOKENIZERS

TEXTS = ["the cat sat on the mat", "the dog", "a dog and a cat and a mat", "mat mat mat"]
NEW = ["the cat and the dragon", "dragons only"]


def padded(rows: list[torch.Tensor], more: int = 0) -> torch.Tensor:
    together = torch.zeros((len(rows), more + max(map(len, rows))), dtype=torch.int64)
    for place, row in enumerate(rows):
        together[place, : len(row)] = row
    return together


@pytest.mark.parametrize(
    ("weighting", "other"),
    [
        ("counts", CountVectorizer(token_pattern=r"\w+")),
        ("binary", CountVectorizer(token_pattern=r"\w+", binary=True)),
        ("tf-idf", TfidfVectorizer(token_pattern=r"\w+")),
    ],
)
def test_bags_are_those_of_scikit_learn(weighting: Any, other: Any) -> None:
    tokenizer = TOKENIZERS.resolve("words")(TEXTS)
    size = len(tokenizer.vocabulary)
    bag = BagOfWords.fitted((tokenizer.encode(text) for text in TEXTS), size, weighting=weighting)
    other.fit(TEXTS)
    columns = [tokenizer.vocabulary[word] for word in other.get_feature_names_out()]
    assert sorted(columns) == list(range(4, size))
    for texts in (TEXTS, NEW):
        tokens = padded([tokenizer.encode(text) for text in texts])
        expected = other.transform(texts).toarray()
        found = bag(tokens)
        np.testing.assert_allclose(found[:, columns], expected, rtol=1e-6, atol=1e-7)
        assert found[:, :4].abs().max() == 0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.lists(st.integers(0, 8), max_size=6), min_size=1, max_size=5),
    more=st.integers(0, 4),
    weighting=st.sampled_from(["counts", "binary", "tf-idf"]),
)
def test_neither_padding_nor_order_nor_company_matters(rows: list[list[int]], more: int, weighting: Any) -> None:
    texts = [torch.tensor(row, dtype=torch.int64) for row in rows]
    bag = BagOfWords.fitted(texts, 9, weighting=weighting)
    together = bag(padded(texts))
    torch.testing.assert_close(bag(padded(texts, more)), together)
    torch.testing.assert_close(bag(padded([text.flip(0) for text in texts])), together)
    alone = torch.cat([bag(text.unsqueeze(0)) for text in texts])
    torch.testing.assert_close(alone, together)


def test_one_hot_tokens_choose_rows() -> None:
    tokens = torch.tensor([[3, 0], [2, 2]])
    table = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(one_hot(tokens, 4) @ table, table[tokens])
    assert one_hot(tokens, 4, dtype=torch.float64).dtype == torch.float64


def test_wrong_ones_are_named() -> None:
    with pytest.raises(DataError, match="none of the vocabulary.*0 to 3.*9"):
        one_hot(torch.tensor([9]), 4)
    with pytest.raises(DataError, match="none of the vocabulary.*-1"):
        BagOfWords(4)(torch.tensor([[-1]]))
    with pytest.raises(UsageError, match='no weighting "tfidf"'):
        BagOfWords(4, weighting="tfidf")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tf-idf with none"):
        BagOfWords(4, weighting="tf-idf")
    with pytest.raises(DataError, match="no texts"):
        BagOfWords.fitted([], 4, weighting="tf-idf")
    assert BagOfWords(4)(torch.zeros((2, 0), dtype=torch.int64)).tolist() == [[0.0] * 4] * 2
