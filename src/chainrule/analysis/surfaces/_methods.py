"""The optimizers, each by the update of the book (`chainrule.formulas`): what is compared is the definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import formulas
from chainrule.analysis.surfaces._surface import Array, Surface, exact_hessian, no_hessian
from chainrule.core.errors import UsageError, unknown

State = tuple[Array, ...]
Step = Callable[[Surface, Array, Array, State, int, Any], tuple[Array, State]]
"""surface, points (R, D), gradients (R, D), state, t from 1, rates (R, 1) -> points, state."""

RATES: tuple[float, ...] = (*(float(f"{digit}e{power}") for power in range(-4, 1) for digit in (1, 2, 5)), 10.0)
"""The rates that are tried for every method of first order: three a decade, 0.0001 to 10."""
NEWTON_RATES = (1.0, 0.5, 0.1)


@dataclass(frozen=True)
class Method:
    """An optimizer.

    Args:
        name: What the command line calls it.
        label: What tables call it.
        item: Its item of the lectures.
        step: One update.
        slots: How many arrays of its own it keeps.
        noisy: Whether it sees the gradient of a few examples.
        second: Whether it needs second derivatives.
        rates: The learning rates that are tried.
    """

    name: str
    label: str
    item: str
    step: Step
    slots: int = 0
    noisy: bool = False
    second: bool = False
    rates: tuple[float, ...] = RATES


def _sgd(surface: Surface, x: Array, dx: Array, state: State, t: int, lr: Any) -> tuple[Array, State]:
    return formulas.sgd(x, dx, lr), state


def _untimed(formula: Callable[..., tuple[Array, ...]]) -> Step:
    """A formula that counts no steps: x, dx, state, lr."""

    def step(surface: Surface, x: Array, dx: Array, state: State, t: int, lr: Any) -> tuple[Array, State]:
        x, *kept = formula(x, dx, *state, lr)
        return x, tuple(kept)

    return step


def _timed(formula: Callable[..., tuple[Array, ...]]) -> Step:
    """A formula that corrects for the start: x, dx, state, t, lr."""

    def step(surface: Surface, x: Array, dx: Array, state: State, t: int, lr: Any) -> tuple[Array, State]:
        x, *kept = formula(x, dx, *state, t, lr)
        return x, tuple(kept)

    return step


def _newton(surface: Surface, x: Array, dx: Array, state: State, t: int, lr: Any) -> tuple[Array, State]:
    return np.stack([_newton_from(surface, *one) for one in zip(x, dx, lr[:, 0], strict=True)]), state


def _newton_from(surface: Surface, x: Array, dx: Array, lr: float) -> Array:
    if not (np.isfinite(x).all() and np.isfinite(dx).all()):
        return np.full_like(x, np.nan)
    if not dx.any():
        return x  # a critical point; its Hessian need not have an inverse
    try:
        return formulas.newton_step(x, dx, exact_hessian(surface, x), lr)
    except np.linalg.LinAlgError:  # there is no step
        return np.full_like(x, np.nan)


_LISTED = (
    Method("gd", "gradient descent", "B1", _sgd),
    Method("sgd", "SGD, with noise", "B1", _sgd, noisy=True),
    Method("momentum", "momentum", "B2", _untimed(formulas.momentum), slots=1),
    Method("momentum-steps", "momentum of steps", "B2", _untimed(formulas.momentum_step_form), slots=1),
    Method("nesterov", "Nesterov", "B3", _untimed(formulas.nesterov), slots=1),
    Method("adagrad", "AdaGrad", "B4", _untimed(formulas.adagrad), slots=1),
    Method("rmsprop", "RMSProp", "B5", _untimed(formulas.rmsprop), slots=1),
    Method("adam", "Adam", "B6", _timed(formulas.adam), slots=2),
    Method("adamw", "AdamW", "B7", _timed(formulas.adamw), slots=2),
    Method("newton", "Newton", "B8", _newton, second=True, rates=NEWTON_RATES),
)
METHODS: dict[str, Method] = {method.name: method for method in _LISTED}
"""The optimizers by name."""
NOT_HERE = {
    "muon": "Muon makes the step of a weight matrix orthogonal; a point on a surface is a list of numbers, no matrix"
}


def find_methods(names: list[str]) -> list[Method]:
    """Return optimizers by their names.

    Raises:
        UsageError: An unknown one, or one that does not apply to points.

    Example:
        >>> [method.label for method in find_methods(["adam", "newton"])]
        ['Adam', 'Newton']
    """
    for name in names:
        if name in NOT_HERE:
            raise UsageError(f"{name} does not apply: {NOT_HERE[name]}", remedy="leave it out")
        if name not in METHODS:
            raise UsageError(f'there is no optimizer "{name}" here', remedy=unknown("optimizer", name, METHODS))
    return [METHODS[name] for name in dict.fromkeys(names)]


def why_not(method: Method, surface: Surface) -> str:
    """Why a method cannot be used on a surface; empty where it can.

    Example:
        >>> from chainrule.analysis.surfaces import named_surface
        >>> why_not(METHODS["newton"], named_surface("bowl"))
        ''
    """
    return no_hessian(surface) if method.second else ""
