"""Tensors by name as bytes and files, read without ever running code from them.

A weights file is told by its content, not by its name: the safetensors format, every claim of whose header is checked
(`runtime._safetensors`), or a `.pth` archive, which passes three walls (`runtime._pth`, and the guarded child below).
Anything else is refused.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor, nn

from chainrule.core.child import run_guarded
from chainrule.core.errors import OutOfMemoryError, WeightsError, nearest
from chainrule.core.paths import shown
from chainrule.core.store import storage_error, write_file
from chainrule.runtime._pth import clean_archive, legacy_refusal
from chainrule.runtime._safetensors import (
    HEADER_LIMIT,
    Claim,
    byte_view,
    empty_tensor,
    in_file_order,
    read_claims,
    write_claims,
)

_ARCHIVE_LIMIT = 4 << 30  # bytes of a .pth file, which is copied several times in memory
_CHILD_MEMORY = 256 << 20  # bytes for the child, beyond four times the archive
_CHILD_SECONDS, _CHILD_RATE = 5.0, 20e6  # of processor time: so many, and one for so many bytes
_WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}
_SHOWN = 6  # names of each kind in an error


class Matched(NamedTuple):
    """Names that were loaded, that the file lacks, that only the file has, and that have another shape or type."""

    loaded: list[str]
    missing: list[str]
    extra: list[str]
    unlike: list[str]


def to_buffers(tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> list[memoryview]:
    """Return tensors in the safetensors format as buffers, one after the other, without copying what need not be.

    A buffer of a contiguous tensor on the CPU is that tensor's memory: write the buffers before the tensor changes.

    Args:
        tensors: Any shapes, strides and devices; tensors that share memory are stored each on its own.
        facts: Text to store with them.

    Raises:
        WeightsError: The format has no place for a tensor (sparse, complex ...).
    """
    head, order = write_claims(tensors, facts or {})
    parts = [memoryview(head)]
    for name in order:
        tensor = tensors[name].detach().to("cpu").contiguous().resolve_neg()
        parts.append(byte_view(in_file_order(tensor)))
    return parts


def to_bytes(tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> bytes:
    """Return tensors in the safetensors format: equal tensors give equal bytes, whatever their order and strides.

    Args and errors are those of `to_buffers`; the bytes are a copy.

    Example:
        >>> from_bytes(to_bytes({"w": torch.tensor([1.0, 2.0])}))
        {'w': tensor([1., 2.])}
    """
    return b"".join(to_buffers(tensors, facts))


def from_bytes(data: bytes | bytearray | memoryview, source: str = "this weights file") -> dict[str, Tensor]:
    """Return the tensors of bytes in the safetensors format, each in memory of its own, sorted by name.

    Args:
        data: The whole content of a file.
        source: What it is called in errors.

    Raises:
        WeightsError: The bytes are damaged, hostile, or something else.
        OutOfMemoryError: There is not enough memory for what they truly hold.
    """
    view = memoryview(data).cast("B")
    stream = io.BytesIO(view[: 8 + min(int.from_bytes(view[:8], "little"), HEADER_LIMIT)])
    claims = read_claims(stream.read, len(view), source)
    start = stream.tell()

    def fill(claim: Claim, target: memoryview) -> None:
        target[:] = view[start + claim.start : start + claim.end]

    return _filled(claims, fill, source)


def _filled(claims: list[Claim], fill: Callable[[Claim, memoryview], None], source: str) -> dict[str, Tensor]:
    tensors = {}
    for claim in claims:
        try:
            tensor, target = empty_tensor(claim)
        except (RuntimeError, MemoryError) as error:
            raise OutOfMemoryError(f"{source} does not fit into memory", got=f"{claims[-1].end:,} bytes") from error
        fill(claim, target)
        tensors[claim.name] = in_file_order(tensor)
    return dict(sorted(tensors.items()))


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None
) -> None:
    """Write tensors as a safetensors file that is there whole or not at all.

    Raises:
        WeightsError: The format has no place for a tensor.
        StorageError: The file cannot be written; what was there before is as it was.
    """
    write_file(path, to_buffers(tensors, facts))


def read_weights(path: str | os.PathLike[str], *, key: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a weights file, sorted by name, on the CPU; no code runs that the file brings.

    Args:
        path: A safetensors file or a `.pth` archive, whatever its name says.
        key: The table of tensors in a `.pth` file that holds more than one thing (`"state_dict"`).

    Raises:
        WeightsError: The file is missing, damaged, hostile, of a refused format, or holds something else.
        StorageError: It may not be read.
        OutOfMemoryError: There is not enough memory for what it truly holds.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "w.safetensors")
        >>> write_weights(path, {"w": torch.zeros(2)})
        >>> read_weights(path)
        {'w': tensor([0., 0.])}
    """
    source = shown(path)
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except FileNotFoundError as error:
        raise WeightsError(f"there is no weights file {source}", remedy="check the path") from error
    except IsADirectoryError as error:
        raise WeightsError(f"{source} is a folder, no file") from error
    except (OSError, ValueError) as error:
        raise storage_error("read", path, error) from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError(f"{source} is no file")
        try:
            return _read_any(file, status.st_size, source, key)
        except OSError as error:
            raise storage_error("read", path, error) from error


