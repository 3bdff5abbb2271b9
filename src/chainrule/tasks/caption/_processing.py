"""What is done to a picture and to captions before a network that writes captions is given them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.data import Normalization, open_image
from chainrule.data.images import fitted
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import END, START, Tokenizer
from chainrule.tasks.sequences._tokenizer import stored_tokenizer


@dataclass(frozen=True)
class CaptionProcessing:
    """Pictures and captions -> what the network is given.

    Args:
        size: Height and width of the pictures.
        resize: What the shorter side is scaled to before the middle is cut out; just the size where it is None.
        normalization: That of the encoder's card, or of the training part.
        regions: Numbers of a region, regions above and beside each other.
        tokenizer: How captions become tokens.
        length: The most tokens of a caption; longer ones are cut.
    """

    size: int
    resize: int | None
    normalization: Normalization
    regions: tuple[int, int, int]
    tokenizer: Tokenizer
    length: int

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> CaptionProcessing:
        """Return that of a stored run.

        Raises:
            CheckpointError: It is damaged.
        """
        tokenizer = stored_tokenizer(data)
        try:
            _, size, _ = data["shape"]
            features, height, width = map(int, data["regions"])
            length = int(data["length"])
            if min(size, features, height, width, length) < 1:
                raise ValueError("a size below 1")
            normalization = Normalization.from_json(data["normalization"])
            return cls(size, data.get("resize"), normalization, (features, height, width), tokenizer, length)
        except (ChainruleError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the processing.json of the run is damaged: {error}",
                expected='entries "shape", "normalization", "regions" and "length"',
            ) from error

    def to_data(self) -> dict[str, Any]:
        """Return what `read` makes the same of."""
        return {
            "shape": [3, self.size, self.size],
            "resize": self.resize,
            "normalization": self.normalization.to_json(),
            "regions": list(self.regions),
            "tokenizer": self.tokenizer.to_json(),
            "length": self.length,
        }

    def pictures(self, sources: Iterable[str | Path | bytes]) -> UInt8[Tensor, "n 3 h w"]:
        """Return picture files, or what stands in them, in the size that the encoder sees.

        Raises:
            DataError: A picture cannot be read; says which.
        """
        shape = (3, self.size, self.size)
        return torch.stack([fitted(open_image(source), shape, resize=self.resize) for source in sources])

    def inputs(self, pictures: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """Return pictures as the encoder is given them."""
        return self.normalization.apply(pictures).contiguous(memory_format=torch.channels_last)

    def captions(self, texts: Sequence[str]) -> tuple[Ragged, int]:
        """Return captions as tokens, each with its start and end, and how many were cut."""
        rows = [self.tokenizer.encode(text) for text in texts]
        ends = torch.tensor([START]), torch.tensor([END])
        return Ragged(torch.cat([ends[0], row[: self.length], ends[1]]) for row in rows), sum(
            len(row) > self.length for row in rows
        )

    def as_written(self, text: str) -> str:
        """Return a caption as a network can write it: its tokens, as text again."""
        return self.tokenizer.decode(self.tokenizer.encode(text)[: self.length].tolist()).strip()


def picture_name(source: str | Path | bytes) -> str:
    """Return what answers and errors call a picture: its file, or where its bytes came from.

    Example:
        >>> picture_name("a.png"), picture_name(b"...")
        ('a.png', 'standard input')
    """
    return "standard input" if isinstance(source, bytes) else str(source)
