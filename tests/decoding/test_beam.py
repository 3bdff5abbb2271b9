"""Beam search: the formula, greedy search, exhaustive search, and independence of everything beside a sentence."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.decoding import WHY, Beam, Candidate, beam_search
from chainrule.formulas import beam as book

END = 0


class Chain:
    """Scores that depend on all tokens so far (a random function of them); the state counts and hashes them."""

    def __init__(self, vocabulary: int, seed: int, spread: float = 2.0) -> None:
        self.vocabulary, self.seed, self.spread = vocabulary, seed, spread
        self.rows = 0

    def scores(self, code: int) -> Tensor:
        generator = torch.Generator().manual_seed((code * 1_000_003 + self.seed) % 2**40)
        return self.spread * torch.randn(self.vocabulary, dtype=torch.float64, generator=generator)

    def __call__(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, dict[str, Tensor]]:
        self.rows += len(tokens)
        code = state["code"].clone() if state else torch.zeros(len(tokens), dtype=torch.int64)
        out = []
        for column in tokens.T:
            code = (code * 31 + column + 1) % 2**31
            out.append(torch.stack([self.scores(int(one)) for one in code]))
        return torch.stack(out, 1), {"code": code}

    def next_log_p(self, prompt: int) -> book.NextLogP:
        def after(tokens: tuple[int, ...]) -> np.ndarray:
            scores, _ = self(torch.tensor([[prompt, *tokens]]))
            return torch.log_softmax(scores[0, -1], 0).numpy()

        return after


def prompts(*first: int) -> Tensor:
    return torch.tensor([[one] for one in first])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), size=st.integers(1, 4), steps=st.integers(1, 5), alpha=st.sampled_from([0.0, 0.7, 1.0])
)
def test_it_is_the_formula_for_each_sentence_of_a_batch(seed: int, size: int, steps: int, alpha: float) -> None:
    model = Chain(5, seed)
    found = beam_search(model, prompts(1, 2, 3), Beam(size, steps, END, alpha, best=10))
    for sentence, first in zip(found, (1, 2, 3)):
        wanted = book.beam_search(model.next_log_p(first), size, steps, END, alpha)
        assert [one.tokens for one in sentence] == [tokens for tokens, _ in wanted][:10]
        for one, (tokens, log_p) in zip(sentence, wanted):
            assert one.log_p == pytest.approx(log_p, abs=1e-9)
            assert one.score == pytest.approx(book.length_normalized(log_p, len(tokens), alpha), abs=1e-9)
            assert one.log_p == pytest.approx(book.sequence_log_p(model.next_log_p(first), one.tokens), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    model = Chain(6, seed)
    (only,) = beam_search(model, prompts(1), Beam(1, 6, END))
    tokens: list[int] = []
    while len(tokens) < 6 and (not tokens or tokens[-1] != END):
        tokens.append(int(model.next_log_p(1)(tuple(tokens)).argmax()))
    assert list(only[0].tokens) == tokens
    assert only[0].ended == (tokens[-1] == END)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([0.0, 1.0]))
def test_a_beam_that_holds_everything_is_exact(seed: int, alpha: float) -> None:
    model = Chain(3, seed)
    how = Beam(3**4, 4, END, alpha, enough=10**6, best=5)
    (found,) = beam_search(model, prompts(2), how)
    wanted = book.exhaustive_search(model.next_log_p(2), 3, 4, END, alpha)
    assert [one.tokens for one in found] == [tokens for tokens, _ in wanted][:5]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), others=st.lists(st.integers(1, 4), max_size=4))
def test_what_else_is_in_the_batch_changes_nothing(seed: int, others: list[int]) -> None:
    model = Chain(5, seed)
    how = Beam(3, 5, END, best=3)
    alone = beam_search(model, prompts(1), how)[0]
    assert beam_search(model, prompts(*others, 1), how)[-1] == alone


def test_sentences_that_are_done_are_not_computed_any_more() -> None:
    class Ending(Chain):
        def scores(self, code: int) -> Tensor:
            found = super().scores(code)
            if code % 2:
                found[END] = 50.0
            return found

    model = Ending(5, 0)
    beam_search(model, prompts(2), Beam(1, 6, END))
    short = model.rows
    model.rows = 0
    beam_search(model, prompts(2, 2), Beam(1, 6, END))
    assert model.rows == 2 * short


def test_a_beam_that_runs_dry_leaves_its_last_hypotheses() -> None:
    """Neither a token that was written nor the end may follow: after three of three tokens nothing is left."""

    class Endless(Chain):
        def scores(self, code: int) -> Tensor:
            found = super().scores(code)
            found[END] = -torch.inf
            return found

    model = Endless(4, 2)
    (found,) = beam_search(model, prompts(1), Beam(2, 9, END, best=2, no_repeat=1))

    def allowed(tokens: tuple[int, ...]) -> np.ndarray:
        log_p = model.next_log_p(1)(tokens)
        log_p[list(tokens)] = -np.inf
        return log_p

    assert [one.tokens for one in found] == [tokens for tokens, _ in book.beam_search(allowed, 2, 9, END)]
    assert [sorted(one.tokens) for one in found] == [[1, 2, 3]] * 2
    assert found == beam_search(model, prompts(1), Beam(2, 3, END, best=2, no_repeat=1))[0]
    for one in found:
        assert one.log_p == pytest.approx(book.sequence_log_p(model.next_log_p(1), one.tokens), abs=1e-9)


def test_what_was_read_is_copied_only_when_a_sentence_or_a_hypothesis_leaves() -> None:
    class Reading(Chain):
        """The source's code is looked at with every token, and its rows are those of the sentences."""

        def __call__(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, dict[str, Tensor]]:
            given.append(state["memory.code"])
            code = state.get("code", torch.zeros(len(tokens), dtype=torch.int64))
            scores, after = super().__call__(tokens, {"code": code * 7 + state["memory.code"]})
            return scores, {**state, **after}

    given: list[Tensor] = []
    source, how = torch.tensor([3, 8, 5]), Beam(3, 7, END, best=3)
    together = beam_search(Reading(6, 4), prompts(1, 1, 1), how, state={"memory.code": source})
    kept = [one is other for one, other in pairwise(given)]
    assert True in kept
    assert kept == [torch.equal(one, other) for one, other in pairwise(given)]
    for row, sentence in enumerate(together):
        alone = beam_search(Reading(6, 4), prompts(1), how, state={"memory.code": source[row : row + 1]})
        assert alone == [sentence]


