"""Short trainings that say whether a long one will work: the loss at the start, a few examples by heart, which rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from chainrule.optim import At, Group
from chainrule.training.loop import start, train_loop
from chainrule.training.task import Observer, Plan, Task, TrainState, Where, never

FACTOR: Final = 1.5
"""Times its expected value from which a first loss is worth a word: a usual initialization stays within a third."""
STEPS_AT_START: Final = 4
LEARNED: Final = 0.05
"""Share of the loss of guessing below which a few examples are known by heart."""
LEAST_FALL: Final = 0.05
"""Share of the first loss by which it must fall in a range test to say anything."""
MOST_RISE: Final = 4.0
"""Times the first loss at which a range test ends."""


def near_ignorance(first: float, expected: float) -> bool:
    """Return whether a first loss is that of a network which knows nothing yet, give or take a usual initialization.

    Args:
        first: The loss before the first step.
        expected: That of equal scores: log K of K classes, log 2 of yes or no.

    Example:
        >>> near_ignorance(2.45, math.log(10)), near_ignorance(9.2, math.log(10))
        (True, False)

    Source:
        LECTURES A5, B12.
    """
    return expected / FACTOR <= first <= expected * FACTOR or abs(first - expected) < 0.05


def losses_at_start(task: Task, seed: int) -> tuple[float, float | None]:
    """Return the mean loss of the first steps with the weights of the start, and that of equal scores.

    The second is what the same loss says when the network gives 0 for everything: log K of the softmax loss of K
    classes, K - 1 of the hinge loss, log 2 of the binary one. No step is taken.

    Args:
        task: What is to be learned.
        seed: Of weights and order.

    Returns:
        Both losses; None in place of the second where the loss is not made from the network's answer.

    Source:
        LECTURES A5, B12.
    """
    state = start(task, seed)
    given = _mean_loss(task, state, seed)
    asked: list[bool] = []

    def forget(module: nn.Module, inputs: Any, output: Any) -> Any:
        asked.append(True)
        return _zeros(output)

    hook = state.model.register_forward_hook(forget)
    try:
        expected = _mean_loss(task, replace(state, step=0), seed)
    finally:
        hook.remove()
    return given, expected if asked else None


def _zeros(output: Any) -> Any:
    if isinstance(output, Tensor):
        return torch.nan_to_num(output) * 0 if output.is_floating_point() else output
    if isinstance(output, Mapping):
        return {key: _zeros(value) for key, value in output.items()}
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*map(_zeros, output))
    return type(output)(map(_zeros, output)) if isinstance(output, list | tuple) else output


def _mean_loss(task: Task, state: TrainState, seed: int) -> float:
    losses: list[float] = []

    def no_step(state: TrainState, report: Mapping[str, float], norm: float, at: At, where: Where) -> bool:
        losses.append(report["loss"])
        return False

    _short(task, state, seed, STEPS_AT_START, guard=no_step)
    return sum(losses) / len(losses)


@dataclass(frozen=True)
class Sample:
    """A few examples that were to be learned by heart.

    Args:
        examples: How many.
        steps: How many steps it took, or None.
        rate: The rate of the last try.
        losses: Of each step of the last try.
        tried: Each rate, and the loss that it ended at.
    """

    examples: int
    steps: int | None
    rate: float
    losses: tuple[float, ...]
    tried: tuple[tuple[float, float], ...]


def learn_sample(
    task: Task, seed: int, *, lr: float, guessing: float, examples: int = 20, steps: int = 300,
    factors: Sequence[float] = (1.0, 0.1, 10.0),
) -> Sample:  # fmt: skip
    """Train on the first few examples alone until they are known by heart, at one rate after the other.

    Args:
        task: What is to be learned; without penalty and augmentation, which are against it; dropout
            layers are still.
        seed: Of weights and order.
        lr: The rate of the task's groups, to which the rates here are proportional; it must be constant.
        guessing: The loss of equal scores; known is a loss of `LEARNED` of it.
        examples: At most so many of the first step's.
        steps: At most so many at each rate.
        factors: What `lr` is multiplied by, in the order of the tries.

    Source:
        LECTURES B12.
    """
    chosen = task.orders["train"](0)[1][:examples]
    small = replace(task, orders={**task.orders, "train": _Same(chosen)})
    tried: list[tuple[float, float]] = []
    losses: list[float] = []
    for factor in factors:
        losses = []
        state = start(small, seed)
        for module in state.model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
        _short(
            _at_rates(small, lr, lambda at, rate=lr * factor: rate),  # type: ignore[misc]
            state,
            seed,
            steps,
            observers=[lambda seen, losses=losses: losses.append(seen.report["loss"])],  # type: ignore[misc]
            stop=lambda at, losses=losses: bool(losses) and losses[-1] <= LEARNED * guessing,  # type: ignore[misc]
            guard=_finite,
        )
        tried.append((lr * factor, losses[-1]))
        if losses[-1] <= LEARNED * guessing:
            return Sample(len(chosen), len(losses), lr * factor, tuple(losses), tuple(tried))
    return Sample(len(chosen), None, lr * factors[-1], tuple(losses), tuple(tried))


class _Same:
    """The same examples in every step."""

    def __init__(self, index: Tensor) -> None:
        self.index = index
        self.per_epoch = 1

    def __call__(self, step: int) -> tuple[int, Tensor]:
        return 0, self.index


@dataclass(frozen=True)
class RateRange:
    """What a range test found.

    Args:
        rates: Of each step, rising by the same factor.
        losses: Before each step.
        smoothed: Their mean over a few steps before and after.
        suggestion: sqrt(steepest * diverges / 10), a rate to begin with; None where the loss does not fall.
        steepest: Where it falls fastest over the logarithm of the rate.
        begins: Where a tenth of the whole fall is done; below, steps are too small to be seen in so few of them.
        diverges: Where half of the fall is lost again; the last rate, if it is not lost.
        fell: Share of the first loss by which it fell.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    steepest: float | None
    begins: float | None
    diverges: float | None
    fell: float


