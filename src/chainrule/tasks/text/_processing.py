"""What is done to a text before a network sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import CheckpointError
from chainrule.data.tokenizers import Tokenizer
from chainrule.tasks.sequences._tokenizer import stored_tokenizer


@dataclass(frozen=True)
class TextProcessing:
    """Text -> the tokens that a network is given.

    Args:
        tokenizer: How text becomes tokens.
        classes: Names of the classes.
        length: The most tokens of a text.
    """

    tokenizer: Tokenizer
    classes: tuple[str, ...]
    length: int

    @classmethod
    def read(cls, processing: Mapping[str, Any]) -> TextProcessing:
        """Return that of a stored run.

        Raises:
            CheckpointError: It is damaged.
        """
        classes, length = processing.get("classes"), processing.get("length")
        if not isinstance(classes, list) or not isinstance(length, int) or length < 1:
            raise CheckpointError(
                "the processing.json of the run is damaged", expected='entries "classes" and "length"'
            )
        return cls(stored_tokenizer(processing), tuple(map(str, classes)), length)

    def to_json(self) -> dict[str, Any]:
        """Return what `read` makes the same of."""
        return {"tokenizer": self.tokenizer.to_json(), "classes": list(self.classes), "length": self.length}

    def tokens(self, text: str) -> tuple[Int64[Tensor, " t"], int]:
        """Return the first tokens of a text, and how many it has in all."""
        every = self.tokenizer.encode(text)
        return every[: self.length], len(every)
