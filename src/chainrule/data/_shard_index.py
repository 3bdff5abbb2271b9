"""Where each example of a shard lies: built once from the headers, kept in the cache, checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.core.errors import DataError, StorageError
from chainrule.core.paths import shown
from chainrule.core.store import write_file
from chainrule.data._tar_members import Member, tar_members

FORMAT = 1
PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif")
_CLASS_AT_MOST, _JSON_AT_MOST = 4096, 2**20
_ENDS = 2**16


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The examples of one shard.

    Args:
        keys: What their members are called before the first dot of the file name.
        labels: The class of each, as it is written there.
        offset: Where the bytes of each picture begin, int64 (n,).
        length: How many they are, int64 (n,).
        stamp: What tells whether the shard is still the one that was read.
        ignored: Members that belong to no example with a picture.
    """

    keys: Sequence[str]
    labels: Sequence[str]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    stamp: str
    ignored: Sequence[str] = ()


@dataclass
class _Example:
    """The members of one example."""

    pictures: dict[str, Member] = field(default_factory=dict)
    written: dict[str, Member] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def read_shard(path: Path, stamp: str, *, label: str = "label", picture: str | None = None) -> ShardIndex:
    """Return the index of a shard in the layout of WebDataset: members of one example share all up to the first dot.

    The picture is KEY.jpg, .jpeg, .png, .webp, .bmp or .gif; the class stands in KEY.cls, or in KEY.json under a name.

    Args:
        path: The tar file.
        stamp: Of the file.
        label: The name in KEY.json.
        picture: Which ending the picture has, where examples have several.

    Raises:
        DataError: It is damaged, an example has no class or several pictures, or a member is there twice.
    """
    examples: dict[str, _Example] = {}
    for member in tar_members(path):
        folder, _, name = member.name.rpartition("/")
        stem, _, ending = name.partition(".")
        if not stem:  # hidden files, such as those that macOS adds
            continue
        _sort_in(examples.setdefault(f"{folder}/{stem}" if folder else stem, _Example()), ending.lower(), member, path)
    keys, labels, places, ignored = [], [], [], []
    with path.open("rb") as file:
        for key, example in examples.items():
            if not example.pictures:
                ignored += [member.name for member in example.written.values()] + example.others
                continue
            places.append(_picture_of(example, key, path, picture))
            labels.append(_label_of(example, key, path, file, label))
            keys.append(key)
    offset, length = (np.array([getattr(one, name) for one in places], np.int64) for name in ("offset", "size"))
    return ShardIndex(keys, labels, offset, length, stamp, ignored)


def _sort_in(example: _Example, ending: str, member: Member, path: Path) -> None:
    group = example.pictures if ending in PICTURES else example.written if ending in ("cls", "json") else None
    if group is None:
        example.others.append(member.name)
        return
    if ending in group:
        raise DataError(f"the shard {shown(path)} has {shown(member.name)} twice", expected="each member once")
    group[ending] = member


def _picture_of(example: _Example, key: str, path: Path, picture: str | None) -> Member:
    found = example.pictures if picture is None else {k: v for k, v in example.pictures.items() if k == picture}
    if len(found) != 1:
        raise DataError(
            f"the example {shown(key)} of the shard {shown(path)} has "
            + ("no such picture" if picture else "more than one picture"),
            expected=f"KEY.{picture}" if picture else "one",
            got=", ".join(f"KEY.{ending}" for ending in example.pictures),
            remedy="say which with --data.picture, for example --data.picture jpg",
        )
    return next(iter(found.values()))


def _label_of(example: _Example, key: str, path: Path, file: BinaryIO, label: str) -> str:
    where = f"the example {shown(key)} of the shard {shown(path)}"
    for ending, most in (("cls", _CLASS_AT_MOST), ("json", _JSON_AT_MOST)):
        member = example.written.get(ending)
        if member is None:
            continue
        if member.size > most:
            raise DataError(f"{where}: KEY.{ending} is too long", expected=f"{most:,} bytes", got=f"{member.size:,}")
        file.seek(member.offset)
        data = file.read(member.size)
        try:
            text = data.decode().strip() if ending == "cls" else _of_json(json.loads(data), label)
        except (ValueError, RecursionError):
            raise DataError(f"{where}: KEY.{ending} is damaged") from None
        if text:
            return text
    raise DataError(f"{where} has no class", expected=f'KEY.cls, or KEY.json with "{label}"')


def _of_json(value: Any, label: str) -> str:
    found = value.get(label) if isinstance(value, dict) else None
    return "" if found is None or isinstance(found, (dict, list, float)) else str(found).strip()


def stamp_of(path: Path) -> str:
    """Return what tells whether a local file has changed: its length, its time, and a hash of its two ends.

    Raises:
        DataError: It is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            digest = blake2b(file.read(_ENDS), digest_size=16)
            file.seek(max(0, status.st_size - _ENDS))
            digest.update(file.read(_ENDS))
    except OSError as error:
        raise DataError(f"the shard {shown(path)} cannot be read", got=error.strerror) from None
    return f"{status.st_size} {status.st_mtime_ns} {digest.hexdigest()}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_index(path: Path, index: ShardIndex) -> None:
    """Keep an index; a cache that cannot be written is done without."""
    head = {"format": FORMAT, "stamp": index.stamp, "count": len(index.keys)}
    texts = json.dumps([list(index.keys), list(index.labels), list(index.ignored)]).encode()
    body = b"".join([index.offset.tobytes(), index.length.tobytes(), texts])
    head["digest"] = blake2b(body, digest_size=16).hexdigest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, [json.dumps(head).encode() + b"\n", body])
    except (OSError, StorageError):
        return


def read_index(path: Path) -> ShardIndex | None:
    """Return an index that was kept; None where there is none, or not one byte of it can be relied on."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        known = json.loads(head)
        if known["format"] != FORMAT or known["digest"] != blake2b(body, digest_size=16).hexdigest():
            return None
        count = int(known["count"])
        offset, length = np.frombuffer(body, np.int64, 2 * count).reshape(2, count)
        keys, labels, ignored = json.loads(body[16 * count :])
        return ShardIndex(keys, labels, offset, length, str(known["stamp"]), ignored)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def texts(lists: Sequence[Sequence[str]]) -> Texts:
    """Return many short texts in one piece of memory, which forked processes share."""
    encoded = [text.encode(errors="surrogateescape") for some in lists for text in some]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return Texts(np.frombuffer(b"".join(encoded), np.uint8), ends)


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """Texts side by side.

    Args:
        data: All their bytes (UTF-8).
        ends: Where each begins, and the last one ends, int64 (n + 1,).

    Example:
        >>> texts([["a", "bc"], ["d"]])[1]
        'bc'
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        begin, end = self.ends[index], self.ends[index + 1]
        return self.data[begin:end].tobytes().decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))
