"""What a training is made of: a task, its phases, the state that a step changes, and the plan of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from chainrule.analysis.layers import Look
from chainrule.data import Batch
from chainrule.data.feed import Cuts
from chainrule.metrics import Tally
from chainrule.optim import At, Group
from chainrule.runtime.laid_out import whole
from chainrule.runtime.precision import FLOAT32, Precision
from chainrule.runtime.world import World as World

Carry = Mapping[str, Tensor]
"""State that goes from one step to the next beside the weights (recurrent states), by name."""


class Examples(Protocol):
    """Indices and keys -> one batch; pure, so that any process makes the same one."""

    def __len__(self) -> int: ...

    def fetch(self, index: Tensor, key: Tensor) -> Batch: ...


class Order(Protocol):
    """Step -> the epoch and the examples of the whole step."""

    @property
    def per_epoch(self) -> int: ...

    def __call__(self, step: int) -> tuple[int, Tensor]: ...


class Turns(Protocol):
    """Buffers over the parts of a step: each part starts from the step's own; afterwards they are merged."""

    def begin(self) -> None: ...

    def end(self, weight: float) -> None: ...

    def finish(self, world: World) -> None: ...

    def restore(self) -> None: ...


class Objective(Protocol):
    """Fills `.grad` of the live parameters with this process's share of the step's gradient."""

    def gradients(
        self, state: TrainState, phase: Phase, parts: dict[int, Batch], at: At, world: World
    ) -> tuple[dict[str, Tensor], dict[int, Carry], Turns]: ...

    def items(self, state: TrainState, phase: Phase, part: int, batch: Batch, at: At) -> dict[str, Tensor]:
        """The values that the loss is summed from, by term, computed once more and without gradients."""


@dataclass(frozen=True)
class Average:
    """A copy of the model that follows its phase: `average = decay * average + (1 - decay) * weights`.

    Args:
        name: Under which it is kept and deployed.
        decay: Decay at a step; may depend on the step alone.
    """

    name: str
    decay: Callable[[At], float]


def train_mode(model: nn.Module, at: At) -> None:
    """Set every layer to training."""
    if not model.training:
        model.train()


def no_clip(parameters: Sequence[Tensor]) -> Tensor:
    """Return the norm of the gradient and leave it as it is."""
    return whole(torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))


@dataclass(frozen=True)
class Phase:
    """One kind of step: which parameters move, by which gradient, at which rate.

    Args:
        name: Under which its optimizer is kept.
        objective: Computes the gradient.
        optimizer: Makes the optimizer from parameter groups.
        groups: Which parameters, at which rate; a parameter belongs to the first group that selects it.
        clip: Clips the gradients of the live parameters and returns their norm before.
        averages: Copies that follow.
        mode: Sets training or evaluation mode of the layers.
    """

    name: str
    objective: Objective
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
    groups: Sequence[Group]
    clip: Callable[[Sequence[Tensor]], Tensor] = no_clip
    averages: Sequence[Average] = ()
    mode: Callable[[nn.Module, At], None] = train_mode


@dataclass(frozen=True)
class Task:
    """What is to be learned, as a value.

    Args:
        model: Builds the network; draws its weights from torch's generator, which is seeded before.
        examples: Part ("train", "valid", "test") -> examples.
        orders: Part -> order; must have "train" unless there are no phases.
        phases: The kinds of step.
        cycle: Which phase each step of a cycle takes.
        measure: `(model, batch) -> {name: tally}` of one group of examples.
        prepare: Run once before the first step (weights loaded, closed forms).
        predict: `(model, inputs) -> outputs` for new inputs.
        deploy: What is evaluated and kept: "model" or the name of an average.
    """

    model: Callable[[], nn.Module]
    examples: Mapping[str, Examples]
    orders: Mapping[str, Order]
    phases: Sequence[Phase]
    measure: Callable[[nn.Module, Batch], dict[str, Tally]]
    predict: Callable[[nn.Module, Any], Tensor]
    cycle: Sequence[int] = (0,)
    prepare: Callable[[nn.Module, Task], None] | None = None
    deploy: str = "model"


