"""How a training goes, as its recipe says: when it measures, keeps, looks and stops."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.optim import cycle_ends
from chainrule.runtime.precision import PRECISIONS
from chainrule.tasks.job._job import Job
from chainrule.training.rules import (
    any_of,
    every,
    keep_every,
    no_progress,
)
from chainrule.training.task import Guard, Plan, Rule, TrainState, never

LOOK_EVERY, LOOKS = 100, 200
"""Where the recipe does not say: the fewest steps between two looks at the layers, and about the most looks."""


def plan_of(job: Job, stopped: Rule, guard: Guard, save: Callable[[TrainState], None]) -> Plan:
    """Return how a training goes, as its recipe says."""
    train, steps, snapshots = job.recipe.train, job.steps(), snapshots_of(job)
    per_epoch = max(1, round(steps / train.epochs)) if train.epochs else max(1, steps)
    return Plan(
        steps=steps,
        seed=train.seed,
        parts=train.parts,
        workers=train.workers,
        worker_timeout=train.worker_timeout,
        evaluate_batch=train.evaluate_batch,
        evaluate=every(train.evaluate_every or per_epoch),
        keep=any_of(keep_every(train.keep_every, train.monitor), lambda at: at.step in snapshots),
        stop=any_of(no_progress(train.patience, train.monitor), stopped),
        guard=guard,
        save=save,
        look=_looks(train.look_every, steps),
        precision=PRECISIONS[train.precision],
        recompute=train.recompute,
    )


def _looks(every_steps: int | None, steps: int) -> Rule:
    """The steps in which the layers are looked at, the first among them."""
    if every_steps is None:
        return never
    apart = every_steps or max(LOOK_EVERY, -(-steps // LOOKS))
    return lambda at: at.step % apart == 0


def snapshots_of(job: Job) -> set[int]:
    """Steps after which the checkpoint stays, to answer together with the others."""
    count = job.recipe.train.snapshots
    return set(cycle_ends(job.steps(), count)) if count else set()
