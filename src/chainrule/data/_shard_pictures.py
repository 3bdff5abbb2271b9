"""Pictures in shards: read by their place in the tar file, decoded when they are read."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data._at_hand import at_hand
from chainrule.data._bad_examples import SourceLost
from chainrule.data._open_image import open_image
from chainrule.data.images import Inspection, fitted, inspected


class ShardPictures:
    """Pictures by (shard, offset, length). Nothing but the index stays in memory.

    Args:
        names: What errors call the shards.
        opened: Number of a shard -> an open file descriptor of it.
        shard: In which shard each picture is, int32 (n,).
        offset: Where its bytes begin, int64 (n,).
        length: How many they are, int64 (n,).
        keys: What each is called in its shard.
        shape: (C, H, W) that the pictures get.
        resize: What the shorter side is scaled to before the middle is cut out.
        most_open: Shards that a process has open at a time.
    """

    def __init__(
        self,
        names: Sequence[str],
        opened: Callable[[int], int],
        shard: NDArray[np.int32],
        offset: NDArray[np.int64],
        length: NDArray[np.int64],
        keys: Sequence[str],
        *,
        shape: tuple[int, int, int],
        resize: int | None = None,
        most_open: int = 16,
    ) -> None:
        self.most_open = most_open
        self.names, self.opened, self.keys = names, opened, keys
        self.shard, self.offset, self.length = shard, offset, length
        self.resize, self._shape = resize, shape
        self._files: OrderedDict[int, int] = OrderedDict()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        return self._shape

    def __len__(self) -> int:
        return len(self.shard)

    def where(self, index: int) -> str:
        """Return the shard of a picture and what it is called there."""
        return f"{self.names[int(self.shard[index])]}/{self.keys[index]}"

    def read(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """Decode some pictures; they are read in the order in which they lie on the disk.

        Raises:
            DataError: One is damaged; says which.
            SourceLost: A shard is missing, or is not what it was.
        """
        wanted = index.numpy()
        pictures = torch.empty((len(wanted), *self._shape), dtype=torch.uint8)
        for place in np.lexsort((self.offset[wanted], self.shard[wanted])).tolist():
            number = int(wanted[place])
            at_hand(number, self.where(number))
            pictures[place] = fitted(self._open(number), self._shape, resize=self.resize)
        return pictures

    def inspect(self, index: int) -> Inspection:
        """Decode a picture and say what it is, or why it cannot be read."""
        return inspected(self.where(index), lambda: self._open(index))

    def _open(self, index: int) -> Any:
        try:
            return open_image(self._bytes(index))
        except SourceLost:
            raise
        except DataError as error:
            raise DataError(
                f"the picture {shown(self.where(index))} cannot be read", expected=error.expected, got=error.got
            ) from None

    def _bytes(self, index: int) -> bytes:
        shard, length = int(self.shard[index]), int(self.length[index])
        data = os.pread(self._file(shard), length, int(self.offset[index]))
        if len(data) < length:
            raise SourceLost(f"the shard {shown(self.names[shard])} is shorter than it was")
        return data

    def _file(self, shard: int) -> int:
        """An open shard; the one that was used longest ago is closed for it."""
        if shard in self._files:
            self._files.move_to_end(shard)
        else:
            self._files[shard] = self.opened(shard)
            if len(self._files) > self.most_open:
                os.close(self._files.popitem(last=False)[1])
        return self._files[shard]

    def close(self) -> None:
        """Close what is open."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict()}
