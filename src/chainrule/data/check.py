"""Looking through a data set before training: what is in it, and everything that is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.data.images import Inspection, LabeledImages

SHOWN = 8
"""How many names a sentence lists; the plain data list all."""


@dataclass(frozen=True)
class DataReport:
    """What is in a data set.

    Args:
        name: Of the set.
        count: Number of pictures.
        shape: (C, H, W) as the network sees them.
        classes: Names of the classes.
        parts: Part -> number of pictures of each class.
        sizes: "HxW" as stored -> number of pictures.
        modes: "grey", "color" ... as stored -> number of pictures.
        unreadable: (picture, why) of each that cannot be used.
        duplicates: Groups of two or more pictures with equal pixels, each with its part and class.
        ignored: Files that are no pictures.
        findings: What speaks against training on it, in sentences.
        notes: What is worth knowing, in sentences.
    """

    name: str
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    parts: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    unreadable: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[tuple[str, str, str], ...], ...]
    ignored: tuple[str, ...]
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing speaks against training on it."""
        return not self.findings

    @property
    def beside_unreadable(self) -> tuple[str, ...]:
        """What speaks against training on it where pictures that cannot be read are skipped."""
        return tuple(finding for finding in self.findings if finding not in _about_files(self.unreadable))

    def to_data(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.name,
            "count": self.count,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "parts": {part: dict(zip(self.classes, counts)) for part, counts in self.parts.items()},
            "sizes": dict(self.sizes),
            "modes": dict(self.modes),
            "unreadable": [{"where": where, "why": why} for where, why in self.unreadable],
            "duplicates": [
                [{"where": where, "part": part, "class": label} for where, part, label in group]
                for group in self.duplicates
            ],
            "ignored": list(self.ignored),
            "findings": list(self.findings),
            "notes": list(self.notes),
            "good": self.good,
        }


@dataclass
class _Seen:
    """What was gathered while looking at the pictures one after another."""

    sizes: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    groups: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    where: list[str] = field(default_factory=list)

    def add(self, index: int, look: Inspection) -> None:
        self.where.append(look.where)
        if look.size != (0, 0):
            self.sizes[f"{look.size[0]}x{look.size[1]}"] += 1
            self.modes[look.mode] += 1
        if look.problem is not None:
            self.unreadable.append((look.where, look.problem))
        else:
            self.groups[look.digest].append(index)