def _read_any(file: BinaryIO, size: int, source: str, key: str | None) -> dict[str, Tensor]:
    head = file.read(512)
    file.seek(0)
    if head.startswith(b"PK\x03\x04"):
        return _read_pth(file, size, source, key)
    if head[8:9] != b"{":  # the length of a header may begin as a pickle does: 640 is 80 02 ...
        refusal = legacy_refusal(head, source)
        if refusal is not None:
            raise refusal
        raise WeightsError(f"{source} is no weights file", expected="the safetensors or the .pth format")
    if key is not None:
        raise WeightsError(f"{source} is a safetensors file, which has one table of tensors", got=f"key={key!r}")
    claims = read_claims(file.read, size, source)

    def fill(claim: Claim, target: memoryview) -> None:
        while target:
            count = file.readinto(target)  # type: ignore[attr-defined] # BinaryIO lacks what every binary file has
            if not count:
                raise WeightsError(f"{source} became shorter while it was read")
            target = target[count:]

    return _filled(claims, fill, source)


def _read_pth(file: BinaryIO, size: int, source: str, key: str | None) -> dict[str, Tensor]:
    if size > _ARCHIVE_LIMIT:
        raise WeightsError(f"{source} is too long for a .pth file", got=f"{size:,} bytes", remedy="use safetensors")
    archive = clean_archive(file, size, source)
    answer = run_guarded(
        "chainrule.runtime.weights:guarded_reader",
        json.dumps(key).encode("ascii") + b"\n" + archive,
        subject=source,
        memory=_CHILD_MEMORY + 4 * len(archive),
        seconds=_CHILD_SECONDS + len(archive) / _CHILD_RATE,
        error=WeightsError,
    )
    return from_bytes(answer, source)


def guarded_reader() -> Callable[[bytes], bytes]:
    """Return the reader that runs in the guarded child, after all that it needs was imported and tried."""
    torch.set_num_threads(1)
    sample = io.BytesIO()
    tensors = {"parameter": nn.Parameter(torch.zeros(2, 3)[:, :2]), "half": torch.zeros(1, dtype=torch.bfloat16)}
    torch.save(nn.BatchNorm2d(2).state_dict() | tensors, sample)
    read_request(b"null\n" + sample.getvalue())
    try:
        read_request(b"null\nno archive")
    except Exception:  # the way of errors has imports too
        return read_request
    raise AssertionError("what is no archive was read")


def read_request(payload: bytes) -> bytes:
    """Read an archive with `torch.load(weights_only=True)`; return its tensors in the safetensors format."""
    line, _, archive = payload.partition(b"\n")
    content = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    return to_bytes(_table(content, json.loads(line)))


