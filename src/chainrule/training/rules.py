"""Rules of a plan: when to evaluate, keep and stop, and what to do with numbers that are not finite.

Each is a function of the place in the run alone, and all of that is in a checkpoint, so a resumed run decides alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from chainrule.core.errors import NonFiniteError
from chainrule.optim import At
from chainrule.training.task import Rule, TrainState

History = tuple[tuple[int, dict[str, float]], ...]
LOWER_IS_BETTER = frozenset({"loss"})


def best_step(history: History, monitor: str) -> int | None:
    """Return the step of the best evaluation; of equal ones the earlier; NaN is never best.

    Example:
        >>> best_step(((10, {"accuracy": 0.8}), (20, {"accuracy": 0.9}), (30, {"accuracy": 0.9})), "accuracy")
        20
    """
    sign = -1.0 if monitor in LOWER_IS_BETTER else 1.0
    best: tuple[float, int] | None = None
    for step, metrics in history:
        value = sign * metrics[monitor]
        if not math.isnan(value) and (best is None or value > best[0]):
            best = (value, step)
    return best[1] if best else None


def every(steps: int) -> Rule:
    """True each so many steps and at the end; 0: at the end alone.

    Example:
        >>> rule = every(4)
        >>> [step for step in range(1, 11) if rule(At(seed=0, step=step, steps=10, history=()))]
        [4, 8, 10]
    """
    return lambda at: at.step == at.steps or (steps > 0 and at.step % steps == 0)


def keep_every(steps: int, monitor: str) -> Rule:
    """True each so many steps, at the end, and at the evaluation that found a new best."""
    regular = every(steps)

    def rule(at: At) -> bool:
        is_best = bool(at.history) and at.history[-1][0] == at.step and best_step(at.history, monitor) == at.step
        return regular(at) or is_best

    return rule


def no_progress(patience: int | None, monitor: str) -> Rule:
    """True when so many evaluations in a row found no new best.

    Source:
        LECTURES B11.
    """

    def rule(at: At) -> bool:
        if patience is None or not at.history:
            return False
        best = best_step(at.history, monitor)
        since = [step for step, _ in at.history if best is None or step > best]
        return len(since) >= patience

    return rule


def any_of(*rules: Rule) -> Rule:
    """True when one of the rules is."""
    return lambda at: any(rule(at) for rule in rules)


def stop_on_non_finite() -> Callable[[TrainState, Mapping[str, float], float, At], bool]:
    """Return the guard that ends the run before a step with a loss or gradient that is not finite."""

    def guard(state: TrainState, report: Mapping[str, float], norm: float, at: At) -> bool:
        if math.isfinite(norm) and all(math.isfinite(value) for value in report.values()):
            return True
        bad = next((name for name, value in report.items() if not math.isfinite(value)), None)
        layer = next(
            (name for name, p in state.model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()),
            None,
        )
        what = f"the {bad} is {report[bad]}" if bad else f"the gradient's norm is {norm}"
        where = f", first in the gradient of {layer}" if layer else ""
        raise NonFiniteError(
            f"at step {at.step + 1} {what}{where}; the weights were not changed",
            remedy="lower --optim.lr, clip with --train.clip_norm 1, or look at the data with `chainrule data check`",
        )

    return guard
