"""Shards from the net: downloaded when they are read, and the ones read longest ago make room."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data._bad_examples import SourceLost
from chainrule.data.fetch import cache_folder, download_into
from chainrule.data.known import Download


class ShardCache:
    """The downloaded shards of all sets, in the cache.

    Args:
        most: Bytes that they may take together; a shard that is just being read counts, and stays.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.folder = cache_folder() / "shards"

    def folder_of(self, address: str) -> Path:
        """Return the folder of one shard, in which its index lies too."""
        return self.folder / blake2b(address.encode(), digest_size=16).hexdigest()

    def path(self, address: str, sha256: str | None) -> Path:
        """Return where a shard lies; it is downloaded when it is not there.

        Args:
            address: Where it is published.
            sha256: What its bytes must be; anything when None.

        Raises:
            SourceLost: It cannot be downloaded, is larger than the cache, or has other bytes.
            StorageError: The cache cannot be written.
        """
        folder = self.folder_of(address)
        path = folder / "shard.tar"
        if not path.is_file():
            try:
                download_into(folder, Download(address, path.name, self.most, sha256))
            except DataError as error:
                raise SourceLost(
                    f"the shard {shown(address)} cannot be had: {error.what}", expected=error.expected, got=error.got
                ) from None
            self._make_room(path)
        with suppress(OSError):
            os.utime(path)
        return path

    def _make_room(self, newest: Path) -> None:
        """Remove the shards that were opened longest ago, until the others fit."""
        found = []
        for path in self.folder.glob("*/shard.tar"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.most:
                return
            if path != newest:
                with suppress(OSError):
                    path.unlink()
                total -= size