def check_data(
    images: LabeledImages,
    parts: Mapping[str, Int64[Tensor, " part"]] | None = None,
    *,
    problems: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> DataReport:
    """Look at every picture and label of a set and return what is in it; nothing is raised, all findings are listed.

    Args:
        images: The set.
        parts: Part -> indices, as `split` returns them; the official parts when left out.
        problems: Findings that were made before (a split that is impossible, a checksum that is wrong).
        progress: Called with the number of pictures seen and their total.

    Example:
        >>> from chainrule.data.arrays import from_arrays
        >>> images = from_arrays(torch.zeros(3, 1, 2, 2), [0, 0, 1], layout="NCHW")
        >>> report = check_data(images, {"train": torch.tensor([0, 2]), "test": torch.tensor([1])})
        >>> report.good, len(report.duplicates), report.findings[0][:57]
        (False, 1, 'the test part has no pictures of "1"')
    """
    parts = dict(parts) if parts is not None else _official(images)
    seen = _Seen()
    for index in range(len(images)):
        seen.add(index, images.pictures.inspect(index))
        if progress is not None and (index % 256 == 255 or index + 1 == len(images)):
            progress(index + 1, len(images))
    classes = len(images.classes)
    inside = {part: indices[_in_range(images.labels[indices], classes)] for part, indices in parts.items()}
    counts = {
        part: tuple(torch.bincount(images.labels[indices], minlength=classes).tolist())
        for part, indices in inside.items()
    }
    duplicates = _duplicates(images, parts, seen)
    published = bool(images.facts.get("published"))
    ignored = tuple(images.facts.get("ignored", ()))
    leaks, notes = _about_duplicates(duplicates)
    findings = [*problems, *_about_labels(images, counts), *_about_files(seen.unreadable)]
    (notes if published else findings).extend(leaks)
    return DataReport(
        images.name,
        len(images),
        images.shape,
        tuple(images.classes),
        counts,
        dict(seen.sizes.most_common()),
        dict(seen.modes.most_common()),
        tuple(seen.unreadable),
        duplicates,
        ignored,
        tuple(findings),
        (*notes, *_about_parts(images, counts), *_about_forms(images, seen, ignored), *_about_balance(images, counts)),
    )


def _official(images: LabeledImages) -> dict[str, Tensor]:
    parts = {"train": images.train if len(images.train) else None, "valid": images.valid, "test": images.test}
    return {part: indices for part, indices in parts.items() if indices is not None}


def _in_range(labels: Tensor, classes: int) -> Tensor:
    return (labels >= 0) & (labels < classes)


def _duplicates(
    images: LabeledImages, parts: Mapping[str, Tensor], seen: _Seen
) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    part_of = {index: part for part, indices in parts.items() for index in indices.tolist()}
    names = dict(enumerate(images.classes))
    labels = images.labels.tolist()
    return tuple(
        tuple((seen.where[i], part_of.get(i, "unused"), names.get(labels[i], f"label {labels[i]}")) for i in group)
        for group in seen.groups.values()
        if len(group) > 1
    )


def _about_labels(images: LabeledImages, counts: Mapping[str, tuple[int, ...]]) -> list[str]:
    sentences = []
    wrong = int((~_in_range(images.labels, len(images.classes))).sum())
    if wrong:
        sentences.append(
            f"{_number(wrong, 'label')} out of range: expected 0 to {len(images.classes) - 1}, "
            f"found {int(images.labels.min())} to {int(images.labels.max())}"
        )
    if len(images) == 0:
        sentences.append("there are no pictures")
    if len(images.classes) < 2:
        sentences.append("there is only one class: nothing can be learned from it")
    for part, numbers in counts.items():
        empty = [f'"{name}"' for name, count in zip(images.classes, numbers) if count == 0]
        if empty and (part != "test" or "train" in counts or len(empty) == len(numbers)):
            sentences.append(f"the {_WORD.get(part, part)} part has no pictures of {_listed(empty)}")
    return sentences


def _about_parts(images: LabeledImages, counts: Mapping[str, tuple[int, ...]]) -> list[str]:
    if not counts or "train" in counts:
        return []
    shown = sum(any(numbers) for numbers in zip(*counts.values()))
    return [
        "there is no training part: it can be measured on, not trained on",
        f"{shown:,} of {len(images.classes):,} classes have pictures",
    ]


def _about_files(unreadable: Sequence[tuple[str, str]]) -> list[str]:
    if not unreadable:
        return []
    return [
        f"{_number(len(unreadable), 'picture')} cannot be used: "
        + _listed([f"{where} ({why})" for where, why in unreadable])
    ]


def _about_duplicates(groups: tuple[tuple[tuple[str, str, str], ...], ...]) -> tuple[list[str], list[str]]:
    leaks = notes = twice = 0
    for group in groups:
        if len({part for _, part, _ in group} - {"unused"}) > 1:
            leaks += sum(part == "train" for _, part, _ in group) or 1
        else:
            twice += len(group) - 1
        notes += len({label for _, _, label in group}) > 1
    also = "picture of the training part is" if leaks == 1 else "pictures of the training part are"
    found = f"{leaks} {also} also in another part, which makes results look better than they are"
    told = []
    if twice:
        told.append(f"{_number(twice, 'picture')} stored more than once within a part")
    if notes:
        told.append(f"{_number(notes, 'picture')} stored under different classes")
    return [found] if leaks else [], told


def _about_forms(images: LabeledImages, seen: _Seen, ignored: tuple[str, ...]) -> list[str]:
    sentences = []
    channels, height, width = images.shape
    if len(seen.sizes) > 1:
        sentences.append(
            f"pictures have {len(seen.sizes)} different sizes, most often {seen.sizes.most_common(1)[0][0]}: "
            f"each is scaled and cut to {height}x{width}"
        )
    if len(seen.modes) > 1:
        told = " and ".join(f"{count} {mode}" for mode, count in seen.modes.most_common())
        sentences.append(f"pictures are {told}: all become {'grey' if channels == 1 else 'color'}")
    if ignored:
        sentences.append(
            f"{_number(len(ignored), 'file')} passed over, no pictures by their names: {_listed(list(ignored))}"
        )
    if images.facts.get("lossy"):
        sentences.append("the pictures are in a lossy form: results are not comparable with those on the lossless ones")
    return sentences


def _about_balance(images: LabeledImages, counts: Mapping[str, tuple[int, ...]]) -> list[str]:
    numbers = counts.get("train", ())
    if not numbers or min(numbers) == 0 or max(numbers) < 3 * min(numbers):
        return []
    most, least = numbers.index(max(numbers)), numbers.index(min(numbers))
    return [
        f'the classes are uneven: {max(numbers)} training pictures of "{images.classes[most]}", '
        f'{min(numbers)} of "{images.classes[least]}"'
    ]


_WORD = {"train": "training", "valid": "validation"}


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
