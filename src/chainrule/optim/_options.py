"""Checks of what an optimizer is given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.runtime.laid_out import is_laid_out

FUSED_DEVICES = {"cpu", "cuda"}


def check_rate(name: str, lr: float) -> None:
    """Check a learning rate.

    Raises:
        UsageError: It is negative or not finite.
    """
    _check(name, "lr", lr, 0 <= lr < math.inf, "at least 0, finite")


def check_share(name: str, option: str, value: float) -> None:
    """Check a decay: what share of a running average is kept.

    Raises:
        UsageError: It is not in [0, 1).
    """
    _check(name, option, value, 0 <= value < 1, "at least 0 and below 1")


def check_decay(name: str, value: float) -> None:
    """Check a weight decay.

    Raises:
        UsageError: It is negative or not finite.
    """
    _check(name, "weight_decay", value, 0 <= value < math.inf, "at least 0, finite")


def check_epsilon(name: str, value: float, place: str) -> None:
    """Check epsilon and its place.

    Raises:
        UsageError: It is not above 0 and finite, or the place is neither outside nor inside.
    """
    if not 0 < value < math.inf:
        raise UsageError(
            f"{name}: eps keeps the division by the root finite",
            expected="above 0, finite",
            got=value,
            remedy="for the form without epsilon (003) give a tiny one, such as 1e-30",
        )
    if place not in ("outside", "inside"):
        raise UsageError(f"{name}: epsilon stands outside the root or inside", expected="outside or inside", got=place)


def _check(name: str, option: str, value: float, right: bool, expected: str) -> None:
    if not right:
        raise UsageError(f"{name}: {option} is out of range", expected=expected, got=value)


def listed(name: str, params: Iterable[Any]) -> list[Any]:
    """Return parameters or groups as a list, groups with lists, so that they can be read twice.

    Args:
        name: Of the optimizer, for messages.
        params: Parameters or groups, whose own options are checked as the optimizer's are.

    Raises:
        UsageError: There is none, or a group's own option is out of range.
    """
    found = [{**item, "params": _parameters(item)} if isinstance(item, dict) else item for item in params]
    if not found:
        raise UsageError(f"{name}: there is nothing to train", expected="at least one parameter or group")
    for place, group in enumerate(found):
        if isinstance(group, dict):
            _check_group(f"{name}, group {place}", group)
    return found


def _check_group(name: str, group: dict[str, Any]) -> None:
    if "lr" in group:
        check_rate(name, group["lr"])
    if "weight_decay" in group:
        check_decay(name, group["weight_decay"])
    for option in ("momentum", "rest_momentum"):
        if option in group:
            check_share(name, option, group[option])


def can_be_fused(params: Iterable[Any]) -> bool:
    """Return whether torch's fused kernels give the right answer for all of these parameters.

    On the CPU they walk through memory without looking at strides, so a parameter with gaps (a slice of another one)
    would be read and written in the wrong places. They know nothing of parameters that are laid out over processes.

    Args:
        params: Parameters or groups.

    Example:
        >>> import torch
        >>> whole = torch.zeros(4, 6)
        >>> can_be_fused([whole]), can_be_fused([whole.t()]), can_be_fused([whole[:, ::2]])
        (True, True, False)
    """
    return all(
        p.is_floating_point() and p.device.type in FUSED_DEVICES and not is_laid_out(p) and has_no_gaps(p)
        for p in each_parameter(params)
    )


def each_parameter(params: Iterable[Any]) -> Iterator[Tensor]:
    """Return the parameters of a list of parameters, `(name, parameter)` pairs or groups."""
    for item in params:
        for entry in _parameters(item) if isinstance(item, dict) else [item]:
            yield entry[1] if isinstance(entry, tuple) else entry


def _parameters(group: dict[str, Any]) -> list[Any]:
    return [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])


def has_no_gaps(tensor: Tensor) -> bool:
    """Return whether the elements fill one stretch of memory, in any order of the dimensions."""
    if tensor.is_contiguous():  # nearly always: this is asked before each step
        return True
    filled = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape)):
        if size == 1:
            continue
        if stride != filled:
            return tensor.numel() == 0
        filled *= size
    return True
