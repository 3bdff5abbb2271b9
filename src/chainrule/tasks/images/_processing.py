"""What a stored run says of its images: how they are prepared, and what the classes are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.core.sections import Named
from chainrule.data import Features, Normalization, open_image
from chainrule.data.images import fitted
from chainrule.tasks.images._features import features_of


@dataclass(frozen=True)
class ImageProcessing:
    """From a picture to what the network is given.

    Args:
        shape: (C, H, W) of the images.
        resize: Side to which the shorter one is brought before the middle is cut out; None: stretched to the shape.
        classes: Their names.
        features: What stands in place of the image, if anything.
        normalization: That of the training part, or of the model's card.
    """

    shape: tuple[int, int, int]
    resize: int | None
    classes: tuple[str, ...]
    features: Features
    normalization: Normalization

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> ImageProcessing:
        """Return what `processing.json` of a run says.

        Raises:
            CheckpointError: An entry is missing or means nothing to this version.
        """
        missing = [key for key in ("shape", "classes", "normalization") if not data.get(key)]
        if missing:
            raise CheckpointError("the processing.json of the run is damaged", expected=f'an entry "{missing[0]}"')
        try:
            channels, height, width = data["shape"]
            return cls(
                (channels, height, width),
                data.get("resize"),
                tuple(data["classes"]),
                features_of([Named.model_validate(part) for part in data.get("features") or ()]),
                Normalization.from_json(data["normalization"]),
            )
        except (ChainruleError, ValueError, TypeError) as error:
            why = f"the processing.json of the run is damaged or of another version: {error}"
            raise CheckpointError(why) from error

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what the network is given."""
        return self.features.shape_of(self.shape)

    def inputs(self, sources: Iterable[str | Path | bytes]) -> Tensor:
        """Return picture files, or what stands in them, as the network is given them.

        Raises:
            DataError: A picture cannot be read; says which.
        """
        pixels = torch.stack([fitted(open_image(source), self.shape, resize=self.resize) for source in sources])
        return self.normalization.apply(self.features(pixels))
