"""Texts without classes, each for itself, and which of them belong to which part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.texts import Text


@dataclass(frozen=True, eq=False)
class Sentences:
    """Texts that a network reads one by one.

    Args:
        name: What lists and reports call them.
        texts: Each a text.
        parts: "train", "valid" and "test" -> which of them.
        facts: Source, licence and what else is known.

    Raises:
        DataError: There are no texts, or none to learn from.

    Source:
        LECTURES H9.
    """

    name: str
    texts: Sequence[str]
    parts: Mapping[str, Int64[Tensor, " part"]]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.texts:
            raise DataError(f"{self.name} holds no texts")
        if "train" not in self.parts or not len(self.parts["train"]):
            there = ", ".join(part for part, index in self.parts.items() if len(index))
            raise DataError(
                f"{self.name} has no training part, from which the network learns", got=f"{there or 'nothing'} alone"
            )

    @classmethod
    def of_lines(cls, text: Text, *, validation: float, test_share: float, limit: int | None = None) -> Sentences:
        """Return the lines of a text; empty ones are passed over, and counted in `facts["empty"]`.

        Args:
            text: With its official parts, if it has any.
            validation: Share of the text, where it comes without parts.
            test_share: Share of the text, where it comes without parts.
            limit: The most lines of the training part, its first ones.

        Raises:
            DataError: A part is too short, or has only empty lines.

        Example:
            >>> lines = Text("sea", "one\\n\\ntwo\\nthree\\nfour\\n")
            >>> found = Sentences.of_lines(lines, validation=0.3, test_share=0.25)
            >>> found.texts, {part: index.tolist() for part, index in found.parts.items()}, found.facts["empty"]
            (['one', 'two', 'three', 'four'], {'train': [0, 1], 'valid': [2], 'test': [3]}, 1)
        """
        bounds = text.bounds(validation=validation, test_share=test_share)
        texts: list[str] = []
        parts: dict[str, Tensor] = {}
        empty = 0
        for part, (begin, end) in _at_line_ends(text.text, bounds).items():
            lines = text.text[begin:end].removesuffix("\n").split("\n")
            kept = [line for line in lines if line.strip()]
            empty += len(lines) - len(kept)
            kept = kept[:limit] if part == "train" else kept
            if not kept:
                raise DataError(f"{text.name}: its part {part} has no line with a word in it")
            parts[part] = torch.arange(len(texts), len(texts) + len(kept))
            texts += kept
        return cls(text.name, texts, parts, {**text.facts, "empty": empty})

    @classmethod
    def of_labeled(
        cls, labeled: LabeledTexts, *, validation: float, test_share: float, seed: int, limit: int | None = None
    ) -> Sentences:
        """Return texts without their classes, in the parts that a classifier of the same settings has."""
        parts = labeled.parts(validation=validation, test_share=test_share, seed=seed, limit=limit)
        return cls(labeled.name, labeled.texts, parts, labeled.facts)


def _at_line_ends(text: str, bounds: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Parts that end where a line does: what a bound cuts in two belongs to the part in which the line begins."""

    def moved(place: int) -> int:
        if place == 0 or text[place - 1] == "\n":
            return place
        end = text.find("\n", place)
        return len(text) if end < 0 else end + 1

    return {part: (moved(begin), moved(end)) for part, (begin, end) in bounds.items()}
