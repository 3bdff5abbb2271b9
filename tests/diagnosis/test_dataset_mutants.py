"""Each check of a data set catches a data set that was broken for it, and the whole one passes them all."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from chainrule.data import Batch, ImageExamples, InMemory, LabeledImages, Normalization, split
from chainrule.data.fetch import data_folder, no_downloads
from chainrule.diagnosis import check_dataset

COUNT, CLASSES, SIDE = 120, 4, 6


def whole(seed: int = 0) -> LabeledImages:
    """Pictures of noise, each class a little lighter than the one before."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(COUNT) % CLASSES
    pixels = torch.randint(0, 180, (COUNT, 3, SIDE, SIDE), generator=generator) + 20 * labels[:, None, None, None]
    names = tuple(f"class {i}" for i in range(CLASSES))
    return LabeledImages("noise", InMemory(pixels.to(torch.uint8)), labels, names, train=torch.arange(COUNT))


class Wrapped(InMemory):
    """Pictures whose reading is changed by a function."""

    def __init__(self, tensor: Tensor, change: Callable[[InMemory, Tensor], Tensor]) -> None:
        super().__init__(tensor)
        self.change = change

    def read(self, index: Tensor) -> Tensor:
        return self.change(InMemory(self.tensor), index)


def reads(change: Callable[[InMemory, Tensor], Tensor]) -> Callable[[], LabeledImages]:
    """A set whose pictures are read in a changed way."""
    return lambda: data(pictures=Wrapped(whole().pictures.tensor, change))  # type: ignore[attr-defined]


def altered(**changes: Any) -> Any:
    """The whole set with other fields; what refuses them is passed by."""
    return SimpleNamespace(**{**{name: getattr(whole(), name) for name in FIELDS}, **changes})


FIELDS = ("name", "pictures", "labels", "classes", "train", "test", "valid", "facts", "shape")


class Sized(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.labels)


def data(**changes: Any) -> Any:
    return Sized(**vars(altered(**changes)))


def failed(report: Any) -> set[str]:
    return {result.name for result in report.failed}


def labels(change: Callable[[Tensor], Tensor]) -> Callable[[], Any]:
    return lambda: data(labels=change(whole().labels.clone()))


def put(tensor: Tensor, place: int, value: Any) -> Tensor:
    tensor[place] = value
    return tensor


SEEDS = itertools.count()


def with_nan() -> Any:
    pixels = whole().pictures.read(torch.arange(COUNT)).float()
    pixels[7, 0, 0, 0] = float("nan")
    return data(pictures=InMemory(pixels))


def mostly_blank() -> Any:
    pixels = whole().pictures.read(torch.arange(COUNT))
    for place in range(0, COUNT, 9):  # of different colors: no duplicates
        pixels[place] = place
    return data(pictures=InMemory(pixels))


def repeated(first: int, second: int) -> Callable[[], Any]:
    """One picture under two indices."""

    def made() -> Any:
        pixels = whole().pictures.read(torch.arange(COUNT))
        pixels[second] = pixels[first]
        return data(pictures=InMemory(pixels))

    return made


def short_labels() -> Any:
    return data(labels=whole().labels[:-1], train=torch.arange(COUNT - 1))


GOOD_PARTS = split(whole().labels, classes=CLASSES, seed=0)
BY_RANGE = {"train": torch.arange(80), "valid": torch.arange(80, 100), "test": torch.arange(100, COUNT)}
SORTED = whole().labels.argsort(stable=True)
BY_CLASS = {"train": SORTED[:90], "valid": SORTED[90:100], "test": SORTED[100:]}
IN_TRAIN, IN_TEST = (int(GOOD_PARTS[part][whole().labels[GOOD_PARTS[part]] == 1][0]) for part in ("train", "test"))
TWO_OF_TRAIN = [int(GOOD_PARTS["train"][whole().labels[GOOD_PARTS["train"]] == c][0]) for c in (0, 1)]


def sorted_read(pictures: InMemory, index: Tensor) -> Tensor:
    return pictures.read(index.sort().values if 4 < len(index) < 12 and len(index.unique()) < len(index) else index)


