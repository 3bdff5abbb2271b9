"""The training examples nearest to a new one: their classes, where they come from, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.core.errors import ChainruleError, DataError
from chainrule.core.log import warn
from chainrule.models import NearestNeighbors
from chainrule.models._knn import alike
from chainrule.ops import nearest
from chainrule.tasks.job._prediction import Neighbor

if TYPE_CHECKING:
    from chainrule.tasks.images._classification import Classification

LEAST = 5
"""At least so many are told, also where fewer vote."""
SAME = 1e-3
"""An example is the stored one up to this distance, which rounding may leave."""


class TrainingSet:
    """The training examples of a fitted classifier by nearest neighbors.

    What a run folder holds tells classes and distances. Files, and pictures of what was turned into features, are told
    where the data set is at hand and the example in it is still the one that is stored.

    Args:
        model: The classifier.
        classes: Names of the classes.
        job: Opens the data of the run.
    """

    def __init__(self, model: NearestNeighbors, classes: Sequence[str], job: Callable[[], Any]) -> None:
        self.model, self.classes, self._open = model, classes, job
        self._seen: dict[int, bool] = {}

    def nearest(self, inputs: Tensor) -> list[list[Neighbor]]:
        """Return the nearest examples of each input, the nearest first: those that vote, and at least five."""
        voters = int(self.model.k)
        distances, index = self.model.neighbors(inputs, min(max(voters, LEAST), len(self.model.labels)))
        return [
            [
                Neighbor(i, self.classes[int(self.model.labels[i])], distance, place < voters, self._source(i))
                for place, (i, distance) in enumerate(zip(row, near))
            ]
            for row, near in zip(index.tolist(), distances.tolist())
        ]

    def picture(self, index: int, shape: tuple[int, int, int]) -> Tensor | None:
        """Return the picture of an example, (C, H, W); None where neither the data nor the run have it."""
        if self._job is not None and self._is_there(self._job, index):
            return self._job.images.pictures.read(self._job.parts["train"][[index]])[0]
        return self.model.points[index].reshape(shape) if self.model.points.shape[1] == prod(shape) else None

    def _source(self, index: int) -> str | None:
        if self._job is None:
            return None
        where = self._job.images.pictures.where(int(self._job.parts["train"][index]))
        return where if where is not None and self._is_there(self._job, index) else None

    def _is_there(self, job: Classification, index: int) -> bool:
        """Whether the data hold what is stored: a file may have come, gone or changed since."""
        if index not in self._seen:
            points = self.model.points[[index]]
            try:
                given = job.inputs("train", torch.tensor([index])).flatten(1)
                self._seen[index] = float(nearest(alike(given, points), points, 1)[0]) <= SAME
            except DataError:  # the file cannot be read any more
                self._seen[index] = False
        return self._seen[index]

    @cached_property
    def _job(self) -> Classification | None:
        """The data of the run; None where they are not there, or are others by now."""
        try:
            job = self._open()
        except ChainruleError as error:
            warn(f"the nearest examples are told without files and pictures of the data: {error}")
            return None
        if "train" not in job.parts or not torch.equal(job.images.labels[job.parts["train"]], self.model.labels):
            warn("the nearest examples are told without files and pictures of the data, which are others by now")
            return None
        return job
