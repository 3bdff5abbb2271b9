"""A function of the user's as a surface: torch differentiates it; where it takes only numbers, differences do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.analysis.surfaces._surface import Array, Surface, with_noise
from chainrule.core.errors import UsageError
from chainrule.core.program import their_failure

STEP = 6e-6
"""Of centered differences: the cube root of float64's precision, relative to each number."""


def function_surface(function: Callable[..., Any], start: Sequence[float], name: str = "f") -> Surface:
    """Return a Python function as a surface.

    Args:
        function: Of one argument, the D numbers as a tensor of float64 (or, where it takes no tensor, as an array), or
            of D arguments, a number each. It returns one number.
        start: At least two numbers.
        name: What it is called.

    Raises:
        UsageError: Too few numbers at the start, or it takes another number of arguments, or returns no number.
        ProgramError: It fails at the start; its own traceback is kept.

    Example:
        >>> surface = function_surface(lambda x, y: x**2 + 10 * y**2, [1.0, 2.0])
        >>> surface.gradient(np.array([[1.0, 2.0]])).tolist(), surface.hessian(np.array([1.0, 2.0])).tolist()
        ([[2.0, 40.0]], [[2.0, 0.0], [0.0, 20.0]])

    Departures:
        A function that knows no tensors gets its gradient by centered differences, and no Hessian.
    """
    point = np.array(start, dtype=np.float64)
    if point.ndim != 1 or len(point) < 2 or not np.isfinite(point).all():
        shown = ",".join(f"{number:g}" for number in np.ravel(point)[:4]) or "nothing"
        raise UsageError("a surface needs a place to start", expected="two finite numbers or more", got=shown)
    call = _spread(function, len(point), name)
    if _takes_tensors(call, point):
        return _differentiable(call, point, name)
    try:
        _number(call, point, name)
    except (KeyboardInterrupt, UsageError):
        raise
    except BaseException as error:
        code = getattr(function, "__code__", None)
        raise their_failure(Path(code.co_filename if code else name), error) from error
    return _of_numbers(call, point, name)


def _spread(function: Callable[..., Any], size: int, name: str) -> Callable[[Any], Any]:
    """The function of one argument that is meant: with as many arguments as numbers, each gets one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return function
    plain = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one for one in plain if one.default is one.empty]
    if any(one.kind is one.VAR_POSITIONAL for one in parameters) or len(needed) == size:
        return lambda x: function(*x)
    if len(plain) < 1 or len(needed) > 1:
        raise UsageError(
            f"{name} does not take this --start",
            expected=f"a function of one argument, all numbers together, or of {size}",
            got=f"{len(needed)} arguments",
            remedy="give as many numbers as it has arguments: --start 1,2",
        )
    return function


def _takes_tensors(call: Callable[[Any], Any], point: Array) -> bool:
    """Whether a tensor goes through it and can be differentiated."""
    x = torch.from_numpy(point.copy()).requires_grad_()
    try:
        found = call(x)
        return isinstance(found, Tensor) and found.numel() == 1 and (found.requires_grad or not found.is_leaf)
    except KeyboardInterrupt:
        raise
    except BaseException:  # numpy, math and others refuse tensors in many ways; what fails on numbers too is told then
        return False


def _differentiable(call: Callable[[Any], Any], point: Array, name: str) -> Surface:
    def one(x: Tensor) -> Tensor:
        return call(x).reshape(()).double()

    def value(points: Array) -> Array:
        with torch.no_grad():
            return np.array([float(one(torch.from_numpy(x.copy()))) for x in points])

    def slope(x: Array) -> Array:
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        given = torch.from_numpy(x.copy()).requires_grad_()
        found = one(given)
        if not found.requires_grad:  # a constant piece
            return np.zeros_like(x)
        (dx,) = torch.autograd.grad(found, given, allow_unused=True)
        return np.zeros_like(x) if dx is None else dx.numpy()

    def gradient(points: Array) -> Array:
        return np.stack([slope(x) for x in points])

    def hessian(x: Array) -> Array:
        given = torch.from_numpy(x.copy()).requires_grad_()
        (dx,) = torch.autograd.grad(one(given), given, create_graph=True)
        return np.stack([_row(slope, given) for slope in dx])

    noisy = with_noise(gradient, point)
    return Surface(name, "a function of yours, differentiated by torch", point, value, gradient, noisy, hessian)


def _row(slope: Tensor, given: Tensor) -> Array:
    """The gradient of a slope; 0 where it does not change."""
    if not slope.requires_grad:
        return np.zeros(len(given))
    (row,) = torch.autograd.grad(slope, given, retain_graph=True, allow_unused=True)
    return np.zeros(len(given)) if row is None else row.numpy()


def _number(call: Callable[[Any], Any], x: Array, name: str) -> float:
    found = np.asarray(call(x.copy()), dtype=np.float64)
    if found.size != 1:
        raise UsageError(f"{name} is no surface", expected="one number for each point", got=f"shape {found.shape}")
    return float(found.reshape(()))


def _of_numbers(call: Callable[[Any], Any], point: Array, name: str) -> Surface:
    def value(points: Array) -> Array:
        found = np.full(len(points), np.nan)
        for number, x in enumerate(points):
            if np.isfinite(x).all():
                try:
                    found[number] = _number(call, x, name)
                except ArithmeticError:  # math.exp of something large: whoever came there has diverged
                    found[number] = np.nan
        return found

    def gradient(points: Array) -> Array:
        return np.stack([_differences(value, x) for x in points])

    about = "a function of yours that takes numbers only: its gradient is by centered differences"
    return Surface(name, about, point, value, gradient, with_noise(gradient, point))


def _differences(value: Callable[[Array], Array], x: Array) -> Array:
    """(f(x + h e_i) - f(x - h e_i)) / 2h for each i."""
    h = STEP * np.maximum(np.abs(x), 1.0)
    aside = np.diag(h)
    return (value(x + aside) - value(x - aside)) / (2 * h)
