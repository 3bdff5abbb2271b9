"""The safetensors format, read and written by us: every claim of a header is checked before memory is asked for.

    8 bytes       length N of the header, little-endian
    N bytes       JSON: {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {...}}
    the rest      the tensors, little-endian, without holes or overlaps

Source: the format's description, github.com/huggingface/safetensors.
Departures: limits that hostile headers cannot pass (`HEADER_LIMIT`, `COUNT_LIMIT`), one error for everything.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.core.errors import WeightsError
from chainrule.core.paths import shown

HEADER_LIMIT = 8 << 20  # bytes; a header takes about 100 for each tensor
COUNT_LIMIT = 100_000  # tensors
_RANK_LIMIT, _NAME_LIMIT = 32, 1024
DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
_CODES = {dtype: code for code, dtype in DTYPES.items()}


class Claim(NamedTuple):
    """What a header says about one tensor; `start` and `end` count from the end of the header."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


class _Refused(Exception):
    """Why a header is not accepted."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("a name occurs twice in the header")
    return found


def _constant(text: str) -> Any:
    raise _Refused(f"the header has the number {text}")


def _claim(name: str, entry: Any) -> Claim:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Refused(f"{shown(name)} does not state dtype, shape and data_offsets, and nothing else")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise _Refused(f"{shown(name)} has the unknown number type {str(code)[:40]!r} (known: {', '.join(DTYPES)})")
    if not isinstance(shape, list) or len(shape) > _RANK_LIMIT or any(type(n) is not int or n < 0 for n in shape):
        raise _Refused(f"{shown(name)} has a shape that is none")
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(n) is not int or n < 0 for n in offsets):
        raise _Refused(f"{shown(name)} has data_offsets that are none")
    if any(n >= 1 << 63 for n in shape):
        raise _Refused(f"{shown(name)} has a shape that is too large")
    dtype = DTYPES[code]
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise _Refused(f"{shown(name)} claims the shape {shape} of {code} in {offsets[1] - offsets[0]} bytes")
    return Claim(name, dtype, tuple(shape), *offsets)


def _claims(header: bytes, room: int) -> list[Claim]:
    try:
        content = json.loads(header.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise _Refused("the header is no JSON") from error
    if not isinstance(content, dict):
        raise _Refused("the header is no table")
    facts = content.pop("__metadata__", {})
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise _Refused("__metadata__ is no table of text")
    if len(content) > COUNT_LIMIT:
        raise _Refused(f"the header has {len(content)} tensors, more than {COUNT_LIMIT}")
    if any(len(name) > _NAME_LIMIT for name in content):
        raise _Refused(f"a name is longer than {_NAME_LIMIT} characters")
    claims = sorted(
        (_claim(name, entry) for name, entry in content.items()), key=lambda claim: (claim.start, claim.end)
    )
    position = 0
    for claim in claims:
        if claim.start != position:
            raise _Refused(f"{shown(claim.name)} begins at byte {claim.start} of the data, not at {position}")
        position = claim.end
    if position != room:
        raise _Refused(f"the tensors claim {position} bytes of data, and there are {room}")
    return claims


def read_claims(read: Callable[[int], bytes], size: int, source: str) -> list[Claim]:
    """Read and check the header of a safetensors file.

    Args:
        read: Returns the next bytes of the file, which stands at its start; afterwards it stands at the data.
        size: Length of the file in bytes.
        source: What the file is called in errors.

    Returns:
        The tensors in the order of their bytes. Together they take exactly the rest of the file.

    Raises:
        WeightsError: The header is damaged, hostile, or of another format.
    """
    try:
        start = read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise _Refused(f"the header claims {length} bytes of a file of {size}")
        if length > HEADER_LIMIT:
            raise _Refused(f"the header claims {length} bytes, more than {HEADER_LIMIT}")
        header = read(length)
        if len(header) != length or not header.startswith(b"{"):
            raise _Refused("it has no header")
        return _claims(header, size - 8 - length)
    except _Refused as why:
        raise WeightsError(
            f"{source} is no whole safetensors file: {why}", remedy="fetch or save it again; nothing was loaded"
        ) from why


def empty_tensor(claim: Claim) -> tuple[Tensor, memoryview]:
    """Return a new tensor of the claimed size, and a view of its bytes to be filled."""
    tensor = torch.empty(claim.shape, dtype=claim.dtype)
    return tensor, byte_view(tensor)


def byte_view(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor on the CPU."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def in_file_order(tensor: Tensor) -> Tensor:
    """The tensor with the bytes of each number in the order of the file (little-endian), or back."""
    if sys.byteorder == "little" or tensor.dtype.itemsize == 1:
        return tensor
    swapped = tensor.reshape(-1).view(torch.uint8).reshape(-1, tensor.dtype.itemsize).flip(1).contiguous()
    return swapped.reshape(-1).view(tensor.dtype).reshape(tensor.shape)


def write_claims(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """Return the header, with its length, for tensors and the order in which their bytes follow.

    Tensors stand by falling size of their numbers, so that each begins at a multiple of it, and then by name: equal
    tensors give equal bytes, in whatever order they come.

    Raises:
        WeightsError: A tensor's type has no place in the format, or it has no bytes (sparse, quantized, meta).
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in _CODES or tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}"
            raise WeightsError(f"{shown(name)} cannot be stored", expected=", ".join(DTYPES), got=kind)
        if name == "__metadata__" or len(name) > _NAME_LIMIT:
            raise WeightsError(f"{shown(name)} is no name for a tensor that is stored")
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(facts.items()))} if facts else {}
    position = 0
    for name in order:
        tensor, end = tensors[name], position + tensors[name].numel() * tensors[name].dtype.itemsize
        entry = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [position, end]}
        header[name], position = entry, end
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, order
