"""A network in the layer notation."""

from __future__ import annotations

from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.nn import build


def layers(shape: tuple[int, ...], classes: int, *, spec: str, norm_momentum: float = 0.1) -> nn.Module:
    """Return the network of a specification such as `CONV3-32 | RELU | POOL2 | FC-10`.

    Args:
        shape: Of one input; INPUT can be left out of the specification, and must agree when it is there.
        classes: Number of scores that the last layer must give.
        spec: See docs/notation.md.
        norm_momentum: Share of the newest batch in the running statistics of batch normalization, above 0, at most 1.

    Raises:
        NotationError: The specification is not valid for this input; points at the column.
        RecipeError: The momentum is out of range.
    """
    if not 0 < norm_momentum <= 1:
        raise RecipeError("norm_momentum is a share", expected="above 0, at most 1", got=norm_momentum)
    network = build(spec, shape=shape, outputs=classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = norm_momentum
    return network
