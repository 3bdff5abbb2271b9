"""Checks 1 to 11 of a data set: its pictures and labels."""

from __future__ import annotations

import torch

from chainrule.diagnosis._check import Check, Evidence, Violation, check, told
from chainrule.diagnosis._compare import require_near
from chainrule.diagnosis._dataset_subject import DatasetSubject, chunks


@check(
    "opened again, it is the same",
    "a run can be repeated tomorrow, and on another machine",
    "an order that the file system or a set gives, a shuffle without a seed, a source that changes",
)
def opens_twice(subject: DatasetSubject) -> Evidence:
    first, second = subject.data, subject.open()
    if list(first.classes) != list(second.classes):
        raise Violation("the classes have another order when it is opened again")
    if len(first.labels) != len(second.labels) or not torch.equal(first.labels, second.labels):
        raise Violation("the labels are others when it is opened again")
    some = subject.sample(64)
    require_near("pictures of the set opened again", second.pictures.read(some), first.pictures.read(some), 0)
    return Evidence(f"{len(first.labels):,} labels and {len(some)} pictures equal", pictures=len(first.labels))


@check(
    "one label for each picture, and there are some",
    "no picture is trained on with its neighbor's label",
    "a file that was skipped on one side only, a header that was counted",
)
def lengths(subject: DatasetSubject) -> Evidence:
    pictures, labels = len(subject.data.pictures), len(subject.data.labels)
    if pictures != labels or pictures == 0:
        raise Violation(f"{pictures} pictures and {labels} labels", pictures=pictures, labels=labels)
    return Evidence(f"{pictures:,} of each", pictures=pictures)


@check(
    "pictures are uint8 or float32, labels int64",
    "what comes after knows what the numbers mean: 0 to 255, or as they are",
    "an array in another type that was handed on as it came",
)
def types(subject: DatasetSubject) -> Evidence:
    found = subject.data.pictures.read(subject.sample(2))
    if found.dtype not in (torch.uint8, torch.float32):
        raise Violation(f"pictures are {found.dtype}", type=str(found.dtype))
    if subject.data.labels.dtype != torch.int64:
        raise Violation(f"labels are {subject.data.labels.dtype}", type=str(subject.data.labels.dtype))
    return Evidence(f"{str(found.dtype).removeprefix('torch.')} and int64")


@check(
    "every picture has the declared shape",
    "the network is built for the shape that the set declares",
    "channels last instead of first, height and width exchanged, pictures of several sizes",
)
def shapes(subject: DatasetSubject) -> Evidence:
    declared = tuple(subject.data.pictures.shape)
    if len(declared) != 3 or min(declared) < 1:
        raise Violation(f"the declared shape {declared} is not (C, H, W)")
    for index in chunks(subject.sample(), declared):
        found = subject.data.pictures.read(index)
        if tuple(found.shape) != (len(index), *declared):
            raise Violation(f"{len(index)} pictures are {tuple(found.shape)}, declared {declared}")
    return Evidence("x".join(map(str, declared)), shape=list(declared))


@check(
    "every number is finite, and every picture can be read",
    "one NaN, or one file that cannot be opened, ends an epoch in its middle",
    "a division by 0 when the pictures were prepared, files that were cut short",
)
def finite(subject: DatasetSubject) -> Evidence:
    for index in chunks(torch.arange(subject.count), subject.data.pictures.shape):
        found = subject.data.pictures.read(index)
        if found.is_floating_point() and not bool(found.isfinite().all()):
            bad = index[~found.isfinite().flatten(1).all(1)]
            raise Violation(f"picture {int(bad[0])} has numbers that are not finite", picture=int(bad[0]))
    return Evidence(f"all {subject.count:,} pictures", pictures=subject.count)


@check(
    "labels are in range",
    "each label names a class",
    "classes that are counted from 1, a label for 'unknown' such as -1 or 255",
)
def labels_in_range(subject: DatasetSubject) -> Evidence:
    labels, classes = subject.data.labels, len(subject.data.classes)
    wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        value, place = int(labels[wrong[0]]), int(wrong[0])
        raise Violation(f"{len(wrong)} labels out of 0 to {classes - 1}: {value} at {place}", wrong=len(wrong))
    return Evidence(f"0 to {classes - 1}", classes=classes)


