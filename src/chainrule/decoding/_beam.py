"""Beam search over any network that reads tokens with a state: several sentences, several hypotheses at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.decoding._sample import Reader
from chainrule.decoding._top import top


@dataclass(frozen=True)
class Beam:
    """How a search goes.

    Args:
        size: Hypotheses of a sentence, k.
        steps: The most tokens that are written, T.
        end: The token that ends a sequence.
        alpha: Exponent of the length by which sums of log p are divided in the end.
        enough: A sentence is done when so many of its hypotheses have ended; `size` when left out.
        best: How many hypotheses of a sentence are returned.
        no_repeat: No sequence of so many tokens is written twice; 0: any.
        forbidden: Tokens that are never written.

    Raises:
        UsageError: A value out of its range.

    Source:
        LECTURES G7.
    """

    size: int
    steps: int
    end: int
    alpha: float = 1.0
    enough: int | None = None
    best: int = 1
    no_repeat: int = 0
    forbidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 1 or self.steps < 1 or self.best < 1:
            raise UsageError("a beam needs hypotheses and steps", expected="size, steps and best at least 1")
        if self.end in self.forbidden:
            raise UsageError("the token that ends a sequence is forbidden", got=self.end)
        if self.no_repeat < 0 or (self.enough is not None and self.enough < 1):
            raise UsageError(
                "a beam cannot be searched like this", got=f"no_repeat {self.no_repeat}, enough {self.enough}"
            )


@dataclass(frozen=True)
class Found:
    """A hypothesis at the end of a search.

    Args:
        tokens: What was written after the prompt, with the end if it has ended.
        log_p: Sum of the logarithms of the tokens' probabilities.
        score: That divided by length^alpha.
        ended: Whether its last token is the end.
    """

    tokens: tuple[int, ...]
    log_p: float
    score: float
    ended: bool


@dataclass(frozen=True)
class Candidate:
    """A continuation that was looked at, for whoever draws the tree.

    Args:
        sentence: Which sentence.
        step: When, from 0.
        parent: Tokens that it continues.
        token: By which.
        log_p: Of the token.
        total: Sum of the logarithms so far.
        fate: "kept", "ended", or "pruned".
        why: What pruned it, one of `WHY`; empty for the others.
    """

    sentence: int
    step: int
    parent: tuple[int, ...]
    token: int
    log_p: float
    total: float
    fate: str
    why: str = ""


WHY: Mapping[str, str] = {
    "beam": "the beam is full of better ones",
    "end": "ends, but not among the best of its step",
    "forbidden": "this token is never written",
    "repeats": "would repeat a sequence of tokens",
    "prefix": "another token was asked for",
    "enough": "enough others have ended",
}
"""What prunes a candidate, in words."""
MEMORY = "memory."
"""How the names begin of what was read before anything was written: no call changes it."""
Watch = Callable[[Candidate], None]
Hypothesis = tuple[tuple[int, ...], float]
"""Tokens, and the sum of their log p."""
Continuation = tuple[float, int, int, float]
"""Sum of log p, place of the hypothesis in the beam, token, and its log p."""


def beam_search(
    model: Reader,
    prompts: Int64[Tensor, "b t"],
    how: Beam,
    *,
    state: Mapping[str, Tensor] | None = None,
    prefixes: Sequence[Sequence[int]] | None = None,
    watch: Watch | None = None,
) -> list[list[Found]]:
    """Return the best hypotheses of each sentence, the best first.

    Of equal candidates the one of the earlier hypothesis comes first, then that of the lower token. Sentences that are
    done are taken out of the batch; none changes what another finds. What was read before, whose names begin with
    `MEMORY`, is one for all hypotheses of a sentence and is copied only when a sentence or a hypothesis leaves.

    Args:
        model: In evaluation mode: `(tokens, state) -> (scores, state)`, the state by name, sentences first; on the
            device of the prompts and of the state.
        prompts: What each sentence begins with, at least the start token; not part of what is returned.
        how: Size, length, end.
        state: What the model has read before the prompt, such as the source of a translation; a row a sentence.
        prefixes: Tokens that each sentence must begin with; they count like others.
        watch: Called with each candidate among the 2k best of a step, those that a rule forbids among them.

    Raises:
        UsageError: An empty prompt, or not one prefix a sentence.

    Source:
        LECTURES G7; `chainrule.formulas.beam.beam_search` is its definition.
    """
    count = len(prompts)
    if prompts.shape[1] == 0:
        raise UsageError("the prompt is empty", expected="at least one token")
    if prefixes is not None and len(prefixes) != count:
        raise UsageError("each sentence has a prefix", expected=count, got=len(prefixes))
    search = _Search(how, count, prefixes or [()] * count, watch)
    tokens, carried = prompts, state
    with torch.inference_mode():
        for step in range(how.steps):
            owners = search.owners()
            scores, carried = model(tokens, carried)
            log_p = torch.log_softmax(scores[:, -1].to(torch.promote_types(scores.dtype, torch.float32)), dim=1)
            rows, written = search.step(step, log_p)
            if not len(rows):
                break
            if carried:
                stays = MEMORY if owners == search.owners() else ()
                carried = {
                    name: value if name.startswith(stays) else value.index_select(0, rows)
                    for name, value in carried.items()
                }
            tokens = written.unsqueeze(1)
    return search.found()


class _Search:
    """The hypotheses of all sentences that are not done, which own the rows in their order."""

    def __init__(self, how: Beam, count: int, prefixes: Sequence[Sequence[int]], watch: Watch | None) -> None:
        self.how, self.prefixes, self.watch = how, prefixes, watch
        self.live: dict[int, list[Hypothesis]] = {i: [((), 0.0)] for i in range(count)}
        self.ended: dict[int, list[Found]] = {i: [] for i in range(count)}
        self.last: dict[int, list[Hypothesis]] = {}

    def owners(self) -> list[int]:
        """Return the sentence of each row."""
        return [sentence for sentence, beam in self.live.items() for _ in beam]

    def step(self, step: int, log_p: Float[Tensor, "r v"]) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"]]:
        """Take one step; return which of the rows go on, in their new order, and the token that each has written.

        Args:
            step: From 0.
            log_p: Of each row's next token; those that a rule forbids become minus infinity in it.
        """
        likely = None if self.watch is None else self._best(log_p)
        self._rule_out(step, log_p)
        best = self._best(log_p)
        rows: list[int] = []
        written: list[int] = []
        first = 0
        for sentence, beam in list(self.live.items()):
            mine = slice(first, first + len(beam))
            kept = self._continued(sentence, step, beam, self._merged(beam, best[mine]))
            if likely is not None:
                self._tell_ruled_out(sentence, step, beam, self._merged(beam, likely[mine]), log_p[mine])
            rows += [first + parent for parent, _, _ in kept]
            written += [token for _, token, _ in kept]
            first += len(beam)
            if kept:
                self.live[sentence] = [((*beam[parent][0], token), total) for parent, token, total in kept]
            else:
                del self.live[sentence]
        after = torch.tensor([rows, written], dtype=torch.int64, device=log_p.device)
        return after[0], after[1]

    def _continued(
        self, sentence: int, step: int, beam: list[Hypothesis], best: list[Continuation]
    ) -> list[tuple[int, int, float]]:
        """The parents, tokens and sums of the next beam of a sentence; none where it is done."""
        how = self.how
        kept: list[tuple[int, int, float]] = []
        seen: list[Candidate] = []
        for rank, (total, parent, token, own) in enumerate(best):
            if total == -torch.inf:
                break
            fate, why = "pruned", "beam"
            if token == how.end:
                why = "end"
                if rank < how.size:
                    tokens = (*beam[parent][0], token)
                    score = total / len(tokens) ** how.alpha
                    self.ended[sentence].append(Found(tokens, total, score, True))
                    fate, why = "ended", ""
            elif len(kept) < how.size:
                kept.append((parent, token, total))
                fate, why = "kept", ""
            if self.watch is not None:
                seen.append(Candidate(sentence, step, beam[parent][0], token, own, total, fate, why))
        if kept:  # where no token may follow, those that were live before are the last
            self.last[sentence] = [((*beam[parent][0], token), total) for parent, token, total in kept]
        done = len(self.ended[sentence]) >= (how.enough or how.size)
        if self.watch is not None:
            for one in seen:
                self.watch(replace(one, fate="pruned", why="enough") if done and one.fate == "kept" else one)
        return [] if done else kept

    def _best(self, log_p: Tensor) -> list[list[tuple[float, int]]]:
        """The 2k most probable tokens of each row with their log p: no other is among the 2k best of a sentence."""
        best = top(log_p, min(2 * self.how.size, log_p.shape[1]))
        return [list(zip(*row)) for row in zip(best.values.tolist(), best.indices.tolist())]

    def _merged(self, beam: list[Hypothesis], best: list[list[tuple[float, int]]]) -> list[Continuation]:
        """The 2k best continuations of a sentence: at most one a hypothesis ends, so that k go on."""
        every = [
            (total + own, parent, token, own)
            for parent, ((_, total), row) in enumerate(zip(beam, best, strict=True))
            for own, token in row
        ]
        return sorted(every, key=lambda one: (-one[0], one[1], one[2]))[: 2 * self.how.size]

    def _tell_ruled_out(
        self, sentence: int, step: int, beam: list[Hypothesis], best: list[Continuation], allowed: Tensor
    ) -> None:
        """Tell of candidates that would be among the best if no rule forbade them."""
        assert self.watch is not None
        for total, parent, token, own in best:
            if total > -torch.inf and float(allowed[parent, token]) == -torch.inf:
                why = "forbidden" if token in self.how.forbidden else "repeats"
                if step < len(self.prefixes[sentence]):
                    why = "prefix"
                self.watch(Candidate(sentence, step, beam[parent][0], token, own, total, "pruned", why))

    def _rule_out(self, step: int, log_p: Tensor) -> None:
        """Make the log p of the tokens that a hypothesis may not write minus infinity."""
        if self.how.forbidden:
            log_p[:, list(self.how.forbidden)] = -torch.inf
        row = 0
        for sentence, beam in self.live.items():
            prefix = self.prefixes[sentence]
            for tokens, _ in beam:
                if step < len(prefix):
                    wanted = prefix[step]
                    own = float(log_p[row, wanted])
                    log_p[row] = -torch.inf
                    log_p[row, wanted] = own
                elif self.how.no_repeat and (banned := _repeating(tokens, self.how.no_repeat)):
                    log_p[row, banned] = -torch.inf
                row += 1

    def found(self) -> list[list[Found]]:
        """The best of each sentence: those that ended, or else those that were live."""
        every = []
        for sentence in range(len(self.ended)):
            hypotheses = self.ended[sentence] or [
                Found(tokens, total, total / len(tokens) ** self.how.alpha, False)
                for tokens, total in self.last.get(sentence, [])
            ]
            every.append(sorted(hypotheses, key=lambda one: -one.score)[: self.how.best])
        return every


def _repeating(tokens: tuple[int, ...], size: int) -> list[int]:
    """The tokens that would repeat a sequence of `size` tokens.

    Example:
        >>> _repeating((1, 2, 3, 1, 2), 3)
        [3]
    """
    if len(tokens) < size - 1:
        return []
    end: Any = tokens[len(tokens) - size + 1 :]
    return sorted({tokens[i + size - 1] for i in range(len(tokens) - size + 1) if tokens[i : i + size - 1] == end})
