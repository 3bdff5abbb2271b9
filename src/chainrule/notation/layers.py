"""The layers by name: a new one is a class in `spatial.py` or `pointwise.py`, a row here, and a builder in `nn`."""

from __future__ import annotations

from chainrule.notation.layer import Layer
from chainrule.notation.pointwise import (
    Activation,
    BatchNorm,
    Dropout,
    DropPath,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Maxout,
)
from chainrule.notation.spatial import Conv, FullyConnected, GlobalPool, Pool, UpConv

LAYERS: dict[str, type[Layer]] = {
    "CONV": Conv,
    "UPCONV": UpConv,
    "POOL": Pool,
    "GAP": GlobalPool,
    "FC": FullyConnected,
    "BN": BatchNorm,
    "LN": LayerNorm,
    "GN": GroupNorm,
    "IN": InstanceNorm,
    "LRN": LocalResponseNorm,
    "RELU": Activation,
    "LRELU": Activation,
    "ELU": Activation,
    "GELU": Activation,
    "SIGMOID": Activation,
    "TANH": Activation,
    "MAXOUT": Maxout,
    "DROPOUT": Dropout,
    "DROPPATH": DropPath,
}
"""Name in the notation -> the class that reads it."""


def label(layer: Layer) -> str:
    """The layer's name in small letters, as modules are named after it.

    Example:
        >>> label(Conv(3, 64)), label(Activation("LRELU"))
        ('conv', 'lrelu')
    """
    text = str(layer)
    return next(text[:n] for n in range(len(text), 0, -1) if text[:n] in LAYERS).lower()