def _table(content: Any, key: str | None) -> Mapping[str, Tensor]:
    """The table of tensors in what was saved: all of it, or what stands under `key`."""
    names = [name for name in content if isinstance(name, str)] if isinstance(content, Mapping) else []
    if key is not None:
        if key not in names:
            raise WeightsError(f'it has nothing named "{key}"', remedy=f"its names are: {', '.join(sorted(names)[:8])}")
        content = content[key]
    if not isinstance(content, Mapping):
        raise WeightsError("it is no table of tensors", got=type(content).__name__)
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            tables = [other for other in names if isinstance(content.get(other), Mapping)]
            guess = nearest("state_dict", tables) or (tables[0] if tables else None)
            remedy = f'its table "{guess}" may be meant: key="{guess}"' if guess else "save model.state_dict() alone"
            raise WeightsError(
                f"its entry {shown(str(name)[:80])} is no tensor", got=type(value).__name__, remedy=remedy
            )
    return content


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, strict: bool = True) -> Matched:
    """Copy tensors into a module's parameters and buffers by name, all or none.

    Nothing is renamed. Floating-point numbers may have another precision than the module's; other types must agree.

    Args:
        module: Keeps its device and types.
        tensors: As `read_weights` returns them.
        strict: Every name of either side must be on the other with the same shape. Otherwise what fits is copied, and
            at least 1 % of the module's names must fit.

    Returns:
        The names, by what became of them.

    Raises:
        WeightsError: They do not fit; the names are listed, and the module is as it was.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> load_weights(layer, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}).loaded
        ['bias', 'weight']
        >>> load_weights(layer, {"weight": torch.ones(1, 2)})
        Traceback (most recent call last):
        chainrule.core.errors.WeightsError: the weights do not fit the network: 1 missing ("bias")
    """
    own = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    shared = sorted(own.keys() & tensors.keys())
    unlike = [name for name in shared if not _alike(own[name], tensors[name])]
    fit = Matched(
        loaded=[name for name in shared if name not in set(unlike)],
        missing=sorted(own.keys() - tensors.keys()),
        extra=sorted(tensors.keys() - own.keys()),
        unlike=unlike,
    )
    too_few = len(fit.loaded) < max(1, 0.01 * len(own)) and bool(own or tensors)
    if too_few or (strict and (fit.missing or fit.extra or fit.unlike)):
        raise _misfit(fit, own, tensors)
    with torch.no_grad():
        for name in fit.loaded:
            own[name].copy_(tensors[name])
    return fit


def _alike(own: Tensor, other: Tensor) -> bool:
    types = own.dtype == other.dtype or (own.is_floating_point() and other.is_floating_point())
    return own.shape == other.shape and types


def _misfit(fit: Matched, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> WeightsError:
    def some(names: list[str], describe: Callable[[str], str]) -> str:
        return ", ".join(map(describe, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")

    def with_guess(name: str) -> str:
        guess = nearest(name, fit.missing)
        return shown(name) + (f", for {shown(guess)}?" if guess else "")

    def with_shapes(name: str) -> str:
        kinds = [f"{tuple(t.shape)} of {str(t.dtype).removeprefix('torch.')}" for t in (own[name], tensors[name])]
        return f"{shown(name)}, expected {kinds[0]}, got {kinds[1]}"

    said = []
    if fit.missing:
        said.append(f"{len(fit.missing)} missing ({some(fit.missing, shown)})")
    if fit.extra:
        said.append(f"{len(fit.extra)} additional ({some(fit.extra, with_guess)})")
    if fit.unlike:
        said.append(f"{len(fit.unlike)} unlike ({some(fit.unlike, with_shapes)})")
    remedy = None
    for prefix, origin in _WRAPPERS.items():
        if any(name.startswith(prefix) and name.removeprefix(prefix) in own for name in fit.extra):
            strip = f'{{name.removeprefix("{prefix}"): tensor for name, tensor in tensors.items()}}'
            remedy = f'the names begin with "{prefix}", which {origin} puts there; remove it: {strip}'
    return WeightsError(f"the weights do not fit the network: {', '.join(said) or 'they are none'}", remedy=remedy)
