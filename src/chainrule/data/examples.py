"""Images and classes as the examples that a training loop asks for by index."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data._bad_examples import Found, Reading, strictly
from chainrule.data.augment import Augment, augmented, mixture
from chainrule.data.batches import Batch, Mixed
from chainrule.data.images import InMemory, LabeledImages
from chainrule.data.normalize import Normalization
from chainrule.runtime.rng import branch

TABLE_BYTES = 2**31
"""Pictures that take less than this as float32 are normalized once and kept."""


class ImageExamples:
    """A part of a set of labeled images: indices and keys -> one batch.

    What `fetch` returns is a function of its arguments alone, so that any process gives the same batch. Pictures in
    memory are normalized once into one table (channels last in memory when there are several channels, which is what
    convolutions read fastest); picture files are decoded by each call, in the process that calls.

    Args:
        images: The set.
        indices: Which of its images belong to this part.
        normalization: Applied to every image.
        augment: Random changes; leave out for evaluation.
        channels_last: Layout in memory; by default for more than one channel.
        reading: What is done about pictures that cannot be read: `strictly` raises, `replacing` takes others,
            `LeavingOut` returns fewer. Pictures in memory are all there.

    Raises:
        DataError: Values that are not finite.

    Example:
        >>> from chainrule.data.arrays import from_arrays
        >>> images = from_arrays(torch.zeros(6, 1, 4, 4, dtype=torch.uint8), [0, 1, 0, 1, 0, 1], layout="NCHW")
        >>> normalization = Normalization.measure(images.pictures, torch.arange(6), "none")
        >>> part = ImageExamples(images, torch.tensor([1, 3, 5]), normalization)
        >>> batch = part.fetch(torch.tensor([0, 2]), torch.tensor([0, 2]))
        >>> len(part), tuple(batch.inputs.shape), batch.targets.tolist()
        (3, (2, 1, 4, 4), [1, 1])
    """

    def __init__(
        self,
        images: LabeledImages,
        indices: Int64[Tensor, " n"],
        normalization: Normalization,
        augment: Augment | None = None,
        *,
        channels_last: bool | None = None,
        reading: Reading = strictly,
    ) -> None:
        self.images, self.indices, self.normalization = images, indices, normalization
        self.augment = augment if augment is not None and augment.active else None
        self.channels_last = images.pictures.shape[0] > 1 if channels_last is None else channels_last
        self.targets = images.labels[indices]
        self.reading = reading
        self._table = self._normalized()

    def __len__(self) -> int:
        return len(self.indices)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return the batch of some positions within this part.

        Args:
            index: Positions, 0 to len(self) - 1.
            key: One key for each (`chainrule.runtime.rng.keys`); not looked at without augmentation.

        Raises:
            DataError: A picture file cannot be read.
        """
        inputs, index, key, skipped = self._inputs(index, key)
        targets = self.targets[index]
        if self.augment is None:
            return Batch(inputs, targets, key, index, skipped)
        inputs = augmented(inputs, key, self.augment)
        if self.augment.mixup == 0:
            return Batch(inputs, targets, key, index, skipped)
        partner, share = mixture(key, len(self), self.augment.mixup)
        others, partner, other_key, more = self._inputs(partner, branch(key, "partner"))
        others = augmented(others, other_key, self.augment)
        weight = share.view(-1, 1, 1, 1)
        mixed = inputs.mul_(weight).add_(others.mul_(1 - weight))
        return Batch(mixed, Mixed(targets, self.targets[partner], share), key, index, skipped + more)

    def _inputs(self, index: Tensor, key: Tensor) -> Found:
        """Normalized images (B, C, H, W), new memory that the caller may change."""
        if self._table is None:
            found = self.reading(self._read, index, key, len(self))
            images = self.normalization.apply(found.values)
            images = images.contiguous(memory_format=torch.channels_last) if self.channels_last else images
            return found._replace(values=images)
        chosen = self._table.index_select(0, index)
        # (B, H, W, C) -> (B, C, H, W), a view
        return Found(chosen.permute(0, 3, 1, 2) if self.channels_last else chosen, index, key)

    def _read(self, index: Tensor) -> Tensor:
        return self.images.pictures.read(self.indices[index])

    def _normalized(self) -> Tensor | None:
        pictures = self.images.pictures
        channels, height, width = pictures.shape
        if not isinstance(pictures, InMemory) or 4 * len(self) * channels * height * width >= TABLE_BYTES:
            return None
        shape = (len(self), height, width, channels) if self.channels_last else (len(self), channels, height, width)
        table = torch.empty(shape)
        for begin in range(0, len(self), 4096):
            images = self.normalization.apply(pictures.read(self.indices[begin : begin + 4096]))
            if not bool(images.isfinite().all()):
                raise DataError(
                    f"{self.images.name} has values that are not finite",
                    remedy="`chainrule.data.check_data` lists the images",
                )
            table[begin : begin + 4096] = images.permute(0, 2, 3, 1) if self.channels_last else images
        return table

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None}  # four times the pictures' size: made again where it arrives

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._table = self._normalized()
