"""Whether examples follow each other in time, as windows of a series or measurements one after the other do."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.diagnosis.doctor.checks.data._facts import columns
from chainrule.diagnosis.doctor.checks.data._fit import standardized

SLIDES = 0.9
"""Share of the windows that are the one before moved on by one, from which they slide over a series."""
NEARER = 6.0
"""Standard errors by which examples must be nearer to the one before than to others."""
MOST = 2000
"""Examples that are looked at."""


def slides(windows: Tensor) -> bool:
    """Whether each window (N, T) or (N, T, F) is the one before without its first step and with one more.

    Example:
        >>> slides(torch.arange(20.0).unfold(0, 5, 1)), slides(torch.rand(16, 5))
        (True, False)
    """
    if windows.ndim not in (2, 3) or windows.shape[1] < 2 or len(windows) < 2:
        return False
    moved = windows[1:, :-1] == windows[:-1, 1:]
    return float(moved.flatten(1).all(1).double().mean()) >= SLIDES


def in_time(inputs: Tensor) -> bool:
    """Whether examples slide over a series, or are far more like the one before than like others."""
    if slides(inputs):
        return True
    table = standardized(columns(inputs[:MOST])[:, :1024]).nan_to_num()
    other = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))]
    nearer = (table[1:] - other[:-1]).norm(dim=1) - (table[1:] - table[:-1]).norm(dim=1)
    return len(nearer) > 1 and float(nearer.mean()) > NEARER * float(nearer.std()) / len(nearer) ** 0.5
