"""Pictures and what people wrote about each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.images import Files
from chainrule.data.pairs import split_whole


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """Pictures, each with one caption or several.

    Args:
        name: What lists and reports call them.
        paths: The picture files, each once.
        captions: Of each picture all that was written about it.
        parts: Official parts, "train", "valid" and "test"; what is missing is split off the training part.
        contents: Path -> bytes, of pictures that are no files of their own (members of an archive).
        facts: Source, licence and what else is known.

    Raises:
        DataError: A picture is there twice or has no caption, or a caption is empty.

    Example:
        >>> pictures = CaptionedImages("pets", ["a.jpg", "b.jpg"], [["a cat", "a grey cat"], ["a dog"]])
        >>> len(pictures), sum(map(len, pictures.captions))
        (2, 3)

    Source:
        LECTURES G8.
    """

    name: str
    paths: Sequence[str]
    captions: Sequence[Sequence[str]]
    parts: Mapping[str, range] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.paths) != len(self.captions):
            raise DataError(
                f"{self.name} has not captions for each picture", expected=len(self.paths), got=len(self.captions)
            )
        if len(set(self.paths)) < len(self.paths):
            seen: set[str] = set()
            twice = next(path for path in self.paths if path in seen or seen.add(path))  # type: ignore[func-returns-value]
            raise DataError(f"{self.name}: a picture is there twice", got=shown(twice))
        for path, captions in zip(self.paths, self.captions):
            if not captions or not all(caption.strip() for caption in captions):
                what = "has an empty caption" if captions else "has no caption"
                raise DataError(f"{self.name}: the picture {shown(path)} {what}", expected="at least one, with words")

    def __len__(self) -> int:
        return len(self.paths)

    def pictures(self, size: int, *, resize: int | None = None) -> Files:
        """Return the pictures in color and in one size; see `Files`."""
        return Files(self.paths, size, resize=resize, contents=self.contents)

    def split(
        self, *, validation: float, test_share: float, seed: int, limit: int | None = None
    ) -> dict[str, Int64[Tensor, " part"]]:
        """Return which pictures belong to each part; all captions of a picture go with it.

        Args:
            validation: Share of the pictures, where there is no official validation part.
            test_share: Share of the pictures, where there is no official test part.
            seed: Which pictures become which part is a function of it and of their number.
            limit: The most pictures of the training part.

        Raises:
            DataError: A part would be empty.
        """
        return split_whole(
            self.name,
            self.paths,
            self.parts,
            validation=validation,
            test_share=test_share,
            seed=seed,
            limit=limit,
            unit="picture",
        )
