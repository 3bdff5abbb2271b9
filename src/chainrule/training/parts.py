"""What makes a step in two parts another computation than the same step in one."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from chainrule.nn import DropPath


def depends_on_parts(model: nn.Module) -> list[str]:
    """Return the layers, by kind, that see a step's parts: statistics of a part, and masks that are drawn for it.

    Without them a step in more parts is the same up to rounding.

    Example:
        >>> depends_on_parts(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))), depends_on_parts(
        ...     nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.0))
        ... )
        (['batch statistics', 'dropout'], [])

    Source:
        LECTURES B1, C10.
    """
    found = set()
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            found.add("batch statistics")
        elif isinstance(part, _DropoutNd | DropPath):
            found |= {"dropout"} if part.p > 0 else set()
        elif isinstance(part, nn.RNNBase | nn.MultiheadAttention):
            found |= {"dropout"} if part.dropout > 0 else set()
    return sorted(found)
