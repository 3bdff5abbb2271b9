"""How a worker process sends what it made: large tensors in shared memory while there is room, all else as bytes."""

from __future__ import annotations

import io
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHARED_BYTES = 2**13
"""Tensors from this size on go through shared memory: a file there costs more than a few kilobytes on the way."""


def pickled(item: Any) -> memoryview:
    """Return what `multiprocessing.Connection.recv` turns into the item again, strides of its tensors included.

    Shared memory that is too small (64 MB in many containers) makes it slower, and nothing else.
    """
    buffer = io.BytesIO()
    _Sender(buffer).dump(item)
    return buffer.getbuffer()


class _Sender(ForkingPickler):
    """As `torch.multiprocessing` sends, but no tensor needs shared memory."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor or value.layout != torch.strided or value.device.type != "cpu":
            return NotImplemented
        if value.requires_grad or value.is_conj() or value.is_neg():
            return NotImplemented
        if value.nbytes >= SHARED_BYTES and _share(value):
            return NotImplemented  # torch sends the name of its memory
        return _restored, _as_bytes(value)


def _share(value: Tensor) -> bool:
    """Move a tensor to shared memory, unless it is a small part of a large one, or there is no room."""
    if value.untyped_storage().nbytes() > 2 * value.nbytes:
        return False
    try:
        value.share_memory_()
    except RuntimeError:
        return False
    return True


def _as_bytes(value: Tensor) -> tuple[Any, ...]:
    if not _is_dense(value):
        value = value.contiguous()
    flat = value.as_strided((value.numel(),), (1,))
    return flat.view(torch.uint8).numpy().tobytes(), value.dtype, tuple(value.shape), tuple(value.stride())


def _is_dense(value: Tensor) -> bool:
    """Whether its numbers lie side by side, in whatever order."""
    expected = 1
    for stride, size in sorted(zip(value.stride(), value.shape)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _restored(data: bytes, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.frombuffer(bytearray(data), np.uint8)).view(dtype).as_strided(shape, stride)
