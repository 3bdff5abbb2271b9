"""From the layer notation to modules.

The names in the state dictionary are stable: within a chain each layer is called after its kind with a running number
(`conv1`, `bn1`, `relu1`, `conv2`, ...; repetitions count on), a RES has `body` and `shortcut`, a CAT `branch1`,
`branch2`, ...: `res2.body.conv1.weight`. Putting an activation or a dropout in between renames no parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from chainrule.core.errors import NotationError
from chainrule.nn._drop_path import DropPath
from chainrule.nn._maxout import Maxout
from chainrule.nn._norm import alexnet_response_norm
from chainrule.nn._pool import GlobalAvgPool
from chainrule.nn._residual import Concat, Residual
from chainrule.notation import pointwise, spatial
from chainrule.notation.layer import Layer
from chainrule.notation.network import Fork, Network, Piece, Step, resolve
from chainrule.notation.shapes import Shape, Volume, channels_of
from chainrule.notation.tree import Spec

MAX_PARAMETERS = 2**33
"""More than this (34 GB in float32) is refused before memory is asked for."""

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "RELU": nn.ReLU,
    "LRELU": lambda: nn.LeakyReLU(0.1),
    "ELU": nn.ELU,
    "GELU": lambda: nn.GELU(approximate="tanh"),
    "SIGMOID": nn.Sigmoid,
    "TANH": nn.Tanh,
}


def build(
    spec: str | Spec | Network, shape: Sequence[int] | None = None, *, outputs: int | None = None
) -> nn.Sequential:
    """Make the network that a specification describes.

    Weights are torch's defaults, drawn from its global generator; `chainrule.nn.initialize` draws them anew. Use
    `with torch.device(...)` for another place, `.to(...)` for another type.

    Args:
        spec: The specification as text, parsed or resolved, e.g. `INPUT 32x32x3 | CONV3-16 | RELU | GAP | FC-10`.
        shape: Shape of one example, (C, H, W) or (D,). INPUT may then be left out, and must agree when it is there.
        outputs: How many numbers must come out for one example, e.g. the classes of the data; not checked if None.

    Returns:
        A tree of plain modules: each activation its own, used once, never in place. `chainrule.notation.resolve(spec)`
        tells the number of outputs and every shape.

    Raises:
        NotationError: The text is not in the notation, its layers do not fit together, it has another number of
            outputs, or it is larger than any memory.

    Example:
        >>> import torch
        >>> net = build("CONV3-4 | RELU | RES[CONV3-4 | BN] | GAP | FC-10", shape=(3, 8, 8), outputs=10)
        >>> net(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
        >>> list(net.state_dict())[2:4]
        ['res1.body.conv1.weight', 'res1.body.conv1.bias']

    Source: LECTURES D3.
    """
    network = spec if isinstance(spec, Network) else resolve(spec, shape)
    if outputs is not None and network.outputs != outputs:
        last = f"FC-{outputs}"
        raise NotationError(
            "the network has another number of outputs",
            expected=outputs,
            got=f"{network.output}",
            remedy=f"end it in {last}",
        )
    parameters = sum(p.effect.parameters for _, _, p in network.walk() if isinstance(p, Step))
    if parameters > MAX_PARAMETERS:
        raise NotationError(
            "the network is too large to be built",
            expected=f"at most {MAX_PARAMETERS:,} parameters",
            got=f"{parameters:,}",
        )
    return _chain(network.pieces)


def _chain(pieces: Sequence[Piece]) -> nn.Sequential:
    """Modules one after the other under their names; `flatten` stands before an FC that a volume reaches."""
    chain = nn.Sequential()
    for piece in pieces:
        if isinstance(piece, Fork):
            chain.add_module(piece.name, _fork(piece))
            continue
        if isinstance(piece.layer, spatial.FullyConnected) and isinstance(piece.before, Volume):
            chain.add_module("flatten", nn.Flatten())
        chain.add_module(piece.name, BUILDERS[type(piece.layer)](piece.layer, piece.before))
    return chain


def _fork(fork: Fork) -> nn.Module:
    branches = {name: _chain(pieces) if pieces else nn.Identity() for name, pieces in fork.branches.items()}
    if "body" in branches:
        return Residual(branches["body"], branches["shortcut"])
    return Concat(branches)


def _conv(layer: spatial.Conv, before: Shape) -> nn.Module:
    return nn.Conv2d(
        channels_of(before), layer.filters, layer.size, stride=layer.stride, padding=layer.padding,
        dilation=layer.dilation, groups=layer.groups, bias=layer.bias,
    )  # fmt: skip


def _upconv(layer: spatial.UpConv, before: Shape) -> nn.Module:
    return nn.ConvTranspose2d(
        channels_of(before), layer.filters, layer.size, stride=layer.stride, padding=layer.padding,
        groups=layer.groups, bias=layer.bias,
    )  # fmt: skip


def _pool(layer: spatial.Pool, before: Shape) -> nn.Module:
    if layer.average:
        return nn.AvgPool2d(layer.size, layer.stride, layer.padding, ceil_mode=layer.ceil, count_include_pad=True)
    return nn.MaxPool2d(layer.size, layer.stride, layer.padding, layer.dilation, ceil_mode=layer.ceil)


def _fully_connected(layer: spatial.FullyConnected, before: Shape) -> nn.Module:
    return nn.Linear(before.elements, layer.features, bias=layer.bias)


def _batch_norm(layer: pointwise.BatchNorm, before: Shape) -> nn.Module:
    return nn.BatchNorm2d(before.channels) if isinstance(before, Volume) else nn.BatchNorm1d(before.features)


def _layer_norm(layer: pointwise.LayerNorm, before: Shape) -> nn.Module:
    return nn.LayerNorm(list(before.torch_shape))


BUILDERS: dict[type[Layer], Callable[[Any, Shape], nn.Module]] = {
    spatial.Conv: _conv,
    spatial.UpConv: _upconv,
    spatial.Pool: _pool,
    spatial.GlobalPool: lambda layer, before: GlobalAvgPool(),
    spatial.FullyConnected: _fully_connected,
    pointwise.BatchNorm: _batch_norm,
    pointwise.LayerNorm: _layer_norm,
    pointwise.GroupNorm: lambda layer, before: nn.GroupNorm(layer.groups, channels_of(before)),
    pointwise.InstanceNorm: lambda layer, before: nn.InstanceNorm2d(channels_of(before), affine=True),
    pointwise.LocalResponseNorm: lambda layer, before: alexnet_response_norm(),
    pointwise.Activation: lambda layer, before: _ACTIVATIONS[layer.name](),
    pointwise.Maxout: lambda layer, before: Maxout(layer.pieces),
    pointwise.Dropout: lambda layer, before: nn.Dropout(layer.drop),
    pointwise.DropPath: lambda layer, before: DropPath(layer.p),
}
"""One builder for each kind of layer: (layer, shape before it) -> module."""
