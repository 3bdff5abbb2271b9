"""Sequences of different lengths, and batches of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.data.tokenizers._vocabulary import PADDING


class Padded(NamedTuple):
    """Sequences side by side.

    Args:
        tokens: (B, T), each sequence followed by padding.
        lengths: (B,) of the sequences.
    """

    tokens: Tensor
    lengths: Tensor


class Ragged:
    """Sequences of tokens in one row, as memory likes them.

    Args:
        sequences: Each a row of tokens; it may be empty.

    Example:
        >>> texts = Ragged([torch.tensor([5, 6]), torch.tensor([7])])
        >>> len(texts), texts[0].tolist(), texts.padded(torch.tensor([1, 0])).tokens.tolist()
        (2, [5, 6], [[7, 0], [5, 6]])
    """

    def __init__(self, sequences: Iterable[Int64[Tensor, " _"]]) -> None:
        rows = list(sequences)
        self.lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        self.tokens = torch.cat(rows) if rows else torch.empty(0, dtype=torch.int64)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Int64[Tensor, " t"]:
        """Return one sequence, without padding."""
        begin = int(self.starts[index])
        return self.tokens[begin : begin + int(self.lengths[index])]

    def padded(self, index: Int64[Tensor, " b"]) -> Padded:
        """Return some of the sequences with padding up to the longest of them; at least one place wide."""
        lengths = self.lengths[index]
        place = torch.arange(max(1, int(lengths.max()) if len(index) else 1))
        there = place < lengths.unsqueeze(1)  # (B, T)
        tokens = torch.full(there.shape, PADDING)
        tokens[there] = self.tokens[(self.starts[index].unsqueeze(1) + place)[there]]
        return Padded(tokens, lengths)


def padding_share(lengths: Int64[Tensor, " n"], groups: Iterable[Int64[Tensor, " b"]]) -> float:
    """Return which share of all places is padding when examples are computed in groups.

    Args:
        lengths: Of each example.
        groups: Indices of the examples of each group.

    Example:
        >>> padding_share(torch.tensor([4, 2]), [torch.tensor([0, 1])])
        0.25
    """
    filled = places = 0
    for group in groups:
        filled += int(lengths[group].sum())
        places += len(group) * int(lengths[group].max())
    return 1 - filled / places if places else 0.0
