"""Networks of fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.models._checks import check_share

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """Return a fresh activation module by name.

    Raises:
        RecipeError: There is none of this name.
    """
    if name not in ACTIVATIONS:
        raise RecipeError(f'there is no activation "{name}"', remedy=unknown("activation", name, ACTIVATIONS))
    return nn.LeakyReLU(0.1) if name == "leaky_relu" else nn.GELU("tanh") if name == "gelu" else ACTIVATIONS[name]()


def linear(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return scores = W x + b over the flattened input, with weights from N(0, 0.01^2).

    Source:
        LECTURES A3, C5.
    """
    layer = nn.Linear(math.prod(shape), classes)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), layer)


def mlp(
    shape: tuple[int, ...],
    classes: int,
    *,
    hidden: Sequence[int] = (128,),
    activation: str = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> nn.Module:
    """Return fully connected layers with an activation after each but the last.

    Args:
        shape: Of one input.
        classes: Number of scores.
        hidden: Width of each hidden layer.
        activation: relu, tanh, sigmoid, leaky_relu, elu or gelu.
        dropout: Probability of dropping each hidden unit while training.
        batch_norm: Normalize before each activation.
    """
    check_share(dropout)
    layers: list[nn.Module] = [nn.Flatten()]
    width = math.prod(shape)
    for size in hidden:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(_activation(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    layers.append(nn.Linear(width, classes))
    model = nn.Sequential(*layers)
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if activation == "relu" else "linear")
            nn.init.zeros_(module.bias)
    return model


_activation = activation
