"""Pairs of words: windows, frequent words left out, noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import formulas
from chainrule.core.errors import DataError, UsageError
from chainrule.data.tokenizers import END, PADDING
from chainrule.data.word_pairs import WordPairs, keep_probabilities, noise_distribution
from chainrule.runtime.rng import keys, uniform


def pairs_of(tokens: torch.Tensor, kind: Any, **options: Any) -> WordPairs:
    size = max(12, int(tokens.max()) + 1)
    return WordPairs(tokens, torch.bincount(tokens, minlength=size), kind=kind, **options)


def seen(pairs: WordPairs, index: torch.Tensor, key: torch.Tensor) -> list[tuple[tuple[int, ...], int]]:
    """Known words and the right one, of each pair."""
    batch = pairs.fetch(index, key)
    known = [tuple(sorted(word for word in row if word != PADDING)) for row in batch.inputs.inputs.tolist()]
    return list(zip(known, batch.inputs.candidates[:, 0].tolist()))


def by_hand(tokens: list[int], key: torch.Tensor, window: int, lines: list[int] | None) -> dict[int, list[int]]:
    """Place -> its neighbors, without words left out, by the loop of word2vec."""
    widths = (1 + (uniform(key, "width") * window).long()).tolist()
    found: dict[int, list[int]] = {}
    for place, width in enumerate(widths):
        if tokens[place] <= END:
            continue
        found[place] = []
        for step in (-1, 1):
            at, taken = place + step, 0
            for _ in range(window):
                if not 0 <= at < len(tokens) or taken == width:
                    break
                if tokens[at] > END and (lines is None or lines[at] == lines[place]):
                    found[place].append(tokens[at])
                    taken += 1
                at += step
    return found


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    tokens=st.lists(st.integers(1, 11), min_size=3, max_size=30).filter(lambda row: sum(t > END for t in row) > 1),
    window=st.integers(1, 4),
    seed=st.integers(0, 5),
    cut=st.integers(1, 9) | st.none(),
)
def test_windows_are_those_of_a_loop(tokens: list[int], window: int, seed: int, cut: int | None) -> None:
    row, index = torch.tensor(tokens), torch.arange(len(tokens))
    key = keys(seed, 0, index, "example")
    lines = None if cut is None else [place // cut for place in range(len(tokens))]
    options: dict[str, Any] = {"window": window, "negatives": 3, "subsample": 0.0}
    options["segment"] = None if lines is None else torch.tensor(lines)
    expected = by_hand(tokens, key, window, lines)
    skip = sorted(((tokens[place],), other) for place, others in expected.items() for other in others)
    assert sorted(seen(pairs_of(row, "skip-gram", **options), index, key)) == skip
    bags = [(tuple(sorted(others)), tokens[place]) for place, others in expected.items() if others]
    assert seen(pairs_of(row, "cbow", **options), index, key) == bags


@pytest.mark.parametrize("kind", ["skip-gram", "cbow"])
def test_a_place_gives_the_same_alone_and_in_company(kind: Any) -> None:
    tokens = torch.randint(1, 12, (200,), generator=torch.Generator().manual_seed(0))
    pairs = pairs_of(tokens, kind, window=3, negatives=4, subsample=0.02)
    index = torch.randperm(200, generator=torch.Generator().manual_seed(1))[:50]
    key = keys(3, 1, index, "example")
    together = pairs.fetch(index, key)
    alone = [pairs.fetch(index[i : i + 1], key[i : i + 1]) for i in range(50)]
    for name in ("inputs", "candidates"):
        joined = torch.cat([getattr(batch.inputs, name) for batch in alone])
        assert torch.equal(getattr(together.inputs, name), joined)
    assert len(together.targets) == len(together.inputs.inputs) > 0
    assert not together.targets.any()
    other = pairs.fetch(index, keys(3, 2, index, "example"))
    assert not torch.equal(other.inputs.candidates, together.inputs.candidates)


def test_noise_is_drawn_by_its_distribution_and_is_never_the_word_itself() -> None:
    counts = torch.tensor([0, 50, 0, 0, 100, 10, 1, 1000, 0])
    expected = formulas.noise_probabilities(np.array([100, 10, 1, 1000]))
    np.testing.assert_allclose(noise_distribution(counts)[4:8], expected)
    assert float(noise_distribution(counts)[[0, 1, 2, 3, 8]].sum()) == 0
    tokens = torch.tensor([4, 5]).repeat(4000)
    pairs = WordPairs(tokens, counts, kind="cbow", window=1, negatives=5, subsample=0.0)
    candidates = pairs.fetch(torch.arange(8000), keys(0, 0, torch.arange(8000), "example")).inputs.candidates
    right, drawn = candidates[:, :1], candidates[:, 1:]
    assert not (drawn == right).any()
    shares = torch.bincount(drawn[right[:, 0] == 5].flatten(), minlength=9).double() / drawn[right[:, 0] == 5].numel()
    wanted = np.array([expected[1], 0, 0, 0, expected[0], 0, expected[2], expected[3], 0])  # 5 itself became padding
    np.testing.assert_allclose(shares, wanted, atol=0.012)


def test_frequent_words_are_left_out_before_windows_are_cut() -> None:
    shares = torch.tensor([0, 0, 0, 0, 80, 15, 5])
    np.testing.assert_allclose(
        keep_probabilities(shares, 0.05)[4:], formulas.keep_probability(np.array([0.8, 0.15, 0.05]), t=0.05)
    )
    assert keep_probabilities(shares, 0.0).tolist() == [1.0] * 7
    generator = torch.Generator().manual_seed(0)
    tokens = torch.multinomial(
        torch.tensor([0, 0, 0, 0, 0.8, 0.15, 0.05]), 20_000, replacement=True, generator=generator
    )
    pairs = pairs_of(tokens, "skip-gram", window=2, negatives=1, subsample=0.3)
    index = torch.arange(20_000)
    inputs = pairs.fetch(index, keys(0, 0, index, "example")).inputs
    known = torch.bincount(inputs.inputs.flatten(), minlength=7)[4:].double()
    right = torch.bincount(inputs.candidates[:, 0], minlength=7)[4:].double()
    kept = np.array([0.8, 0.15, 0.05]) * keep_probabilities(shares, 0.3)[4:].numpy()
    np.testing.assert_allclose(known / known.sum(), kept / kept.sum(), atol=0.02)
    np.testing.assert_allclose(right / right.sum(), kept / kept.sum(), atol=0.02)
    assert len(inputs.inputs) / (20_000 * kept.sum()) == pytest.approx(2 * 1.5, abs=0.1)  # windows are full


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "skipgram"}, 'no kind of pairs.*did you mean "skip-gram"'),
        ({"window": 0}, "window 0"),
        ({"negatives": 0}, "negatives 0"),
        ({"subsample": -1.0}, "subsample -1.0"),
        ({"subsample": float("nan")}, "subsample nan"),
    ],
)
def test_pairs_that_there_are_not_are_refused(options: dict[str, Any], message: str) -> None:
    tokens = torch.tensor([5, 6, 5])
    with pytest.raises(UsageError, match=message):
        WordPairs(tokens, torch.bincount(tokens), **{"kind": "cbow", **options})


def test_too_little_is_named_and_nothing_is_a_batch_too() -> None:
    with pytest.raises(DataError, match="too short to learn from.*at least 2 words"):
        pairs_of(torch.tensor([1, 1, 5]), "cbow")
    with pytest.raises(DataError, match="no word to draw"):
        WordPairs(torch.tensor([5, 5]), torch.zeros(9, dtype=torch.int64), kind="cbow")
    pairs = pairs_of(torch.tensor([1, 5, 5]), "cbow", subsample=0.0)
    batch = pairs.fetch(torch.tensor([0]), torch.tensor([7]))
    assert batch.inputs.inputs.shape == (0, 10)
    assert batch.inputs.candidates.shape == (0, 6)
