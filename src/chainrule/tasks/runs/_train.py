"""Training a recipe in a run folder: begin, go on, finish."""

from __future__ import annotations

import gc
import math
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from chainrule.core.errors import ChainruleError, CheckpointError, RecipeError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import Log, journal, read_journal
from chainrule.core.log import LOGGER, warn
from chainrule.core.recipe import Recipe
from chainrule.core.sections import OWN
from chainrule.core.store import Lock, clean_stale, set_aside, write_file
from chainrule.data.feed import parts_at
from chainrule.optim import At, cycle_ends, suggest_clip
from chainrule.runtime.blocks import blocks
from chainrule.runtime.compiled import missing_compiler
from chainrule.runtime.environment import set_threads
from chainrule.runtime.precision import PRECISIONS
from chainrule.runtime.weights import write_weights
from chainrule.runtime.world import Alone, World
from chainrule.tasks.job._given_run import given_run
from chainrule.tasks.job._job import Job, Network, job_type
from chainrule.tasks.job._parameter_groups import check_patterns
from chainrule.tasks.runs._changes import changes_of, double_parts, extend
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._signals import Flag, Interrupted, stop_flag
from chainrule.tasks.runs._skipped import skipped_examples
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.tasks.tables import check_options
from chainrule.training.checkpoint import (
    checkpoint_weights,
    load_checkpoint,
    newest_step,
    prune,
    recut,
    save_checkpoint,
    step_folder,
)
from chainrule.training.compiling import is_worth_compiling
from chainrule.training.events import require_tensorboard, write_events
from chainrule.training.loop import start, train_loop
from chainrule.training.memory import StepOutOfMemory
from chainrule.training.observe import write_layers, write_metrics, write_timing
from chainrule.training.parts import depends_on_parts
from chainrule.training.rules import (
    any_of,
    best_step,
    every,
    keep_every,
    no_progress,
    skip_non_finite,
    stop_on_non_finite,
)
from chainrule.training.task import Guard, Observer, Plan, Rule, Task, TrainState, never

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)

LOOK_EVERY, LOOKS = 100, 200
"""Where the recipe does not say: the fewest steps between two looks at the layers, and about the most looks."""
LINES = 5000
"""About how many lines of training metrics a run writes when the recipe does not say."""


@dataclass(frozen=True)
class OwnNetwork:
    """A network that a person handed over: what builds it, and what is written down about it.

    Args:
        build: `(**options) -> module`.
        facts: File, name and hash; with them a resumed run is known to use the same source.
        source: Text of the file, copied into the run.
    """

    build: Network
    facts: Mapping[str, Any] = field(default_factory=dict)
    source: bytes | None = None


