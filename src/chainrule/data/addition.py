"""Sums, made by a seed: the first thing that a network can learn to write."""

from __future__ import annotations

import numpy as np

from chainrule.core.errors import UsageError
from chainrule.data.pairs import Pairs

NAME = "addition"


def addition(*, digits: int = 3, count: int = 20_000, seed: int = 0, reverse: bool = False) -> Pairs:
    """Return sums such as "123+45=", and their results, "168"; no sum is there twice, be it with its terms exchanged.

    Args:
        digits: Of each number, at most.
        count: Sums in all.
        seed: Which sums.
        reverse: Whether the result is written from its last digit on, in the order in which it is computed.

    Raises:
        UsageError: There are not so many different sums, or none is asked for.

    Example:
        >>> sums = addition(digits=2, count=100, seed=1)
        >>> all(eval(s[:-1]) == int(t) for s, t in zip(sums.source, sums.target)), len(set(sums.source))
        (True, 100)
    """
    most = 10 ** (2 * digits) // 2 if 1 <= digits <= 9 else 0
    if not 1 <= count <= most:
        raise UsageError(
            "there are not so many sums to learn from",
            expected=f"1 to {most:,} of {digits} digits" if most else "1 to 9 digits",
            got=f"{count:,}",
        )
    rng, terms = np.random.default_rng(seed), np.empty((0, 2), dtype=np.int64)
    while len(terms) < count:
        terms = np.concatenate([terms, rng.integers(0, 10**digits, size=(count, 2))])
        _, first = np.unique(terms.min(1) * 10**digits + terms.max(1), return_index=True)
        terms = terms[np.sort(first)]
    sums = terms[:count].tolist()
    results = [str(first + second) for first, second in sums]
    return Pairs(
        NAME,
        [f"{first}+{second}=" for first, second in sums],
        [result[::-1] for result in results] if reverse else results,
        measures=("exact",),
        facts={"source": f"made: numbers of up to {digits} digits, seed {seed}", "licence": "none needed"},
    )
