"""A recipe for somebody's own folder of pictures, chosen from what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.core.errors import DataError
from chainrule.core.sections import ImageData
from chainrule.core.settings import lay_over
from chainrule.data import DATA, check_data
from chainrule.tasks.images._classification import parts_of


def recipe_for_folder(folder: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Look at a folder with one directory per class, check it, and choose a recipe.

    The network is a small convolutional one; depth, batch and length follow the number and the size of the
    pictures, so that a first result is there in minutes. What was chosen is written out: nothing is hidden in defaults.

    Raises:
        DataError: It is no folder of classes, or the check of the data says no: unreadable pictures, an empty class,
            one class only.

    Source:
        LECTURES A1, A9.
    """
    laid = {key: value for key, value in (settings or {}).items() if key != "data.folder"}
    source_options = {
        key.removeprefix("data."): value for key, value in laid.items() if key in ("data.size", "data.channels")
    }
    images = DATA.resolve("folder")(folder=str(folder), **source_options)
    checked = check_data(images)
    skip = laid.get("data.bad_examples") == "skip"
    findings = checked.beside_unreadable if skip else checked.findings
    if findings:
        raise DataError(
            f"{folder} is not ready to train on: {'; '.join(findings[:3])}",
            remedy=f"see all with `chainrule data check {folder}`",
        )
    count = len(images.train)
    side = max(images.shape[1:])
    recipe: dict[str, Any] = {
        "about": f"pictures of {folder.name}: {len(images.classes)} classes, {len(images):,} pictures",
        "data": {"name": "folder", "folder": str(folder), **source_options},
        "augment": {"flip": 0.5, "shift": max(1, side // 16)},
        "model": {"name": "cnn", "widths": [32, 64, 128] if side <= 32 else [32, 64, 128, 128]},
        "optim": {"name": "adamw", "lr": 0.002, "weight_decay": 0.05},
        "schedule": {"name": "cosine", "warmup": 0.1},
        "train": {"epochs": _epochs(count), "batch": 32 if side > 32 else 64},
    }
    chosen = lay_over(recipe, laid)
    parts_of(ImageData.model_validate(chosen["data"]), 0, images)
    return chosen


def _epochs(count: int) -> int:
    """Fewer passes over more pictures: about 30,000 pictures seen, at least 5 passes, at most 60."""
    return max(5, min(60, round(30_000 / max(1, count))))
