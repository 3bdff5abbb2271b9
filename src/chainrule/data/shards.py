"""Pictures in tar files, in the layout of WebDataset: data that outgrow memory, and the disk."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data._bad_examples import SourceLost
from chainrule.data._class_names import numbered
from chainrule.data._shard_cache import ShardCache
from chainrule.data._shard_index import (
    ShardIndex,
    Texts,
    read_index,
    read_shard,
    sha256_of,
    stamp_of,
    texts,
    write_index,
)
from chainrule.data._shard_pictures import ShardPictures
from chainrule.data._shard_places import Shard, find_shards
from chainrule.data.fetch import cache_folder
from chainrule.data.images import LabeledImages, picture_shape

MEASURED = 20_000
"""Of how many training pictures mean and deviation are measured, evenly spread over all."""
OPEN_AT_MOST = 16
"""Local shards that a process has open; downloaded ones that make room for others take space as long as they are."""


def shards(
    *,
    path: str,
    size: int = 64,
    resize: int | None = None,
    channels: int = 3,
    label: str = "label",
    picture: str | None = None,
    classes: str | None = None,
    checksums: str | None = None,
    window: int = 4,
    cache: float = 20.0,
) -> LabeledImages:
    """Return the pictures of tar files in the layout of WebDataset.

    Members of an example share all of their name up to its first dot: KEY.jpg (.jpeg, .png, .webp, .bmp, .gif) is the
    picture, KEY.cls or KEY.json the class. Nothing is unpacked: where each picture lies is read from the headers once
    and kept in the cache; pictures are then read from their places. Shards with `train`, `valid` (or `val`) and `test`
    in their names are the parts.

    Args:
        path: A tar file, a folder of them, a pattern such as `train-{000..041}.tar`, or an address (http, https) with
            such a pattern.
        size: Height and width that the pictures get: shorter side scaled, middle cut out.
        resize: What the shorter side is scaled to before that, at least `size`; just `size` when left out.
        channels: 3 (color) or 1 (grey).
        label: The name under which KEY.json has the class.
        picture: Which ending the picture has ("jpg"), where examples have several.
        classes: A file with the names of the classes, one a line; `classes.txt` beside local shards when left out.
        checksums: A list of SHA-256 as `sha256sum` writes it; `SHA256SUMS` beside local shards when left out.
        window: Shards among whose pictures an epoch is shuffled; more of them mix better and are open together.
        cache: Gigabytes that downloaded shards may take; the ones read longest ago go first.

    Raises:
        DataError: A shard is missing or damaged, or has not the bytes of its checksum; an example without a class.
        UsageError: A pattern or a number that makes no sense.

    Source:
        The layout: github.com/webdataset/webdataset.
    """
    if window < 1 or not cache > 0:
        raise UsageError("window and cache are numbers above 0", got=f"window {window}, cache {cache:g}")
    shape = picture_shape(size, channels, resize)
    found = find_shards(path, checksums)
    store = ShardCache(int(cache * 1e9))
    indices = [_indexed(shard, store, label, picture) for shard in found]
    counts = np.array([len(index.keys) for index in indices])
    if counts.sum() == 0:
        raise DataError(
            f"there are no pictures in the shards {shown(path)}", expected="members KEY.jpg and KEY.cls, or KEY.json"
        )
    number = np.repeat(np.arange(len(found), dtype=np.int32), counts)
    written = np.concatenate([np.asarray(index.labels, dtype=str) for index in indices])
    labels, names = numbered(written, _class_file(classes, found))
    offset, length = (np.concatenate([getattr(index, name) for index in indices]) for name in ("offset", "length"))
    keys: Texts = texts([index.keys for index in indices])
    pictures = ShardPictures(
        [shard.place for shard in found],
        _Opened(found, [index.stamp for index in indices], store),
        number,
        offset,
        length,
        keys,
        shape=shape,
        resize=resize,
        most_open=window + 1 if any(shard.is_remote for shard in found) else OPEN_AT_MOST,
    )
    parts = np.array([shard.part for shard in found])[number]
    groups = torch.from_numpy(number.astype(np.int64))
    return LabeledImages(
        Path(path.split("{")[0].rstrip("-_/")).name or "shards",
        pictures,
        labels,
        names,
        train=_of(parts, "train"),
        valid=_of(parts, "valid") if "valid" in parts else None,
        test=_of(parts, "test") if "test" in parts else None,
        facts={
            "source": f"{len(found):,} shard{'' if len(found) == 1 else 's'}",
            "ignored": [f"{shard.name}/{name}" for shard, index in zip(found, indices) for name in index.ignored],
        },
        groups=groups,
        window=window,
        measured=MEASURED,
    )


class _Opened:
    """Number of a shard -> an open file of it; one that has changed since it was indexed is refused."""

    def __init__(self, shards: list[Shard], stamps: list[str], store: ShardCache) -> None:
        self.shards, self.stamps, self.store = shards, stamps, store

    def __call__(self, number: int) -> int:
        shard, stamp = self.shards[number], self.stamps[number]
        if shard.is_remote:
            path = self.store.path(shard.place, stamp)
            return _open(path, shard)
        try:
            now = stamp_of(Path(shard.place))
        except DataError as error:
            raise SourceLost(error.what, got=error.got) from None
        if now != stamp:
            raise SourceLost(f"the shard {shown(shard.place)} has changed since the run began")
        return _open(Path(shard.place), shard)


def _open(path: Path, shard: Shard) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceLost(f"the shard {shown(shard.place)} cannot be read", got=error.strerror) from None


def _indexed(shard: Shard, store: ShardCache, label: str, picture: str | None) -> ShardIndex:
    """The index of a shard: the one that was kept, when it is of the bytes that are there now."""
    chosen = blake2b(f"{label}\n{picture}".encode(), digest_size=4).hexdigest()
    if shard.is_remote:
        file = store.folder_of(shard.place) / f"index-{chosen}"
        kept = read_index(file)
        if kept is not None and shard.sha256 in (None, kept.stamp):
            return kept
        path = store.path(shard.place, shard.sha256)
        index = read_shard(path, sha256_of(path), label=label, picture=picture)
    else:
        path = Path(shard.place).resolve()
        digest = blake2b(str(path).encode(errors="surrogateescape"), digest_size=16).hexdigest()
        file, kept, stamp = cache_folder() / "shards" / digest / f"index-{chosen}", None, stamp_of(path)
        kept = read_index(file)
        if kept is not None and kept.stamp == stamp:
            return kept
        _verify(path, shard)
        index = read_shard(path, stamp, label=label, picture=picture)
    write_index(file, index)
    return index


def _verify(path: Path, shard: Shard) -> None:
    if shard.sha256 is not None and (got := sha256_of(path)) != shard.sha256:
        raise DataError(
            f"the shard {shown(shard.place)} is not the one of the list",
            expected=f"the SHA-256 {shard.sha256[:16]}...",
            got=f"{got[:16]}...",
            remedy="get the file again",
        )


def _class_file(classes: str | None, found: list[Shard]) -> list[str] | None:
    beside = None if found[0].is_remote else Path(found[0].place).parent / "classes.txt"
    path = Path(classes) if classes else beside
    if path is None or (not classes and not path.is_file()):
        return None
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise DataError(f"the names of the classes {shown(path)} cannot be read", got=why) from None
    return [name for name in names if name]


def _of(parts: np.ndarray, part: str) -> Int64[Tensor, " n"]:
    return torch.from_numpy(np.flatnonzero(parts == part))
