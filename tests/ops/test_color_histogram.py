"""Histograms of color: the formulas, whole-number arithmetic, and Stanford's code."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import matplotlib.colors
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.formulas import features as f
from chainrule.ops import _pictures, color_histogram


def formula(image: np.ndarray, bins: int, space: str, joint: bool, top: float) -> np.ndarray:
    if joint and space == "hsv":
        return f.joint_color_histogram(f.hue_saturation_value(image, top), bins, 1.0)
    if joint:
        return f.joint_color_histogram(image, bins, top)
    return f.hue_histogram(image, bins, top) if space == "hsv" else f.color_shares(image, bins, top).ravel()


KINDS = list(product(["hsv", "rgb"], [False, True]))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    bins=st.integers(1, 12),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    kind=st.sampled_from(KINDS),
)
def test_the_formulas(seed: int, bins: int, height: int, width: int, kind: tuple[str, bool]) -> None:
    images = torch.rand(3, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = color_histogram(images, bins=bins, space=kind[0], joint=kind[1])
    assert found.dtype == torch.float64
    expected = np.stack([formula(image, bins, *kind, top=1.0) for image in images.numpy()])
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


def exact_bins(color: tuple[int, int, int], bins: int) -> tuple[int, int, int]:
    """Bins of hue, saturation and value, in fractions."""
    r, g, b = color
    most, span = max(color), max(color) - min(color)
    if span == 0:
        hue = Fraction(0)
    elif most == r:
        hue = Fraction(g - b, span) % 6 / 6
    elif most == g:
        hue = (2 + Fraction(b - r, span)) / 6
    else:
        hue = (4 + Fraction(r - g, span)) / 6
    saturation = Fraction(span, most) if most else Fraction(0)
    hue_bin, saturation_bin, value_bin = (int(v * bins) for v in (hue, saturation, Fraction(most, 255)))
    return min(hue_bin, bins - 1), min(saturation_bin, bins - 1), min(value_bin, bins - 1)


@pytest.mark.parametrize("bins", [1, 2, 3, 6, 10, 12, 32])
def test_8_bit_pixels_are_never_counted_in_a_neighboring_bin(bins: int) -> None:
    steps = [0, 1, 17, 51, 85, 102, 127, 128, 153, 170, 204, 238, 254, 255]  # many ratios lie exactly on an edge
    colors = list(product(steps, repeat=3))
    images = torch.tensor(colors, dtype=torch.uint8)[:, :, None, None]  # one pixel each
    hue = [exact_bins(color, bins)[0] for color in colors]
    assert color_histogram(images, bins=bins).argmax(1).tolist() == hue
    joint = [(h * bins + s) * bins + v for h, s, v in (exact_bins(color, bins) for color in colors)]
    assert color_histogram(images, bins=bins, joint=True).argmax(1).tolist() == joint
    each = torch.tensor([[min(v * bins // 255, bins - 1) for v in color] for color in colors])
    found = color_histogram(images, bins=bins, space="rgb").view(-1, 3, bins)
    assert torch.equal(found.argmax(2), each)


def test_8_bit_images_follow_the_formulas_away_from_the_edges_between_bins() -> None:
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for kind in KINDS:
        found = color_histogram(images, bins=7, space=kind[0], joint=kind[1])
        assert found.dtype == torch.float32
        expected = np.stack([formula(image.astype(np.float64), 7, *kind, top=255.0) for image in images.numpy()])
        assert np.abs(found.numpy() - expected).sum() < 4 * 2 * 3 / 256  # three pixels an image may lie on an edge


def test_hues_are_those_of_the_assignment() -> None:
    images = torch.rand(5, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 255
    for image, found in zip(images, color_histogram(images / 255)):
        hsv = matplotlib.colors.rgb_to_hsv(image.permute(1, 2, 0).numpy() / 255) * 255
        counts, edges = np.histogram(hsv[:, :, 0], bins=np.linspace(0, 255, 11), density=True)
        np.testing.assert_allclose(found.numpy(), counts * np.diff(edges), atol=1e-12)


def test_gray_is_red_and_places_do_not_matter() -> None:
    gray = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert color_histogram(gray).tolist() == [[1.0] + [0.0] * 9]
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    shuffled = images.flatten(2)[:, :, torch.randperm(64, generator=torch.Generator().manual_seed(2))].view_as(images)
    for space, joint in KINDS:
        found = color_histogram(images, space=space, joint=joint)
        torch.testing.assert_close(color_histogram(shuffled, space=space, joint=joint), found, rtol=0, atol=0)
        torch.testing.assert_close(found.sum(1), torch.full((2,), 3.0 if (space, joint) == ("rgb", False) else 1.0))


def test_a_batch_is_its_images_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (7, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    for space, joint in KINDS:
        monkeypatch.setattr(_pictures, "CHUNK", 1 << 18)
        whole = color_histogram(images, bins=5, space=space, joint=joint)
        alone = torch.cat([color_histogram(image[None], bins=5, space=space, joint=joint) for image in images])
        assert torch.equal(alone, whole)
        monkeypatch.setattr(_pictures, "CHUNK", 2 * 3 * 6 * 5)
        assert torch.equal(color_histogram(images, bins=5, space=space, joint=joint), whole)
        assert color_histogram(images[:0], bins=5, space=space, joint=joint).shape == (0, whole.shape[1])


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize(
    ("shape", "settings", "says"),
    [
        ((3, 8, 8), {}, "four axes"),
        ((1, 1, 8, 8), {}, r"expected \(N, C, H, W\) with C 3"),
        ((1, 3, 0, 8), {}, "at least one pixel"),
        ((1, 3, 8, 8), {"bins": 0}, "expected a whole number, 1 to 256, got 0"),
        ((1, 3, 8, 8), {"bins": 257}, "1 to 256"),
        ((1, 3, 8, 8), {"bins": 33, "joint": True}, "1 to 32"),
        ((1, 3, 8, 8), {"space": "lab"}, "expected hsv or rgb, got lab"),
    ],
)
def test_what_does_not_fit_is_told(shape: tuple[int, ...], settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        color_histogram(torch.zeros(shape), **settings)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_floating_pixels_out_of_range_are_told(value: float) -> None:
    images = torch.zeros(1, 3, 4, 4)
    images[0, 1, 2, 3] = value
    with pytest.raises(DataError, match="floating pixels out of range: expected 0 to 1"):
        color_histogram(images)
