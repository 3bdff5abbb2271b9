"""Checkpoints of networks that are laid out over processes: each writes its own part, in safetensors.

The files are those of torch.distributed.checkpoint's Hugging Face writer, which holds no code; the folder around them,
its manifest and its checksums are ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from chainrule.core.errors import CheckpointError
from chainrule.core.plain import to_json
from chainrule.core.store import sealed_folder, storage_error
from chainrule.runtime.laid_out import is_laid_out, local
from chainrule.runtime.world import World

STATE = "state.json"


def save_sharded(
    path: Path, tensors: Mapping[str, Tensor], small: Mapping[str, Any], facts: Mapping[str, Any], world: World
) -> None:
    """Publish a state of which each process holds a part; all processes call it.

    Raises:
        StorageError: A process could not write; nothing appears under the name.
    """
    with sealed_folder(path, facts) if world.rank == 0 else nullcontext() as temporary:
        place = Path(world.first(lambda: str(temporary)))
        writer = HuggingFaceStorageWriter(str(place), save_distributed=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of types that torch itself uses
                save(_apart(tensors), storage_writer=writer)
        except CheckpointException as error:
            first = next(iter(error.failures.values()))[0]
            cause = first if isinstance(first, OSError) else OSError(str(first))
            raise storage_error("write", path, cause) from error
        if world.rank == 0:
            (place / STATE).write_bytes(to_json(small))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of which no two share memory (tied weights have two names), which the format does not know."""
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        place = local(tensor).untyped_storage().data_ptr()
        found[name] = tensor.detach().clone() if place in seen and tensor.numel() else tensor
        seen.add(place)
    return found


def read_sharded(path: Path, like: Callable[[str, torch.Size, torch.dtype], Tensor | None]) -> dict[str, Tensor]:
    """Read a state into tensors that are laid out as the caller has them, whatever wrote it.

    Args:
        path: A folder that was checked before.
        like: `(name, shape, type) -> tensor to fill`, whole or laid out over processes; None: not wanted.

    Raises:
        CheckpointError: The files do not say what they hold.
    """
    reader = HuggingFaceStorageReader(str(path))
    wanted: dict[str, Tensor] = {}
    for name, about in reader.read_metadata().state_dict_metadata.items():
        if not isinstance(about, TensorStorageMetadata):
            raise CheckpointError(f"{path.name} holds something that is no tensor", got=name)
        tensor = like(name, about.size, about.properties.dtype)
        if tensor is not None:
            wanted[name] = tensor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together = any(is_laid_out(tensor) for tensor in wanted.values())
        load(wanted, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=not together)
    return wanted
