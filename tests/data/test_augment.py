"""Augmentation: a function of each image's key, in the stated proportions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chainrule.core.errors import UsageError
from chainrule.data import Augment
from chainrule.data.augment import augmented, blanked, contrasted, mixture, moved, offsets
from chainrule.runtime.rng import keys

ALL = Augment(flip=0.5, shift=2, cutout=3, brightness=0.3, contrast=0.4, noise=0.2)


def images_and_keys(seed: int, count: int, shape=(3, 8, 8), *, last: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    return images, keys(seed, 0, torch.arange(count), "example")


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (1, 1, 5), (2, 7, 3), (3, 1, 1)])
@pytest.mark.parametrize("last", [False, True])
def test_alone_or_in_a_batch_gives_the_same_bits(shape, last) -> None:
    images, key = images_and_keys(0, 33, shape, last=last)
    together = augmented(images, key, ALL)
    assert together.shape == images.shape
    for cut in (1, 5, 16):
        pieces = [augmented(i.clone(), k, ALL) for i, k in zip(images.split(cut), key.split(cut))]
        assert torch.equal(torch.cat(pieces), together)
    order = torch.randperm(33, generator=torch.Generator().manual_seed(1))
    assert torch.equal(augmented(images[order], key[order], ALL), together[order])


def test_the_layout_in_memory_changes_nothing_and_is_kept() -> None:
    images, key = images_and_keys(1, 20)
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augmented(images, key, ALL), augmented(last, key, ALL))
    assert augmented(last, key, ALL).is_contiguous(memory_format=torch.channels_last)


def test_what_is_given_is_not_changed() -> None:
    images, key = images_and_keys(2, 20)
    before = images.clone()
    augmented(images, key, ALL)
    assert torch.equal(images, before)


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.integers(0, 11))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_moving_is_numpys_roll_with_zeros(seed, height, width, channels, most) -> None:
    images, key = images_and_keys(seed, 6, (channels, height, width))
    move = offsets(key, most)
    mirror = torch.tensor([True, False] * 3)
    result = moved(images, mirror, move)
    for i in range(6):
        picture = images[i].numpy()[..., ::-1] if mirror[i] else images[i].numpy()
        frame = np.zeros((channels, height + 2 * most, width + 2 * most), np.float32)
        down, right = move[i].tolist()
        frame[:, most + down : most + down + height, most + right : most + right + width] = picture
        np.testing.assert_array_equal(result[i].numpy(), frame[:, most : most + height, most : most + width])


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_mirroring_twice_is_nothing(seed, height, width) -> None:
    images, _ = images_and_keys(seed, 4, (2, height, width))
    every, still = torch.ones(4, dtype=torch.bool), torch.zeros(4, 2, dtype=torch.int64)
    once = moved(images, every, still)
    assert torch.equal(once, images.flip(3))
    assert torch.equal(moved(once, every, still), images)


def test_half_of_the_images_are_mirrored() -> None:
    images, key = images_and_keys(3, 20_000, (1, 1, 2))
    for share in (0.5, 0.2, 1.0):
        mirrored = (augmented(images, key, Augment(flip=share)) != images).any(dim=(1, 2, 3))
        assert abs(float(mirrored.float().mean()) - share) < 0.012


def test_all_shifts_are_equally_likely() -> None:
    move = offsets(keys(4, 0, torch.arange(50_000), "example"), 2)
    counts = torch.bincount((move[:, 0] + 2) * 5 + move[:, 1] + 2, minlength=25)
    assert int(move.abs().max()) == 2
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_draws_differ_between_images_and_epochs() -> None:
    first = offsets(keys(0, 0, torch.arange(1000), "example"), 4)
    second = offsets(keys(0, 1, torch.arange(1000), "example"), 4)
    assert float((first == second).all(1).float().mean()) < 0.04
    assert len(torch.unique(first, dim=0)) == 81


def test_cutout_blanks_a_square_wherever_it_lies() -> None:
    center = torch.rand(5000, 2, generator=torch.Generator().manual_seed(0))
    holes = blanked(torch.ones(5000, 2, 9, 9), center, 4) == 0
    rows, columns = holes.any(3).any(1).sum(1), holes.any(2).any(1).sum(1)
    assert torch.equal(holes[:, 0], holes[:, 1])
    assert torch.equal(holes[:, 0].sum((1, 2)), rows * columns)  # a filled rectangle
    assert int(rows.max()) == 4
    assert int(rows.min()) == 2  # partly outside
    share = holes[:, 0].float().mean(0)
    assert float(share[2:7, 2:7].std()) < 0.02  # the middle is hit evenly
    assert torch.equal(blanked(torch.ones(1, 1, 3, 3), torch.tensor([[0.5, 0.5]]), 99), torch.zeros(1, 1, 3, 3))


@pytest.mark.parametrize(("side", "first"), [(1, 4), (2, 3), (3, 3), (4, 2)])
def test_the_middle_of_the_square_is_where_it_was_drawn(side, first) -> None:
    hole = blanked(torch.ones(1, 1, 9, 9), torch.tensor([[0.5, 0.0]]), side)[0, 0] == 0
    assert hole.any(1).nonzero().flatten().tolist() == list(range(first, first + side))
    assert hole.any(0).nonzero().flatten().tolist() == list(range(side - side // 2))


def test_noise_is_normal_and_other_in_each_value() -> None:
    images, key = torch.zeros(20, 3, 16, 16), keys(0, 0, torch.arange(20), "example")
    noise = augmented(images, key, Augment(noise=0.5))
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 0.5) < 0.02
    assert noise.unique().numel() > 0.9 * noise.numel() * 0.9


def test_brightness_adds_one_number_to_each_image() -> None:
    images, key = images_and_keys(5, 5000, (1, 2, 2))
    added = augmented(images, key, Augment(brightness=0.5)) - images
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-6)
    assert stats.kstest(added[:, 0, 0, 0].numpy(), stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-6


def test_contrast_keeps_the_mean_and_scales_the_rest() -> None:
    images, key = images_and_keys(6, 500, (3, 6, 6))
    result = augmented(images, key, Augment(contrast=0.4))
    assert torch.allclose(result.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-5)
    factor = result.std((1, 2, 3)) / images.std((1, 2, 3))
    assert 0.6 < float(factor.min()) < 0.62
    assert 1.38 < float(factor.max()) < 1.4
    same = contrasted(images, torch.ones(500))
    assert torch.allclose(same, images, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixup_draws_from_the_beta_distribution(alpha) -> None:
    key = keys(7, 0, torch.arange(20_000), "example")
    partner, share = mixture(key, 37, alpha)
    assert stats.kstest(share.double().numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-6
    assert stats.chisquare(torch.bincount(partner, minlength=37).numpy()).pvalue > 1e-6
    alone = [mixture(k, 37, alpha) for k in key[:50].split(1)]
    assert torch.equal(torch.cat([p for p, _ in alone]), partner[:50])
    assert torch.equal(torch.cat([s for _, s in alone]), share[:50])


def test_nothing_is_on_by_default() -> None:
    images, key = images_and_keys(8, 4)
    assert torch.equal(augmented(images, key, Augment()), images)
    assert not Augment().active
    assert Augment(cutout=1).active


def test_no_images() -> None:
    assert augmented(torch.empty(0, 3, 4, 4), torch.empty(0, dtype=torch.int64), ALL).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("options", [{"flip": 1.5}, {"shift": -1}, {"contrast": 2.0}, {"mixup": float("nan")}])
def test_values_out_of_range_are_refused(options) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"augment.{name} is out of range"):
        Augment(**options)
