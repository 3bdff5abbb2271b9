"""How the weights of a network are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown

Network = TypeVar("Network", bound=nn.Module)
Draw = Callable[[Tensor, nn.Module, torch.Generator | None], None]

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def initialize(
    module: Network, scheme: str, *, generator: torch.Generator | None = None, bias: float | None = None
) -> Network:
    """Draw the weights of all fully connected layers and convolutions anew, in place.

    D_in is the number of inputs that one output adds up: the features of a fully connected layer, F F C / groups of a
    convolution, F F C / groups / S^2 of a transposed one with stride S.

    - `gaussian`: 0.01 randn. Fine for small networks; in deep ones the activations fade away.
    - `xavier`: variance 1 / D_in, which keeps the variance of what flows through (gain 1).
    - `xavier_average`: variance 2 / (D_in + D_out), torch's `xavier_normal_`.
    - `he`: variance 2 / D_in, the form for ReLU, which halves the mean square.
    - `orthogonal`: (K, the rest) with orthonormal rows or columns, whichever are fewer; it keeps lengths.
    - `dirac`: convolutions whose first C filters pass the channels on unchanged; the other filters, transposed
      convolutions and fully connected layers as `default`.
    - `default`: what torch draws, uniform with variance 1 / (3 D_in) for weights and biases.

    Norms get gamma 1, beta 0 and fresh running averages. Layers of other kinds are left as they are.

    Args:
        module: Any network.
        scheme: One of the names above.
        generator: Source of the draws; torch's global one by default.
        bias: Value of every bias of these layers. When left out: drawn as torch draws them for `default` and `dirac`,
            0 for the others. A small positive value, such as 0.1, lets more ReLUs be active at the start.

    Returns:
        The module itself.

    Raises:
        UsageError: There is no such scheme, or a layer does not know its shape yet; nothing has been drawn then.

    Example:
        >>> layer = initialize(nn.Linear(1000, 100), "he", generator=torch.Generator().manual_seed(0))
        >>> round(layer.weight.std().item() ** 2 * 1000, 1), layer.bias.abs().max().item()
        (2.0, 0.0)

    Source:
        LECTURES C5; Glorot and Bengio 2010, He et al. 2015, Saxe et al. 2014 (orthogonal).

    Departures:
        The orthogonal matrix comes from a QR factorization with fixed signs, not from an SVD: the same distribution.
        003 says that half the units are dead at zero bias: they are inactive for that input; dead means zero on all
        data.
    """
    if scheme not in _DRAWS:
        raise UsageError(f'there is no initialization "{scheme}"', remedy=unknown("initialization", scheme, _DRAWS))
    drawn = (nn.Linear, *CONVS, *TRANSPOSED)
    for name, layer in module.named_modules():
        if isinstance(layer, drawn):
            _check_shape(name or type(layer).__name__, layer.weight)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, drawn):
                if layer.weight.numel():
                    _DRAWS[scheme](layer.weight, layer, generator)
                if layer.bias is not None:
                    _fill_bias(layer.bias, layer, scheme, generator, bias)
            elif isinstance(layer, NORMS):
                _reset_norm(layer)
    return module


def fan_in(layer: nn.Module) -> float:
    """Return D_in: how many inputs one output of a layer adds up, on average over the positions.

    Args:
        layer: Fully connected, convolution or transposed convolution.

    Example:
        >>> fan_in(nn.Linear(7, 3)), fan_in(nn.Conv2d(8, 6, 3, groups=2)), fan_in(nn.ConvTranspose2d(8, 5, 4, stride=2))
        (7.0, 36.0, 32.0)

    Source:
        LECTURES C5.
    """
    if isinstance(layer, TRANSPOSED):
        taps = math.prod(layer.kernel_size) / math.prod(layer.stride)
        return float(layer.in_channels // layer.groups * taps)
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return float(weight[0].numel()) if len(weight) else 0.0


def _gaussian(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
    weight.normal_(0.0, 0.01, generator=generator)


def _with_variance(gain: float) -> Draw:
    def draw(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
        weight.normal_(0.0, math.sqrt(gain / max(fan_in(layer), 1e-12)), generator=generator)

    return draw


def _xavier_average(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
    nn.init.xavier_normal_(weight, generator=generator)


def _orthogonal(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
    nn.init.orthogonal_(weight, generator=generator)


def _default(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)


def _dirac(weight: Tensor, layer: nn.Module, generator: torch.Generator | None) -> None:
    _default(weight, layer, generator)
    if isinstance(layer, CONVS):
        per_group = layer.out_channels // layer.groups
        for g in range(layer.groups):
            kept = weight[g * per_group : g * per_group + min(per_group, weight.shape[1])]
            nn.init.dirac_(kept)


_DRAWS: dict[str, Draw] = {
    "gaussian": _gaussian,
    "xavier": _with_variance(1.0),
    "xavier_average": _xavier_average,
    "he": _with_variance(2.0),
    "orthogonal": _orthogonal,
    "dirac": _dirac,
    "default": _default,
}


def _fill_bias(
    values: Tensor, layer: nn.Module, scheme: str, generator: torch.Generator | None, bias: float | None
) -> None:
    if bias is None and scheme in ("default", "dirac"):
        assert isinstance(layer.weight, Tensor)
        # torch counts the inputs of a transposed convolution by its second dimension; so that `default` is torch's
        inputs = layer.weight[0].numel() if len(layer.weight) else 0
        bound = 1 / math.sqrt(inputs) if inputs else 0.0
        values.uniform_(-bound, bound, generator=generator)
    else:
        values.fill_(bias or 0.0)


def _reset_norm(layer: nn.Module) -> None:
    if getattr(layer, "running_mean", None) is not None:
        layer.reset_running_stats()  # type: ignore[operator]
    for parameter, value in ((getattr(layer, "weight", None), 1.0), (getattr(layer, "bias", None), 0.0)):
        if isinstance(parameter, Tensor):
            parameter.fill_(value)


def _check_shape(name: str, weight: Tensor) -> None:
    if isinstance(weight, nn.parameter.UninitializedParameter):
        raise UsageError(
            f'layer "{name}" does not know its shape yet',
            remedy="pass one batch through the network first",
        )