def begin_run(
    recipe: Recipe,
    out: Path,
    *,
    name: str,
    command: str | None = None,
    own: OwnNetwork | None = None,
    data: Any = None,
) -> Job:
    """Check everything, then make the run folder with its checkpoint of step 0, ready for `continue_run`.

    Nothing is made when the recipe, the data or the network is not valid.

    Returns:
        The recipe with its data at hand, for `continue_run`.
    """
    check_options(recipe)
    if recipe.train.tensorboard:
        require_tensorboard()
    job = job_type(recipe).begun(recipe, network=own.build if own else None, data=data)
    set_threads(recipe.train.threads)
    begun = time.perf_counter()
    task = job.task()
    for part in task.examples:
        job.examples(part)  # what is wrong with the data is found before anything is made
    precision = replace(PRECISIONS[recipe.train.precision], whole=None)  # numbers are widened where they are trained
    state = start(task, recipe.train.seed, precision=precision)
    seconds = time.perf_counter() - begun
    check_patterns(recipe, state.model)
    if recipe.train.recompute and not any(blocks(state.model)):
        raise RecipeError(
            "train.recompute: the network has no blocks that could be computed anew",
            remedy="--train.recompute false; --train.parts needs less memory for any network",
        )
    job.try_out(state.model)
    folder, parent = RunFolder(out), given_run(recipe)
    info = new_info(
        "recipe" if recipe.model.name != OWN and data is None else "module",
        name,
        command=command or f"chainrule train {shlex.quote(name)}",
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        parent=None if parent is None else str(parent.path),
    )
    folder.create(
        {
            **info,
            "task": recipe.task,
            "seconds": round(seconds, 3),
            **({"program": dict(own.facts)} if own and own.facts else {}),
        }
    )
    write_file(folder.recipe, recipe.to_yaml().encode())
    if own and own.source is not None:
        write_file(folder.path / "program.py", own.source)
    folder.write_json(folder.processing, job.processing())
    job.write_data_facts(folder)
    if job.chosen:
        folder.write_json(folder.facts / "chosen.json", job.chosen)
    with TrainingLogs(folder) as logs:
        _save(folder, state, logs, job, info["id"])
    return job


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
                _save(folder, state, logs, self.job, info.get("id"), world)

            plan = replace(_plan(self.job, self._stopped, self._guard, save), changes=changes)
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
        return _finish(folder, self.job, self.task, state, seconds(), skipped.facts())

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

    def _stopped(self, at: At) -> bool:
        """Whether a signal came; in whichever process, all stop at the same step."""
        self.flag.number = self.world.largest(self.flag.number or 0) or None
        return self.flag.number is not None

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
            StepOutOfMemory: It is not, or a part would have no example.
        """
        train = self.job.recipe.train
        taken = newest_step(self.folder.checkpoints)
        parts = 2 * max([train.parts, *(change.parts or 0 for change in changes_of(self.folder))])
        if train.out_of_memory != "halve" or parts > train.batch:
            raise error
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


def _plan(job: Job, stopped: Rule, guard: Guard, save: Callable[[TrainState], None]) -> Plan:
    train, steps, snapshots = job.recipe.train, job.steps(), _snapshots(job)
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


def _save(
    folder: RunFolder,
    state: TrainState,
    logs: TrainingLogs,
    job: Job,
    run: str | None,
    world: World | None = None,
) -> None:
    """The logs first, then the checkpoint that says how long they are, then the old ones go."""
    world = world or Alone()
    facts = {
        **logs.sync(state.step),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processes": world.size,
        "shard": world.shard,
    }
    save_checkpoint(folder.checkpoints, state, facts, run=run, world=world)
    best = best_step(state.history, job.recipe.train.monitor)
    if world.rank == 0:
        protected = {state.step} | _snapshots(job) | ({best} if best is not None else set())
        prune(folder.checkpoints, keep=job.recipe.train.keep, protected=protected)


def _snapshots(job: Job) -> set[int]:
    """Steps after which the checkpoint stays, to answer together with the others."""
    count = job.recipe.train.snapshots
    return set(cycle_ends(job.steps(), count)) if count else set()


def _finish(
    folder: RunFolder, job: Job, task: Task, state: TrainState, seconds: float, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the best weights in place, read the test part once, and write down the result."""
    monitor = job.recipe.train.monitor
    model = state.deployed(task).float().cpu()
    best = best_step(state.history, monitor)
    if best is None:
        best = state.step
    if best != state.step:
        run = folder.info().get("id")
        weights = checkpoint_weights(step_folder(folder.checkpoints, best), task.deploy, run=run)
        missing = set(model.state_dict()) ^ set(weights)
        if missing:
            raise CheckpointError(f"the checkpoint of step {best} belongs to another network", got=sorted(missing)[0])
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(weights[name])
    write_weights(folder.model, {name: value.contiguous() for name, value in model.state_dict().items()})
    results = job.write_final_facts(folder, task, model)
    result = {**results, "best_step": best, "steps": state.step, "seconds": round(seconds, 3), **facts}
    if (threshold := _suggested_clip(folder)) is not None:
        result["suggested_clip_norm"] = threshold
    if chosen := folder.read_json(folder.facts / "chosen.json"):
        result["chosen"] = chosen
    return folder.update(status="finished", result=result, seconds=round(seconds, 3))


def _suggested_clip(folder: RunFolder) -> float | None:
    """A threshold for clipping from the gradient norms of the last epoch."""
    norms = [(line["epoch"], float(line["norm"])) for line in read_journal(folder.metrics) if "norm" in line]
    last = [norm for epoch, norm in norms if epoch == norms[-1][0]]
    return suggest_clip(last) if any(0 < norm < math.inf for norm in last) else None


def with_seed(recipe: AnyRecipe, seed: int) -> AnyRecipe:
    """The same recipe with another seed, for weights and order; for the split too, where it has no seed of its own."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
