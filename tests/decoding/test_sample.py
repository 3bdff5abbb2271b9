"""Drawing tokens: the probabilities are the ones that are asked for, whatever else is in the batch."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.decoding import Sampling, next_probabilities, sample


def rows(count: int = 3, size: int = 7) -> Tensor:
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def test_all_tokens_are_plain_sampling() -> None:
    scores = rows()
    plain = scores.softmax(1)
    torch.testing.assert_close(next_probabilities(scores, Sampling()), plain)
    torch.testing.assert_close(next_probabilities(scores, Sampling(top_k=7)), plain)
    torch.testing.assert_close(next_probabilities(scores, Sampling(top_p=1.0)), plain)
    torch.testing.assert_close(next_probabilities(scores, Sampling(temperature=0.5)), (2 * scores).softmax(1))


@given(k=st.integers(1, 9), p=st.floats(0.01, 1.0))
def test_what_is_kept_is_the_smallest_set_of_the_most_probable(k: int, p: float) -> None:
    scores = rows()
    plain = scores.softmax(1)
    of_k, of_p = (next_probabilities(scores, how) for how in (Sampling(top_k=k), Sampling(top_p=p)))
    for row, by_k, by_p in zip(plain, of_k, of_p):
        ranked = row.sort(descending=True)
        assert set(by_k.nonzero().flatten().tolist()) == set(ranked.indices[:k].tolist())
        number = int((ranked.values.cumsum(0) < p - 1e-12).sum()) + 1
        assert set(by_p.nonzero().flatten().tolist()) == set(ranked.indices[:number].tolist())
        kept = by_p > 0
        torch.testing.assert_close(by_p[kept], row[kept] / row[kept].sum())


def test_temperature_zero_takes_the_first_of_the_most_probable() -> None:
    assert next_probabilities(torch.tensor([[1.0, 3.0, 3.0]]), Sampling(temperature=0.0)).tolist() == [[0.0, 1.0, 0.0]]


class Counting:
    """A network whose next token is one more than the last; its state is how many tokens it has read."""

    def __init__(self) -> None:
        self.read: list[list[int]] = []

    def __call__(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        self.read.append(tokens[0].tolist())
        scores = torch.full((*tokens.shape, 10), -1e9)
        return scores.scatter(2, ((tokens + 1) % 10).unsqueeze(2), 0.0), (state or 0) + tokens.shape[1]


def test_what_was_drawn_is_read_once_and_the_prompt_at_once() -> None:
    model = Counting()
    drawn = list(sample(model, torch.tensor([[3, 4]]), 4, Sampling(), generator=torch.Generator()))
    assert [int(one) for one in drawn] == [5, 6, 7, 8]
    assert model.read == [[3, 4], [5], [6], [7]]


def test_a_network_that_sees_a_few_tokens_reads_the_later_half_again() -> None:
    model = Counting()
    drawn = list(sample(model, torch.tensor([[0, 1, 2, 3, 4]]), 4, Sampling(), generator=torch.Generator(), reach=4))
    assert [int(one) for one in drawn] == [5, 6, 7, 8]
    assert model.read == [[1, 2, 3, 4], [4, 5], [6], [7]]


def test_forbidden_tokens_are_never_drawn_and_shares_are_as_asked() -> None:
    class Even:
        def __call__(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
            return torch.tensor([0.5, 0.2, 0.3]).log().expand(*tokens.shape, 3).clone(), None

    prompt = torch.zeros(3000, 1, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    (drawn,) = sample(Even(), prompt, 1, Sampling(), generator=generator, forbidden=(1,))
    counts = Counter(drawn.tolist())
    assert set(counts) == {0, 2}
    assert abs(counts[0] / 3000 - 0.625) < 0.04


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_values_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Sampling(**options)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(UsageError, match="prompt is empty"):
        next(sample(Counting(), torch.zeros(1, 0, dtype=torch.int64), 1, Sampling(), generator=torch.Generator()))
