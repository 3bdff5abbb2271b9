"""Fully connected layers as convolutions, and convolutions as fully connected layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import UsageError


def linear_to_conv(layer: nn.Linear, shape: tuple[int, int, int]) -> nn.Conv2d:
    """Return the convolution whose filters cover the whole input and compute what a fully connected layer does.

    w[k] = W[k] as a volume (C, H, W). On larger images it computes the layer at every position at once: a classifier
    becomes one that slides.

    Args:
        layer: From flattened volumes, C * H * W features.
        shape: (C, H, W) of such a volume.

    Returns:
        A convolution (C, H', W') -> (K, H' - H + 1, W' - W + 1) with its own copy of the weights.

    Raises:
        UsageError: The volume has another number of elements than the layer has inputs.

    Example:
        >>> linear_to_conv(nn.Linear(7 * 7 * 512, 4096, device="meta"), (512, 7, 7)).weight.shape
        torch.Size([4096, 512, 7, 7])

    Source:
        LECTURES D1.
    """
    channels, height, width = shape
    if math.prod(shape) != layer.in_features:
        raise UsageError(
            "the volume does not fit the fully connected layer",
            expected=f"{layer.in_features} elements",
            got=f"{channels} x {height} x {width} = {math.prod(shape)}",
        )
    kind: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    conv = nn.Conv2d(channels, layer.out_features, (height, width), bias=layer.bias is not None, **kind)
    with torch.no_grad():
        conv.weight.copy_(layer.weight.reshape(conv.weight.shape))
        if layer.bias is not None and conv.bias is not None:
            conv.bias.copy_(layer.bias)
    return conv


def conv_to_linear(layer: nn.Conv2d, shape: tuple[int, int, int]) -> nn.Linear:
    """Return the fully connected layer that computes what a convolution does to volumes of one shape.

    Column d of its matrix is what the convolution makes of a volume that is 1 at element d and 0 elsewhere: the same
    few weights again and again, and zeros everywhere else.

    Args:
        layer: The convolution, with any stride, padding, dilation and groups.
        shape: (C, H, W) of its input.

    Returns:
        A layer from C * H * W to K * H' * W' features, (K, H', W') flattened, with its own copy of the weights.

    Raises:
        UsageError: The volume has other channels than the convolution.

    Example:
        >>> layer = conv_to_linear(nn.Conv2d(1, 1, (1, 2)), (1, 1, 3))
        >>> (layer.weight != 0).int().tolist()
        [[1, 1, 0], [0, 1, 1]]

    Source:
        LECTURES D1.
    """
    if shape[0] != layer.in_channels:
        raise UsageError("the volume does not fit the convolution", expected=f"{layer.in_channels} channels", got=shape)
    features = math.prod(shape)
    kind: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    with torch.no_grad():
        offset = layer(torch.zeros(1, *shape, **kind))  # what the biases give, (1, K, H', W')
        columns = layer(torch.eye(features, **kind).reshape(features, *shape)) - offset
        linear = nn.Linear(features, offset.numel(), bias=layer.bias is not None, **kind)
        linear.weight.copy_(columns.flatten(1).t())
        if layer.bias is not None:
            linear.bias.copy_(offset.flatten())
    return linear
