"""Fully connected layers and convolutions as each other: as the formulas have it, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.nn import conv_to_linear, linear_to_conv


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (4, 3, 3)])
def test_a_fully_connected_layer_is_a_convolution_that_covers_all(shape: tuple[int, int, int], bias: bool) -> None:
    layer = nn.Linear(int(np.prod(shape)), 6, bias=bias, dtype=torch.float64)
    conv = linear_to_conv(layer, shape)
    wanted = f.affine_to_conv(layer.weight.detach().numpy().T, *shape)
    np.testing.assert_array_equal(conv.weight.detach().numpy(), wanted)
    x = torch.randn(5, *shape, dtype=torch.float64)
    torch.testing.assert_close(conv(x)[:, :, 0, 0], layer(x.flatten(1)), rtol=1e-12, atol=1e-12)
    conv.weight.data.zero_()
    assert layer.weight.abs().sum() > 0


def test_on_a_larger_image_the_layer_slides() -> None:
    layer = nn.Linear(2 * 3 * 3, 4)
    image = torch.randn(1, 2, 7, 6)
    slid = linear_to_conv(layer, (2, 3, 3))(image)
    assert slid.shape == (1, 4, 5, 4)
    for row in range(5):
        for column in range(4):
            window = image[:, :, row : row + 3, column : column + 3]
            torch.testing.assert_close(slid[:, :, row, column], layer(window.flatten(1)))


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"groups": 2}, {"stride": 2, "padding": 2, "bias": False}],
)
def test_a_convolution_is_a_fully_connected_layer(options: dict[str, int]) -> None:
    conv = nn.Conv2d(2, 4, 3, dtype=torch.float64, **options)  # type: ignore[arg-type]
    shape = (2, 6, 5)
    linear = conv_to_linear(conv, shape)
    x = torch.randn(3, *shape, dtype=torch.float64)
    torch.testing.assert_close(linear(x.flatten(1)), conv(x).flatten(1), rtol=1e-12, atol=1e-12)
    if not {"dilation", "groups", "bias"} & set(options):
        weight, bias = (p.detach().numpy() for p in (conv.weight, conv.bias))
        W, b = f.conv_to_affine(weight, bias, *shape, options.get("stride", 1), options.get("padding", 0))
        np.testing.assert_allclose(linear.weight.detach().numpy(), W.T, rtol=0, atol=1e-12)
        np.testing.assert_allclose(linear.bias.detach().numpy(), b, rtol=0, atol=1e-12)


def test_there_and_back() -> None:
    layer = nn.Linear(12, 5)
    again = conv_to_linear(linear_to_conv(layer, (3, 2, 2)), (3, 2, 2))
    x = torch.randn(4, 12)
    torch.testing.assert_close(again(x), functional.linear(x, layer.weight, layer.bias))


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(UsageError, match="expected 12 elements, got 3 x 2 x 3 = 18"):
        linear_to_conv(nn.Linear(12, 5), (3, 2, 3))
    with pytest.raises(UsageError, match="expected 2 channels"):
        conv_to_linear(nn.Conv2d(2, 3, 1), (3, 4, 4))
