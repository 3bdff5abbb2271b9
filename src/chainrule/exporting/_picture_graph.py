"""Runs that classify pictures as one graph: from the pixels of 8 bits to the probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.core.recipe import ImageRecipe
from chainrule.data import Normalization, open_image
from chainrule.data.images import fitted
from chainrule.exporting._graph import Axis, Examples, in_groups
from chainrule.exporting._programs import Engine, picture_program
from chainrule.exporting._recurrent import Direction, with_graph_layers
from chainrule.tasks.images._answer import class_probabilities, way_of
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.job._scoring import all_scores
from chainrule.tasks.runs._run import Run

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


class PictureNetwork(nn.Module):
    """Normalization, network, softmax: probabilities of the classes from pictures as they lie in memory.

    Args:
        network: In evaluation mode.
        normalization: Of the run.
        recipe: Whether mirror images answer too.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, normalization: Normalization, recipe: ImageRecipe) -> None:
        super().__init__()
        self.network, self.way = network, way_of(recipe)
        self.register_buffer("scale", (1 / (normalization.deviation * 255.0)).float())
        self.register_buffer("shift", (-normalization.mean / normalization.deviation).float())

    def forward(self, pictures: UInt8[Tensor, "n h w c"]) -> dict[str, Tensor]:
        """Return scores and probabilities, (N, K)."""
        x = pictures.permute(0, 3, 1, 2).to(torch.float32)  # (N, C, H, W)
        scores = all_scores(self.network, x * self.scale + self.shift, self.way)[0].float()
        return {"scores": scores, "probabilities": torch.softmax(scores, dim=1)}


class PictureExamples:
    """Pictures of a part as a graph takes them, and their classes.

    Args:
        job: The data of the run.
        part: Of them.
    """

    def __init__(self, job: Any, part: str) -> None:
        self.job, self.index = job, job.parts[part]

    def __len__(self) -> int:
        return len(self.index)

    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]:
        """Return pictures (B, H, W, C) and classes (B,)."""
        chosen = self.index[index]
        return self.job.images.pictures.read(chosen).permute(0, 2, 3, 1), self.job.images.labels[chosen]


class PictureGraph:
    """See `Graph`.

    Args:
        run: Of the task classify.
        model: Its network.

    Raises:
        UsageError: The network is given features of the pictures.
    """

    input, unit = "pictures", "picture"
    axes: Mapping[int, Axis] = {0: Axis("batch")}

    def __init__(self, run: Run, model: nn.Module) -> None:
        assert isinstance(run.recipe, ImageRecipe)
        self.run, self.model, self.recipe = run, model, run.recipe
        self.processing = ImageProcessing.read(run.processing)
        if self.processing.features:
            named = ", ".join(part.name for part in self.processing.features.parts)
            raise UsageError(
                f"the network of this run is given features ({named}), whose computation is no graph of layers",
                expected="a network that is given pictures",
                remedy="--to safetensors has the weights",
            )

    def example(self) -> UInt8[Tensor, "2 h w c"]:
        """Return two pictures."""
        channels, height, width = self.processing.shape
        return torch.randint(0, 256, (2, height, width, channels), dtype=torch.uint8)

    def network(self, direction: Direction) -> nn.Module:
        """Return the graph as a module."""
        held = with_graph_layers(self.model, direction)
        return PictureNetwork(held, self.processing.normalization, self.recipe).eval()

    def answers(self, given: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        """Return the probabilities as `Run.predict` computes them."""
        inputs = self.processing.normalization.apply(given.permute(0, 3, 1, 2))
        return class_probabilities(self.recipe)(self.model, inputs)

    @cached_property
    def _job(self) -> Any:
        return self.run.job()

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""
        return list(self._job.parts)

    def examples(self, part: str) -> Examples:
        """Return the pictures of a part as they are stored."""
        return PictureExamples(self._job, part)

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return a picture, or those of a folder by name, as `Run.predict` fits them."""
        files = sorted(path for path in file.iterdir() if path.suffix.lower() in SUFFIXES) if file.is_dir() else [file]
        if not files:
            raise DataError(f"{shown(file)} holds no picture", expected=", ".join(SUFFIXES))
        shape, resize = self.processing.shape, self.processing.resize
        rows = [fitted(open_image(path), shape, resize=resize).permute(1, 2, 0) for path in files[:count]]
        return in_groups(rows, lambda group: torch.stack(list(group)))

    def beside(self) -> Mapping[str, str]:
        """Return the names of the classes."""
        return {"classes.json": json.dumps(list(self.processing.classes), ensure_ascii=False, indent=1)}

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that classifies picture files."""
        channels, height, width = self.processing.shape
        return picture_program(self.processing, engine), (
            f"Input: pictures, numbers of 8 bits without sign (N, {height}, {width}, {channels}), "
            f"{'grey' if channels == 1 else 'red, green, blue'}; any N. Scaling and normalization are in the graph.\n"
            "Output: scores and probabilities, float32 (N, K); the names of the K classes stand in classes.json.\n"
        )
