"""Pairs of token sequences as the batches of a step: the source, the target so far, and the token that follows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.data.batches import Batch
from chainrule.data.ragged import Ragged
from chainrule.data.windows import IGNORED


class Told(NamedTuple):
    """What a network that writes is given while it learns.

    Args:
        source: What it reads: (B, S) tokens of sentences, each with its end, then padding; or (B, R, E) regions of
            pictures.
        target: (B, T) tokens of what it is to write, each begun by the start, without their last one.
    """

    source: Tensor
    target: Tensor


class PairExamples:
    """Sentences with their translations.

    Args:
        source: Each with its end.
        target: Each with its start and its end.

    Example:
        >>> pairs = PairExamples(Ragged([torch.tensor([7, 3])]), Ragged([torch.tensor([2, 8, 9, 3])]))
        >>> batch = pairs.fetch(torch.tensor([0]), torch.tensor([0]))
        >>> batch.inputs.source.tolist(), batch.inputs.target.tolist(), batch.targets.tolist()
        ([[7, 3]], [[2, 8, 9]], [[8, 9, 3]])

    Source:
        LECTURES G6; teacher forcing: Williams, Zipser 1989.
    """

    def __init__(self, source: Ragged, target: Ragged) -> None:
        self.source, self.target = source, target

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> Int64[Tensor, " n"]:
        """Return how many places each pair takes, on the side that takes more."""
        return torch.maximum(self.source.lengths, self.target.lengths - 1)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return sources and targets so far, and what follows: (B, T), `IGNORED` where there is nothing."""
        given, targets = follows(self.target, index)
        return Batch(Told(self.source.padded(index).tokens, given), targets, key, index)


def follows(written: Ragged, index: Int64[Tensor, " b"]) -> tuple[Int64[Tensor, "b t"], Int64[Tensor, "b t"]]:
    """Return sequences without their last token, and the token that follows each: `IGNORED` where there is none.

    Args:
        written: Each with its start and its end.
        index: Which of them.
    """
    whole, lengths = written.padded(index)
    after = whole[:, 1:]
    there = torch.arange(after.shape[1]) < (lengths - 1).unsqueeze(1)
    return whole[:, :-1], after.where(there, IGNORED)
