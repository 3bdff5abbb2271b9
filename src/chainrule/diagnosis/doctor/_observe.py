"""Watching a training that somebody wrote: every forward, backward, step and cleared gradient is seen from outside."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, ReduceLROnPlateau, SequentialLR
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader

from chainrule.analysis._record import Recording
from chainrule.analysis._replay import score, stripped, with_data
from chainrule.analysis._tape import Operation, Tape
from chainrule.diagnosis.doctor._by_hand import ByHand
from chainrule.diagnosis.doctor._events import (
    Backward,
    Evaluated,
    Forward,
    Line,
    Made,
    Moved,
    Observation,
    Second,
    is_network,
    owned_by,
)
from chainrule.diagnosis.doctor._gradients import HeldLosses, Ledger, behind
from chainrule.diagnosis.doctor._graphs import HeldGraphs
from chainrule.diagnosis.doctor._kept import copied, norm_of, summary_of
from chainrule.diagnosis.doctor._measured import Meter
from chainrule.diagnosis.doctor._passes import Passes, Tee
from chainrule.diagnosis.doctor._places import user_line
from chainrule.diagnosis.doctor._retained import Retained, debugging
from chainrule.diagnosis.doctor._rows import example_numbers
from chainrule.diagnosis.doctor._stored import Stores
from chainrule.diagnosis.doctor._tellers import Tellers

RECORDED = 24
"""Backward passes whose way to the loss is recorded."""
LATER = 12
"""The same of a second training in the same program: another optimizer, over weights that none had before."""
KEPT = 12
"""Calls of a network in each mode whose inputs are kept."""
SCHEDULERS = (LRScheduler, ReduceLROnPlateau, SequentialLR, ChainedScheduler)
"""What makes itself by an `__init__` of its own."""


class Enough(BaseException):
    """Ends a training from within, when enough of it was seen."""


class Watch:
    """Watch a training while the `with` block runs.

    The code is not changed, but for torch's entry points being told of: calls of modules, steps of optimizers,
    `backward`, `zero_grad`, clipping, `load_state_dict`, and the making of optimizers and data loaders. All of it is
    put back at the end.

    Args:
        seconds: Ends the training by `Enough` after so long; never when left out.
        steps: The same after so many steps of optimizers.
        recorded: How many backward passes are recorded in full.
        prints: Whether what is printed is seen as well.

    Example:
        >>> model = nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Watch() as watch:
        ...     for _ in range(2):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 3)).square().mean().backward()
        ...         optimizer.step()
        >>> [type(event).__name__ for event in watch.seen.events]
        ['Cleared', 'Forward', 'Backward', 'Moved', 'Cleared', 'Forward', 'Backward', 'Moved']
    """

    def __init__(
        self,
        *,
        seconds: float | None = None,
        steps: int | None = None,
        recorded: int = RECORDED,
        prints: bool = False,
    ) -> None:
        self.seen = Observation()
        self.seconds, self.steps, self.recorded, self.prints = seconds, steps, recorded, prints
        self._lines: dict[int, Line] = {}
        self._recording = Recording(told=self._told)
        self._passes = Passes()
        self._evaluating: Forward | None = None
        self._depth = 0  # calls of modules inside each other
        self._quiet = False  # what runs now is our own
        self._kept: dict[tuple[bool, bool], int] = {}
        self._taken = self._recorded = 0
        self._before: list[Tensor] = []
        self._begun_step = 0.0
        self._ledger, self._by_hand = Ledger(), ByHand()
        self._losses = HeldLosses()
        self._graphs = HeldGraphs()
        self._retained = Retained()
        self._stores = Stores()
        self._tell = Tellers(self.seen, now=self._now, quiet=lambda: self._quiet, aside=self._aside)
        self._open = ExitStack()

    def __enter__(self) -> Watch:
        """Begin to watch."""
        with ExitStack() as stack:
            for hook in (
                register_optimizer_step_pre_hook(self._about_to_move),
                register_optimizer_step_post_hook(self._moved),
            ):
                stack.callback(hook.remove)
            for owner, name, watcher in (
                (torch.Tensor, "backward", self._backward),
                (torch.autograd, "backward", self._backward),
                (torch.autograd, "grad", self._backward),
                (torch.optim.Optimizer, "zero_grad", self._tell.zero_grad),
                (torch.optim.Optimizer, "__init__", self._made),
                (nn.Module, "__call__", self._called),
                (nn.Module, "zero_grad", self._tell.zero_grad),
                (nn.Module, "load_state_dict", self._tell.loaded),
                (nn.utils, "clip_grad_norm_", self._tell.clip_norm),
                (nn.utils.clip_grad, "clip_grad_norm_", self._tell.clip_norm),
                (nn.utils, "clip_grad_value_", self._tell.clip_value),
                (nn.utils.clip_grad, "clip_grad_value_", self._tell.clip_value),
                (DataLoader, "__init__", self._loader),
                (ReduceLROnPlateau, "step", self._tell.judged),
            ):
                self._replace(stack, owner, name, watcher)
            for kind in SCHEDULERS:
                self._replace(stack, kind, "__init__", self._tell.scheduled)
            if self.prints:
                stack.enter_context(contextlib.redirect_stdout(Tee(sys.stdout, self._tell.printed)))
            stack.enter_context(self._recording)
            self._meter = Meter(self._tell.measured, stack.enter_context(ExitStack()))
            self._open = stack.pop_all()
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End, and put everything back; `Enough` goes no further."""
        with self._aside():
            self._end_evaluation()
            self.seen.evaluations = self._passes.kept()
            self.seen.graphs, self.seen.stored = self._graphs.most, self._stores.seen()
            self.seen.by_hand, self.seen.reached = self._by_hand.steps, self._ledger.reached
        self._open.close()
        self._quiet = True  # for whoever has imported one of the entry points by its name
        self.seen.seconds = self._now()
        self.seen.complete = error is None and self.seen.error is None
        if error is not None and not isinstance(error, Enough):
            self.seen.error = error
        return isinstance(error, Enough)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What runs in here is our own, and not seen."""
        before = self._quiet
        self._quiet = self._recording.off = True
        try:
            yield
        finally:
            self._quiet = before
            self._recording.off = before or not (self._evaluating or self._recorded < self.recorded)

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    def _told(self, operation: Operation, tape: Tape) -> None:
        line = user_line()
        if line is not None:
            self._lines[operation.index] = line

    def _cut(self) -> tuple[Tape | None, dict[int, Line]]:
        lines, self._lines = self._lines, {}
        return self._recording.cut(), lines

    @staticmethod
    def _replace(stack: ExitStack, owner: Any, name: str, watcher: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            return watcher(original, *args, **kwargs)

        setattr(owner, name, watched)
        stack.callback(setattr, owner, name, original)

    def _called(self, original: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if self._depth or self._quiet:
            return original(module, *args, **kwargs)
        self._depth += 1
        try:
            with self._aside():
                forward = self._begin(module, args, kwargs)
            output = original(module, *args, **kwargs)
        finally:
            self._depth -= 1
        with self._aside():
            if forward.given is not None:
                forward.output = copied(output)
            if forward.grad and forward.rows is not None:
                key = (tuple(forward.rows.shape), float(forward.rows.double().sum()))
                self._graphs.add((args, kwargs), output, key, learning=forward.training, step=self._taken)
        return output

    def _begin(self, module: nn.Module, args: Any, options: Any) -> Forward:
        network = is_network(module)
        forward = self._forward(module, args, options, always=network and not torch.is_grad_enabled())
        if network:
            self._end_evaluation()
            if not forward.learning:
                self._cut()  # what stands before the first call of a pass belongs to nothing
                self._evaluating = forward
                self._meter.listen()
        self.seen.events.append(forward)
        return forward

    def _forward(self, module: nn.Module, args: Any, options: Any, *, always: bool) -> Forward:
        self._add_network(module)
        tensors = [leaf for leaf in tree_leaves((args, options)) if isinstance(leaf, Tensor)]
        tensor = tensors[0] if tensors else None
        mode = (module.training, torch.is_grad_enabled())
        kept = self._kept[mode] = self._kept.get(mode, 0) + 1
        few = kept <= KEPT
        mixed = (
            tuple(name for name, inner in module.named_modules() if inner.training != module.training) if few else ()
        )
        given = copied((args, options)) if few or (always and self._passes.room) else None
        facts = None if tensor is None else summary_of(tensor, keep=few)
        rows = example_numbers(tensors)
        if tensor is not None and module.training:
            self._stores.part(tensor)
        return Forward(module, mode[0], mixed, mode[1], facts, rows, self._now(), user_line(), given)

    def _end_evaluation(self) -> None:
        if self._evaluating is None:
            return
        forward, self._evaluating = self._evaluating, None
        tape, lines = self._cut()
        if tape is not None and forward.output is not None:
            self._passes.add(Evaluated(forward, tape, lines, self._now()))

    def _add_network(self, module: nn.Module) -> None:
        if any(module is known for known in self.seen.networks.values()):
            return
        kind = type(module).__name__
        title = kind if kind not in self.seen.networks else f"{kind}#{len(self.seen.networks) + 1}"
        self.seen.networks[title] = module
        for tensor in (*module.parameters(), *module.buffers()):
            self.seen.initial.setdefault(id(tensor), tensor.detach().clone())
        self._add_frozen([module])

    def _add_frozen(self, modules: Iterable[nn.Module]) -> None:
        self.seen.frozen.update(id(p) for m in modules for p in m.parameters() if not p.requires_grad)

    def _add_loose(self, tape: Tape) -> None:
        """Weights that are in no module: leaves that gradients go to, as they are before the first step."""
        for value in tape.values:
            tensor = value.tensor
            if (
                value.operation is None
                and tensor.requires_grad
                and tensor.is_leaf
                and id(tensor) not in self.seen.initial
            ):
                self.seen.loose[f"weights{len(self.seen.loose)} {'x'.join(map(str, value.shape))}"] = tensor
                self.seen.initial[id(tensor)] = tensor.detach().clone()

    def _backward(self, original: Callable[..., Any], tensors: Any, *args: Any, **kwargs: Any) -> Any:
        if self._quiet or kwargs.get("create_graph"):  # one entry point leads to another; a term of the loss
            return original(tensors, *args, **kwargs)
        with self._aside():
            self._end_evaluation()
            at, line = self._now(), user_line()
            tape, lines = self._cut()
            if tape is not None and self._recorded < self.recorded:
                self._add_loose(tape)
            losses = [leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor)]
            parameters = list(self.seen.parameters().values())
            by_hand = not self._taken and self._recorded < self.recorded  # or so it seems up to the first step
            self._ledger.before(parameters)
            again = self._retained.add(losses, retained=bool(kwargs.get("retain_graph")))
            self.seen.debugging.update(debugging())
            if by_hand:
                self._by_hand.before(parameters)
            output = original(tensors, *args, **kwargs)
            stale = self._ledger.after()
            if by_hand:
                self._by_hand.after(parameters, kwargs.get("inputs", args[0] if args else None), output)
            prepared = place = None
            held = 0 if tape is None else behind(v.tensor for v in tape.values if v.operation is None)
            if tape is not None and losses and self._recorded < self.recorded:
                place = next((v.index for v in reversed(tape.values) if v.tensor is losses[0]), None)
            if tape is not None and place is not None:
                self._recorded += 1
                prepared = stripped(with_data(score(tape, [place])))
            value = float(sum(loss.detach().double().sum() for loss in losses))
            shape = tuple(losses[0].shape) if losses else ()
            kept = self._losses.count()
            if prepared is None:  # a recorded one is held by the tape
                self._losses.add(losses)
            event = Backward(value, shape, prepared, place, stale, at, line, lines, kept, held, again)
            if self.seen.second and prepared is not None:
                self.seen.second.passes[len(self.seen.events)] = event
                event = replace(event, score=None, output=None, lines={})
            self.seen.events.append(event)
        return output

    def _made(self, original: Callable[..., Any], optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        original(optimizer, *args, **kwargs)
        if not self._quiet:
            self._second_training(optimizer)
            self._add_frozen(self.seen.networks.values())
            self.seen.events.append(Made(optimizer, self._now(), user_line()))

    def _second_training(self, optimizer: torch.optim.Optimizer) -> None:
        """Record again, where an optimizer of weights that none had before is made after the first recorded passes."""
        before = {id(p) for made in self.seen.of(Made) for p in owned_by(made.optimizer)}
        if self.seen.second or self._recorded < self.recorded or {id(p) for p in owned_by(optimizer)} & before:
            return
        with self._aside():
            tensors = [t for m in self.seen.networks.values() for t in (*m.parameters(), *m.buffers())]
            now = {id(t): t.detach().clone() for t in tensors}
            self.seen.second = Second(len(self.seen.events), now)
            self.recorded += LATER

    def _loader(self, original: Callable[..., Any], loader: Any, *args: Any, **kwargs: Any) -> None:
        original(loader, *args, **kwargs)
        with self._aside():
            self._stores.dataset(loader.dataset)
        sampler = type(loader.sampler).__name__ if getattr(loader, "sampler", None) is not None else ""
        facts = {name: getattr(loader, name, None) for name in ("batch_size", "num_workers", "drop_last")}
        size = len(loader.dataset) if hasattr(loader.dataset, "__len__") else None
        self.seen.loaders.append({**facts, "sampler": sampler, "size": size, "line": user_line(), "loader": loader})

    def _about_to_move(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with self._aside():
            self._end_evaluation()
            self._passes.close()
            looked = self._recorded < self.recorded
            self._before = [p.detach().clone() for p in owned_by(optimizer)] if looked else []
            self._begun_step = self._now()

    def _moved(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with self._aside():
            self.seen.events.append(self._move(optimizer))
        self._cut()  # what the optimizer computed
        self._taken += 1
        self._retained.step()
        over = self.seconds is not None and self._now() > self.seconds
        if over or (self.steps is not None and self._taken >= self.steps):
            raise Enough

    def _move(self, optimizer: torch.optim.Optimizer) -> Moved:
        owned, change = owned_by(optimizer), None
        if self._before:
            size = norm_of(self._before)
            change = norm_of([p.detach() - old for p, old in zip(owned, self._before)]) / size if size else None
        rates = tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
        norm = norm_of([p.grad for p in owned if p.grad is not None])
        carried = self._ledger.used(owned)
        return Moved(optimizer, rates, norm, change, self._now(), user_line(), self._begun_step, carried)
