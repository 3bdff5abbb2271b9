"""Going on with a run to its end, whatever comes between."""

from __future__ import annotations

import gc
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import ChainruleError, RecipeError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import Log, journal
from chainrule.core.log import LOGGER, warn
from chainrule.core.recipe import Recipe
from chainrule.core.store import Lock, clean_stale, set_aside
from chainrule.data.feed import parts_at
from chainrule.optim import At
from chainrule.runtime.compiled import missing_compiler
from chainrule.runtime.environment import set_threads
from chainrule.runtime.precision import PRECISIONS
from chainrule.runtime.world import Alone, World
from chainrule.tasks.job._job import Job
from chainrule.tasks.runs._changes import changes_of, double_parts, extend
from chainrule.tasks.runs._finish import finish_run
from chainrule.tasks.runs._plan import plan_of
from chainrule.tasks.runs._save import save_run
from chainrule.tasks.runs._signals import Flag, Interrupted, stop_flag
from chainrule.tasks.runs._skipped import skipped_examples
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.training.checkpoint import (
    load_checkpoint,
    newest_step,
    recut,
)
from chainrule.training.compiling import is_worth_compiling
from chainrule.training.events import write_events
from chainrule.training.loop import start, train_loop
from chainrule.training.memory import StepOutOfMemory
from chainrule.training.observe import write_layers, write_metrics, write_timing
from chainrule.training.parts import depends_on_parts
from chainrule.training.rules import (
    no_progress,
    skip_non_finite,
    stop_on_non_finite,
)
from chainrule.training.task import Guard, Observer, Plan, Task, TrainState, cuts_of

LINES = 5000
"""About how many lines of training metrics a run writes when the recipe does not say."""


def continue_run(
    out: Path,
    job: Job,
    *,
    observers: Iterable[Observer] = (),
    resume_command: str | None = None,
    steps: int | None = None,
    world: World | None = None,
) -> dict[str, Any]:
    """Train from the newest whole checkpoint to the end, and write down the result.

    Args:
        out: The run folder.
        job: The recipe with its data at hand.
        observers: Called after each step.
        resume_command: What goes on with the run when a signal has stopped it.
        steps: Another length of the run; schedules take it from the step that was reached.
        world: The processes that share the training, which all call this; process 0 writes.

    Returns:
        `run.json` as it stands at the end; in other processes than the first, as it stood at their last step.

    Raises:
        Interrupted: A signal came; the state was saved.
        CheckpointError: There is no whole checkpoint.
        UsageError: The run has taken more than so many steps already, or had stopped early.
        OutOfMemoryError: There is not enough memory, and no smaller parts are wanted or left.
    """
    world = world or Alone()
    folder, recipe = RunFolder(out), job.recipe
    watchers = list(observers)
    with ExitStack() as stack:
        world.first(lambda: _taken(folder, stack))
        set_threads(recipe.train.threads)
        flag = stack.enter_context(stop_flag())
        events = stack.enter_context(journal(folder.events, kept=world.rank == 0))
        command = resume_command or f"chainrule resume {shlex.quote(str(out))}"
        attempt = Attempt(folder, job, job.task(), events, flag, watchers, command, world)
        try:
            while True:
                try:
                    return attempt.to_the_end(steps)
                except StepOutOfMemory as error:
                    steps = None
                    attempt.smaller_parts(error)
                gc.collect()  # what the failed step held
        except Interrupted as stop:
            if world.rank == 0:
                folder.update(status="interrupted")
            events.append({"event": "signal", "signal": stop.number, "step": newest_step(folder.checkpoints)})
            raise
        except BaseException:
            if world.rank == 0:
                with suppress(ChainruleError):  # where not even this can be written, the first error says why
                    folder.update(status="failed")
            raise


def _taken(folder: RunFolder, stack: ExitStack) -> None:
    """Lock a run, and clear away what a killed process left."""
    stack.enter_context(Lock(folder.path))
    for stale in (folder.path, folder.checkpoints, folder.facts):
        if stale.is_dir():
            clean_stale(stale)