def test_forced_prefixes_count_like_other_tokens() -> None:
    model = Chain(6, 3)
    found = beam_search(model, prompts(1, 1), Beam(3, 6, END, best=3), prefixes=[[4, 2], []])
    assert all(one.tokens[:2] == (4, 2) for one in found[0])
    assert found[0][0].log_p == pytest.approx(book.sequence_log_p(model.next_log_p(1), found[0][0].tokens), abs=1e-9)
    assert found[1] == beam_search(model, prompts(1), Beam(3, 6, END, best=3))[0]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 3))
def test_no_sequence_is_written_twice(seed: int, size: int) -> None:
    for sentence in beam_search(Chain(4, seed), prompts(1, 2), Beam(3, 8, END, best=3, no_repeat=size)):
        for one in sentence:
            pieces = [one.tokens[i : i + size] for i in range(len(one.tokens) - size + 1)]
            assert len(set(pieces)) == len(pieces)


def test_forbidden_tokens_are_not_written_and_hypotheses_differ() -> None:
    (found,) = beam_search(Chain(6, 9), prompts(1), Beam(4, 5, END, best=4, forbidden=(3, 5)))
    assert not {3, 5} & {token for one in found for token in one.tokens}
    assert len({one.tokens for one in found}) == len(found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_every_candidate_is_told_with_what_became_of_it() -> None:
    seen: list[Candidate] = []
    (found,) = beam_search(Chain(5, 1), prompts(1), Beam(2, 3, END, best=2), watch=seen.append)
    assert {one.fate for one in seen} <= {"kept", "ended", "pruned"}
    for step in {one.step for one in seen}:
        assert sum(one.fate == "kept" for one in seen if one.step == step) <= 2
    assert {(*one.parent, one.token) for one in seen if one.fate == "ended"} >= {
        one.tokens for one in found if one.ended
    }
    assert all(
        math.isclose(one.total, book.sequence_log_p(Chain(5, 1).next_log_p(1), (*one.parent, one.token)))
        for one in seen
    )


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"steps": 0}, {"best": 0}, {"no_repeat": -1}, {"enough": 0}, {"forbidden": (END,)}]
)
def test_what_cannot_be_searched_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Beam(**{"size": 2, "steps": 2, "end": END, **options})


def test_wrong_prompts_and_prefixes_are_refused() -> None:
    with pytest.raises(UsageError, match="prompt is empty"):
        beam_search(Chain(3, 0), torch.zeros(1, 0, dtype=torch.int64), Beam(1, 1, END))
    with pytest.raises(UsageError, match="each sentence has a prefix: expected 2, got 1"):
        beam_search(Chain(3, 0), prompts(1, 1), Beam(1, 1, END), prefixes=[[1]])


def test_what_pruned_a_candidate_is_told() -> None:
    seen: list[Candidate] = []
    how = Beam(2, 6, END, no_repeat=1, forbidden=(4,))
    (found,) = beam_search(Chain(5, 7), prompts(1), how, watch=seen.append, prefixes=[[2]])
    assert {one.why for one in seen if one.fate == "pruned"} <= set(WHY)
    assert all((one.fate == "pruned") == bool(one.why) for one in seen)
    assert {"prefix", "repeats", "forbidden"} <= {one.why for one in seen}
    for one in seen:
        if one.why == "repeats":
            assert one.token in one.parent
        if one.why == "forbidden":
            assert one.token == 4
        if one.why == "prefix":
            assert (one.step, one.parent) == (0, ())
            assert one.token != 2
    assert beam_search(Chain(5, 7), prompts(1), how, prefixes=[[2]]) == [found]  # nothing changes by looking


def test_those_that_were_left_when_enough_had_ended_are_told() -> None:
    seen: list[Candidate] = []
    beam_search(Chain(5, 3), prompts(1), Beam(3, 9, END, enough=1), watch=seen.append)
    last = max(one.step for one in seen)
    assert {one.fate for one in seen if one.step == last} == {"ended", "pruned"}
    assert "enough" in {one.why for one in seen if one.step == last}