AFTER_SHAPES = {"normalized_by_training", "batches", "keyed"}
"""What cannot be done with pictures of another shape than the declared one."""

PICTURE_MUTANTS: list[tuple[str, Callable[[], Any], set[str]]] = [
    ("another order each time", lambda: whole(next(SEEDS)), {"opens_twice"}),
    ("a label too few", short_labels, {"lengths"}),
    ("labels of 32 bits", labels(lambda y: y.int()), {"types"}),
    ("pictures of 16 bits", reads(lambda p, i: p.read(i).to(torch.int16)), {"types"}),
    ("channels last", reads(lambda p, i: p.read(i).permute(0, 2, 3, 1)), {"shapes", *AFTER_SHAPES}),
    ("a number that is none", with_nan, {"finite"}),
    ("a class -1", labels(lambda y: put(y, 5, -1)), {"labels_in_range"}),
    ("a class too many", labels(lambda y: put(y, 5, CLASSES)), {"labels_in_range"}),
    ("an empty class", lambda: data(classes=(*whole().classes, "nothing")), {"classes"}),
    ("a name twice", lambda: data(classes=("a", "a ", "b", "c")), {"classes"}),
    ("black pictures", mostly_blank, {"pictures_differ"}),
    ("sorts what it is asked for", reads(sorted_read), {"one_by_one"}),
    ("counts from the end", reads(lambda p, i: p.read(i % COUNT)), {"index_range"}),
    ("a picture in two parts", repeated(IN_TRAIN, IN_TEST), {"no_leaks"}),
    ("a picture under two classes", repeated(*TWO_OF_TRAIN), {"one_label_each"}),
]


