"""Histograms of oriented gradients: the formula, scikit-image's definition, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.formulas import features as f
from chainrule.ops import _pictures, hog


def random_images(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, dtype=dtype, generator=generator)
    return torch.rand(shape, dtype=dtype, generator=generator)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    channels=st.integers(1, 4),
    cell=st.integers(1, 6),
    bins=st.integers(1, 12),
    block=st.integers(1, 3),
    more=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    vote=st.sampled_from(["linear", "hard"]),
)
def test_the_formula(
    seed: int, channels: int, cell: int, bins: int, block: int, more: tuple[int, int], vote: str
) -> None:
    images = random_images(2, channels, cell * block + more[0], cell * block + more[1], seed=seed)
    expected = [f.oriented_gradients(image, cell, bins, block, vote) for image in images.numpy()]
    found = hog(images, cell=cell, bins=bins, block=block, vote=vote)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), bins=st.integers(1, 64), wide=st.booleans())
def test_axes_and_diagonals_keep_their_bins(seed: int, bins: int, wide: bool) -> None:
    """Few gray values make gradients of 0, 45, 90 and 135 degrees, which lie on edges between bins."""
    images = random_images(2, 1, 12, 12, dtype=torch.uint8, seed=seed) // 86
    expected = [f.oriented_gradients(image, 6, bins, 2, "hard") for image in images.double().numpy()]
    found = hog(images.double() if wide else images, cell=6, bins=bins, vote="hard")
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=0, atol=1e-12 if wide else 1e-6)


def test_8_bit_images_and_float32_follow_the_formula() -> None:
    images = random_images(3, 3, 32, 32, dtype=torch.uint8)
    expected = np.stack([f.oriented_gradients(image) for image in images.numpy().astype(np.float64)])
    found = hog(images)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(hog(images.double() / 255).numpy(), expected, atol=1e-5)  # only eps knows the scale
    np.testing.assert_array_equal(hog(images.half()).numpy(), found.numpy())  # whole numbers fit into 16 bits
    assert hog(images.bfloat16()).dtype == torch.float32


def scikit_image(image: np.ndarray, cell: int, bins: int, block: int) -> np.ndarray:
    """`skimage.feature.hog(image, bins, (cell, cell), (block, block), channel_axis=0)`, pixel by pixel."""
    channels, height, width = image.shape
    votes = np.zeros((height // cell, width // cell, bins))
    for i in range(height // cell * cell):
        for j in range(width // cell * cell):
            best = (-1.0, 0.0, 0.0)
            for c in range(channels):
                row = image[c, i + 1, j] - image[c, i - 1, j] if 0 < i < height - 1 else 0.0
                column = image[c, i, j + 1] - image[c, i, j - 1] if 0 < j < width - 1 else 0.0
                if np.hypot(row, column) > best[0]:
                    best = (np.hypot(row, column), row, column)
            angle = np.rad2deg(np.arctan2(best[1], best[2])) % 180
            for b in range(bins):
                if 180 / bins * b <= angle < 180 / bins * (b + 1):
                    votes[i // cell, j // cell, b] += best[0]
    votes /= cell * cell
    rows, columns = votes.shape[0] - block + 1, votes.shape[1] - block + 1
    out = np.zeros((rows, columns, block, block, bins))
    for i in range(rows):
        for j in range(columns):
            v = votes[i : i + block, j : j + block]
            v = np.minimum(v / np.sqrt(np.sum(v**2) + 1e-5**2), 0.2)
            out[i, j] = v / np.sqrt(np.sum(v**2) + 1e-5**2)
    return out.ravel()


@pytest.mark.parametrize(
    ("shape", "cell", "bins", "block"), [((3, 24, 24), 8, 9, 2), ((1, 13, 17), 4, 8, 3), ((3, 11, 9), 3, 5, 1)]
)
def test_hard_votes_are_scikit_images(shape: tuple[int, ...], cell: int, bins: int, block: int) -> None:
    images = random_images(2, *shape)
    expected = np.stack([scikit_image(image, cell, bins, block) for image in images.numpy()])
    found = hog(images, cell=cell, bins=bins, block=block, vote="hard")
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_an_edge_votes_in_its_direction() -> None:
    right = torch.arange(16.0).expand(1, 1, 16, 16)  # grows to the right: 0 degrees
    votes = hog(right, cell=16, bins=4, block=1, vote="hard")
    torch.testing.assert_close(votes, torch.tensor([[1.0, 0, 0, 0]]))
    votes = hog(right.mT, cell=16, bins=4, block=1, vote="hard")  # grows downward: 90 degrees
    torch.testing.assert_close(votes, torch.tensor([[0, 0, 1.0, 0]]))
    votes = hog(right, cell=16, bins=4, block=1)  # 0 lies between the first and the last bin
    torch.testing.assert_close(votes, torch.tensor([[0.5**0.5, 0, 0, 0.5**0.5]]))


def test_an_angle_that_is_rounded_up_to_a_half_turn_votes() -> None:
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 2], image[0, 0, 0, 1] = 1, 1e-12  # a gradient just below the horizontal: -0.0... degrees
    for vote in ("linear", "hard"):
        votes = hog(image, cell=3, bins=3, block=1, vote=vote)
        assert votes.square().sum().item() == pytest.approx(1, abs=1e-4)
        assert votes[0, 1] < 1e-6


def test_a_batch_is_its_images_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(7, 3, 12, 12, dtype=torch.float32)
    whole = hog(images, cell=4)
    for pixels in (1, 3 * 12 * 12 * 2, 3 * 12 * 12 * 100):
        monkeypatch.setattr(_pictures, "CHUNK", pixels)
        torch.testing.assert_close(hog(images, cell=4), whole, rtol=0, atol=0)
    torch.testing.assert_close(torch.cat([hog(image[None], cell=4) for image in images]), whole, rtol=0, atol=0)
    torch.testing.assert_close(hog(images.contiguous(memory_format=torch.channels_last), cell=4), whole, rtol=0, atol=0)
    assert hog(images[:0], cell=4).shape == (0, whole.shape[1])


def test_nothing_but_the_result_grows_with_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0

    def feature(part: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, part.numel())
        return part.flatten(1)[:, :1]

    _pictures.in_chunks(torch.zeros(4000, 3, 32, 32, dtype=torch.uint8), 1, feature)
    assert largest <= _pictures.CHUNK


def test_light_and_contrast_drop_out_and_constant_images_are_zero() -> None:
    images = random_images(2, 3, 16, 16)
    torch.testing.assert_close(hog(50 * images + 20), hog(images), rtol=0, atol=1e-6)
    assert not hog(torch.full((1, 3, 16, 16), 7, dtype=torch.uint8)).any()
    for height, width in [(2, 2), (1, 9), (9, 1)]:  # no pixel has two neighbors, or in one direction only
        assert hog(random_images(1, 1, height, width), cell=1, block=1).isfinite().all()


def test_no_gradient_flows_and_the_images_stay() -> None:
    images = random_images(1, 1, 16, 16).requires_grad_()
    before = images.detach().clone()
    assert not hog(images).requires_grad
    assert torch.equal(images, before)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize(
    ("shape", "settings", "says"),
    [
        ((8, 8), {}, "four axes"),
        ((1, 0, 16, 16), {}, "wrong number of channels or pixels"),
        ((1, 1, 16, 0), {}, "wrong number of channels or pixels"),
        ((1, 1, 16, 12), {}, "16x12 have fewer cells than a block: expected at least 16x16"),
        ((1, 1, 16, 16), {"cell": 0}, "wrong cell: expected a whole number, at least 1, got 0"),
        ((1, 1, 16, 16), {"bins": 2.5}, "wrong bins"),
        ((1, 1, 16, 16), {"block": True}, "wrong block"),
        ((1, 1, 16, 16), {"vote": "soft"}, "expected linear or hard, got soft"),
    ],
)
def test_what_does_not_fit_is_told(shape: tuple[int, ...], settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        hog(torch.zeros(shape), **settings)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_other_types_are_told(dtype: torch.dtype) -> None:
    with pytest.raises(UsageError, match="expected uint8 or a floating type"):
        hog(torch.zeros(1, 1, 16, 16, dtype=dtype))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_what_is_not_finite_is_told(value: float) -> None:
    images = torch.zeros(2, 1, 16, 16)
    images[1, 0, 5, 5] = value
    with pytest.raises(DataError, match="not finite, or too large"):
        hog(images)
