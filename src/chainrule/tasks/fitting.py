"""Training one's own module on one's own tensors."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder, new_folder
from chainrule.core.journal import Journal
from chainrule.data import Batch, Sequential, Shuffled
from chainrule.losses import LOSSES
from chainrule.metrics import Accuracy, Mean, Tally
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, is_weight
from chainrule.runtime.weights import write_weights
from chainrule.tasks._facts import write_report
from chainrule.tasks._fit_facts import Loss, write_fit_facts
from chainrule.tasks._info import new_info
from chainrule.tasks._pairs import Pairs, checked_pairs, split_parts
from chainrule.tasks._run import Run
from chainrule.tasks._yes_or_no import YesOrNo, is_yes_or_no
from chainrule.training.loop import start, train_loop
from chainrule.training.objective import Separable
from chainrule.training.observe import write_metrics, write_timing
from chainrule.training.rules import every, stop_on_non_finite
from chainrule.training.task import Carry, Observer, Phase, Plan, Task, TrainState


def fit(
    module: nn.Module,
    x: Any,
    y: Any,
    *,
    epochs: float = 10,
    lr: float = 1e-3,
    batch: int = 64,
    optim: str = "adam",
    schedule: str = "cosine",
    weight_decay: float = 0.0,
    loss: str | None = None,
    clip_norm: float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    out: str | Path | None = None,
    observers: Iterable[Observer] = (),
) -> Run:
    """Train one's own module on one's own tensors and return the run.

    The module is trained in place, and left in evaluation mode. The caller's random generator is as before.

    Args:
        module: Any network: inputs (B, ...) -> scores (B, K) for classes, or values of y's shape; one score (B,) or
            (B, 1) for yes or no with the loss binary_cross_entropy.
        x: Inputs (N, ...), a tensor or an array.
        y: Targets (N,): whole numbers are classes, floats a regression.
        epochs: Passes over the training part.
        lr: Learning rate at the start of the schedule.
        batch: Examples a step.
        optim: Name of an optimizer.
        schedule: Name of a schedule.
        weight_decay: On weights, not on biases and norms; needs an optimizer that has it.
        loss: Name of a loss; softmax for classes and squared_error for a regression when left out.
        clip_norm: Largest norm of the gradient.
        validation: Share set aside, in (0, 1).
        seed: Of order, split and dropout. (The weights are the module's own.)
        out: The run folder; `runs/MODULE-DATE-TIME` when left out.
        observers: Called after each step.

    Raises:
        DataError: x and y do not belong together, or hold values that are not finite.
        UsageError: An unknown name, a folder that exists, or a network that does not fit x and y.

    Example:
        >>> import tempfile
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.randn(200, 2, generator=generator)
        >>> y = (x[:, 0] > x[:, 1]).long()
        >>> run = fit(nn.Linear(2, 2), x, y, epochs=20, lr=0.1, out=Path(tempfile.mkdtemp(), "run"))
        >>> run.result["valid"]["accuracy"] > 0.8
        True
    """
    inputs, targets = checked_pairs(x, y)
    network, given = module, _try_out(module, inputs)
    if is_yes_or_no(loss, targets) and given in ((2,), (2, 1)):
        network, targets, loss, given = YesOrNo(module), targets.flatten().long(), "softmax", (2, 2)
    if not targets.is_floating_point():
        _check_scores(given, int(targets.max()) + 1)
    task = _task(network, inputs, targets, batch, seed, validation, lr, optim, schedule, weight_decay, loss, clip_norm)
    per_epoch = task.orders["train"].per_epoch
    steps = max(1, round(epochs * per_epoch))
    name = type(module).__name__
    folder = RunFolder(Path(out) if out is not None else new_folder(name))
    begun = datetime.datetime.now(datetime.UTC)
    folder.create(new_info("module", name, begun=begun, parameters=sum(p.numel() for p in module.parameters())))
    try:
        with Journal(folder.metrics) as metrics, Journal(folder.timing) as timing:
            state = start(task, seed)
            plan = Plan(
                steps=steps,
                seed=seed,
                parts=1,
                evaluate=every(per_epoch),
                keep=lambda at: False,
                stop=lambda at: False,
                guard=stop_on_non_finite(),
                save=lambda state: None,
            )
            logs = [write_metrics(metrics, every=max(1, steps // 5000), steps=steps), write_timing(timing)]
            train_loop(task, state, plan, observers=[*logs, *observers])
        _finish(folder, task, state, begun, inputs, targets, LOSSES.resolve(loss or _usual_loss(targets)))
    except BaseException as error:
        folder.update(status="interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    write_report(folder)
    return Run.open(folder.path)


def _task(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    batch: int,
    seed: int,
    validation: float,
    lr: float,
    optim: str,
    schedule: str,
    weight_decay: float,
    loss: str | None,
    clip_norm: float | None,
) -> Task:
    classes = not targets.is_floating_point()
    criterion = LOSSES.resolve(loss or _usual_loss(targets))
    factor = SCHEDULES.resolve(schedule)
    optimizer = OPTIMIZERS.resolve(optim)
    train, valid = split_parts(len(targets), validation, seed)
    decay = {"weight_decay": weight_decay} if weight_decay else {}

    def rate(at: At) -> float:
        return lr * factor(at.step, at.steps)

    def values(model: nn.Module, part: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        scores = model(part.inputs)
        found = {"loss": criterion(scores, part.targets)}
        if classes:
            found["accuracy"] = (scores.detach().argmax(1) == part.targets).float()
        return found, carry

    def measure(model: nn.Module, part: Batch) -> dict[str, Tally]:
        scores = model(part.inputs)
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
        model=lambda: module,
        examples={"train": Pairs(inputs, targets, train), "valid": Pairs(inputs, targets, valid)},
        orders={"train": Shuffled(len(train), batch, seed), "valid": Sequential(len(valid), 500)},
        phases=[phase],
        measure=measure,
        predict=lambda model, given: model(given),
    )


def _usual_loss(targets: Tensor) -> str:
    return "squared_error" if targets.is_floating_point() else "softmax"


def _finish(
    folder: RunFolder,
    task: Task,
    state: TrainState,
    begun: datetime.datetime,
    inputs: Tensor,
    targets: Tensor,
    criterion: Loss,
) -> None:
    """Write the weights, what the report is made of, and the result."""
    classifier = state.model.eval()
    module = classifier.network if isinstance(classifier, YesOrNo) else classifier
    for parameter in module.parameters():
        parameter.grad = None
    write_weights(folder.model, {name: value.contiguous() for name, value in module.state_dict().items()})
    seconds = (datetime.datetime.now(datetime.UTC) - begun).total_seconds()
    valid = dict(state.history[-1][1])
    result = {"valid": valid, "test": None, "best_step": state.step, "steps": state.step, "seconds": round(seconds, 3)}
    parts = {name: examples.index for name, examples in task.examples.items() if isinstance(examples, Pairs)}
    write_fit_facts(folder, task, classifier, module, inputs, targets, parts, criterion)
    classes = None if targets.is_floating_point() else int(targets.max()) + 1
    folder.update(status="finished", result=result, classes=classes)


def _try_out(module: nn.Module, inputs: Tensor) -> tuple[int, ...]:
    """One forward pass of two examples: a network that does not fit is found before anything is made."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            scores = module(inputs[:2])
    except MemoryError:
        raise
    except Exception as error:  # a network of one's own can fail in any way
        said = (str(error).splitlines() or [""])[0]
        what = (
            f"the network cannot take x, {inputs.dtype} of shape {tuple(inputs.shape)}: {type(error).__name__}: {said}"
        )
        raise UsageError(what) from error
    finally:
        module.train(training)
    return tuple(getattr(scores, "shape", ()))


def _check_scores(given: tuple[int, ...], classes: int) -> None:
    if len(given) != 2 or given[0] != 2 or given[1] < classes:
        wanted = f"(2, K) with K at least {classes} for two examples"
        raise UsageError(
            "the network does not give one score for each class",
            expected=wanted,
            got=given,
            remedy='for yes or no, y is 0 and 1, the network has one score, and loss="binary_cross_entropy"',
        )
