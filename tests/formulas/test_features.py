"""Features of images: worked examples, other libraries, and what must not change them."""

from __future__ import annotations

import colorsys

import matplotlib.colors
import numpy as np
import pytest

from chainrule.formulas import features as f


def test_gradient_of_planes_and_the_border(rng) -> None:
    down, right = np.mgrid[0:5, 0:6].astype(np.float64)
    gx, gy = f.image_gradient((3 * right - 2 * down)[None])
    np.testing.assert_allclose(gx[:, 1:-1], 6)  # two pixels apart
    np.testing.assert_allclose(gy[1:-1], -4)
    for border in (gx[:, 0], gx[:, -1], gy[0], gy[-1]):
        assert not border.any()
    image = rng.random((1, 5, 6))
    np.testing.assert_allclose(f.image_gradient(image)[0][:, 1:-1], 2 * np.gradient(image[0], axis=1)[:, 1:-1])
    np.testing.assert_allclose(f.image_gradient(image)[1][1:-1], 2 * np.gradient(image[0], axis=0)[1:-1])


def test_each_pixel_takes_the_longest_gradient_of_the_first_channel_that_has_it() -> None:
    row = np.array([[0.0, 1.0, 2.0, 9.0], [0.0, -5.0, -3.0, 4.0], [2.0, 1.0, 0.0, 5.0]])
    gx, gy = f.image_gradient(row[:, None, :])
    np.testing.assert_array_equal(gx, [[0, -3, 9, 0]])
    assert not gy.any()
    tie = np.array([[[2.0, 1.0, 0.0]], [[0.0, 1.0, 2.0]]])
    assert f.image_gradient(tie)[0][0, 1] == -2


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(0, [0.5, 0, 0.5]), (30, [1, 0, 0]), (45, [0.75, 0.25, 0]), (60, [0.5, 0.5, 0]), (150, [0, 0, 1])],
)
def test_votes_by_hand(degrees: float, expected: list[float]) -> None:
    """Three bins of 60 degrees, their middles at 30, 90 and 150; 0 lies between the last and the first."""
    down, right = np.mgrid[0:4, 0:4].astype(np.float64)
    image = right * np.cos(np.radians(degrees)) + down * np.sin(np.radians(degrees))
    plane = np.pad(image[1:3, 1:3], 1, mode="reflect", reflect_type="odd")[None]  # the plane goes on over the border
    np.testing.assert_allclose(plane[0], image, atol=1e-14)
    # in a cell of 4 only the 2 x 2 pixels inside have both gradients; each is 2 long
    votes = f.orientation_histograms(plane, cell=4, bins=3)[0, 0]
    gx, gy = f.image_gradient(plane)
    edge = np.ones((4, 4), bool)
    edge[1:3, 1:3] = False
    alone = np.zeros(3)
    for length, angle in zip(np.hypot(gx, gy)[edge], np.degrees(np.arctan2(gy, gx))[edge] % 180):
        for b in range(3):  # a hat of 60 degrees around each middle, and around the same one half a turn away
            alone[b] += length * sum(max(0, 1 - abs(angle - (60 * b + 30 + turn)) / 60) for turn in (-180, 0, 180))
    np.testing.assert_allclose(16 * votes - alone, 4 * 2 * np.array(expected), atol=1e-9)


def test_all_votes_are_cast(rng) -> None:
    image = rng.random((3, 12, 8))
    length = np.hypot(*f.image_gradient(image))
    for vote in ("linear", "hard"):
        for bins in (1, 2, 9):
            cells = f.orientation_histograms(image, cell=4, bins=bins, vote=vote)
            assert cells.shape == (3, 2, bins)
            np.testing.assert_allclose(cells.sum(2), length.reshape(3, 4, 2, 4).mean(axis=(1, 3)))


def test_hard_votes_are_numpys_histogram(rng) -> None:
    image = rng.random((1, 8, 8))
    gx, gy = f.image_gradient(image)
    expected, _ = np.histogram(np.degrees(np.arctan2(gy, gx)) % 180, 7, range=(0, 180), weights=np.hypot(gx, gy))
    np.testing.assert_allclose(f.orientation_histograms(image, 8, 7, "hard")[0, 0], expected / 64)


