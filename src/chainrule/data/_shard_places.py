"""Which shards a path means: a tar file, a folder, a pattern such as `train-{000..041}.tar`, or addresses."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data.folder import PARTS, natural

SHARDS_AT_MOST = 100_000
CHECKSUMS = "SHA256SUMS"
"""The list of checksums that is looked for beside local shards."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)\Z")
_SUM = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)\Z")


class Shard(NamedTuple):
    """One tar file.

    Args:
        place: Its path, or its address.
        part: "train", "valid" or "test".
        sha256: Of its bytes, where a list says it.
    """

    place: str
    part: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Its file name."""
        return self.place.rpartition("/")[2]

    @property
    def is_remote(self) -> bool:
        """Whether it must be downloaded."""
        return is_address(self.place)


def is_address(place: str) -> bool:
    """Return whether a place is one on the net."""
    return place.startswith(("http://", "https://"))


def find_shards(path: str, checksums: str | None = None) -> list[Shard]:
    """Return the shards that a path means, in their order.

    When the name of each has one of the words train, valid (or val) and test in it, these are the parts; otherwise all
    of them are one part that may be split.

    Args:
        path: A tar file, a folder with tar files, a pattern with `{000..041}`, `{a,b}`, `*` or `?`, or an address with
            braces in it.
        checksums: A list as `sha256sum` writes it; `SHA256SUMS` in the folder when left out, if it is there.

    Raises:
        DataError: There are none.
        UsageError: The pattern makes no sense.
    """
    places = list(itertools.islice(_places(path), SHARDS_AT_MOST + 1))
    if len(places) > SHARDS_AT_MOST:
        raise UsageError(f"{shown(path)} means too many shards", expected=f"at most {SHARDS_AT_MOST:,}")
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise UsageError(f"{shown(path)} means a shard twice", got=twice)
    listed = Path(checksums) if checksums else Path(places[0]).parent / CHECKSUMS
    known = _read_checksums(listed) if checksums or (not is_address(places[0]) and listed.is_file()) else {}
    shards = [Shard(place, "", known.get(place.rpartition("/")[2])) for place in places]
    parts = [_part_of(shard.name) for shard in shards]
    every = None not in parts and "train" in parts
    return [shard._replace(part=(part or "train") if every else "train") for shard, part in zip(shards, parts)]


def _places(path: str) -> Iterator[str]:
    if is_address(path):
        yield from _expanded(path)
        return
    folder = Path(path)
    if folder.is_dir():
        found = sorted((str(file) for file in folder.glob("*.tar") if not file.name.startswith(".")), key=natural)
        if not found:
            raise DataError(f"there are no shards in the folder {shown(path)}", expected="files NAME.tar")
        yield from found
        return
    for one in _expanded(path):
        if any(sign in one for sign in "*?["):
            matching = sorted(glob.glob(one), key=natural)
            if not matching:
                raise DataError(f"there are no shards {shown(one)}")
            yield from matching
        elif not Path(one).is_file():
            raise DataError(f"the shard {shown(one)} does not exist")
        else:
            yield one


def _expanded(pattern: str) -> Iterator[str]:
    """Write out braces as a shell does: `{000..041}` counts, `{a,b}` lists.

    Example:
        >>> list(_expanded("{train,test}-{08..10}.tar"))[:4]
        ['train-08.tar', 'train-09.tar', 'train-10.tar', 'test-08.tar']
    """
    found = _BRACES.search(pattern)
    if found is None:
        if "{" in pattern or "}" in pattern:
            raise UsageError(f"the braces of {shown(pattern)} do not match", expected="train-{000..041}.tar")
        yield pattern
        return
    before, after = pattern[: found.start()], pattern[found.end() :]
    for choice in _choices(found.group(1), pattern):
        yield from (before + choice + rest for rest in _expanded(after))


def _choices(inside: str, pattern: str) -> Iterator[str]:
    counted = _RANGE.match(inside)
    if counted is None:
        if "," not in inside:
            raise UsageError(f"{{{inside}}} of {shown(pattern)} is no choice", expected="{000..041} or {a,b}")
        yield from inside.split(",")
        return
    first, last = counted.groups()
    if int(last) < int(first):
        raise UsageError(f"{{{inside}}} of {shown(pattern)} counts down", expected="the smaller number first")
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    yield from (str(number).zfill(width) for number in range(int(first), int(last) + 1))


def _part_of(name: str) -> str | None:
    """The part that a file name says: that of the first word that is one.

    Example:
        >>> _part_of("imagenet-val-000.tar"), _part_of("shard-3.tar")
        ('valid', None)
    """
    return next((PARTS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in PARTS), None)


def _read_checksums(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"the list of checksums {shown(path)} cannot be read", got=error.strerror) from None
    known = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = _SUM.match(line.strip())
        if row is None:
            raise DataError(
                f"line {number} of the list of checksums {shown(path)} is none",
                expected="SHA-256 and file name, as sha256sum writes them",
                got=shown(line[:60]),
            )
        known[row.group(2).rpartition("/")[2]] = row.group(1).lower()
    return known