@dataclass(frozen=True)
class Attempt:
    """A run that goes on from its newest whole checkpoint."""

    folder: RunFolder
    job: Job
    task: Task
    events: Log
    flag: Flag
    observers: Sequence[Observer]
    command: str
    world: World

    def to_the_end(self, steps: int | None) -> dict[str, Any]:
        """Train, and write down the result, which is returned."""
        folder, recipe, events, world = self.folder, self.job.recipe, self.events, self.world
        precision = PRECISIONS[recipe.train.precision]
        state = start(self.task, recipe.train.seed, prepare=False, world=world, precision=precision)
        skipped = skipped_examples(self.job, events, self._load(state), world)
        if state.step > 0:
            events.append({"event": "resumed", "step": state.step})
        if steps is not None:
            _require_unstopped(state, recipe)
            extend(events, taken=state.step, steps=steps)
        changes = world.first(lambda: changes_of(folder))
        info = world.first(lambda: folder.update(status="running", resumed=folder.info()["resumed"] + (state.step > 0)))
        begun = time.perf_counter()

        def seconds() -> float:
            return round(info.get("seconds", 0.0) + time.perf_counter() - begun, 3)

        with ExitStack() as stack:
            logs = stack.enter_context(TrainingLogs(folder, kept=world.rank == 0, skipped=skipped))
            timing = stack.enter_context(journal(folder.timing, kept=world.rank == 0))

            def save(state: TrainState) -> None:
                save_run(folder, state, logs, self.job, info.get("id"), world)

            plan = replace(
                plan_of(self.job, lambda at: self.flag.is_set(self.world), self._guard, save), changes=changes
            )
            parts = max(parts_at(plan.cuts, state.step), world.size)
            state.carry = {
                part: value for part, value in recut(state.carry, parts).items() if part % world.size == world.rank
            }
            if self._is_compiled(state, plan):
                state.model.compile()
            every_steps = recipe.train.log_every or -(-plan.steps // LINES)
            watchers = [
                write_metrics(logs.metrics, every=every_steps, steps=plan.end),
                write_layers(logs.layers),
                write_timing(timing),
                skipped.watch,
                *self.observers,
            ]
            if recipe.train.tensorboard and world.rank == 0:
                events_of_run = write_events(folder.tensorboard, every=every_steps, steps=plan.end, taken=state.step)
                watchers.append(stack.enter_context(events_of_run))
            with _norm_errors():
                train_loop(self.task, state, plan, world=world, observers=watchers)
            save(state)
        if world.rank > 0:
            self.flag.all_is_saved(self.command)
            return info
        folder.update(seconds=seconds())
        self.flag.all_is_saved(self.command)
        if world.size > 1:  # the others are through: what is left is for one process, and its network is whole again
            state = start(self.task, recipe.train.seed, prepare=False, precision=precision)
            load_checkpoint(folder.checkpoints, state, run=info.get("id"))
        return finish_run(folder, self.job, self.task, state, seconds(), skipped.facts())

    def _is_compiled(self, state: TrainState, plan: Plan) -> bool:
        """Whether torch's compiler translates the network: decided once, and kept when the run is gone on with.

        Raises:
            UsageError: It was decided so, and there is no compiler here.
        """

        def decide() -> bool:
            wanted, known = self.job.recipe.train.compile, self.folder.info().get("compiled")
            if wanted == "no" or not self.task.phases:
                return False
            if known is None:
                used, because = (True, "asked for") if wanted == "yes" else is_worth_compiling(self.task, state, plan)
                LOGGER.info("%s: %s", "compiled" if used else "not compiled", because)
                known = {"used": used, "because": because}
                self.folder.update(compiled=known)
            if known["used"] and (missing := missing_compiler()) is not None:
                raise UsageError(f"the run is compiled, and here {missing}", remedy="install g++")
            return bool(known["used"])

        return self.world.first(decide)

    @property
    def _guard(self) -> Guard:
        stops = self.job.recipe.train.non_finite == "stop"
        return stop_on_non_finite() if stops else skip_non_finite(self.events.append)

    def _load(self, state: TrainState) -> Mapping[str, Any]:
        """Put the newest whole checkpoint into the state, cut the logs back to it, and return what it knows."""
        whole = load_checkpoint(self.folder.checkpoints, state, run=self.folder.info().get("id"), world=self.world)
        if self.world.rank > 0:
            return whole.facts
        TrainingLogs.cut(self.folder, whole.facts)
        for path, reason in whole.passed_over:
            self.events.append({"event": "passed over", "checkpoint": path.name, "reason": reason})
            aside = set_aside(path, "damaged")  # the run will want the name again; the bytes stay for whoever looks
            warn(f"{path.name} was passed over ({reason}); it was renamed {aside.name}")
        return whole.facts

    def smaller_parts(self, error: StepOutOfMemory) -> None:
        """Let the steps from the newest checkpoint on be cut into twice as many parts, where that is wanted.

        Raises:
            StepOutOfMemory: It is not, or a part would have no example, or several processes share the step.
        """
        train = self.job.recipe.train
        taken = newest_step(self.folder.checkpoints)
        parts = 2 * parts_at(cuts_of(train.parts, changes_of(self.folder)), taken)
        if train.out_of_memory != "halve" or parts > train.batch or self.world.size > 1:
            raise error  # of several processes the others wait for this one's sums, and cannot be told
        double_parts(self.events, taken=taken, parts=parts, reason=error.what)
        warn(f"{error.what}: from step {taken + 1} on steps are cut into {parts} parts")
        with torch.random.fork_rng():
            different = depends_on_parts(self.task.model())
        if different:
            warn(f"with {' and '.join(different)} that is a different computation, and no longer the same result")


def _require_unstopped(state: TrainState, recipe: Recipe) -> None:
    at = At(seed=recipe.train.seed, step=state.step, steps=state.step, history=state.history)
    if no_progress(recipe.train.patience, recipe.train.monitor)(at):
        raise UsageError(
            f"the run stopped early, after {recipe.train.patience} evaluations without a new best",
            remedy="train the recipe again with a larger --train.patience",
        )


@contextmanager
def _norm_errors() -> Iterator[None]:
    """Say what to do when batch normalization meets a batch that has one value in each channel."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RecipeError(
            "batch normalization has nothing to average over",
            expected="more than one value per channel in each step",
            remedy="a larger --train.batch (the last one of an epoch may be smaller), or fewer --train.parts",
        ) from error
