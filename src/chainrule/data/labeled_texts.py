"""Texts with classes: what they are, and what is known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data._split import split


@dataclass(frozen=True, eq=False)
class LabeledTexts:
    """Texts, each with a class.

    Args:
        name: What lists and reports call them.
        texts: Each a text.
        labels: (N,) class of each, 0 to K - 1.
        classes: Names of the classes.
        sources: (N,) where each comes from, 0 to S - 1, if each part shall have every source in its share.
        train: Indices that may be split; all when left out.
        valid: Indices of an official validation part.
        test: Indices of an official test part.
        facts: Source, licence and what else is known.

    Raises:
        DataError: There are no texts, fewer than two classes, or another number of labels.

    Example:
        >>> said = [f"{word} {number}" for number in range(10) for word in ("good", "bad")]
        >>> texts = LabeledTexts("words", said, torch.tensor([1, 0] * 10), ("bad", "good"))
        >>> {part: len(index) for part, index in texts.parts(validation=0.1, test_share=0.2, seed=0).items()}
        {'train': 14, 'valid': 2, 'test': 4}

    Source:
        LECTURES A9.
    """

    name: str
    texts: Sequence[str]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    sources: Int64[Tensor, " n"] | None = None
    train: Int64[Tensor, " t"] | None = None
    valid: Int64[Tensor, " v"] | None = None
    test: Int64[Tensor, " e"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.texts:
            raise DataError(f"{self.name} holds no texts")
        if len(self.labels) != len(self.texts):
            raise DataError(
                f"{self.name}: each text has a class", expected=f"{len(self.texts)} labels", got=len(self.labels)
            )
        if len(self.classes) < 2:
            only = f", {self.classes[0]}" if self.classes else ""
            raise DataError(f"{self.name} has only one class{only}: nothing can be learned", expected="at least two")

    def __len__(self) -> int:
        return len(self.texts)

    def parts(
        self, *, validation: float, test_share: float, seed: int, limit: int | None = None
    ) -> dict[str, Int64[Tensor, " p"]]:
        """Return the indices of the parts "train", "valid" and "test", each with every class and source in its share.

        Where parts are split here, no text stands in two of them: all that are equal go to one part, and shares are
        those of the different texts.

        Args:
            validation: Share of what is neither test nor official.
            test_share: Share of all, where there is no official test part.
            seed: Of the split.
            limit: The most training texts.

        Raises:
            DataError: A part lacks a class, which may be one whose texts are all equal.
        """
        strata, names = self.labels, list(self.classes)
        if self.sources is not None:
            there = self.sources * len(self.classes) + self.labels
            known, strata = there.unique(return_inverse=True)
            pairs = [divmod(int(number), len(self.classes)) for number in known]
            names = [f"{self.classes[label]} of source {source}" for source, label in pairs]
        numbers: dict[str, int] = {}
        same = torch.tensor([numbers.setdefault(text, len(numbers)) for text in self.texts], dtype=torch.int64)
        return split(
            strata,
            train=self.train,
            valid=self.valid,
            test=self.test,
            classes=names,
            validation=validation,
            test_share=test_share,
            seed=seed,
            limit=limit,
            groups=same,
            what="texts" if len(numbers) == len(self) else "different texts",
        )


def numbered(labels: Sequence[str]) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Return the class of each label, and the names of the classes as people sort them.

    Example:
        >>> numbered(["good", "bad", "good"])
        (tensor([1, 0, 1]), ('bad', 'good'))
    """
    from chainrule.data.folder import natural

    classes = sorted(set(labels), key=natural)
    number = {name: place for place, name in enumerate(classes)}
    return torch.tensor([number[label] for label in labels], dtype=torch.int64), tuple(classes)
