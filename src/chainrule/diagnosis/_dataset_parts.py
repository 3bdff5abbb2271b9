"""Checks 12 to 20 of a data set: its parts, its normalization, its batches."""

from __future__ import annotations

import copy
import multiprocessing
import threading
from typing import Any

import torch
from torch import Tensor

from chainrule.data import Normalization
from chainrule.data.workers import from_workers
from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check, told
from chainrule.diagnosis._compare import require_near, require_tensor
from chainrule.diagnosis._dataset_subject import AUGMENT, DatasetSubject, batch_tensors, chunks


@check(
    "parts hold pictures of the set, each once",
    "an epoch sees each example once",
    "indices into another list, sampling with replacement",
)
def parts_inside(subject: DatasetSubject) -> Evidence:
    parts = subject.parts()
    if "train" not in parts:
        raise Violation("there is no training part", parts=sorted(parts))
    for name, indices in parts.items():
        if len(indices) == 0:
            raise Violation(f"the part {name} is empty")
        if int(indices.min()) < 0 or int(indices.max()) >= subject.count:
            raise Violation(f"the part {name} has indices out of 0 to {subject.count - 1}")
        if len(indices.unique()) < len(indices):
            raise Violation(f"{len(indices) - len(indices.unique())} pictures are in the part {name} more than once")
    return Evidence(", ".join(f"{name} {len(indices):,}" for name, indices in parts.items()))


@check(
    "parts are disjoint",
    "what is measured is how the network does on pictures that it has not learned",
    "two splits that were drawn apart from each other, a range that overlaps by one",
)
def disjoint(subject: DatasetSubject) -> Evidence:
    parts = list(subject.parts().items())
    for place, (name, indices) in enumerate(parts):
        for other, others in parts[place + 1 :]:
            both = int(torch.isin(indices, others).sum())
            if both:
                raise Violation(f"{both} pictures are in {name} and in {other}", both=both)
    return Evidence(f"{len(parts)} parts without a common index")


@check(
    "every part has every class, in proportion",
    "no class is missing where it is learned or measured, and accuracies of parts can be compared",
    "a split without shuffling of a set that is sorted by class, a class with very few pictures",
)
def stratified_parts(subject: DatasetSubject) -> Evidence:
    labels, number = subject.data.labels, len(subject.data.classes)
    counts = {name: torch.bincount(labels[i].clamp(0), minlength=number) for name, i in subject.parts().items()}
    whole = torch.stack([count for name, count in counts.items() if name not in subject.official]).sum(0).double()
    worst = 0.0
    for name, count in counts.items():
        empty = (count == 0).nonzero().flatten().tolist()
        if empty:
            raise Violation(f'the part {name} has no picture of "{subject.data.classes[empty[0]]}"', empty=empty)
        if name in subject.official:
            continue  # as it was published
        off = float((count - whole * (count.sum() / whole.sum())).abs().max())
        worst = max(worst, off)
        if off > 2:
            raise Violation(f"a class of {name} is {off:.0f} pictures off its share", off=off)
    return Evidence(f"a class is at most {worst:.1f} pictures off its share", off=worst)


@check(
    "no picture stands in two parts",
    "equal pixels under two indices are the same leak as one index in two parts",
    "files that were copied or renamed, frames of one film, a set that was collected twice",
)
def no_leaks(subject: DatasetSubject) -> Evidence:
    groups = [group for group in subject.look().duplicates if len({part for _, part, _ in group} - {"unused"}) > 1]
    if groups and not subject.data.facts.get("published"):
        (one, part, _), (other, second, _) = groups[0][0], next(row for row in groups[0] if row[1] != groups[0][0][1])
        raise Violation(f"{len(groups)} pictures, such as {one} ({part}) and {other} ({second})", leaks=len(groups))
    told = f"{len(groups)} pictures, as the set was published" if groups else "none"
    return Evidence(told, leaks=len(groups))


@check(
    "no picture stands under two classes",
    "a picture with two right answers can only be learned wrong",
    "a picture that was labeled twice, a directory that was copied into another class",
)
def one_label_each(subject: DatasetSubject) -> Evidence:
    groups = [group for group in subject.look().duplicates if len({label for _, _, label in group}) > 1]
    twice = sum(len(group) - 1 for group in subject.look().duplicates)
    if groups and not subject.data.facts.get("published"):
        (one, _, label), (other, _, second) = groups[0][0], next(r for r in groups[0] if r[2] != groups[0][0][2])
        raise Violation(f"{len(groups)} pictures: {one} is {label}, {other} is {second}", conflicts=len(groups))
    return Evidence(f"{twice} pictures are stored more than once, {len(groups)} of them under two classes", twice=twice)


