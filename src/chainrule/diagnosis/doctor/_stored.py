"""The data that a training keeps, looked at when it begins and when it ends: do they stay what they are?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.diagnosis.doctor._rows import row_numbers

_MOST = 4_096
"""Elements of an array that are looked at, drawn at random."""
_ITEMS = 24
"""Of a list of examples so many are looked at."""
_ARRAYS = 64
"""Arrays that are looked at in all."""
_FEW = 64
"""Elements below which an array is none of examples."""
_HASHED = 1 << 22
"""Elements of an array that its contents are told by: of more, evenly spaced columns."""
_MIXING = -0x61C8864680B583EB
"""An odd number that spreads the bits of another one over 64."""
_LARGER = 4
"""A tensor that a network is given is a part of stored data where these are so many times larger."""

Array = Tensor | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Stored:
    """An array that examples are taken from, with some of its elements at the beginning and at the end.

    Args:
        name: Where it stands in a data set; empty for a tensor whose parts a network was given.
        shape: Its shape.
        before: Elements when it was first seen.
        after: The same elements at the end.
        permuted: Whether it holds the same rows, in whatever order.
    """

    name: str
    shape: tuple[int, ...]
    before: Tensor = field(repr=False)
    after: Tensor = field(repr=False)
    permuted: bool = False


class Stores:
    """Keeps arrays in sight.

    Example:
        >>> stores, data = Stores(), torch.rand(100, 3)
        >>> stores.part(data[:10])
        >>> data[5:20] += 1.0
        >>> [bool((found.after != found.before).any()) for found in stores.seen()]
        [True]
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[str, Array, Tensor, Tensor, int]] = {}

    def dataset(self, dataset: Any) -> None:
        """Keep the arrays that a data set holds."""
        for name, array in arrays_of(dataset):
            self._keep(name, array)

    def part(self, tensor: Tensor) -> None:
        """Keep the tensor that this one is a part of: some of its examples."""
        base = tensor._base
        if base is None or id(base) in self._kept or base.requires_grad or base.shape[1:] != tensor.shape[1:]:
            return
        if base.numel() >= _LARGER * tensor.numel():
            self._keep("", base)

    def _keep(self, name: str, array: Array) -> None:
        if id(array) in self._kept or len(self._kept) >= _ARRAYS:
            return
        size = array.numel() if isinstance(array, Tensor) else array.size
        if size < _FEW or not _plain(array):
            return
        places = torch.randint(size, (min(size, _MOST),), generator=torch.Generator().manual_seed(size))
        self._kept[id(array)] = (name, array, places, _at(array, places), contents(array))

    def seen(self) -> list[Stored]:
        """All of them, as they are now beside what they were."""
        return [
            Stored(name, tuple(array.shape), before, _at(array, places), contents(array) == held)
            for name, array, places, before, held in self._kept.values()
        ]


def arrays_of(dataset: Any) -> Iterator[tuple[str, Array]]:
    """The arrays of a data set, each by the name of its attribute."""
    return _arrays(dataset, "", 4)


def contents(array: Array) -> int:
    """A number for what an array holds: the same for the same rows in any order.

    Example:
        >>> rows = torch.rand(9, 3)
        >>> contents(rows) == contents(rows.flip(0)), contents(rows) == contents(rows.flip(1))
        (True, False)
    """
    flat = array.reshape(len(array), -1)
    flat = flat[:, :: max(1, -(-flat.shape[1] * len(flat) // _HASHED))]
    rows = row_numbers(flat if isinstance(flat, Tensor) else torch.from_numpy(flat.astype(np.float64)))
    if rows is None:
        return 0
    mixed = (rows ^ (rows >> 29)) * _MIXING
    return int(((mixed ^ (mixed >> 32)) * _MIXING).sum())


def _plain(array: Array) -> bool:
    """Whether its elements lie one after the other, so that nothing is copied to look at some."""
    if isinstance(array, Tensor):
        return array.layout == torch.strided and array.is_contiguous() and not array.is_complex()
    return array.flags.c_contiguous and array.dtype.kind in "biuf"


def _at(array: Array, places: Tensor) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().view(-1)[places.to(array.device)].double().cpu()
    return torch.from_numpy(array.reshape(-1)[places.numpy()].astype(np.float64))


def _arrays(value: Any, name: str, depth: int) -> Iterator[tuple[str, Array]]:
    """The arrays in a data set's attributes, in lists of examples, in data sets inside of it."""
    if isinstance(value, (Tensor, np.ndarray)):
        yield name, value
    elif isinstance(value, (list, tuple)) and depth:
        for item in value[:: -(-len(value) // _ITEMS) or 1]:
            if isinstance(item, (Tensor, np.ndarray, list, tuple)) or hasattr(item, "__getitem__"):
                yield from _arrays(item, name, depth - 1)
    elif depth and hasattr(value, "__dict__") and hasattr(value, "__getitem__"):
        for key, inner in vars(value).items():
            yield from _arrays(inner, key, depth - 1)
