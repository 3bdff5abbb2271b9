"""Training one's own module on one's own tensors."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder, new_folder
from chainrule.core.journal import Journal
from chainrule.losses import LOSSES
from chainrule.runtime.weights import write_weights
from chainrule.tasks.fitting._examples import Pairs, checked_pairs, split_parts
from chainrule.tasks.fitting._facts import Loss, write_fit_facts
from chainrule.tasks.fitting._task import pairs_task, usual_loss
from chainrule.tasks.fitting._yes_or_no import YesOrNo, is_yes_or_no
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._run import Run
from chainrule.training.loop import start, train_loop
from chainrule.training.observe import write_metrics, write_timing
from chainrule.training.rules import every, stop_on_non_finite
from chainrule.training.task import Observer, Plan, Task, TrainState


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
    task = pairs_task(
        lambda: network,
        inputs,
        targets,
        dict(zip(("train", "valid"), split_parts(len(targets), validation, seed))),
        batch=batch,
        seed=seed,
        lr=lr,
        optim=optim,
        schedule=schedule,
        weight_decay=weight_decay,
        loss=loss,
        clip_norm=clip_norm,
    )
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
        _finish(folder, task, state, begun, inputs, targets, LOSSES.resolve(loss or usual_loss(targets)))
    except BaseException as error:
        folder.update(status="interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    write_report(folder)
    return Run.open(folder.path)


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
