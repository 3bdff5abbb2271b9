"""What a frozen encoder sees of many pictures: computed once, and kept in memory or in the cache folder."""

from __future__ import annotations

import hashlib
import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.plain import to_json
from chainrule.core.store import storage_error
from chainrule.data import Normalization
from chainrule.data.fetch import cache_folder
from chainrule.data.images import Files
from chainrule.models import maps_to_regions

IN_MEMORY = 2**30
"""Regions that take fewer bytes are kept in memory, others in a file of the cache folder, which is read as needed."""
GROUP = 8
"""Pictures that are computed at once."""


def seen_regions(
    pictures: Files, normalization: Normalization, encoder: nn.Module, shape: tuple[int, int, int], *, grid: int | None
) -> Float[Tensor, "n r e"]:
    """Return the regions of all pictures.

    Args:
        pictures: Read one group after the other.
        normalization: Applied to each.
        encoder: In evaluation mode.
        shape: Numbers of a region, regions above and beside each other.
        grid: To which maps are averaged, if at all.

    Raises:
        DataError: A picture cannot be read; says which.
        StorageError: The cache folder cannot be written.
    """
    features, height, width = shape
    table = (len(pictures), height * width, features)
    if 4 * math.prod(table) < IN_MEMORY:
        found = torch.empty(table)
        _fill(found, pictures, normalization, encoder, grid)
        return found
    path = cache_folder() / "captions" / f"regions-{_digest(pictures, normalization, encoder, grid)}.bin"
    if not (path.is_file() and path.stat().st_size == 4 * math.prod(table)):
        _write(path, table, pictures, normalization, encoder, grid)
    return torch.from_numpy(np.memmap(path, np.float32, "c", shape=table))  # "c": what is written stays in memory


def _write(
    path: Path,
    table: tuple[int, int, int],
    pictures: Files,
    normalization: Normalization,
    encoder: nn.Module,
    grid: int | None,
) -> None:
    """Compute all regions into a file, which gets its name when it is whole."""
    begun = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = np.memmap(begun, np.float32, "w+", shape=table)
        _fill(torch.from_numpy(kept), pictures, normalization, encoder, grid)
        kept.flush()
        os.replace(begun, path)
    except OSError as error:
        raise storage_error("write", path, error, 4 * math.prod(table)) from error
    finally:
        with suppress(OSError):
            begun.unlink(missing_ok=True)


def _fill(found: Tensor, pictures: Files, normalization: Normalization, encoder: nn.Module, grid: int | None) -> None:
    for index in torch.arange(len(pictures)).split(GROUP):
        inputs = normalization.apply(pictures.read(index)).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found[index] = maps_to_regions(encoder(inputs), grid)


def _digest(pictures: Files, normalization: Normalization, encoder: nn.Module, grid: int | None) -> str:
    """What the regions are a function of: the network, how pictures are prepared, and which files they are."""
    digest = hashlib.sha256(to_json([list(pictures.shape), pictures.resize, grid, normalization.to_json()]))
    for name, value in encoder.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    for path in pictures.paths:
        digest.update(to_json([path, pictures.stamp(path)]))
    return digest.hexdigest()[:32]
