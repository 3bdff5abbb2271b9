"""Pairs of sentences, one the translation of the other, and which of them belong to which part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.runtime.rng import keys

MEASURES = ("bleu", "exact")
"""What translations can be measured by beside their probability: BLEU, and the share that equals a reference."""


@dataclass(frozen=True)
class Pairs:
    """Sentences and their translations, line by line.

    Args:
        name: What lists and reports call them.
        source: Sentences to be translated.
        target: The translation of each.
        parts: Official parts, "train", "valid" and "test"; what is missing is split off the training part.
        alternatives: Whether translations of equal sources are all right: a translation is then measured by the best.
        measures: Which of `MEASURES` make sense.
        facts: Source, licence, languages and what else is known.

    Raises:
        DataError: There are not equally many of both.
    """

    name: str
    source: Sequence[str]
    target: Sequence[str]
    parts: Mapping[str, range] = field(default_factory=dict)
    alternatives: bool = False
    measures: tuple[str, ...] = MEASURES
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise DataError(
                f"{self.name}: there are not equally many sentences on both sides",
                expected="a translation for each sentence",
                got=f"{len(self.source):,} and {len(self.target):,}",
            )

    def __len__(self) -> int:
        return len(self.source)

    def split(
        self, *, validation: float, test_share: float, seed: int, limit: int | None = None
    ) -> dict[str, Int64[Tensor, " part"]]:
        """Return the indices of the parts: disjoint, and no source stands in two of those that are split here.

        A target may, where several sources have one translation: `known_targets` says how often.

        Args:
            validation: Share of the different sentences, where there is no official validation part.
            test_share: Share of the different sentences, where there is no official test part.
            seed: Which sentences become which part is a function of it and of their number.
            limit: The most pairs of the training part.

        Raises:
            DataError: A part would be empty.

        Example:
            >>> pairs = Pairs("greetings", ["hi", "hi", "bye", "so", "no"], ["salut", "allo", "adieu", "si", "non"])
            >>> parts = pairs.split(validation=0.25, test_share=0.25, seed=0)
            >>> sorted(i for part in parts.values() for i in part.tolist()), len(parts["test"])
            ([0, 1, 2, 3, 4], 1)
        """
        return split_whole(
            self.name,
            self.source,
            self.parts,
            validation=validation,
            test_share=test_share,
            seed=seed,
            limit=limit,
            unit="pair",
        )

    def known_targets(self, parts: Mapping[str, Int64[Tensor, " part"]]) -> dict[str, float]:
        """Return the share of the targets of each part but "train" that stand in the training part too.

        Example:
            >>> pairs = Pairs("leave", ["go", "leave", "stay"], ["va", "va", "reste"])
            >>> pairs.known_targets({"train": torch.tensor([0]), "test": torch.tensor([1, 2])})
            {'test': 0.5}
        """
        known = {self.target[i] for i in parts["train"].tolist()}
        return {
            part: sum(self.target[i] in known for i in indices.tolist()) / max(1, len(indices))
            for part, indices in parts.items()
            if part != "train"
        }


def split_whole(
    name: str,
    groups: Sequence[str],
    official: Mapping[str, range],
    *,
    validation: float,
    test_share: float,
    seed: int,
    limit: int | None = None,
    unit: str = "example",
) -> dict[str, Int64[Tensor, " part"]]:
    """Return the indices of the parts: disjoint, and no group stands in two of those that are split here.

    Args:
        name: What errors call the data.
        groups: Of each example what it belongs to, such as the sentence that is translated.
        official: Parts that are given; what is missing is split off the training part.
        validation: Share of the different groups, where there is no official validation part.
        test_share: Share of the different groups, where there is no official test part.
        seed: Which groups become which part is a function of it and of their number.
        limit: The most examples of the training part.
        unit: What errors call an example.

    Raises:
        DataError: A part would be empty.

    Example:
        >>> parts = split_whole("twos", ["a", "a", "b", "b", "c", "c"], {}, validation=0.3, test_share=0.3, seed=0)
        >>> {part: len(index) for part, index in parts.items()}
        {'train': 2, 'valid': 2, 'test': 2}
    """
    train = official.get("train", range(len(groups)) if not official else range(0))
    numbers: dict[str, int] = {}
    group = torch.tensor([numbers.setdefault(groups[i], len(numbers)) for i in train], dtype=torch.int64)
    drawn = torch.argsort(keys(seed, 0, torch.arange(len(numbers)), "pairs"))  # number of each place
    place = torch.empty_like(drawn)
    place[drawn] = torch.arange(len(drawn))
    place = place[group]
    test = 0 if "test" in official else round(test_share * len(numbers))
    valid = test + (0 if "valid" in official else round(validation * len(numbers)))
    every = torch.tensor(train, dtype=torch.int64)
    found = {
        "train": every[place >= valid],
        "valid": _official(official, "valid", every[(place >= test) & (place < valid)]),
        "test": _official(official, "test", every[place < test]),
    }
    if limit is not None:
        kept = torch.argsort(place[place >= valid], stable=True)[:limit]
        found["train"] = found["train"][kept.sort().values]
    for part, indices in found.items():
        if not len(indices):
            raise DataError(
                f"{name} is too small: its part {part} is empty",
                expected=f"at least one {unit} in each part",
                got=f"{len(groups):,} {unit}s in all",
            )
    return found


def _official(parts: Mapping[str, range], name: str, found: Tensor) -> Tensor:
    return torch.tensor(parts[name], dtype=torch.int64) if name in parts else found
