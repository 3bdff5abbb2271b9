"""What the checks of a data set work on: the set, its parts, its normalization, and what fetches batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import ChainruleError
from chainrule.core.sections import ImageData
from chainrule.data import Augment, Batch, Normalization
from chainrule.data.check import DataReport, check_data
from chainrule.diagnosis._check import DoesNotApply, told
from chainrule.runtime.rng import keys
from chainrule.tasks.images._classification import parts_of

SAMPLE = 512
"""Pictures that are looked at where looking at all would take long."""
AUGMENT = Augment(flip=0.5, shift=1, brightness=0.1)
"""Random changes with which fetching is tried."""


@dataclass
class DatasetSubject:
    """A data set that can be opened again and again.

    Args:
        open: Returns the set.
        given_parts: Part -> indices, or None: split as a recipe does.
        given_normalization: Or None: measured on the training part.
        kind: Of the normalization: "channel", "pixel" or "none".
        examples: `(set, indices, normalization, augment) -> object with __len__ and fetch(index, key)`.
        seed: Of the split, of samples and of keys.
        kept: What checks share with each other because it is dear.
    """

    open: Callable[[], Any]
    given_parts: Mapping[str, Tensor] | None
    given_normalization: Normalization | None
    kind: str
    examples: Callable[..., Any]
    seed: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def data(self) -> Any:
        """The set, opened once for all checks."""
        return self.open()

    @cached_property
    def count(self) -> int:
        """Pictures that have a label."""
        return min(len(self.data.pictures), len(self.data.labels))

    def parts(self) -> Mapping[str, Tensor]:
        """Part -> indices.

        Raises:
            DoesNotApply: The set cannot be split; other checks say why.
        """
        if self.given_parts is not None:
            return self.given_parts
        if "parts" not in self.kept:
            try:
                self.kept["parts"] = parts_of(ImageData(name="own"), self.seed, self.data)
            except ChainruleError as error:
                raise DoesNotApply(f"it cannot be split into parts ({told(error)})") from error
        return self.kept["parts"]

    @property
    def official(self) -> set[str]:
        """Parts that came with the set and are used as they are."""
        if self.given_parts is not None:
            return set()
        return {name for name in ("valid", "test") if getattr(self.data, name, None) is not None}

    def normalization(self) -> Normalization:
        """The one that was given, or one measured on the training part."""
        if self.given_normalization is not None:
            return self.given_normalization
        if "normalization" not in self.kept:
            try:
                measured = Normalization.measure(self.data.pictures, self.parts()["train"], self.kind)
            except ChainruleError as error:
                raise DoesNotApply(f"no normalization can be measured ({told(error)})") from error
            self.kept["normalization"] = measured
        return self.kept["normalization"]

    def sample(self, count: int = SAMPLE) -> Tensor:
        """Indices of some pictures, in a random order; all when there are few."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(self.count, generator=generator)[:count]

    def look(self) -> DataReport:
        """What `check_data` finds in all pictures."""
        if "look" not in self.kept:
            self.kept["look"] = check_data(self.data, dict(self.parts()))
        return self.kept["look"]

    def part(self, name: str, augment: Augment | None = None) -> Any:
        """What fetches the batches of a part.

        Raises:
            DoesNotApply: The pictures cannot be prepared; other checks say why.
        """
        try:
            return self.examples(self.data, self.parts()[name], self.normalization(), augment)
        except ChainruleError as error:
            raise DoesNotApply(f"no batches can be made ({told(error)})") from error

    def some(self, name: str, count: int = 16) -> Tensor:
        """Positions within a part, in a random order."""
        generator = torch.Generator().manual_seed(self.seed + 5)
        return torch.randperm(len(self.parts()[name]), generator=generator)[:count]

    def keys(self, index: Tensor, epoch: int = 0) -> Tensor:
        """The keys of some examples."""
        return keys(self.seed, epoch, index, "example")


def chunks(indices: Tensor, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """Pieces of a list of pictures that take about 16 MB as float32."""
    size = 1
    for side in shape:
        size *= side
    yield from indices.split(max(1, 2**22 // max(1, size)))


def batch_tensors(batch: Batch) -> dict[str, Tensor]:
    """The tensors of a batch by name."""
    return {"inputs": batch.inputs, "targets": batch.targets, "key": batch.key, "index": batch.index}
