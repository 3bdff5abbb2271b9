"""Pieces of a long sequence of tokens: to learn from, and to measure each token once."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data.batches import Batch
from chainrule.runtime.rng import uniform

IGNORED = -1
"""The target of a place that does not count."""


class Windows:
    """Windows of `length` tokens, each with the tokens that follow them as targets.

    An epoch has as many windows as fit side by side; where each begins is drawn anew for every epoch, up to one length
    further on, so that the same tokens stand at other places.

    Args:
        tokens: (n,) all tokens of the part.
        length: Tokens of a window; fewer where there are not so many.

    Raises:
        DataError: There are fewer than two tokens.

    Example:
        >>> windows = Windows(torch.arange(10), 4)
        >>> batch = windows.fetch(torch.tensor([0]), torch.tensor([7]))
        >>> len(windows), bool((batch.targets == batch.inputs + 1).all())
        (2, True)

    Source:
        LECTURES G4, H9.
    """

    def __init__(self, tokens: Int64[Tensor, " n"], length: int) -> None:
        if len(tokens) < 2:
            raise DataError("the part is too short to learn from", expected="at least 2 tokens", got=len(tokens))
        self.tokens, self.length = tokens, min(length, len(tokens) - 1)

    def __len__(self) -> int:
        return max(1, (len(self.tokens) - 1) // self.length)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return windows (B, T) and their targets (B, T)."""
        last = len(self.tokens) - 1 - self.length
        begin = (index * self.length + (uniform(key, "window") * self.length).long()).clamp(max=last)
        pieces = self.tokens[begin.unsqueeze(1) + torch.arange(self.length + 1)]  # (B, T + 1)
        return Batch(pieces[:, :-1], pieces[:, 1:], key, index)


class Scored:
    """Pieces of a sequence in which each token of a part is a target exactly once, with what stands before it.

    Args:
        tokens: (n,) the whole sequence, which may go on before and after the part.
        begin: First token of the part.
        end: One past its last token.
        length: Targets of a piece.
        context: Tokens before the first target that the network sees, where there are so many.

    Raises:
        DataError: The part has no token that another one stands before.

    Example:
        >>> part = Scored(torch.arange(10), 4, 10, length=4, context=2)
        >>> part.fetch(torch.tensor([0, 1]), torch.tensor([0, 1])).targets.tolist()
        [[-1, 4, 5, 6, 7], [-1, 8, 9, -1, -1]]
    """

    def __init__(self, tokens: Int64[Tensor, " n"], begin: int, end: int, *, length: int, context: int) -> None:
        self.tokens, self.begin, self.end = tokens, max(begin, 1), end
        self.length, self.context = length, max(1, context)
        if self.end <= self.begin:
            raise DataError("the part is too short to measure on", expected="at least 2 tokens", got=end - begin)

    def __len__(self) -> int:
        return -(-(self.end - self.begin) // self.length)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return pieces (B, context + length - 1) and targets of the same shape, `IGNORED` where they do not count."""
        first = self.begin + index * self.length  # the first target of each piece
        before = torch.minimum(first, torch.tensor(self.context))  # tokens in front of it
        place = (first - before).unsqueeze(1) + torch.arange(self.context + self.length)  # (B, context + length)
        pieces = self.tokens[place.clamp(max=len(self.tokens) - 1)]
        target = place[:, 1:]
        counts = (target >= first.unsqueeze(1)) & (target < (first + self.length).clamp(max=self.end).unsqueeze(1))
        return Batch(pieces[:, :-1], pieces[:, 1:].where(counts, IGNORED), key, index)
