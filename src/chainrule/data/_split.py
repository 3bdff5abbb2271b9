"""Training, validation and test parts: seeded, and with every class in its share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.runtime.rng import keys


def split(
    labels: Int64[Tensor, " n"],
    *,
    train: Int64[Tensor, " t"] | None = None,
    test: Int64[Tensor, " e"] | None = None,
    valid: Int64[Tensor, " v"] | None = None,
    classes: Sequence[str] | int | None = None,
    validation: float = 0.1,
    test_share: float = 0.2,
    seed: int = 0,
    limit: int | None = None,
    groups: Int64[Tensor, " n"] | None = None,
    what: str = "images",
) -> dict[str, Int64[Tensor, " part"]]:
    """Return the indices of the parts "train", "valid" and "test": disjoint, and together everything that was given.

    Official parts stay as they are. Without an official test part a share of the images becomes one, and of the rest
    a share becomes the validation part; both have each class in proportion, rounded to less than one
    image, and at least one image of each class. Where nothing may be split, there are the official parts alone.

    Images that are equal are told by `groups`: all of a group go to one part, shares are those of the groups, and a
    group counts for the class of its first image. What equals an image of an official part is not split off beside it,
    nor trained on.

    Args:
        labels: Class of each image, 0 to K - 1.
        train: Indices that may be split; all when left out. None of them: a set to measure on, not to learn from.
        test: Official test part, or None.
        valid: Official validation part, or None.
        classes: Names of the classes, or their number; that of the largest label when left out.
        validation: Share of the images that are neither test nor official, in (0, 1).
        test_share: Share of all images, in (0, 1); not used with an official test part.
        seed: Which images become which part is a function of it and of the image's index.
        limit: Keep only so many training images, in proportion to their classes.
        groups: Which images are one, by number; each for itself when left out.
        what: What errors call them.

    Raises:
        DataError: A label out of range, only one class, or a class that a part has no images of.
        UsageError: A share outside (0, 1).

    Example:
        >>> parts = split(torch.tensor([0, 1] * 50), validation=0.1, test_share=0.2, seed=7)
        >>> {name: len(part) for name, part in parts.items()}
        {'train': 72, 'valid': 8, 'test': 20}
    """
    for name, share in (("validation", validation), ("test_share", test_share)):
        if not 0 < share < 1:
            raise UsageError(f"{name} is no share", expected="a number between 0 and 1", got=share)
    names = _names(labels, classes, what)
    rest = torch.arange(len(labels)) if train is None else train
    if len(rest) == 0:
        return _official(labels, {"valid": valid, "test": test}, names, what)
    official = [part for part in (test, valid) if part is not None]
    same = None if groups is None or len(official) == 2 else _Same(groups, rest, official)
    if same is not None:
        rest = same.first
    _require_classes(labels, rest, names, what)
    if test is None:
        rest, test = _divide(labels, rest, test_share, len(names), seed, "test")
        test = test if same is None else same.all_of(test)
    if valid is None:
        rest, valid = _divide(labels, rest, validation, len(names), seed, "valid")
        valid = valid if same is None else same.all_of(valid)
    rest = rest if same is None else same.all_of(rest)
    if limit is not None:
        rest = stratified(labels, rest, limit, len(names), seed)
    parts = {"train": rest, "valid": valid, "test": test}
    for part, indices in parts.items():
        _require_each(labels, indices, names, part, what)
    return parts


class _Same:
    """The images that may be split, by the groups of equal ones; those that equal an official one are not among them.

    Args:
        groups: (N,) which images are one.
        indices: Those that may be split.
        official: Parts that stay as they are.
    """

    def __init__(self, groups: Tensor, indices: Tensor, official: Sequence[Tensor]) -> None:
        known = torch.cat([groups[part] for part in official]) if official else groups[:0]
        self.indices = indices[~torch.isin(groups[indices], known)]
        self.groups = groups
        numbers, which = groups[self.indices].unique(return_inverse=True)
        places = torch.full((len(numbers),), len(self.indices))
        places.scatter_reduce_(0, which, torch.arange(len(self.indices)), "amin")
        self.first = self.indices[places.sort().values]

    def all_of(self, some: Tensor) -> Tensor:
        """Return the images of the groups that some are of, in the order of the indices."""
        return self.indices[torch.isin(self.groups[self.indices], self.groups[some])]


def _official(labels: Tensor, parts: dict[str, Tensor | None], names: list[str], what: str) -> dict[str, Tensor]:
    """The parts that a set without a training part came with."""
    found = {part: indices for part, indices in parts.items() if indices is not None and len(indices)}
    if not found:
        raise DataError(f"there are {what}, but they belong to no part", expected="a training or a test part")
    for part, indices in found.items():
        _require_each(labels, indices, names, part, what)
    return found


def stratified(
    labels: Int64[Tensor, " n"],
    indices: Int64[Tensor, " m"],
    count: int,
    classes: int,
    seed: int,
    stream: str = "limit",
) -> Int64[Tensor, " count"]:
    """Return `count` of the indices with each class in proportion (rounded to less than one image), in order.

    Example:
        >>> stratified(torch.tensor([0, 0, 0, 0, 1, 1]), torch.arange(6), 3, 2, seed=0).shape
        torch.Size([3])
    """
    if count >= len(indices):
        return indices
    key = keys(seed, 0, indices, stream)
    order = torch.argsort(key)
    sorted_labels = labels[indices[order]]
    chosen = []
    for label, share in enumerate(_apportioned(torch.bincount(labels[indices], minlength=classes), count).tolist()):
        chosen.append(order[sorted_labels == label][:share])
    return indices[torch.cat(chosen).sort().values]


def _divide(
    labels: Tensor, indices: Tensor, share: float, classes: int, seed: int, stream: str
) -> tuple[Tensor, Tensor]:
    """Set aside a share: (the rest, the share), each in the order of the indices; of every class at least one."""
    counts = torch.bincount(labels[indices], minlength=classes)
    count = max(1, round(share * len(indices)))
    while count < len(indices) and bool(((_apportioned(counts, count) == 0) & (counts > 0)).any()):
        count += 1
    chosen = stratified(labels, indices, count, classes, seed, stream)
    return indices[~torch.isin(indices, chosen)], chosen


def _apportioned(counts: Tensor, total: int) -> Tensor:
    """Whole numbers that sum to `total`, less than 1 from the exact share.

    The classes that would get nothing are rounded up first, then those with the largest remainders, smaller labels
    first.
    """
    exact = counts.double() * (total / max(1, int(counts.sum())))
    whole = exact.floor().long()
    missing = total - int(whole.sum())
    left = exact - whole + ((whole == 0) & (counts > 0))
    order = torch.argsort(-left, stable=True)
    whole[order[:missing]] += 1
    return whole


def _names(labels: Tensor, classes: Sequence[str] | int | None, what: str) -> list[str]:
    if len(labels) == 0:
        raise DataError(f"there are no {what}")
    low, high = int(labels.min()), int(labels.max())
    if classes is None:
        classes = high + 1
    names = [f"class {i}" for i in range(classes)] if isinstance(classes, int) else [f'"{name}"' for name in classes]
    if low < 0 or high >= len(names):
        raise DataError("labels are out of range", expected=f"0 to {len(names) - 1}", got=low if low < 0 else high)
    return names


def _require_classes(labels: Tensor, indices: Tensor, names: list[str], what: str) -> None:
    if len(names) < 2:
        raise DataError(
            f"there is only one class, {names[0]}: nothing can be learned from it", expected="at least two classes"
        )
    if len(indices) < len(names):
        raise DataError(f"there are fewer {what} than classes", expected=f"at least {len(names)}", got=len(indices))


def _require_each(labels: Tensor, indices: Tensor, names: list[str], part: str, what: str) -> None:
    """Every class must be trained on and chosen by; an official test part may lack one."""
    counts = torch.bincount(labels[indices], minlength=len(names))
    empty = [name for name, count in zip(names, counts.tolist()) if count == 0]
    if empty and (part != "test" or len(empty) == len(names)):
        word = {"train": "training", "valid": "validation", "test": "test"}[part]
        shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        raise DataError(
            f"the {word} part has no {what} of {shown}",
            expected=f"{what} of every class",
            remedy=f"add {what} of it, take another share, or remove the class",
        )
