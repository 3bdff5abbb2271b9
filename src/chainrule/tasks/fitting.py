"""Training one's own module on one's own tensors, and logging one's own loop, with the same folder and report."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import Journal
from chainrule.data import Batch, Sequential, Shuffled
from chainrule.losses import LOSSES
from chainrule.metrics import Accuracy, Mean, Tally
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, is_weight
from chainrule.runtime.environment import environment
from chainrule.runtime.rng import keys
from chainrule.runtime.weights import write_weights
from chainrule.tasks._facts import write_report
from chainrule.tasks._fit_facts import Loss, write_fit_facts
from chainrule.tasks._run import Run
from chainrule.training.loop import start, train_loop
from chainrule.training.objective import Separable
from chainrule.training.observe import write_metrics, write_timing
from chainrule.training.rules import every, stop_on_non_finite
from chainrule.training.task import Carry, Observer, Phase, Plan, Task, TrainState


class Pairs:
    """Inputs and targets in memory, as the examples that a training loop asks for by index.

    Args:
        inputs: (N, ...).
        targets: (N,) whole numbers for classes, floats for a regression.
        index: Which of them belong to this part.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, index: Tensor) -> None:
        self.inputs, self.targets, self.index = inputs, targets, index

    def __len__(self) -> int:
        return len(self.index)

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        """Return the batch of some positions within this part."""
        chosen = self.index[index]
        return Batch(self.inputs[chosen], self.targets[chosen], key, index)


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
        module: Any network: inputs (B, ...) -> scores (B, K) for classes, or values of y's shape.
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
    inputs, targets = _tensors(x, y)
    classes = not targets.is_floating_point()
    task = _task(module, inputs, targets, batch, seed, validation, lr, optim, schedule, weight_decay, loss, clip_norm)
    per_epoch = task.orders["train"].per_epoch
    steps = max(1, round(epochs * per_epoch))
    name = type(module).__name__
    folder = RunFolder(Path(out) if out is not None else _new_folder(name))
    begun = datetime.datetime.now(datetime.UTC)
    _try_out(module, inputs, targets if classes else None)
    folder.create(_info("module", name, begun, sum(p.numel() for p in module.parameters())))
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


class Log:
    """A run folder for a hand-written loop: what `run()` returns.

    Example:
        >>> import tempfile
        >>> with run(Path(tempfile.mkdtemp(), "mine")) as log:
        ...     for step in range(3):
        ...         log.log(loss=1 / (step + 1))
        >>> [line["step"] for line in log.run.history]
        [1, 2, 3]
    """

    def __init__(self, folder: RunFolder, name: str) -> None:
        self.folder = folder
        self._begun = datetime.datetime.now(datetime.UTC)
        folder.create(_info("log", name, self._begun, None))
        self._metrics = Journal(folder.metrics)
        self._step = 0
        self._last: dict[str, dict[str, float]] = {}

    def log(self, *, step: int | None = None, part: str = "train", **values: Any) -> None:
        """Write one line of metrics.

        Args:
            step: Which step; one more than the last when left out.
            part: "train", "valid", "test" or a word of one's own.
            values: Numbers by name; tensors and arrays of one element count as numbers.

        Raises:
            UsageError: A value is no number.
        """
        self._step = self._step + 1 if step is None else int(step)
        numbers = {name: _number(name, value) for name, value in values.items()}
        self._metrics.append({"step": self._step, "part": part, **numbers})
        self._last.setdefault(part, {}).update(numbers)

    def save(self, module: nn.Module) -> None:
        """Keep the weights of a network in the folder."""
        write_weights(self.folder.model, {name: value.contiguous() for name, value in module.state_dict().items()})
        self.folder.update(parameters=sum(parameter.numel() for parameter in module.parameters()))

    @property
    def run(self) -> Run:
        """The run, opened."""
        self._metrics.flush() if self.folder.info()["status"] == "running" else None
        return Run.open(self.folder.path)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.sync()
        self._metrics.close()
        status = "finished" if kind is None else "interrupted" if kind is KeyboardInterrupt else "failed"
        seconds = (datetime.datetime.now(datetime.UTC) - self._begun).total_seconds()
        final = {part: self._last.get(part) for part in ("valid", "test")}
        self.folder.update(status=status, result={**final, "steps": self._step, "seconds": round(seconds, 3)})
        write_report(self.folder)


