"""Texts with classes as the batches that a network is given."""

from __future__ import annotations

from jaxtyping import Int64
from torch import Tensor

from chainrule.data.batches import Batch
from chainrule.data.ragged import Ragged


class TextExamples:
    """Some of the texts, padded to the longest of each batch.

    Args:
        tokens: Of all texts.
        labels: (N,) class of each.
        index: (n,) which of them belong to this part.

    Example:
        >>> import torch
        >>> tokens = Ragged([torch.tensor([5]), torch.tensor([6, 7])])
        >>> part = TextExamples(tokens, torch.tensor([1, 0]), torch.tensor([1]))
        >>> batch = part.fetch(torch.tensor([0]), torch.tensor([0]))
        >>> batch.inputs.tolist(), batch.targets.tolist()
        ([[6, 7]], [0])
    """

    def __init__(self, tokens: Ragged, labels: Int64[Tensor, " all"], index: Int64[Tensor, " n"]) -> None:
        self.tokens, self.labels, self.index = tokens, labels, index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lengths(self) -> Int64[Tensor, " n"]:
        """Tokens of each text."""
        return self.tokens.lengths[self.index]

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return tokens (B, T), 0 where a text has ended, and classes (B,)."""
        chosen = self.index[index]
        return Batch(self.tokens.padded(chosen).tokens, self.labels[chosen], key, index)
