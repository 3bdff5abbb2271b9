"""Bootstrap: training sets that are drawn from one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from chainrule.runtime.rng import keys, uniform


def bootstrap(count: int, seed: int) -> Int64[Tensor, " n"]:
    """Return which examples a training set has that is drawn from `count` with replacement, as many as there are.

    Each draw is a function of the seed and its place. About 1 - 1/e = 63 % of the examples are in it.

    Args:
        count: Examples to draw from.
        seed: Of the draws.

    Example:
        >>> drawn = bootstrap(1000, seed=0)
        >>> len(drawn), 0.6 < len(drawn.unique()) / 1000 < 0.66
        (1000, True)

    Source:
        LECTURES B14; Breiman 1996 (bagging).
    """
    share = uniform(keys(seed, 0, torch.arange(count), "bootstrap"), "draw", dtype=torch.float64)
    return (share * count).long()


def bootstrap_counts(index: Int64[Tensor, " n"], seed: int, member: int) -> Float[Tensor, " n"]:
    """Return how often a member of an ensemble learns from each example: drawn from a Poisson distribution of mean 1.

    The limit of drawing with replacement from ever more examples, and a function of (seed, member, index) alone.

    Args:
        index: Which examples.
        seed: Of the draws.
        member: Which member.

    Example:
        >>> counts = bootstrap_counts(torch.arange(10000), seed=0, member=1)
        >>> abs(float(counts.mean()) - 1) < 0.05, abs(float((counts == 0).double().mean()) - 0.368) < 0.02
        (True, True)

    Source:
        LECTURES B14; Oza and Russell 2001 (online bagging).
    """
    share = uniform(keys(seed, member, index, "bootstrap"), "count", dtype=torch.float64)
    chance = total = torch.exp(torch.tensor(-1.0, dtype=torch.float64))
    counts = torch.zeros(len(index), dtype=torch.float32)
    for number in range(1, 18):  # of more the chance is below 2^-53
        counts += share >= total
        chance = chance / number
        total = total + chance
    return counts
