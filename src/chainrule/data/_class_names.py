"""Classes as they are written in files, and the numbers that they get."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.folder import natural


def numbered(
    written: NDArray[np.str_], names: Sequence[str] | None = None
) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Return labels as numbers, and what they are called: whole numbers count from 0, words are sorted.

    Args:
        written: The class of each example.
        names: Names of the classes in their order, where a list says them.

    Raises:
        DataError: A number or a word that the list lacks.

    Example:
        >>> labels, names = numbered(np.array(["dog", "cat", "dog"]))
        >>> labels.tolist(), names
        ([1, 0, 1], ('cat', 'dog'))
    """
    kinds, which = np.unique(written, return_inverse=True)
    words = [str(kind) for kind in kinds]
    if all(word.isascii() and word.isdigit() for word in words):
        values = [int(word) for word in words]
        if names is None:
            if max(values, default=0) > 10**6:
                raise DataError("labels are out of range", expected="numbers that count classes", got=max(values))
            names = [str(number) for number in range(max(values, default=-1) + 1)]
        if max(values, default=-1) >= len(names):
            raise DataError("labels are out of range", expected=f"0 to {len(names) - 1}", got=max(values))
    else:
        names = sorted(words, key=natural) if names is None else names
        place = {name: number for number, name in enumerate(names)}
        if unknown := [word for word in words if word not in place]:
            raise DataError("a class is not in the list of classes", got=shown(unknown[0]))
        values = [place[word] for word in words]
    return torch.tensor(values, dtype=torch.int64)[torch.from_numpy(which.reshape(-1))], tuple(names)
