"""Examples that cannot be read: an error, or replaced where one learns and left out where one measures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from chainrule.core.errors import DataError
from chainrule.data import Augment, ImageExamples, LabeledImages, Normalization, from_arrays
from chainrule.data._bad_examples import (
    TRIES,
    LeavingOut,
    Readable,
    Reading,
    SourceLost,
    replacing,
    strictly,
)
from chainrule.data.folder import folder
from chainrule.runtime.rng import keys

COUNT = 30
BAD = (4, 11, 12)


def photos(root: Path, bad: tuple[int, ...] = BAD, count: int = COUNT) -> LabeledImages:
    for number in range(count):
        path = root / f"class {number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (8 * number, 255 - 8 * number, 90)).save(path)
    images = folder(folder=str(root), size=6)
    for number in bad:
        Path(images.pictures.paths[number]).write_bytes(b"damaged")
    return images


def part_of(images: LabeledImages, reading: Reading, augment: Augment | None = None) -> ImageExamples:
    normalization = Normalization.measure(Readable(images.pictures), torch.arange(len(images)), "channel")
    return ImageExamples(images, torch.arange(len(images)), normalization, augment, reading=reading)


def test_an_error_is_the_usual_answer(tmp_path: Path) -> None:
    part = part_of(photos(tmp_path), strictly)
    index = torch.arange(8)
    with pytest.raises(DataError, match=r"04\.png|08\.png"):
        part.fetch(index, index)


@pytest.mark.parametrize("augment", [None, Augment(flip=0.5, mixup=0.5)])
def test_another_example_stands_in_and_brings_its_own_class(tmp_path: Path, augment: Augment | None) -> None:
    images = photos(tmp_path)
    part = part_of(images, replacing, augment)
    index = torch.arange(COUNT)
    key = keys(0, 0, index, "example")
    batch = part.fetch(index, key)
    assert len(batch) == COUNT
    changed = (batch.index != index).nonzero().flatten().tolist()
    assert changed == list(BAD)
    assert not set(batch.index.tolist()) & set(BAD)
    targets = batch.targets if augment is None else batch.targets.first
    assert torch.equal(targets, images.labels[batch.index])
    assert len(batch.skipped) >= len(BAD)
    assert batch.skipped[0] == f'example 4 ("{images.pictures.paths[4]}")'
    if augment is None:
        assert torch.equal(batch.inputs, part.normalization.apply(images.pictures.read(batch.index)))


def test_which_one_stands_in_depends_on_the_key_alone(tmp_path: Path) -> None:
    part = part_of(photos(tmp_path), replacing, Augment(flip=0.5, mixup=0.5))
    index = torch.arange(COUNT)
    key = keys(0, 0, index, "example")
    whole = part.fetch(index, key)
    for number in (3, *BAD):
        alone = part.fetch(index[number : number + 1], key[number : number + 1])
        assert torch.equal(alone.index[0], whole.index[number])
        assert torch.equal(alone.inputs[0], whole.inputs[number])
    others = part.fetch(index, keys(0, 1, index, "example"))
    assert others.index.tolist() != whole.index.tolist()


def test_stand_ins_are_spread_over_the_part(tmp_path: Path) -> None:
    part = part_of(photos(tmp_path, bad=(7,)), replacing)
    index = torch.full((600,), 7)
    batch = part.fetch(index, keys(0, 0, torch.arange(600), "example"))
    counts = torch.bincount(batch.index, minlength=COUNT)
    assert counts[7] == 0
    others = counts[[number for number in range(COUNT) if number != 7]].double()
    expected = 600 / (COUNT - 1)
    assert float(((others - expected) ** 2 / expected).sum()) < 60  # chi-square of 28 degrees: p about 0.0004


def test_nothing_stands_in_where_nothing_can_be_read(tmp_path: Path) -> None:
    images = photos(tmp_path)
    part = part_of(images, replacing)
    for path in images.pictures.paths:
        Path(path).write_bytes(b"")
    with pytest.raises(DataError, match=rf"nor any of {TRIES} others in its place"):
        part.fetch(torch.tensor([0]), torch.tensor([0]))


def test_measuring_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    images = photos(tmp_path)
    part = part_of(images, LeavingOut(0.2))
    index = torch.arange(COUNT)
    for _ in range(3):  # what is met again is not counted again
        batch = part.fetch(index, index)
    assert batch.index.tolist() == [number for number in range(COUNT) if number not in BAD]
    assert torch.equal(batch.targets, images.labels[batch.index])
    assert torch.equal(batch.key, batch.index)
    assert len(batch.skipped) == len(BAD)
    nothing = part.fetch(torch.tensor([4]), torch.tensor([4]))
    assert (len(nothing), nothing.inputs.shape) == (0, (0, 3, 6, 6))


def test_too_much_to_leave_out(tmp_path: Path) -> None:
    part = part_of(photos(tmp_path), LeavingOut(0.05))
    index = torch.arange(COUNT)
    with pytest.raises(DataError, match=r"at most 0\.05 of them \(data\.bad_share\), got 3 of 30"):
        part.fetch(index, index)


def test_a_source_that_is_gone_is_no_bad_example() -> None:
    def gone(index: torch.Tensor) -> torch.Tensor:
        raise SourceLost("the shard is gone")

    index = torch.arange(3)
    for reading in (strictly, replacing, LeavingOut(0.9)):
        with pytest.raises(SourceLost):
            reading(gone, index, index, 3)


def test_any_failure_of_a_source_is_a_bad_example() -> None:
    def read(index: torch.Tensor) -> torch.Tensor:
        if 2 in index.tolist():
            raise DataError("damaged") if len(index) > 1 else ValueError("no pixels")
        return index.view(-1, 1, 1, 1).float()

    index = torch.arange(4)
    found = replacing(read, index, keys(0, 0, index, "x"), 4)
    assert found.places[[0, 1, 3]].tolist() == [0, 1, 3]
    assert int(found.places[2]) != 2


def test_pictures_in_memory_are_all_there() -> None:
    images = from_arrays(torch.zeros(4, 1, 2, 2), [0, 1, 0, 1], layout="NCHW")
    normalization = Normalization.measure(images.pictures, torch.arange(4), "none")

    def never(*arguments: object) -> None:
        raise AssertionError

    part = ImageExamples(images, torch.arange(4), normalization, reading=never)
    assert part.fetch(torch.arange(4), torch.arange(4)).skipped == ()


def test_mean_and_deviation_are_those_of_what_can_be_read(tmp_path: Path) -> None:
    images = photos(tmp_path)
    good = torch.tensor([number for number in range(COUNT) if number not in BAD])
    wanted = Normalization.measure(images.pictures, good, "channel")
    found = Normalization.measure(Readable(images.pictures), torch.arange(COUNT), "channel")
    assert torch.allclose(found.mean, wanted.mean, rtol=1e-12)
    assert torch.allclose(found.deviation, wanted.deviation, rtol=1e-12)
