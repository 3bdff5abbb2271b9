"""Normalization: measured on the training part alone, the same bits in any batch, stored without loss."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import InMemory, Normalization
from chainrule.data import normalize as module


def random_pictures(seed: int, count: int = 40, shape=(3, 5, 4)) -> InMemory:
    generator = torch.Generator().manual_seed(seed)
    return InMemory(torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8))


@pytest.mark.parametrize(("kind", "axes"), [("channel", (0, 2, 3)), ("pixel", (0,))])
def test_mean_and_deviation_are_numpys(kind, axes, monkeypatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7 * 60)  # several chunks, the last one short
    pictures = random_pictures(0)
    indices = torch.arange(1, 40, 2)
    measured = Normalization.measure(pictures, indices, kind)
    values = pictures.tensor[indices].numpy().astype(np.float64) / 255
    np.testing.assert_allclose(measured.mean.squeeze(), values.mean(axes).squeeze(), rtol=1e-13)
    np.testing.assert_allclose(measured.deviation.squeeze(), values.std(axes).squeeze(), rtol=1e-13)
    result = measured.apply(pictures.tensor[indices]).double().numpy()
    np.testing.assert_allclose(result.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(result.std(axes), 1, atol=1e-6)


def test_other_images_do_not_count() -> None:
    pictures = random_pictures(1)
    indices = torch.arange(20)
    before = Normalization.measure(pictures, indices, "channel")
    pictures.tensor[20:] = 255
    after = Normalization.measure(pictures, indices, "channel")
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.deviation, after.deviation)


@given(st.integers(0, 1000), st.sampled_from(["channel", "pixel", "none"]), st.sampled_from([(1, 7, 3), (3, 8, 8)]))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_the_inverse_gives_the_image_back(seed, kind, shape) -> None:
    pictures = random_pictures(seed, shape=shape)
    measured = Normalization.measure(pictures, torch.arange(30), kind)
    images = pictures.read(torch.arange(40))
    assert torch.allclose(measured.invert(measured.apply(images)), images / 255, atol=1e-5)
    floats = measured.apply(images / 255)  # bytes and floats of the same image agree
    assert torch.allclose(floats, measured.apply(images), atol=1e-4)


def test_the_same_bits_alone_and_in_a_batch() -> None:
    pictures = random_pictures(3, shape=(3, 9, 7))
    for kind in ("channel", "pixel"):
        measured = Normalization.measure(pictures, torch.arange(40), kind)
        together = measured.apply(pictures.tensor)
        alone = torch.cat([measured.apply(pictures.tensor[i : i + 1]) for i in range(40)])
        assert torch.equal(together, alone)


def test_zero_is_the_average() -> None:
    pictures = random_pictures(4)
    measured = Normalization.measure(pictures, torch.arange(40), "channel")
    assert torch.allclose(
        measured.invert(torch.zeros(1, 3, 1, 1)).double().squeeze(), measured.mean.squeeze(), atol=1e-6
    )


def test_constant_pixels_do_not_explode() -> None:
    tensor = random_pictures(5, count=200, shape=(1, 4, 4)).tensor
    tensor[:, 0, 0, 0] = 7
    tensor[:, 0, 0, 1] = 0
    tensor[0, 0, 0, 1] = 1  # lit once
    measured = Normalization.measure(InMemory(tensor), torch.arange(200), "pixel")
    assert float(measured.apply(tensor)[:, 0, 0, 0].abs().max()) < 1e-6
    assert float(measured.apply(tensor).abs().max()) < 11
    blank = InMemory(torch.full((5, 1, 2, 2), 9, dtype=torch.uint8))
    assert torch.equal(Normalization.measure(blank, torch.arange(5), "channel").deviation, torch.ones(1, 1, 1).double())


def test_none_only_scales() -> None:
    measured = Normalization.measure(random_pictures(6), torch.arange(3), "none")
    assert measured.apply(
        torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    ).flatten().tolist() == pytest.approx([0, 0.2, 1])


@given(st.integers(0, 1000), st.sampled_from(["channel", "pixel", "none"]))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_stored_and_read_back_bit_for_bit(seed, kind) -> None:
    measured = Normalization.measure(random_pictures(seed), torch.arange(40), kind)
    again = Normalization.from_json(json.loads(json.dumps(measured.to_json())))
    assert again.kind == measured.kind
    assert torch.equal(again.mean, measured.mean)
    assert torch.equal(again.deviation, measured.deviation)


def test_that_of_a_card_is_stored_and_measured_nowhere() -> None:
    card = Normalization(
        "card", torch.tensor([0.4, 0.5, 0.6]).double().view(3, 1, 1), torch.full((3, 1, 1), 0.2).double()
    )
    again = Normalization.from_json(json.loads(json.dumps(card.to_json())))
    assert again.kind == "card"
    pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    assert again.apply(pixels).flatten().tolist() == pytest.approx([-2.0, 2.5, -2.0])
    with pytest.raises(UsageError, match="unknown kind"):
        Normalization.measure(InMemory(pixels), torch.arange(1), "card")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "channel"},
        {"kind": "other", "mean": [[[0.0]]], "deviation": [[[1.0]]]},
        {"kind": "channel", "mean": [[0.0]], "deviation": [[1.0]]},
        {"kind": "channel", "mean": [[[0.0]]], "deviation": [[[0.0]]]},
        {"kind": "channel", "mean": [[["x"]]], "deviation": [[[1.0]]]},
        {"kind": "channel", "mean": [[[float("nan")]]], "deviation": [[[1.0]]]},
        {"kind": "channel", "mean": [[[0.0], [0.0, 1.0]]], "deviation": [[[1.0]]]},
    ],
)
def test_damaged_data_are_refused(data) -> None:
    with pytest.raises(DataError, match="stored normalization cannot be read"):
        Normalization.from_json(data)


def test_values_that_are_not_finite_are_refused() -> None:
    tensor = torch.ones(4, 1, 2, 2)
    tensor[2, 0, 1, 1] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        Normalization.measure(InMemory(tensor), torch.arange(4), "channel")
    Normalization.measure(InMemory(tensor), torch.tensor([0, 1, 3]), "channel")  # the others are fine


def test_wrong_uses() -> None:
    pictures = random_pictures(7)
    with pytest.raises(UsageError, match=r"kind of normalization.*channel or pixel or none.*batch"):
        Normalization.measure(pictures, torch.arange(4), "batch")
    with pytest.raises(DataError, match="no pictures"):
        Normalization.measure(pictures, torch.empty(0, dtype=torch.int64), "channel")
    measured = Normalization.measure(pictures, torch.arange(4), "pixel")
    with pytest.raises(DataError, match="do not fit the normalization"):
        measured.apply(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