def test_a_half_turn_turns_the_cells_and_a_negative_changes_nothing(rng) -> None:
    image = rng.random((2, 8, 12))
    cells = f.orientation_histograms(image, cell=4)
    np.testing.assert_allclose(f.orientation_histograms(image[:, ::-1, ::-1], cell=4), cells[::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(f.orientation_histograms(-image, cell=4), cells, atol=1e-12)


def test_a_quarter_turn_moves_votes_by_half_the_bins(rng) -> None:
    image = rng.random((1, 8, 8))
    cells = f.orientation_histograms(image, cell=4, bins=6)
    turned = f.orientation_histograms(np.rot90(image, axes=(1, 2)), cell=4, bins=6)
    np.testing.assert_allclose(turned, np.roll(np.rot90(cells), 3, axis=2), atol=1e-12)


def test_a_block_is_normalized_twice_with_a_ceiling_between(rng) -> None:
    v = rng.random(36)
    out = f.normalize_block(v)
    assert np.linalg.norm(out) == pytest.approx(1, abs=1e-8)
    np.testing.assert_allclose(f.normalize_block(1000 * v), out, atol=1e-9)
    spike = np.array([1e6, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(f.normalize_block(spike), [1, 5e-6, 0, 0], atol=1e-8)  # 0.2 and 1e-6 before
    by_hand = np.minimum(np.array([1.0, 2.0, 2.0]) / 3, 0.2)  # every element is above the ceiling
    np.testing.assert_allclose(f.normalize_block(np.array([1.0, 2.0, 2.0])), by_hand / by_hand[0] / 3**0.5, rtol=1e-8)
    assert not f.normalize_block(np.zeros(4)).any()


def test_blocks_overlap_and_light_drops_out(rng) -> None:
    image = rng.random((3, 16, 20))
    features = f.oriented_gradients(image, cell=4, bins=5, block=2)
    cells = f.orientation_histograms(image, cell=4, bins=5)
    assert features.shape == (3 * 4 * 2 * 2 * 5,)
    blocks = features.reshape(3, 4, 2, 2, 5)
    np.testing.assert_allclose(blocks[2, 1].ravel(), f.normalize_block(cells[2:4, 1:3].ravel()))
    np.testing.assert_allclose((blocks**2).sum(axis=(2, 3, 4)), 1, atol=1e-6)
    np.testing.assert_allclose(f.oriented_gradients(7 * image + 3, cell=4, bins=5), features, atol=1e-6)


def test_hue_saturation_value_is_colorsys_and_matplotlib(rng) -> None:
    image = rng.integers(0, 256, (3, 20, 20)).astype(np.float64)
    image[:, :4] = image[0, :4]  # gray
    image[1, 4:8] = image[0, 4:8]  # two channels alike
    found = f.hue_saturation_value(image)
    np.testing.assert_allclose(found, matplotlib.colors.rgb_to_hsv(image.transpose(1, 2, 0) / 255).transpose(2, 0, 1))
    for i, j in [(0, 0), (5, 5), (10, 3), (19, 19)]:
        np.testing.assert_allclose(found[:, i, j], colorsys.rgb_to_hsv(*image[:, i, j] / 255), atol=1e-15)


def test_color_shares_are_numpys_histogram(rng) -> None:
    image = rng.random((3, 6, 7)) * 255
    for bins in (1, 4, 10):
        found = f.color_shares(image, bins)
        for channel, row in zip(image, found, strict=True):
            np.testing.assert_allclose(row, np.histogram(channel, bins, range=(0, 255))[0] / 42)


def test_hue_histogram_is_that_of_the_assignment(rng) -> None:
    image = rng.random((3, 16, 16)) * 255
    hues = matplotlib.colors.rgb_to_hsv(image.transpose(1, 2, 0) / 255)[..., 0] * 255
    counts, edges = np.histogram(hues, bins=np.linspace(0, 255, 11), density=True)
    np.testing.assert_allclose(f.hue_histogram(image), counts * np.diff(edges))


def test_joint_histogram_is_numpys_and_its_margins_are_the_shares(rng) -> None:
    image = rng.random((3, 9, 8)) * 255
    image[:, 0, 0] = 255
    found = f.joint_color_histogram(image, bins=3)
    expected, _ = np.histogramdd(image.reshape(3, -1).T, bins=3, range=[(0, 255)] * 3)
    np.testing.assert_allclose(found, expected.ravel() / 72)
    cube = found.reshape(3, 3, 3)
    for axis, row in enumerate(f.color_shares(image, 3)):
        np.testing.assert_allclose(cube.sum(axis=tuple({0, 1, 2} - {axis})), row)
