"""The doctor for a training in Python: any loop in a `with` block, or the parts of one handed over."""

from __future__ import annotations

import copy
import linecache
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from chainrule.core.errors import UsageError
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._ending import error_line, is_training, with_error
from chainrule.diagnosis.doctor._events import Made, Observation
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.findings import Diagnosis
from chainrule.diagnosis.doctor.limits import EXPERIMENTS, SECONDS, STEPS


class Watching:
    """A training that is watched while the `with` block runs; `diagnosis` says afterwards what is wrong with it.

    Args:
        model: The network, where it should be known before it is called.
        optimizer: The optimizer, likewise.
        seconds: Ends the block after so long, at the next step; never when left out.
        experiments: How many seconds experiments may take when the diagnosis is asked for.

    Example:
        >>> model = nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Watching(model, optimizer) as watch:
        ...     for _ in range(3):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 3)).square().mean().backward()
        ...         optimizer.step()
        >>> watch.diagnosis.seen["steps"]
        3
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        *,
        seconds: float | None = None,
        experiments: float = EXPERIMENTS,
    ) -> None:
        if model is not None:
            _require(model, nn.Module, "the model is no network")
        if optimizer is not None:
            _require(optimizer, torch.optim.Optimizer, "that is no optimizer")
        self._model, self._optimizer, self._experiments = model, optimizer, experiments
        self._watch = Watch(seconds=seconds)
        self._over = False

    @property
    def seen(self) -> Observation:
        """What was seen so far."""
        return self._watch.seen

    def __enter__(self) -> Watching:
        """Begin to watch."""
        if self._over:
            raise UsageError("this training was watched already", remedy="call chainrule.watch again")
        self._watch.__enter__()
        owned = [] if self._model is None else [*self._model.parameters(), *self._model.buffers()]
        for tensor in owned:
            self.seen.initial.setdefault(id(tensor), tensor.detach().clone())
        if self._optimizer is not None:
            self.seen.events.append(Made(self._optimizer, 0.0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End; an error of the training goes on its way."""
        self._over = True
        return self._watch.__exit__(kind, error, trace)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What is wrong with the training; asked once, with the weights as they are then.

        Raises:
            UsageError: The block still runs, or nothing was trained in it.
        """
        if not self._over:
            raise UsageError("the training is still watched", remedy="ask for the diagnosis after the with block")
        if not is_training(self.seen):
            raise UsageError(
                "nothing was trained while it was watched",
                expected="calls of a network, backward() and an optimizer's step()",
                remedy="put the loop into the with block",
            )
        case = Case(self.seen, _source(self.seen), seconds=self._experiments)
        name = type(case.network).__name__ if case.network is not None else "the training"
        found = diagnose(case, name)
        error = self.seen.error
        if error is None:
            return found
        line = error_line(error)
        return with_error(found, error, case.place(line), linecache.getline(*line).strip() if line else "")


def watch(
    model: nn.Module | None = None, optimizer: torch.optim.Optimizer | None = None, *, seconds: float | None = None
) -> Watching:
    """Watch a loop of one's own: `with chainrule.watch(model, optimizer) as watch: ...`, then `watch.diagnosis`.

    Args:
        model: The network, where it should be known before it is called.
        optimizer: The optimizer, likewise.
        seconds: Ends the block after so long, at the next step; never when left out.

    Example:
        >>> model = nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with watch(model, optimizer) as seen:
        ...     for _ in range(5):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 3)).square().mean().backward()
        ...         optimizer.step()
        >>> seen.diagnosis.seen["steps"]
        5

    Source:
        LECTURES C10.
    """
    return Watching(model, optimizer, seconds=seconds)


def doctor(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor] | None,
    optimizer: torch.optim.Optimizer,
    data: Iterable[Any],
    train_step: Callable[[Any], Any] | None = None,
    predict: Callable[[Any], Any] | None = None,
    *,
    steps: int = STEPS,
    seconds: float = SECONDS,
    evaluation: Iterable[Any] | None = None,
) -> Diagnosis:
    """Say why a training does not learn: take some steps of it under observation, and experiment with them.

    Network and optimizer are put back afterwards as they were. For a loop of one's own there is `watch`.

    Args:
        model: The network.
        loss_fn: (outputs, targets) -> loss; None with a `train_step` of one's own.
        optimizer: Of the network's parameters.
        data: Batches, gone through again and again: a `DataLoader`, or a list of pairs (inputs, targets).
        train_step: One's own step on a batch, all of it: forward, backward, `optimizer.step()`.
        predict: Inputs -> answers, as one's own program makes them when it evaluates.
        steps: How many steps are taken at most.
        seconds: How long they may take.
        evaluation: Batches that are held out, read in the middle and at the end.

    Returns:
        The findings, the likeliest first; shows itself in a terminal and in a notebook.

    Raises:
        UsageError: The parts do not belong together.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
        >>> loss = nn.CrossEntropyLoss()
        >>> found = doctor(model, loss, optimizer, [(x, (x[:, 0] > 0).long())], steps=20)
        >>> found.seen["steps"]
        20

    Source:
        LECTURES C10.
    """
    _check(model, loss_fn, optimizer, data, train_step, predict, steps, seconds, evaluation)
    take = train_step or _usual_step(model, loss_fn, optimizer)
    watching, step = Watching(model, optimizer), -1
    with _put_back(model, optimizer):
        try:
            with watching:
                model.train()
                begun, half = time.monotonic(), False
                for step, batch in enumerate(_again(data)):
                    late = time.monotonic() - begun
                    if step >= steps or late > seconds:
                        break
                    if not half and step and (2 * step >= steps or 2 * late > seconds):
                        half = True
                        _evaluate(model, loss_fn, predict, evaluation)
                    take(batch)
                _evaluate(model, loss_fn, predict, evaluation)
        except UsageError:
            raise
        except Exception:  # an error of the training is a finding, where something was seen before it
            if not is_training(watching.seen):
                raise
        if step < 0:
            raise UsageError("data has no batch", expected="one at least")
        return watching.diagnosis


def _require(thing: Any, kind: type, what: str) -> None:
    if not isinstance(thing, kind):
        raise UsageError(what, expected=f"a torch.{'nn' if kind is nn.Module else 'optim'}.{kind.__name__}",
                         got=type(thing).__name__)  # fmt: skip


def _check(
    model: Any, loss_fn: Any, optimizer: Any, data: Any, train_step: Any, predict: Any,
    steps: int, seconds: float, evaluation: Any,
) -> None:  # fmt: skip
    _require(model, nn.Module, "the model is no network")
    _require(optimizer, torch.optim.Optimizer, "that is no optimizer")
    for name, called in (("loss_fn", loss_fn), ("train_step", train_step), ("predict", predict)):
        if called is not None and not callable(called):
            raise UsageError(f"{name} cannot be called", expected="a function", got=type(called).__name__)
    if loss_fn is None and train_step is None:
        raise UsageError("there is no loss", expected="loss_fn or train_step")
    if predict is not None and evaluation is None:
        raise UsageError("predict has nothing to answer", remedy="give batches that are held out: evaluation=")
    for name, batches in (("data", data), ("evaluation", evaluation)):
        if isinstance(batches, Dataset | Tensor):
            raise UsageError(
                f"{name} gives single examples",
                expected="batches of inputs and targets",
                got=type(batches).__name__,
                remedy=f"torch.utils.data.DataLoader({name}, batch_size=32)",
            )
    if steps < 1 or not seconds > 0:
        raise UsageError("nothing would be trained", expected="steps of 1 and seconds above 0 at least",
                         got=f"{steps} steps, {seconds:g} seconds")  # fmt: skip


def _again(data: Iterable[Any]) -> Iterator[Any]:
    """The batches again and again; of what cannot be begun anew once."""
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            return


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        kind = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
        raise UsageError("a batch is no pair of inputs and targets", got=kind, remedy="give train_step=, your own step")
    return batch[0], batch[1]


def _usual_step(
    model: nn.Module, loss_fn: Callable[[Any, Any], Tensor] | None, optimizer: torch.optim.Optimizer
) -> Callable[[Any], Any]:
    def step(batch: Any) -> None:
        assert loss_fn is not None
        inputs, targets = _pair(batch)
        model.train()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step


def _evaluate(model: nn.Module, loss_fn: Any, predict: Any, evaluation: Iterable[Any] | None) -> None:
    """One pass over what is held out: as the user predicts, or the loss in evaluation mode."""
    if evaluation is None:
        return
    if predict is not None:
        for batch in evaluation:
            predict(_pair(batch)[0])
        return
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in evaluation:
                inputs, targets = _pair(batch)
                output = model(inputs)
                if loss_fn is not None:
                    loss_fn(output, targets)
    finally:
        model.train(training)


@contextmanager
def _put_back(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Whatever happens in here, weights, buffers, gradients, modes and the optimizer's state are as before after it."""
    tensors = [*model.parameters(), *model.buffers()]
    values = [(t, t.detach().clone(), None if t.grad is None else t.grad.clone(), t.requires_grad) for t in tensors]
    modes = [(module, module.training) for module in model.modules()]
    state = copy.deepcopy(optimizer.state_dict())
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        with torch.no_grad():
            for tensor, value, gradient, wanted in values:
                tensor.copy_(value)
                tensor.grad = gradient
                tensor.requires_grad_(wanted)
        for module, training in modes:
            module.training = training
        optimizer.load_state_dict(state)


def _source(seen: Observation) -> Source:
    """The text of the first file of the user's in which something happened; a notebook's cell too."""
    line = next((line for event in seen.events if (line := getattr(event, "line", None))), None)
    text = "".join(linecache.getlines(line[0])) if line else ""
    return Source.of(Path(line[0]), text) if line and text else Source.empty()
