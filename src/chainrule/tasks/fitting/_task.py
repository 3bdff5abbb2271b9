"""The task of learning from one's own tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from chainrule.data import Batch, Sequential, Shuffled
from chainrule.losses import LOSSES
from chainrule.metrics import Accuracy, Mean, Tally
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, is_weight
from chainrule.tasks.fitting._examples import Pairs
from chainrule.training.objective import Separable
from chainrule.training.task import Carry, Phase, Task


def pairs_task(
    model: Callable[[], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    parts: Mapping[str, Tensor],
    *,
    batch: int,
    seed: int,
    lr: float,
    optim: str = "adam",
    schedule: str = "cosine",
    weight_decay: float = 0.0,
    loss: str | None = None,
    clip_norm: float | None = None,
) -> Task:
    """Return the task of minimizing a loss over tensors in memory.

    Args:
        model: Builds the network.
        inputs: (N, ...).
        targets: (N,) whole numbers for classes, floats for a regression.
        parts: Name of a part -> its positions; "train" is among them.
        batch: Examples a step.
        seed: Of the order.
        lr: Learning rate at the start of the schedule.
        optim: Name of an optimizer.
        schedule: Name of a schedule.
        weight_decay: On weights, not on biases and norms.
        loss: Name of a loss; `usual_loss` when left out.
        clip_norm: Largest norm of the gradient.
    """
    classes = not targets.is_floating_point()
    criterion = LOSSES.resolve(loss or usual_loss(targets))
    factor = SCHEDULES.resolve(schedule)
    optimizer = OPTIMIZERS.resolve(optim)
    decay = {"weight_decay": weight_decay} if weight_decay else {}

    def rate(at: At) -> float:
        return lr * factor(at.step, at.steps)

    def values(network: nn.Module, part: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        scores = network(part.inputs)
        found = {"loss": criterion(scores, part.targets)}
        if classes:
            found["accuracy"] = (scores.detach().argmax(1) == part.targets).float()
        return found, carry

    def measure(network: nn.Module, part: Batch) -> dict[str, Tally]:
        scores = network(part.inputs)
        found: dict[str, Tally] = {"loss": Mean.of(criterion(scores, part.targets))}
        if classes:
            found["accuracy"] = Accuracy.of(scores, part.targets)
        return found

    def count(part: Batch) -> dict[str, float]:
        return dict.fromkeys(("loss", "accuracy") if classes else ("loss",), float(len(part.index)))

    groups: Sequence[Group] = [
        Group(select=is_weight, rate=rate, options=decay),
        Group(select=lambda name, parameter: True, rate=rate, options={"weight_decay": 0.0} if decay else {}),
    ]
    phase = Phase(
        name="learn",
        objective=Separable(values=values, count=count, weight={"loss": lambda at: 1.0}),
        optimizer=lambda params: optimizer(params, lr=lr),
        groups=groups,
        clip=lambda parameters: clip_gradients(parameters, norm=clip_norm),
    )
    return Task(
        model=model,
        examples={name: Pairs(inputs, targets, index) for name, index in parts.items()},
        orders={
            name: Shuffled(len(index), batch, seed) if name == "train" else Sequential(len(index), 500)
            for name, index in parts.items()
        },
        phases=[phase],
        measure=measure,
        predict=lambda network, given: network(given),
    )


def usual_loss(targets: Tensor) -> str:
    """Return the name of the loss that targets are learned by when none is named."""
    return "squared_error" if targets.is_floating_point() else "softmax"
