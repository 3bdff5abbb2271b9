"""Rules of a plan: when to evaluate, keep and stop, and what to do with numbers that are not finite.

Each is a function of the place in the run alone, and all of that is in a checkpoint, so a resumed run decides alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from chainrule.core.errors import NonFiniteError
from chainrule.optim import At
from chainrule.training.task import Guard, Rule, TrainState, Where

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


REMEDY = "lower --optim.lr, clip with --train.clip_norm 1, or look at the data with `chainrule data check`"


def stop_on_non_finite() -> Guard:
    """Return the guard that ends the run before a step with a loss or gradient that is not finite."""

    def guard(state: TrainState, report: Mapping[str, float], norm: float, at: At, where: Where) -> bool:
        if (what := _not_finite(report, norm)) is None:
            return True
        raise NonFiniteError(
            f"at step {at.step + 1} {what}, {where()}; the weights were not changed",
            remedy=f"{REMEDY}; --train.non_finite skip leaves such steps out",
        )

    return guard


FEW = 10
SHARE = 0.05
"""Steps that may be left out: this many, and of a long run this share of the steps taken."""


def skip_non_finite(tell: Callable[[dict[str, object]], None]) -> Guard:
    """Return the guard that leaves out the steps whose loss or gradient is not finite, as long as they are few.

    Args:
        tell: Called with what is known of each.
    """

    def guard(state: TrainState, report: Mapping[str, float], norm: float, at: At, where: Where) -> bool:
        if (what := _not_finite(report, norm)) is None:
            return True
        cause = f"{what}, {where()}"
        if state.skipped >= max(FEW, SHARE * at.step):
            raise NonFiniteError(
                f"at step {at.step + 1} {cause}; {state.skipped} steps were left out before, which is too many",
                expected=f"at most {FEW}, or {SHARE:.0%} of the steps",
                remedy=REMEDY,
            )
        tell({"event": "step left out", "step": at.step + 1, "reason": cause})
        return False

    return guard


def _not_finite(report: Mapping[str, float], norm: float) -> str | None:
    bad = next((name for name, value in report.items() if not math.isfinite(value)), None)
    if bad is None and math.isfinite(norm):
        return None
    return f"the {bad} is {report[bad]}" if bad else f"the gradient's norm is {norm}"
