"""Pictures and their captions as the batches of a step: the regions, the caption so far, and the token that follows."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor

from chainrule.data.batches import Batch
from chainrule.data.pair_examples import Told, follows
from chainrule.data.ragged import Ragged


class CaptionExamples:
    """Captions, each beside what a network saw of its picture.

    Args:
        regions: (N, R, E): R regions of each of N pictures.
        captions: Each with its start and its end.
        picture: (M,) which picture each caption is about.

    Example:
        >>> import torch
        >>> captions = Ragged([torch.tensor([2, 8, 3]), torch.tensor([2, 9, 7, 3])])
        >>> part = CaptionExamples(torch.zeros(1, 4, 6), captions, torch.tensor([0, 0]))
        >>> batch = part.fetch(torch.tensor([1]), torch.tensor([1]))
        >>> tuple(batch.inputs.source.shape), batch.inputs.target.tolist(), batch.targets.tolist()
        ((1, 4, 6), [[2, 9, 7]], [[9, 7, 3]])

    Source:
        LECTURES G8.
    """

    def __init__(self, regions: Float[Tensor, "n r e"], captions: Ragged, picture: Int64[Tensor, " m"]) -> None:
        self.regions, self.captions, self.picture = regions, captions, picture

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def lengths(self) -> Int64[Tensor, " m"]:
        """Return how many places each caption takes."""
        return self.captions.lengths - 1

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return regions, captions so far, and what follows: (B, T), `IGNORED` where there is nothing."""
        given, targets = follows(self.captions, index)
        return Batch(Told(self.regions[self.picture[index]], given), targets, key, index)
