"""LeNet-5."""

from __future__ import annotations

from typing import Literal

from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image
from chainrule.models._dense import activation as activation_named


def lenet(
    shape: tuple[int, ...], classes: int, *, activation: str = "relu", pool: Literal["max", "average"] = "max"
) -> nn.Module:
    """Return LeNet-5: CONV5-6, POOL2, CONV5-16, POOL2, FC-120, FC-84, FC-K.

    With `activation="tanh", pool="average"` it is close to the original; the defaults are what is used today.

    Args:
        shape: (C, 28, 28), padded by 2 in the first layer, or (C, 32, 32).
        classes: Number of scores.
        activation: relu, tanh, ...
        pool: max or average.

    Raises:
        RecipeError: Another image size.

    Source:
        LECTURES D5; LeCun et al. 1998.

    Departures:
        The original joins only some feature maps in its second convolution, has trainable factors in its pooling, and
        radial basis functions at its end.
    """
    check_image(shape, 1, "LeNet takes images of 28x28 or 32x32")
    if shape[1:] not in ((28, 28), (32, 32)):
        raise RecipeError(
            "LeNet takes images of 28x28 or 32x32", got="x".join(map(str, shape[1:])), remedy="--model.name cnn"
        )
    pooling = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 5, padding=2 if shape[1] == 28 else 0),
        activation_named(activation),
        pooling(2),
        nn.Conv2d(6, 16, 5),
        activation_named(activation),
        pooling(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        activation_named(activation),
        nn.Linear(120, 84),
        activation_named(activation),
        nn.Linear(84, classes),
    )