@check(
    "the normalization is that of the training part alone",
    "nothing is known of validation and test pictures before they are measured on",
    "a mean over all pictures, numbers of another set, pixels of 0 to 255 measured as if they were 0 to 1",
)
def normalized_by_training(subject: DatasetSubject) -> Evidence:
    given, train = subject.normalization(), subject.parts()["train"]
    if given.kind == "none":
        raise DoesNotApply("it is not normalized")
    if given.kind == "card":
        raise DoesNotApply("it is that of published weights")
    wanted = Normalization.measure(subject.data.pictures, train, given.kind)
    off = max(
        float(((given.mean - wanted.mean) / wanted.deviation).abs().max()),
        float((given.deviation / wanted.deviation - 1).abs().max()),
    )
    if not off <= 1e-6:
        raise Violation(f"it is {off:.2g} deviations off what the training part measures", off=off)
    total, square, count = 0.0, 0.0, 0
    for index in chunks(train, subject.data.pictures.shape):
        values = given.apply(subject.data.pictures.read(index)).double()
        total, square, count = (
            total + float(values.sum()),
            square + float(values.square().sum()),
            count + values.numel(),
        )
    mean = total / count
    if abs(mean) > 0.01 or square / count - mean**2 > 1.1:
        raise Violation(
            f"normalized training pictures have mean {mean:.3g} and variance {square / count - mean**2:.3g}"
        )
    return Evidence(f"{off:.1g} deviations off; the training pictures get mean {mean:.1g}", off=off)


@check(
    "a batch holds the right pictures and labels, each time the same",
    "what the network is given is the picture at the index, with its own label",
    "a picture's index used for its label after the part was shuffled, a state from one batch to the next",
)
def batches(subject: DatasetSubject) -> Evidence:
    for name in subject.parts():
        part, some = subject.part(name), subject.some(name)
        if len(part) != len(subject.parts()[name]):
            raise Violation(f"the part {name} has {len(part)} examples, not {len(subject.parts()[name])}")
        batch, again = (part.fetch(some, subject.keys(some)) for _ in range(2))
        indices = subject.parts()[name][some]
        if not torch.equal(batch.targets, subject.data.labels[indices]) or not torch.equal(batch.index, some):
            raise Violation(f"a batch of {name} has other labels or indices than it was asked for")
        wanted = subject.normalization().apply(subject.data.pictures.read(indices))
        require_near(f"a batch of {name}", require_tensor("a batch", batch.inputs).contiguous(), wanted, 1e-6)
        _require_same(f"a batch of {name}, fetched again", batch_tensors(again), batch_tensors(batch))
    return Evidence(f"{len(subject.parts())} parts, {len(some)} examples of each")


@check(
    "fetched one by one as in a batch, and changed at random by the key alone",
    "resuming in the middle of an epoch, or another batch size, gives the same augmented pictures",
    "a random generator in the data set, one draw for a whole batch",
)
def keyed(subject: DatasetSubject) -> Evidence:
    part, some = subject.part("train", AUGMENT), subject.some("train")
    key = subject.keys(some)
    with torch.random.fork_rng(devices=[]):
        together = part.fetch(some, key)
        state = torch.get_rng_state()
        alone = torch.cat([part.fetch(some[i : i + 1], key[i : i + 1]).inputs for i in range(len(some))])
        if not torch.equal(torch.get_rng_state(), state):
            raise Violation("fetching draws from torch's global generator")
    require_near("augmented pictures fetched one by one", alone, together.inputs.contiguous(), 0)
    other = part.fetch(some, subject.keys(some, epoch=1)).inputs
    if torch.equal(other, together.inputs):
        raise Violation("another epoch has other keys, but the augmented pictures are the same")
    return Evidence(f"{len(some)} augmented pictures equal; others in another epoch")


@check(
    "worker processes make the same batches",
    "loading in the background is a matter of speed alone",
    "a lambda or an open file inside the set, a seed taken from the process",
)
def workers(subject: DatasetSubject) -> Evidence:
    part, some = subject.part("train", AUGMENT), subject.some("train")
    key = subject.keys(some)
    wanted = batch_tensors(part.fetch(some, key))
    try:
        arrived = _sent(part)
    except Exception as error:
        raise Violation(f"it cannot be sent to another process: {told(error)}") from error
    _require_same("a batch of what was sent", batch_tensors(arrived.fetch(some, key)), wanted)
    (made,) = from_workers(_One(part, some, key), [0], 1)
    _require_same("a batch made by a worker process", made, wanted)
    return Evidence("equal after being sent, and from a worker process")


class _One:
    """A data set of one batch."""

    def __init__(self, part: Any, index: Tensor, key: Tensor) -> None:
        self.part, self.index, self.key = part, index, key

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        return {
            name: value.contiguous() for name, value in batch_tensors(self.part.fetch(self.index, self.key)).items()
        }


def _sent(part: Any) -> Any:
    """What arrives when it is sent as processes send each other what they work on; only what was sent here is read."""
    twin = copy.deepcopy(part)  # sending moves tensors into shared memory, which is nothing to do to the caller's
    here, there = multiprocessing.Pipe()
    problems: list[Exception] = []

    def send() -> None:
        try:
            here.send(twin)
        except Exception as error:
            problems.append(error)
            here.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return there.recv()
    except EOFError:
        sender.join()
        raise problems[0] from None
    finally:
        sender.join()
        here.close()
        there.close()


def _require_same(what: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, value in wanted.items():
        require_near(f"{name} of {what}", found[name].contiguous(), value.contiguous(), 0)


PARTS: tuple[Check[DatasetSubject], ...] = (
    parts_inside,
    disjoint,
    stratified_parts,
    no_leaks,
    one_label_each,
    normalized_by_training,
    batches,
    keyed,
    workers,
)
"""Checks 12 to 20."""