def run(out: str | Path | None = None, *, name: str = "run") -> Log:
    """Open a run folder for a hand-written loop: `with chainrule.run() as r: r.log(loss=...)`.

    Args:
        out: The folder; `runs/NAME-DATE-TIME` when left out.
        name: What lists and the report call it.

    Raises:
        UsageError: The folder exists.
    """
    return Log(RunFolder(Path(out) if out is not None else _new_folder(name)), name)


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
    train, valid = _parts(len(targets), validation, seed)
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
    module = state.model.eval()
    for parameter in module.parameters():
        parameter.grad = None
    write_weights(folder.model, {name: value.contiguous() for name, value in module.state_dict().items()})
    seconds = (datetime.datetime.now(datetime.UTC) - begun).total_seconds()
    valid = dict(state.history[-1][1])
    result = {"valid": valid, "test": None, "best_step": state.step, "steps": state.step, "seconds": round(seconds, 3)}
    parts = {name: examples.index for name, examples in task.examples.items() if isinstance(examples, Pairs)}
    write_fit_facts(folder, task, module, inputs, targets, parts, criterion)
    classes = None if targets.is_floating_point() else int(targets.max()) + 1
    folder.update(status="finished", result=result, classes=classes)


def _try_out(module: nn.Module, inputs: Tensor, classes: Tensor | None) -> None:
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
    given = tuple(getattr(scores, "shape", ()))
    if classes is not None and (len(given) != 2 or given[0] != 2 or given[1] <= int(classes.max())):
        wanted = f"(2, K) with K at least {int(classes.max()) + 1} for two examples"
        raise UsageError(
            "the network does not give one score for each class",
            expected=wanted,
            got=given,
            remedy='y of floats is a regression, or a yes-or-no answer with loss="binary_cross_entropy"',
        )


def _tensors(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    inputs, targets = torch.as_tensor(x), torch.as_tensor(y)
    if len(inputs) != len(targets):
        raise DataError("x and y do not belong together", expected=f"{len(inputs)} targets", got=len(targets))
    if len(inputs) < 2:
        raise DataError("there are too few examples", expected="at least 2", got=len(inputs))
    for name, tensor in (("x", inputs), ("y", targets)):
        if tensor.is_floating_point() and not tensor.isfinite().all():
            row = (
                int((~tensor.isfinite()).flatten(1).any(1).nonzero()[0])
                if tensor.ndim > 1
                else int((~tensor.isfinite()).nonzero()[0])
            )
            raise DataError(f"{name} holds values that are not finite", got=f"the first in example {row}")
    if inputs.dtype == torch.float64:
        inputs = inputs.float()
    if targets.is_floating_point():
        return inputs, targets.float()
    if targets.ndim != 1 or int(targets.min()) < 0:
        raise DataError("y holds no classes", expected="whole numbers from 0 on, shape (N,)", got=tuple(targets.shape))
    return inputs, targets.long()


def _parts(count: int, validation: float, seed: int) -> tuple[Tensor, Tensor]:
    if not 0 < validation < 1:
        raise UsageError("validation is no share", expected="a number between 0 and 1", got=validation)
    order = torch.argsort(keys(seed, 0, torch.arange(count), "split"))
    held = max(1, min(count - 1, round(validation * count)))
    return order[held:].sort().values, order[:held].sort().values


def _info(kind: str, name: str, begun: datetime.datetime, parameters: int | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "status": "running",
        "created": begun.isoformat(timespec="seconds"),
        "command": None,
        "parent": None,
        "environment": environment(),
        "parameters": parameters,
        "resumed": 0,
        "result": None,
    }


def _new_folder(name: str) -> Path:
    base = Path("runs", f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    number, path = 1, base
    while path.exists():
        number, path = number + 1, base.with_name(f"{base.name}-{number + 1}")
    return path


def _number(name: str, value: Any) -> float | int:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise UsageError(f"log: {name} is no number", got=type(value).__name__)
    try:
        number = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"log: {name} is no single number", got=type(value).__name__) from None
    return number if isinstance(number, int) or math.isfinite(number) else float(number)
