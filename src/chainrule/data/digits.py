"""The 1,797 handwritten digits that come with scikit-learn: real images, nothing to download."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from chainrule.core.errors import DataError
from chainrule.data.images import InMemory, LabeledImages


def digits() -> LabeledImages:
    """Return 1,797 grey images of 8x8 pixels in 10 classes; there is no official test part.

    The grey levels 0..16 are scaled to 0..255.

    Raises:
        DataError: scikit-learn's file is missing or damaged.

    Example:
        >>> images = digits()
        >>> len(images), images.shape, images.test
        (1797, (1, 8, 8), None)

    Source:
        Alpaydin, Kaynak: Optical Recognition of Handwritten Digits (1998), UCI, test part.
    """
    table = _table()
    levels = torch.from_numpy(table[:, :64]).view(-1, 1, 8, 8)
    pixels = (levels * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(table[:, 64]).to(torch.int64)
    return LabeledImages(
        "digits",
        InMemory(pixels),
        labels,
        tuple(str(digit) for digit in range(10)),
        train=torch.arange(len(labels)),
        facts={
            "source": "scikit-learn's copy of the UCI set Optical Recognition of Handwritten Digits",
            "published": True,
        },
    )


def _table() -> np.ndarray:
    """64 grey levels and the class, one row an image."""
    # Importing sklearn.datasets takes over a second, which is much of a short training: its file is read as it is.
    spec = importlib.util.find_spec("sklearn")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            try:
                with gzip.open(path, "rt", encoding="ascii") as file:
                    table = np.loadtxt(file, delimiter=",", dtype=np.float64, ndmin=2)
            except (OSError, EOFError, ValueError) as error:
                raise DataError(
                    f"scikit-learn's digits.csv.gz is damaged: {error}", remedy="install it again"
                ) from None
            break
    else:
        from sklearn.datasets import load_digits

        data, target = load_digits(return_X_y=True)
        table = np.column_stack([data, target])
    if table.shape != (1797, 65) or not 0 <= table.min() <= table.max() <= 16 or set(table[:, 64]) != set(range(10)):
        raise DataError(
            "scikit-learn's digits are not the ones that are known",
            expected="1797 rows of 65 numbers",
            got=f"{table.shape[0]} rows of {table.shape[1] if table.ndim > 1 else 1}",
            remedy="install scikit-learn again",
        )
    return table
