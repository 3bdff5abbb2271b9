"""The loop: a step is a function of (state, step) alone, so stopping between two steps loses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis.layers import Look, look
from chainrule.data.feed import REPEATED, feed, parts_at
from chainrule.optim import At, ema_update
from chainrule.runtime.allocator import keep_freed_memory
from chainrule.runtime.device import placed
from chainrule.runtime.laid_out import is_laid_out
from chainrule.runtime.precision import FIRST_SCALE, FLOAT32, Precision
from chainrule.runtime.rng import derive
from chainrule.runtime.world import Alone
from chainrule.training.compiling import uncompiled
from chainrule.training.computing import computing
from chainrule.training.evaluate import evaluate
from chainrule.training.memory import evaluation_memory, step_memory
from chainrule.training.non_finite import cause_of
from chainrule.training.scaling import too_large
from chainrule.training.task import Observer, Phase, Plan, Seen, Task, TrainState, World


def start(
    task: Task, seed: int, *, prepare: bool = True, world: World | None = None, precision: Precision = FLOAT32
) -> TrainState:
    """Build the network from the seed and return the state before the first step.

    The caller's random generator is left as it was.

    Args:
        task: What is to be learned.
        seed: Of the weights.
        prepare: Whether the task's preparation runs; not needed where a checkpoint follows, which holds what it did.
        world: The processes that share the training, and the device: where the weights will be.
        precision: The numbers of the training.
    """
    world = world or Alone()
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "weights"))
        model = task.model()
        if prepare and task.prepare is not None:
            task.prepare(model, task)
    model.to(world.device, precision.whole)
    averages = {average.name: _copy(model) for phase in task.phases for average in phase.averages}
    for network in (model, *averages.values()):
        world.spread(network)
    optimizers = {phase.name: phase.optimizer(_parameter_groups(phase, model, seed)) for phase in task.phases}
    scale = FIRST_SCALE if precision.scaled else 1.0
    return TrainState(model=model, optimizers=optimizers, averages=averages, scale=scale)


def train_loop(
    task: Task, state: TrainState, plan: Plan, *, world: World | None = None, observers: Iterable[Observer] = ()
) -> TrainState:
    """Take the next steps of a run and return the state, which is changed in place.

    Args:
        task: What is to be learned.
        state: Where the run stands.
        plan: Its length and rules.
        world: The processes that share a step; this one alone when left out.
        observers: Called after each step with what can be seen.

    Raises:
        NonFiniteError: The loss or the gradient is not finite (`plan.guard`).
        StepOutOfMemory: There is not enough memory for a step.
        OutOfMemoryError: There is not enough memory for an evaluation.

    Source:
        LECTURES B1.
    """
    keep_freed_memory()
    world = world or Alone()
    watchers = list(observers)
    if not task.phases:
        return state
    batches = feed(task.examples["train"], task.orders["train"], plan, world, first=state.step)
    with torch.random.fork_rng(devices=world.devices), closing(batches), computing(state.model, plan), world.told():
        for epoch, made in batches:
            parts = {part: placed(batch, world.device, plan.precision.whole) for part, batch in made.items()}
            at = state.at(plan)
            if plan.stop(at):
                break
            phase = task.phases[task.cycle[state.step % len(task.cycle)]]
            with (
                _looked(state.model, plan.look(at)) as looked,
                step_memory(at, max(parts_at(plan.cuts, at.step), world.size)),
            ):
                report, norm = _step(phase, state, plan, parts, at, world)
            evaluated = None
            if plan.evaluate(_after(at, state)):
                with evaluation_memory(at, plan.evaluate_batch):
                    deployed, dtype = state.deployed(task), plan.precision.whole
                    evaluated = evaluate(task, deployed, "valid", batch=plan.evaluate_batch, world=world, dtype=dtype)
                state.history += ((state.step, evaluated),)
            if watchers:
                rate = float(state.optimizers[phase.name].param_groups[0]["lr"])
                count = sum(len(batch.index) for part, batch in parts.items() if part != REPEATED)
                seen = Seen(
                    step=state.step,
                    steps=plan.end,
                    epoch=epoch,
                    phase=phase.name,
                    report=report,
                    norm=norm,
                    rate=rate,
                    examples=count,
                    evaluated=evaluated,
                    model=state.model,
                    history=state.history,
                    look=looked,
                    skipped=tuple(name for part, one in parts.items() if part != REPEATED for name in one.skipped),
                )
                for watch in watchers:
                    watch(seen)
            if plan.keep(_after(at, state)):
                plan.save(state)
    return state


@contextmanager
def _looked(model: nn.Module, wanted: bool) -> Iterator[Look | None]:
    """Look at each layer, in a step in which that is wanted."""
    if not wanted:
        yield None
        return
    with uncompiled(model), look(model) as found:
        yield found


def _after(at: At, state: TrainState) -> At:
    """The place behind a step, in a run as long as it was to be when the step was taken."""
    return replace(at, step=state.step, history=state.history)


def _step(
    phase: Phase, state: TrainState, plan: Plan, parts: dict[int, Any], at: At, world: World
) -> tuple[dict[str, float], float]:
    optimizer, live = _begin(phase, state, at)
    with plan.precision.computing(world.device):
        sums, carry, turns = phase.objective.gradients(state, phase, parts, at, world)
    world.sum_gradients(live)
    for parameter in live:
        if parameter.grad is None:  # unused in this step: a zero, or Adam would skip it in one layout only
            parameter.grad = torch.zeros_like(parameter)
    if state.scale != 1:
        torch._foreach_div_([p.grad for p in live if p.grad is not None], state.scale)
    norm_tensor = phase.clip(live)
    *numbers, norm = torch.stack([*(s.double() for s in sums.values()), norm_tensor.detach().double()]).tolist()
    report = dict(zip(sums, numbers))
    if too_large(state, report, norm):
        turns.restore()
    elif plan.guard(state, report, norm, at, lambda: cause_of(phase, state, parts, at, world)):
        optimizer.step()
        turns.finish(world)
        state.carry = carry
        for average in phase.averages:
            _follow(state.averages[average.name], state.model, average.decay(at))
    else:
        turns.restore()
        state.skipped += 1
    state.step = at.step + 1
    return report, norm


def _begin(phase: Phase, state: TrainState, at: At) -> tuple[torch.optim.Optimizer, list[Tensor]]:
    """Exactly the parameters that this step trains ask for gradients; rates are set from the step."""
    optimizer, live = state.optimizers[phase.name], []
    for group, values in zip(phase.groups, optimizer.param_groups):
        values["lr"] = group.rate(at)
        if at.step >= group.start:
            live += values["params"]
    wanted = {id(parameter) for parameter in live}
    for parameter in state.model.parameters():
        parameter.grad = None
        if parameter.requires_grad != (id(parameter) in wanted):
            parameter.requires_grad_(id(parameter) in wanted)
    phase.mode(state.model, at)
    return optimizer, live


def _parameter_groups(phase: Phase, model: nn.Module, seed: int) -> list[dict[str, Any]]:
    """Give each parameter to the first group that selects it by name and shape."""
    groups: list[dict[str, Any]] = [{"params": [], **group.options} for group in phase.groups]
    at = At(seed=seed, step=0, steps=1, history=())
    for name, parameter in model.named_parameters():
        for group, values in zip(phase.groups, groups):
            if group.select(name, parameter):
                values["params"].append(parameter)
                break
    for group, values in zip(phase.groups, groups):
        values["lr"] = group.rate(at)
    return groups


def _copy(model: nn.Module) -> nn.Module:
    import copy

    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    return twin.eval()


def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Let an average follow; what is laid out over processes and what all have whole are moved apart."""
    pairs = list(zip(_tensors(average), _tensors(model)))
    for laid in (False, True):
        some = [pair for pair in pairs if is_laid_out(pair[0]) == laid]
        if some:
            ema_update([mine for mine, _ in some], [other for _, other in some], decay)


def _tensors(model: nn.Module) -> Sequence[Tensor]:
    return [*model.parameters(), *model.buffers()]
