"""Features of pictures: the same however they are read, and normalized by the training part alone."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Feature, FeatureExamples, Features, FeatureTable, Files, InMemory, Normalization, from_arrays
from chainrule.data import _features as module
from chainrule.ops import color_histogram, hog, pixels

CHOICES = [
    Feature("hog", hog, {"cell": 4}),
    Feature("hog", hog, {"cell": 5, "bins": 6}),
    Feature("color_histogram", color_histogram, {"bins": 5}),
    Feature("color_histogram", color_histogram, {"bins": 2, "joint": True}),
    Feature("pixels", pixels),
]


def pictures(count: int = 12, seed: int = 0, side: int = 10) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def numbered(some: list[int]) -> Features:
    return Features([CHOICES[number] for number in some])


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True),
    st.integers(1, 12),
    st.integers(1, 2000),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_features_in_pieces_are_those_of_all_at_once(some: list[int], count: int, room: int, chance: Any) -> None:
    features, images = numbered(some), pictures()
    indices = torch.tensor(chance.sample(range(12), count))
    at_once = torch.cat([part(images[indices]).float() for part in features.parts], 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PICTURE_BYTES", room)  # down to one picture at a time
        kept = FeatureTable(features, InMemory(images), indices)
        patch.setattr(module, "TABLE_BYTES", 0)
        anew = FeatureTable(features, InMemory(images), indices)
    where = torch.tensor(chance.choices(range(count), k=5))
    for found, wanted in (
        (kept.read(torch.arange(count)), at_once),
        (kept.read(where), at_once[where]),
        (anew.read(where), at_once[where]),
    ):  # torch's arc tangent rounds the last few numbers of a batch otherwise
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(kept.read(where), kept.read(torch.arange(count))[where])
    assert anew._table is None
    assert kept.shape == anew.shape == (sum(kept.widths),) == features.shape_of((3, 10, 10)) == at_once.shape[1:]


def test_files_and_memory_give_the_same(tmp_path: Path) -> None:
    images = pictures(side=12)
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    indices = torch.tensor([5, 0, 11])
    one, other = (FeatureTable(numbered([0, 2, 4]), source, indices) for source in (Files(paths, 12), InMemory(images)))
    assert torch.equal(one.read(torch.arange(3)), other.read(torch.arange(3)))


@given(st.integers(0, 1000), st.lists(st.integers(0, 4), min_size=1, max_size=2, unique=True))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_each_number_gets_mean_0_and_deviation_1(seed: int, some: list[int]) -> None:
    table = FeatureTable(numbered(some), InMemory(pictures(40, seed)), torch.arange(30))
    measured = table.normalization("channel")
    values = table.read(torch.arange(30)).double().numpy()
    np.testing.assert_allclose(measured.mean, values.mean(0), rtol=1e-12, atol=1e-15)
    floors = np.concatenate([
        np.full(block.shape[1], module.FLOOR * np.sqrt((block.std(0) ** 2).mean()))
        for block in np.split(values, np.cumsum(table.widths)[:-1], 1)
    ])  # fmt: skip
    np.testing.assert_allclose(measured.deviation, np.maximum(values.std(0), floors), rtol=1e-9)
    found = measured.apply(table.read(torch.arange(30))).double().numpy()
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    free = values.std(0) > floors
    np.testing.assert_allclose(found.std(0)[free], 1, atol=1e-4)
    again = Normalization.from_json(json.loads(json.dumps(measured.to_json())))
    assert torch.equal(again.mean, measured.mean)
    assert torch.equal(again.deviation, measured.deviation)


def test_what_is_always_the_same_becomes_0() -> None:
    gray = pictures().clone()
    gray[:] = gray[:, :1]  # no hue but that of gray
    table = FeatureTable(numbered([2, 0]), InMemory(gray), torch.arange(12))
    found = table.normalization("channel").apply(table.read(torch.arange(12)))
    assert torch.equal(found[:, :5], torch.zeros(12, 5))
    assert bool(found[:, 5:].any())
    constant = FeatureTable(numbered([4]), InMemory(torch.full((3, 3, 2, 2), 9, dtype=torch.uint8)), torch.arange(3))
    assert constant.normalization("pixel").apply(constant.read(torch.arange(3))).abs().max() < 1e-5


def test_the_training_part_alone_is_measured() -> None:
    images = pictures()
    before = FeatureTable(numbered([0]), InMemory(images), torch.arange(6)).normalization("channel")
    images[6:] = 0
    after = FeatureTable(numbered([0]), InMemory(images), torch.arange(6)).normalization("channel")
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.deviation, after.deviation)


def test_none_leaves_them_as_they_are() -> None:
    table = FeatureTable(numbered([0, 4]), InMemory(pictures()), torch.arange(12))
    index = torch.tensor([3, 1])
    assert torch.equal(table.normalization("none").apply(table.read(index)), table.read(index))


def test_the_examples_are_the_same_alone_together_and_in_another_process() -> None:
    images = from_arrays(pictures(), [0, 1, 2] * 4, layout="NCHW")
    table = FeatureTable(numbered([0, 2]), images.pictures, torch.tensor([7, 2, 9, 4]))
    part = FeatureExamples(images, table, table.normalization("channel"))
    index = torch.arange(4)
    together = part.fetch(index, index)
    assert len(part) == len(together) == 4
    assert together.targets.tolist() == [1, 2, 0, 1]
    for other in (part, pickle.loads(pickle.dumps(part))):
        alone = torch.cat([other.fetch(index[i : i + 1], index[i : i + 1]).inputs for i in range(4)])
        assert torch.equal(alone, together.inputs)


def test_no_features_leave_the_picture_as_it_is() -> None:
    images = pictures()
    assert Features()(images) is images
    assert Features().shape_of((3, 10, 10)) == (3, 10, 10)
    assert not Features()


@pytest.mark.usefixtures("own_checks")
def test_what_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match="hog: images of 10x10 have fewer cells than a block"):
        FeatureTable(Features([Feature("hog", hog)]), InMemory(pictures()), torch.arange(3))
    with pytest.raises(UsageError, match=r"color_histogram: wrong number of channels.*C 3.*got \(1, 1, 8, 8\)"):
        numbered([2]).shape_of((1, 8, 8))
    broken = InMemory(torch.full((2, 1, 4, 4), float("nan")))
    with pytest.raises(DataError, match="not finite"):
        FeatureTable(numbered([4]), broken, torch.arange(2))
    with pytest.raises(DataError, match="no pictures to measure"):
        FeatureTable(numbered([4]), InMemory(pictures()), torch.arange(0)).normalization("channel")
    table = FeatureTable(numbered([4]), InMemory(pictures()), torch.arange(3))
    with pytest.raises(DataError, match=r"expected \(300,\), got \(7,\)"):
        table.normalization("channel").apply(torch.zeros(2, 7))


@pytest.mark.parametrize(
    "changes",
    [{"mean": [0.0]}, {"mean": [[[0.0]]], "deviation": [[[1.0]]]}, {"deviation": [1.0, 0.0]}, {"mean": [0.0, None]}],
)
def test_a_damaged_normalization_of_features_is_refused(changes: dict[str, Any]) -> None:
    data = {"kind": "each number", "mean": [0.0, 1.0], "deviation": [1.0, 2.0]}
    assert Normalization.from_json(data).mean.tolist() == [0.0, 1.0]
    with pytest.raises(DataError, match="cannot be read"):
        Normalization.from_json({**data, **changes})
