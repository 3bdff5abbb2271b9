"""The form of MNIST and its likes: four IDX files, training and test part, images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.fetch import locate
from chainrule.data.idx import read_idx
from chainrule.data.images import InMemory, LabeledImages
from chainrule.data.known import KNOWN


def idx_images(name: str, classes: Sequence[str], source: str) -> LabeledImages:
    """Return a set of grey images from its four IDX files, found or fetched by name.

    Raises:
        DataError: A file is missing or damaged, or the files do not belong together.
    """
    paths = [locate(name, file) for file in KNOWN[name].files]
    train, train_labels = read_pair(paths[0], paths[1], len(classes))
    test, test_labels = read_pair(paths[2], paths[3], len(classes))
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{name}: the training and test images have different sizes", got=f"{train.shape[1:]} and {test.shape[1:]}"
        )
    pictures = torch.from_numpy(np.concatenate([train, test])).unsqueeze(1)  # (N, H, W) -> (N, 1, H, W)
    labels = torch.from_numpy(np.concatenate([train_labels, test_labels])).to(torch.int64)
    return LabeledImages(
        name,
        InMemory(pictures),
        labels,
        tuple(classes),
        train=torch.arange(len(train)),
        test=torch.arange(len(train), len(labels)),
        facts={"source": source, "published": True},
    )


def read_pair(images: Path, labels: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, H, W) and labels (N,) of two IDX files of bytes that belong together."""
    pictures, targets = read_idx(images, dims=3), read_idx(labels, dims=1)
    for path, values in ((images, pictures), (labels, targets)):
        if values.dtype != np.uint8:
            raise DataError(f"{shown(path)} holds no bytes", expected="unsigned bytes (type 08)", got=str(values.dtype))
    if len(pictures) != len(targets):
        raise DataError(
            f"{shown(labels)} has not one label for each image of {shown(images)}",
            expected=len(pictures),
            got=len(targets),
        )
    if int(targets.max()) >= classes:
        raise DataError(
            f"{shown(labels)} has a label out of range", expected=f"0 to {classes - 1}", got=int(targets.max())
        )
    return pictures, targets
