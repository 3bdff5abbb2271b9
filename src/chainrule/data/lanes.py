"""A long sequence read by several readers side by side, piece after piece, so that a state can be carried on."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data.batches import Batch


class Lanes:
    """The tokens cut into as many lanes as a step has examples; each step reads the next piece of every lane.

    As examples (`fetch`) piece p of lane l has the index `l * per_epoch + p`; as an order (a call) a step takes the
    same piece of all lanes. A lane goes on where its last step ended, so that the state of a recurrent network holds
    what came before. At the first piece of an epoch (`is_first`) it begins anew. The last piece may be short.

    Args:
        tokens: (n,) all tokens of the part.
        count: Lanes.
        length: Tokens of a piece: how far gradients go back in time.
        parts: Pieces into which a step is cut.

    Raises:
        DataError: There are fewer than two tokens a lane.
        UsageError: There are fewer lanes than parts.

    Example:
        >>> lanes = Lanes(torch.arange(13), count=2, length=4)
        >>> lanes.per_epoch, lanes(1)
        (2, (0, tensor([1, 3])))
        >>> batch = lanes.fetch(lanes(1)[1], torch.tensor([0, 0]))
        >>> batch.inputs.tolist(), batch.targets.tolist()
        ([[4, 5], [10, 11]], [[5, 6], [11, 12]])

    Source:
        LECTURES G1 (truncated backpropagation through time).
    """

    def __init__(self, tokens: Int64[Tensor, " n"], count: int, length: int, parts: int = 1) -> None:
        if count < parts:
            raise UsageError("a step cannot be cut this way", expected="parts <= lanes", got=f"{parts} and {count}")
        self.each = (len(tokens) - 1) // count  # tokens that a lane reads in an epoch
        if self.each < 1:
            raise DataError(
                "the part is too short for so many texts side by side",
                expected=f"at least {count + 1} tokens",
                got=len(tokens),
                remedy="a smaller --train.batch",
            )
        self.tokens, self.count, self.length = tokens, count, length

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return -(-self.each // self.length)

    def __len__(self) -> int:
        return self.count * self.per_epoch

    def __call__(self, step: int) -> tuple[int, Int64[Tensor, " lanes"]]:
        """Return the epoch of a step and the indices of its pieces."""
        epoch, place = divmod(step, self.per_epoch)
        return epoch, torch.arange(self.count) * self.per_epoch + place

    def is_first(self, index: Int64[Tensor, " b"]) -> bool:
        """Return whether pieces are the first of their lanes."""
        return int(index[0]) % self.per_epoch == 0

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return pieces (B, T) and their targets (B, T); all of one step are of one length."""
        lane, place = index // self.per_epoch, index % self.per_epoch
        length = int((self.each - place * self.length).min().clamp(max=self.length))
        begin = lane * self.each + place * self.length
        pieces = self.tokens[begin.unsqueeze(1) + torch.arange(length + 1)]  # (B, T + 1)
        return Batch(pieces[:, :-1], pieces[:, 1:], key, index)