@dataclass
class TrainState:
    """All that a step changes; all of it is in a checkpoint. The only mutable type of the loop.

    `scale` is what the loss is multiplied by on the way back (16 bits), `steady` the steps since that last changed.
    """

    model: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    averages: dict[str, nn.Module]
    carry: dict[int, Carry] = field(default_factory=dict)
    step: int = 0
    scale: float = 1.0
    steady: int = 0
    history: tuple[tuple[int, dict[str, float]], ...] = ()
    skipped: int = 0

    def at(self, plan: Plan) -> At:
        """The place in the run, which is all that rates and rules may depend on."""
        return At(seed=plan.seed, step=self.step, steps=plan.steps_at(self.step), history=self.history)

    def deployed(self, task: Task) -> nn.Module:
        """The network that is evaluated and kept."""
        return self.model if task.deploy == "model" else self.averages[task.deploy]


Rule = Callable[[At], bool]


def never(at: At) -> bool:
    """The rule that is true nowhere."""
    return False


@dataclass(frozen=True)
class Change:
    """What is otherwise from a step on: the length of the run, or into how many parts its steps are cut.

    Args:
        step: Steps that were taken before it.
        steps: Steps in all from now on.
        parts: Pieces of a step from now on.
    """

    step: int
    steps: int | None = None
    parts: int | None = None


def cuts_of(parts: int, changes: Sequence[Change]) -> Cuts:
    """Return from which step on steps are cut into how many pieces.

    Example:
        >>> cuts_of(1, [Change(20, parts=2), Change(30, steps=90)])
        [(0, 1), (20, 2)]
    """
    return [(0, parts), *((change.step, change.parts) for change in changes if change.parts is not None)]


Where = Callable[[], str]
Guard = Callable[["TrainState", Mapping[str, float], float, At, Where], bool]
"""`(state, report, norm, at, where) -> whether to take the step`; raises to stop the run. `where()` looks for the cause
of numbers that are not finite and says it, which takes another forward pass."""


@dataclass(frozen=True)
class Plan:
    """How a run goes: its length, its seed, and the rules that look at the place in the run.

    Args:
        steps: Updates in all, as the run began.
        seed: Of everything that is drawn.
        parts: Pieces of a step, as the run began.
        changes: Of these two, in the order in which they came.
        workers: Processes that prepare data.
        worker_timeout: Seconds that one of them may take for a step's data.
        evaluate_batch: Examples in a group while evaluating.
        evaluate: Whether to evaluate here (after the step).
        keep: Whether to save a checkpoint here.
        stop: Whether to stop; asked before a step.
        guard: Whether to take a step whose gradients are there.
        save: Saves the state.
        look: Whether to look at each layer in this step (asked before it); what is found goes to the observers.
        precision: The numbers of a step.
        recompute: Whether the insides of blocks are computed anew on the way back.
    """

    steps: int
    seed: int
    parts: int
    evaluate: Rule
    keep: Rule
    stop: Rule
    guard: Guard
    save: Callable[[TrainState], None]
    workers: int = 0
    worker_timeout: float = 120.0
    evaluate_batch: int = 500
    look: Rule = never
    precision: Precision = FLOAT32
    recompute: bool = False
    changes: tuple[Change, ...] = ()

    @property
    def end(self) -> int:
        """Updates in all, as far as is known now."""
        return self.steps_at(max((change.step for change in self.changes), default=0))

    def steps_at(self, step: int) -> int:
        """Return how long the run was to be when a step was taken: what the step's rate depends on."""
        return [self.steps, *(c.steps for c in self.changes if c.steps is not None and c.step <= step)][-1]

    @property
    def cuts(self) -> Cuts:
        """From which step on steps are cut into how many pieces."""
        return cuts_of(self.parts, self.changes)


@dataclass(frozen=True)
class Seen:
    """What observers are shown after each step; they may look at the live model but not touch it.

    Args:
        step: Steps taken.
        steps: Steps in all.
        epoch: Epoch of the step.
        phase: Its name.
        report: Sums over the step divided by counts.
        norm: Norm of the gradient before clipping.
        rate: Learning rate of the first group.
        examples: Examples in the step.
        evaluated: Metrics on the validation part if it was evaluated after this step.
        model: The live network.
        history: All evaluations so far.
        look: What each layer did in this step, if the plan looked at it.
        skipped: Examples that could not be read and were replaced, in words.
    """

    step: int
    steps: int
    epoch: int
    phase: str
    report: Mapping[str, float]
    norm: float
    rate: float
    examples: int
    evaluated: Mapping[str, float] | None
    model: nn.Module
    history: tuple[tuple[int, dict[str, float]], ...]
    look: Look | None = None
    skipped: tuple[str, ...] = ()


Observer = Callable[[Seen], None]