@check(
    "at least two classes, each with a name of its own and with pictures",
    "every class can be learned and told",
    "an empty directory, a class that was renamed, names that differ in blanks only",
)
def classes(subject: DatasetSubject) -> Evidence:
    names = [str(name).strip() for name in subject.data.classes]
    if len(names) < 2 or len(set(names)) < len(names) or not all(names):
        raise Violation(f"{len(names)} names of classes, {len(set(names) - {''})} of them different and not empty")
    counts = torch.bincount(subject.data.labels.clamp(0, len(names) - 1), minlength=len(names)).tolist()
    empty = [name for name, count in zip(names, counts) if count == 0]
    if empty:
        raise Violation(f'no picture of "{empty[0]}"', empty=empty)
    return Evidence(f"{len(names)} classes of {min(counts):,} to {max(counts):,} pictures", least=min(counts))


@check(
    "pictures differ, and few are of one color",
    "what was decoded is a picture and not a buffer that nobody filled",
    "a reader that gives the same memory for all, files that failed and were replaced by black",
)
def pictures_differ(subject: DatasetSubject) -> Evidence:
    blank, total, seen = 0, 0, set[bytes]()
    for index in chunks(subject.sample(), subject.data.pictures.shape):
        found = subject.data.pictures.read(index).flatten(1)
        blank += int((found == found[:, :1]).all(1).sum())
        total += len(index)
        seen |= {row.numpy().tobytes() for row in found}
    if blank > 0.05 * total or len(seen) < 0.5 * total:
        raise Violation(f"of {total} pictures {blank} have one color and {len(seen)} are different", blank=blank)
    return Evidence(f"of {total} pictures {blank} have one color, {len(seen)} are different", blank=blank)


@check(
    "reading gives memory of its own, the same each time",
    "an augmentation that writes into its batch does not change the set",
    "a view of the stored array, a random crop in the reader",
)
def reading_changes_nothing(subject: DatasetSubject) -> Evidence:
    some = subject.sample(8)
    first = subject.data.pictures.read(some)
    before = first.clone()
    require_near("pictures that are read again", subject.data.pictures.read(some), before, 0)
    first.zero_()
    require_near("pictures after a reader's copy was set to 0", subject.data.pictures.read(some), before, 0)
    return Evidence("read three times, written to once")


@check(
    "one by one as in a batch, in any order",
    "which pictures stand in one batch is a matter of chance",
    "an index that is sorted or made unique on the way, a state from one read to the next",
)
def one_by_one(subject: DatasetSubject) -> Evidence:
    some = subject.sample(8)
    some = torch.cat([some, some[:2]])  # twice in one batch, too
    together = subject.data.pictures.read(some)
    alone = torch.cat([subject.data.pictures.read(index[None]) for index in some])
    require_near("pictures read one by one", alone, together, 0)
    if len(subject.data.pictures.read(some[:0])) != 0:
        raise Violation("reading no picture gives some")
    return Evidence(f"{len(some)} pictures, two of them twice; and none")


@check(
    "an index out of range is refused",
    "a mistake of one in an index is told, and not answered with some other picture",
    "a remainder, a clamp, an index below 0 that counts from the end",
)
def index_range(subject: DatasetSubject) -> Evidence:
    said, count = [], len(subject.data.pictures)
    for index in (count, -count - 1):
        try:
            subject.data.pictures.read(torch.tensor([index]))
        except Exception as error:  # any error will do
            said.append(told(error))
        else:
            raise Violation(f"picture {index} of {count} is read", index=index)
    return Evidence(f"refused: {said[0][:80]}")


PICTURES: tuple[Check[DatasetSubject], ...] = (
    opens_twice,
    lengths,
    types,
    shapes,
    finite,
    labels_in_range,
    classes,
    pictures_differ,
    reading_changes_nothing,
    one_by_one,
    index_range,
)
"""Checks 1 to 11."""
