"""Beam search: the most probable sequence, looked for along a few hypotheses at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from chainrule.formulas._array import Array

NextLogP = Callable[[tuple[int, ...]], Array]
"""Tokens so far -> the logarithm of the probability of each next token, (V,)."""
Hypothesis = tuple[tuple[int, ...], float]
"""Tokens, and the sum of their logarithms."""


def length_normalized(log_p: float, length: int, alpha: float = 1.0) -> float:
    """score = sum log p / length^alpha: alpha = 0 prefers short sequences, 1 compares the mean of a token.

    Example:
        >>> length_normalized(-3.0, 2), length_normalized(-3.0, 2, alpha=0.0)
        (-1.5, -3.0)

    Source:
        LECTURES G7.

    Departures:
        003 divides all by the same T, which changes no order; here each is divided by its own length.
    """
    return log_p / length**alpha


def beam_search(
    next_log_p: NextLogP, k: int, steps: int, end: int, alpha: float = 1.0, enough: int | None = None
) -> list[Hypothesis]:
    """Keep the k best hypotheses; continue each by every token; the k best that go on are the next beam.

    A candidate that ends leaves the beam as finished, if it is among the k best of its step; k live ones remain. Only
    the k best continuations of a hypothesis can be among the k best of all, so k^2 candidates are enough. k = 1 is
    greedy search.

    Args:
        next_log_p: Tokens so far -> log p of each next token.
        k: Hypotheses in the beam.
        steps: The most tokens, T.
        end: The token that ends a sequence; it is the last one of a finished hypothesis.
        alpha: Exponent of the length in the final score.
        enough: The search stops when so many have ended; k when left out.

    Returns:
        Finished hypotheses, the best first by score; the live ones in their place where none has ended.

    Example:
        >>> p = {(): [0.0, 0.6, 0.4], (1,): [0.3, 0.3, 0.4], (2,): [0.9, 0.1, 0.0]}
        >>> def next_log_p(tokens):
        ...     with np.errstate(divide="ignore"):
        ...         return np.log(p.get(tokens, [1.0, 0.0, 0.0]))
        >>> [tokens for tokens, _ in beam_search(next_log_p, 2, 3, end=0, alpha=0.0)]
        [(2, 0), (1, 2, 0), (1, 1, 0)]
        >>> [tokens for tokens, _ in beam_search(next_log_p, 1, 3, end=0)]
        [(1, 2, 0)]

    Source:
        LECTURES G7.
    """
    live: list[Hypothesis] = [((), 0.0)]
    ended: list[Hypothesis] = []
    for _ in range(steps):
        candidates = [
            ((*tokens, token), score + float(log_p))
            for tokens, score in live
            for token, log_p in enumerate(next_log_p(tokens))
            if log_p > -np.inf
        ]
        if not candidates:  # no token may follow: those that were live are the last
            break
        candidates.sort(key=lambda candidate: -candidate[1])  # equal ones stay in their order
        ended += [c for c in candidates[:k] if c[0][-1] == end]
        live = [c for c in candidates if c[0][-1] != end][:k]
        if len(ended) >= (k if enough is None else enough) or not live:
            break
    return _ranked(ended or live, alpha)


def exhaustive_search(
    next_log_p: NextLogP, vocabulary: int, steps: int, end: int, alpha: float = 1.0
) -> list[Hypothesis]:
    """All sequences that end within T steps, the best first by score: |V|^T of them are looked at.

    Example:
        >>> uniform = lambda tokens: np.log(np.full(2, 0.5))
        >>> [tokens for tokens, _ in exhaustive_search(uniform, 2, 2, end=0, alpha=0.0)]
        [(0,), (1, 0)]

    Source:
        LECTURES G7.
    """
    found: list[Hypothesis] = []
    for length in range(1, steps + 1):
        for front in product([token for token in range(vocabulary) if token != end], repeat=length - 1):
            tokens = (*front, end)
            found.append((tokens, sequence_log_p(next_log_p, tokens)))
    return _ranked([one for one in found if one[1] > -np.inf], alpha)


def sequence_log_p(next_log_p: NextLogP, tokens: Sequence[int]) -> float:
    """log p(y) = sum_t log p(y_t | y_1 ... y_{t-1}).

    Source:
        LECTURES G4, G7.
    """
    return float(sum(next_log_p(tuple(tokens[:t]))[token] for t, token in enumerate(tokens)))


def _ranked(hypotheses: list[Hypothesis], alpha: float) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda one: -length_normalized(one[1], len(one[0]), alpha))
