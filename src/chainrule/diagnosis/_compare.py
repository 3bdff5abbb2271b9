"""Comparing tensors: finite first, then equal bit for bit, or to a stated share of the largest number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis._check import Violation


def require_tensor(what: str, value: Any) -> Tensor:
    """Return a tensor of finite numbers.

    Raises:
        Violation: It is none, or a number in it is not finite.
    """
    if not isinstance(value, Tensor):
        raise Violation(f"{what} is no tensor but {type(value).__name__}", kind=type(value).__name__)
    if value.is_floating_point() and not bool(value.isfinite().all()):
        odd = int((~value.isfinite()).sum())
        raise Violation(f"{what} has {odd} of {value.numel()} numbers that are not finite", odd=odd)
    return value


def largest(a: Tensor, b: Tensor) -> float:
    """The largest difference of two tensors as a share of the largest number of the second.

    Example:
        >>> largest(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        0.5
    """
    if not b.numel():
        return 0.0
    scale = float(b.double().abs().max())
    difference = float((a.double() - b.double()).abs().max())
    return difference / scale if scale else difference


def require_near(what: str, found: Any, wanted: Any, limit: float) -> float:
    """Return the largest relative difference; 0 asks for equality of all bits.

    Raises:
        Violation: Not finite, of another shape or type, or further apart than the limit.
    """
    found, wanted = require_tensor(what, found), require_tensor(f"what {what} is compared with", wanted)
    if found.shape != wanted.shape or (limit == 0 and found.dtype != wanted.dtype):
        raise Violation(
            f"{what}: {found.dtype} {tuple(found.shape)} instead of {wanted.dtype} {tuple(wanted.shape)}",
            found=list(found.shape),
            wanted=list(wanted.shape),
        )
    apart = largest(found, wanted)
    if apart > limit or (limit == 0 and not torch.equal(found, wanted)):
        raise Violation(f"{what}: differs by {apart:.2g} of the largest number, at most {limit:.2g}", difference=apart)
    return apart


def require_same_table(what: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> int:
    """Return how many tensors two tables hold, equal bit for bit.

    Raises:
        Violation: Other names, or a tensor that differs; names the first.
    """
    if set(found) != set(wanted):
        odd = sorted(set(found) ^ set(wanted))
        raise Violation(f"{what}: {len(odd)} names on one side only, such as {odd[0]}", names=odd[:8])
    for name, tensor in wanted.items():
        if not torch.equal(found[name], tensor):
            apart = largest(found[name], tensor) if found[name].shape == tensor.shape else float("inf")
            raise Violation(f"{what}: {name} differs by {apart:.2g}", tensor=name, difference=apart)
    return len(wanted)