@pytest.mark.parametrize(
    ("what", "opened", "caught"), PICTURE_MUTANTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_broken_pictures_and_labels_are_caught(
    own_checks: None, what: str, opened: Callable[[], Any], caught: set[str]
) -> None:
    report = check_dataset(opened)
    assert failed(report) - {"workers"} == caught, str(report)


def test_a_reader_that_gives_its_own_memory_is_caught() -> None:
    kept = whole()

    class Views(InMemory):
        def read(self, index: Tensor) -> Tensor:
            rows = torch.arange(len(self.tensor))[index]  # refuses what is out of range
            return self.tensor[int(rows[0]) :][: len(rows)] if len(rows) == 8 else super().read(index)

    report = check_dataset(lambda: data(pictures=Views(kept.pictures.tensor)))  # type: ignore[attr-defined]
    assert "reading_changes_nothing" in failed(report)


PART_MUTANTS: list[tuple[str, dict[str, Tensor], set[str]]] = [
    (
        "an index that is none",
        {**GOOD_PARTS, "test": torch.cat([GOOD_PARTS["test"], torch.tensor([COUNT])])},
        {"parts_inside"},
    ),
    ("a picture twice", {**GOOD_PARTS, "valid": GOOD_PARTS["valid"].repeat(2)}, {"parts_inside"}),
    ("an empty part", {**GOOD_PARTS, "valid": torch.tensor([], dtype=torch.int64)}, {"parts_inside"}),
    ("no training part", {"test": GOOD_PARTS["test"]}, {"parts_inside"}),
    (
        "parts that share",
        {**GOOD_PARTS, "valid": torch.cat([GOOD_PARTS["valid"], GOOD_PARTS["test"][:1]])},
        {"disjoint"},
    ),
    ("cut where classes are sorted", BY_CLASS, {"stratified_parts"}),
    ("cut as it came", BY_RANGE, set()),
]


@pytest.mark.parametrize(
    ("what", "parts", "caught"), PART_MUTANTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_broken_parts_are_caught(what: str, parts: dict[str, Tensor], caught: set[str]) -> None:
    found = failed(check_dataset(whole, parts=parts))
    if caught == {"parts_inside"}:  # what does not hold pictures cannot be fetched from either
        assert "parts_inside" in found
        assert not found & {"opens_twice", "types", "finite", "disjoint"}
    else:
        assert found == caught


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_normalization_of_other_pictures_is_caught(share: float) -> None:
    pictures = whole().pictures
    every = torch.arange(int(COUNT * share))
    report = check_dataset(whole, normalization=Normalization.measure(pictures, every, "channel"))
    assert failed(report) == {"normalized_by_training"}
    right = Normalization.measure(pictures, GOOD_PARTS["train"], "pixel")
    assert check_dataset(whole, parts=GOOD_PARTS, normalization=right).good
    assert check_dataset(whole, normalize="none")["normalized_by_training"].verdict == "does not apply"


class Examples(ImageExamples):
    """What makes batches, for mutants to change."""

    def plain(self, index: Tensor, key: Tensor) -> Batch:
        return super().fetch(index, key)


class OthersLabels(Examples):
    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        batch = self.plain(index, key)
        return Batch(batch.inputs, self.images.labels[index], batch.key, batch.index)


class RemembersItsTurn(Examples):
    turn = 0

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        batch, self.turn = self.plain(index, key), self.turn + 1
        return Batch(batch.inputs + 0.01 * (self.turn % 2), batch.targets, batch.key, batch.index)


class DrawsForTheBatch(Examples):
    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        batch = self.plain(index, key)
        lighter = 0.0 if self.augment is None else 0.01 * float(key[0] % 7)
        return Batch(batch.inputs + lighter, batch.targets, batch.key, batch.index)


class DrawsFromTorch(Examples):
    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        torch.rand(1)
        return self.plain(index, key)


class ForgetsTheKey(Examples):
    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        batch = self.plain(index, index)
        return Batch(batch.inputs, batch.targets, key, batch.index)


class HoldsALambda(Examples):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.change = lambda x: x

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        return self.plain(index, key)


class OthersInWorkers(Examples):
    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        batch = self.plain(index, key)
        worker = multiprocessing.parent_process()
        return Batch(batch.inputs + (0.0 if worker is None else 0.1), batch.targets, batch.key, batch.index)


@pytest.mark.parametrize(
    ("mutant", "caught"),
    [
        (Examples, set()),
        (OthersLabels, {"batches"}),
        (RemembersItsTurn, {"batches", "keyed", "workers"}),
        (DrawsForTheBatch, {"keyed"}),
        (DrawsFromTorch, {"keyed"}),
        (ForgetsTheKey, {"keyed"}),
        (HoldsALambda, {"workers"}),
        (OthersInWorkers, {"workers"}),
    ],
)
def test_broken_batches_are_caught(mutant: type[Examples], caught: set[str]) -> None:
    report = check_dataset(whole, examples=mutant)
    assert failed(report) == caught, str(report)


def test_checking_changes_nothing_of_the_callers() -> None:
    images, state = whole(), torch.get_rng_state()
    tensor = images.pictures.tensor  # type: ignore[attr-defined]
    before, place = copy.deepcopy(tensor), tensor.data_ptr()
    assert check_dataset(lambda: images).good
    assert torch.equal(tensor, before)
    assert tensor.data_ptr() == place
    assert not tensor.is_shared()
    assert torch.equal(torch.get_rng_state(), state)


def test_mutants_cover_every_check() -> None:
    known = {name for *_, caught in (*PICTURE_MUTANTS, *PART_MUTANTS) for name in caught}
    known |= {"reading_changes_nothing", "normalized_by_training", "batches", "keyed", "workers"}
    report = check_dataset(whole)
    assert report.good, str(report)
    assert len(report) == 20
    assert {result.name for result in report} == known


def test_registered_sets(tmp_path: Path) -> None:
    assert check_dataset("digits").good
    generator = torch.Generator().manual_seed(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(20):
            pixels = torch.randint(0, 256, (9, 7, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(tmp_path / name / f"{number}.png")
    report = check_dataset("folder", options={"folder": str(tmp_path), "size": 8})
    assert report.good, str(report)
    assert report.counts["passed"] == 20


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.skipif(data_folder() is None, reason="CHAINRULE_DATA is not set")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10-jpeg"])
def test_published_sets(name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    with no_downloads():
        report = check_dataset(name)
    assert report.good, str(report)
