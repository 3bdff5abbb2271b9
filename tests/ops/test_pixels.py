"""Pixels as a feature."""

from __future__ import annotations

import pytest
import torch

from chainrule.core.errors import UsageError
from chainrule.ops import pixels


def test_they_are_the_values_row_by_row() -> None:
    images = torch.randint(0, 256, (7, 2, 3, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pixels(images), torch.from_numpy(images.numpy().reshape(7, 24) / 255).float())
    floats = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    assert torch.equal(pixels(floats), floats.reshape(3, 4))
    assert pixels(images[:0]).shape == (0, 24)


@pytest.mark.usefixtures("own_checks")
def test_what_is_no_image_is_told() -> None:
    with pytest.raises(UsageError, match="pixels: images have four axes"):
        pixels(torch.zeros(3, 4))