def range_test(
    task: Task, seed: int, *, lr: float, low: float = 1e-6, high: float = 10.0, steps: int = 150,
    observers: Iterable[Observer] = (),
) -> RateRange:  # fmt: skip
    """Train while the rate rises from step to step, and say at which rates the loss falls.

    rate_t = low (high / low)^(t / (steps - 1)), each step with the next examples. The test ends early when the loss is
    `MOST_RISE` times the first one, or no number. How the curve is read: `read_rates`.

    Args:
        task: What is to be learned.
        seed: Of weights and order.
        lr: The rate of the task's groups, to which the rates here are proportional; it must be constant.
        low: The first rate.
        high: The last rate.
        steps: How many steps.
        observers: Called after each step.

    Source:
        LECTURES B12. Smith: Cyclical learning rates for training neural networks (2017), section 3.3.
    """
    rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
    losses: list[float] = []

    def guard(state: TrainState, report: Mapping[str, float], norm: float, at: At, where: Where) -> bool:
        losses.append(report["loss"])
        return math.isfinite(norm) and math.isfinite(report["loss"])

    def over(at: At) -> bool:
        return bool(losses) and not losses[-1] <= MOST_RISE * _first(losses)

    risen = _at_rates(task, lr, lambda at: rates[min(at.step, steps - 1)])
    _short(risen, start(task, seed), seed, steps, guard=guard, stop=over, observers=observers)
    return read_rates(rates[: len(losses)], losses)


def read_rates(rates: Sequence[float], losses: Sequence[float]) -> RateRange:
    """Return what the losses of a range test say about its rates.

    The losses are smoothed by their mean over n / 30 steps on each side, those above twice the first (the mean of the
    first five) counted as that. From there on: L_0 the first smoothed loss, m the smallest one. `steepest` is where the
    slope of the smoothed loss over log rate is steepest before m, `begins` where it is first below L_0 - (L_0 - m) /
    10, `diverges` where it is first above m + (L_0 - m) / 2 after m. The steepest place alone is often early, above all
    with Adam, and a tenth of the rate that diverges late, above all for linear classifiers; the suggestion is in the
    middle of the two on a log scale.

    Args:
        rates: Of each step, rising.
        losses: Before each step.

    Example:
        >>> rates = [10.0 ** (power / 10) for power in range(-60, 1)]
        >>> losses = [2.0 if rate < 1e-4 else 1.0 if rate < 1e-1 else 9.0 for rate in rates]
        >>> found = read_rates(rates, losses)
        >>> 3e-5 < found.steepest < 3e-4, 3e-2 < found.diverges < 3e-1
        (True, True)
    """
    first, reach = _first(losses), max(1, len(losses) // 30)
    cut = [min(loss, 2 * first) if math.isfinite(loss) else 2 * first for loss in losses]
    smooth = []
    for place in range(len(cut)):
        around = min(reach, place, len(cut) - 1 - place)  # as many on both sides, or the curve would bend at its ends
        window = cut[place - around : place + around + 1]
        smooth.append(sum(window) / len(window))
    bottom = min(range(len(smooth)), key=smooth.__getitem__)
    begin, least = smooth[0], smooth[bottom]
    fall = begin - least
    found = (tuple(rates), tuple(losses), tuple(smooth))
    if bottom == 0 or fall < LEAST_FALL * abs(begin):
        return RateRange(*found, None, None, None, None, fall / abs(begin) if begin else 0.0)
    slopes = {
        place: (smooth[place + 1] - smooth[place - 1]) / math.log(rates[place + 1] / rates[place - 1])
        for place in range(1, min(bottom + 1, len(smooth) - 1))
    }
    steepest = min(slopes, key=slopes.__getitem__)
    begins = next(place for place, loss in enumerate(smooth) if loss <= begin - fall / 10)
    lost = (place for place in range(bottom, len(smooth)) if smooth[place] >= least + fall / 2)
    diverges = next(lost, len(smooth) - 1)
    suggestion = math.sqrt(rates[steepest] * rates[diverges] / 10)
    return RateRange(*found, suggestion, rates[steepest], rates[begins], rates[diverges], fall / abs(begin))


def _first(losses: Sequence[float]) -> float:
    """The mean of the first losses, those that are numbers."""
    given = [loss for loss in losses[:5] if math.isfinite(loss)]
    return sum(given) / len(given) if given else math.inf


def _finite(state: TrainState, report: Mapping[str, float], norm: float, at: At, where: Where) -> bool:
    return math.isfinite(norm) and all(map(math.isfinite, report.values()))


def _at_rates(task: Task, lr: float, rate: Callable[[At], float]) -> Task:
    """The same task with other rates; those of groups with a rate of their own keep their proportion."""

    def scaled(group: Group) -> Group:
        return replace(group, rate=lambda at: group.rate(at) * rate(at) / lr)

    return replace(
        task, phases=[replace(phase, groups=[scaled(group) for group in phase.groups]) for phase in task.phases]
    )


def _short(
    task: Task, state: TrainState, seed: int, steps: int, *, guard: Callable[..., bool],
    stop: Callable[[At], bool] = never, observers: Iterable[Observer] = (),
) -> None:  # fmt: skip
    """A training that leaves nothing behind."""
    plan = Plan(
        steps=steps, seed=seed, parts=1, evaluate=never, keep=never, stop=stop, guard=guard,
        save=lambda state: None,
    )  # fmt: skip
    train_loop(task, state, plan, observers=observers)
