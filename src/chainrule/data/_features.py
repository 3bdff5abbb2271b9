"""Features of pictures: which ones, computed once for a part of the data, normalized number by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data.batches import Batch
from chainrule.data.images import LabeledImages, Pictures
from chainrule.data.normalize import EACH, FLOOR, Normalization, moments

TABLE_BYTES = 2**31
"""Features of a part that take less than this are computed once and kept."""

PICTURE_BYTES = 2**24
"""How much of the pictures is read at once."""


@dataclass(frozen=True)
class Feature:
    """One feature, with all of its options.

    Args:
        name: What recipes call it.
        function: `(images (N, C, H, W), **options) -> (N, D)`.
        options: Of the function.

    Example:
        >>> str(Feature("hog", torch.flatten, {"cell": 8, "bins": 9}))
        'hog (cell 8, bins 9)'
    """

    name: str
    function: Callable[..., Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, images: Tensor) -> Tensor:
        """Return (N, D)."""
        return self.function(images, **self.options)

    def __str__(self) -> str:
        said = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return f"{self.name} ({said})" if said else self.name


@dataclass(frozen=True)
class Features:
    """What a network is given of a picture: some features side by side, or without any the picture itself.

    Args:
        parts: The features, in order.

    Example:
        >>> from chainrule.ops import hog
        >>> features = Features([Feature("hog", hog, {"cell": 4})])
        >>> features.shape_of((3, 32, 32)), Features().shape_of((3, 32, 32))
        ((1764,), (3, 32, 32))

    Source:
        LECTURES A9.
    """

    parts: Sequence[Feature] = ()

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __call__(self, images: Shaped[Tensor, "n c h w"]) -> Shaped[Tensor, "n ..."]:
        """Return the features (N, D) of some images; without any, the images."""
        return torch.cat([part(images).float() for part in self.parts], 1) if self.parts else images

    def widths(self, shape: tuple[int, int, int]) -> list[int]:
        """Return how many numbers each feature gives for a picture of a shape.

        Raises:
            UsageError: A feature does not take such pictures.
        """
        return [part(torch.zeros(1, *shape, dtype=torch.uint8)).shape[1] for part in self.parts]

    def shape_of(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """Return the shape of one input that comes out for pictures of a shape.

        Raises:
            UsageError: A feature does not take such pictures.
        """
        return (sum(self.widths(shape)),) if self.parts else shape

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain data: the name and all options of each, as a recipe may have them."""
        return [{"name": part.name, **part.options} for part in self.parts]


class FeatureTable:
    """Features of some pictures of a set, read by position.

    They are computed once, a few pictures at a time, and kept; if they would take 2 GiB or more, each reading computes
    those that it asks for.

    Args:
        features: Which, at least one.
        pictures: All pictures.
        indices: Which of them.

    Raises:
        UsageError: A feature does not take such pictures.
        DataError: A picture cannot be read, or has values that are not finite.

    Example:
        >>> from chainrule.data.images import InMemory
        >>> from chainrule.ops import pixels
        >>> pictures = InMemory(torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2))
        >>> table = FeatureTable(Features([Feature("pixels", pixels)]), pictures, torch.tensor([2, 0]))
        >>> len(table), table.shape, (table.read(torch.tensor([1])) * 255).tolist()
        (2, (4,), [[0.0, 1.0, 2.0, 3.0]])
    """

    def __init__(self, features: Features, pictures: Pictures, indices: Int64[Tensor, " n"]) -> None:
        self.features, self.pictures, self.indices = features, pictures, indices
        self.widths = features.widths(pictures.shape)
        self._table: Tensor | None = None
        if 4 * len(indices) * sum(self.widths) < TABLE_BYTES:
            self._table = self._computed(indices)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,) of each picture's features."""
        return (sum(self.widths),)

    def read(self, index: Int64[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Return the features at some positions, new memory."""
        return self._computed(self.indices[index]) if self._table is None else self._table.index_select(0, index)

    def normalization(self, kind: str) -> Normalization:
        """Return the normalization of these features: mean 0 and deviation 1 for each number by itself.

        A number that is always the same becomes 0. One that hardly varies is divided by a tenth of what is usual in
        its feature (the root of the mean square of the deviations), rather than by its own deviation.

        Args:
            kind: "none" leaves the features as they are.
        """
        if kind == "none":
            return Normalization(kind, torch.zeros(self.shape).double(), torch.ones(self.shape).double())
        if len(self) == 0:
            raise DataError("there are no pictures to measure the normalization on")
        mean, square = moments(self, torch.arange(len(self)))
        floors = [FLOOR * part.mean().sqrt().expand_as(part) for part in square.split(self.widths)]
        deviation = square.sqrt().maximum(torch.cat(floors))
        return Normalization(EACH, mean, torch.where(deviation > 0, deviation, 1.0))

    def _computed(self, indices: Tensor) -> Tensor:
        found = torch.empty(len(indices), *self.shape)
        step = max(1, PICTURE_BYTES // torch.Size(self.pictures.shape).numel())
        for begin in range(0, len(indices), step):
            found[begin : begin + step] = self.features(self.pictures.read(indices[begin : begin + step]))
        if not bool(found.isfinite().all()):
            raise DataError(
                "the pictures have values that are not finite", remedy="`chainrule.data.check_data` lists the images"
            )
        return found


class FeatureExamples:
    """A part of a set of labeled images as the examples of a classifier of features: indices and keys -> one batch.

    Args:
        images: The set.
        table: The features of the part.
        normalization: Applied to all.

    Example:
        >>> from chainrule.data.arrays import from_arrays
        >>> from chainrule.ops import pixels
        >>> images = from_arrays(torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2), [0, 1, 0], layout="NCHW")
        >>> table = FeatureTable(Features([Feature("pixels", pixels)]), images.pictures, torch.tensor([1, 2]))
        >>> part = FeatureExamples(images, table, table.normalization("channel"))
        >>> batch = part.fetch(torch.tensor([0]), torch.tensor([0]))
        >>> batch.inputs.round().tolist(), batch.targets.tolist()
        ([[-1.0, -1.0, -1.0, -1.0]], [1])
    """

    def __init__(self, images: LabeledImages, table: FeatureTable, normalization: Normalization) -> None:
        self.table, self.normalization = table, normalization
        self.targets = images.labels[table.indices]

    def __len__(self) -> int:
        return len(self.table)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return the batch of some positions within this part.

        Args:
            index: Positions, 0 to len(self) - 1.
            key: One key for each; nothing is drawn here.
        """
        return Batch(self.normalization.apply(self.table.read(index)), self.targets[index], key, index)
