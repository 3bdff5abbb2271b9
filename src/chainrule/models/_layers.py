"""A network in the layer notation."""

from __future__ import annotations

from torch import nn

from chainrule.nn import build


def layers(shape: tuple[int, ...], classes: int, *, spec: str) -> nn.Module:
    """Return the network of a specification such as `CONV3-32 | RELU | POOL2 | FC-10`.

    Args:
        shape: Of one input; INPUT can be left out of the specification, and must agree when it is there.
        classes: Number of scores that the last layer must give.
        spec: See docs/notation.md.

    Raises:
        NotationError: The specification is not valid for this input; points at the column.
    """
    return build(spec, shape=shape, outputs=classes)
