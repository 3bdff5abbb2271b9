"""Watching a training that somebody wrote: every forward, backward, step and cleared gradient is seen from outside."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader

from chainrule.analysis._replay import score, stripped, with_data
from chainrule.analysis._tape import Recording
from chainrule.diagnosis.doctor._events import Backward, Cleared, Forward, Inputs, Moved, Observation

RECORDED = 24
"""Backward passes whose way to the loss is recorded."""
KEPT = 12
"""Calls of a network in each mode whose inputs are kept."""


class Enough(BaseException):
    """Ends a training from within, when enough of it was seen."""


class Watch:
    """Watch a training while the `with` block runs.

    The code is not changed, but for torch's entry points being told of: the global hooks of modules and optimizers,
    `backward`, `zero_grad` and the making of data loaders. All of it is put back at the end.

    Args:
        seconds: Ends the training by `Enough` after so long; never when left out.
        steps: The same after so many steps of optimizers.
        recorded: How many backward passes are recorded in full.

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

    def __init__(self, *, seconds: float | None = None, steps: int | None = None, recorded: int = RECORDED) -> None:
        self.seen = Observation()
        self.seconds, self.steps, self.recorded = seconds, steps, recorded
        self._recording = Recording()
        self._depth = 0  # calls of modules inside each other
        self._quiet = False  # what runs now is our own
        self._kept: dict[tuple[bool, bool], int] = {}
        self._taken = self._recorded = 0
        self._before: list[Tensor] = []
        self._open = ExitStack()

    def __enter__(self) -> Watch:
        """Begin to watch."""
        with ExitStack() as stack:
            for hook in (
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave, always_call=True),
                register_optimizer_step_pre_hook(self._about_to_move),
                register_optimizer_step_post_hook(self._moved),
            ):
                stack.callback(hook.remove)
            self._replace(stack, torch.Tensor, "backward", self._backward)
            self._replace(stack, torch.autograd, "backward", self._backward)
            self._replace(stack, torch.autograd, "grad", self._backward)
            self._replace(stack, torch.optim.Optimizer, "zero_grad", self._zero_grad)
            self._replace(stack, nn.Module, "zero_grad", self._zero_grad)
            self._replace(stack, DataLoader, "__init__", self._loader)
            stack.enter_context(self._recording)
            self._open = stack.pop_all()
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End, and put everything back; `Enough` goes no further."""
        self._open.close()
        self._quiet = True  # for whoever has imported one of the entry points by its name
        self.seen.seconds = self._now()
        self.seen.complete = error is None
        self.seen.error = None if isinstance(error, Enough) else error
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
            self._recording.off = before or self._recorded >= self.recorded

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    @staticmethod
    def _replace(stack: ExitStack, owner: Any, name: str, watcher: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            return watcher(original, *args, **kwargs)

        setattr(owner, name, watched)
        stack.callback(setattr, owner, name, original)

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._depth += 1
        if self._depth > 1 or self._quiet:
            return
        with self._aside():
            self.seen.events.append(self._forward(module, inputs))

    def _forward(self, module: nn.Module, inputs: Any) -> Forward:
        self._add_network(module)
        tensor = next((leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)), None)
        mode = (module.training, torch.is_grad_enabled())
        kept = self._kept[mode] = self._kept.get(mode, 0) + 1
        few = kept <= KEPT
        mixed = (
            tuple(name for name, inner in module.named_modules() if inner.training != module.training) if few else ()
        )
        facts = None if tensor is None else _summary(tensor, keep=few)
        return Forward(module, mode[0], mixed, mode[1], facts, self._now())

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._depth = max(0, self._depth - 1)

    def _add_network(self, module: nn.Module) -> None:
        if any(module is known for known in self.seen.networks.values()):
            return
        kind = type(module).__name__
        title = kind if kind not in self.seen.networks else f"{kind}#{len(self.seen.networks) + 1}"
        self.seen.networks[title] = module
        for tensor in (*module.parameters(), *module.buffers()):
            self.seen.initial.setdefault(id(tensor), tensor.detach().clone())

    def _backward(self, original: Callable[..., Any], tensors: Any, *args: Any, **kwargs: Any) -> Any:
        if self._quiet or kwargs.get("create_graph"):  # one entry point leads to another; a term of the loss
            return original(tensors, *args, **kwargs)
        at, tape = self._now(), self._recording.cut()
        with self._aside():
            losses = [leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor)]
            stale = norm_of([p.grad for p in self.seen.parameters().values() if p.grad is not None])
            output = original(tensors, *args, **kwargs)
            prepared = place = None
            if tape is not None and losses and self._recorded < self.recorded:
                place = next((v.index for v in reversed(tape.values) if v.tensor is losses[0]), None)
            if tape is not None and place is not None:
                self._recorded += 1
                prepared = stripped(with_data(score(tape, [place])))
            value = float(sum(loss.detach().double().sum() for loss in losses))
            shape = tuple(losses[0].shape) if losses else ()
            self.seen.events.append(Backward(value, shape, prepared, place, stale, at))
        return output

    def _zero_grad(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        if not self._quiet:
            self.seen.events.append(Cleared(self._now()))
        return found

    def _loader(self, original: Callable[..., Any], loader: Any, *args: Any, **kwargs: Any) -> None:
        original(loader, *args, **kwargs)
        sampler = type(loader.sampler).__name__ if getattr(loader, "sampler", None) is not None else ""
        facts = {name: getattr(loader, name, None) for name in ("batch_size", "num_workers", "drop_last")}
        size = len(loader.dataset) if hasattr(loader.dataset, "__len__") else None
        self.seen.loaders.append({**facts, "sampler": sampler, "size": size})

    def _about_to_move(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with self._aside():
            looked = self._recorded < self.recorded
            self._before = [p.detach().clone() for p in _owned(optimizer)] if looked else []

    def _moved(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with self._aside():
            self.seen.events.append(self._move(optimizer))
        self._recording.cut()  # what the optimizer computed
        self._taken += 1
        over = self.seconds is not None and self._now() > self.seconds
        if over or (self.steps is not None and self._taken >= self.steps):
            raise Enough

    def _move(self, optimizer: torch.optim.Optimizer) -> Moved:
        owned, change = _owned(optimizer), None
        if self._before:
            size = norm_of(self._before)
            change = norm_of([p.detach() - old for p, old in zip(owned, self._before)]) / size if size else None
        rates = tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
        norm = norm_of([p.grad for p in owned if p.grad is not None])
        return Moved(optimizer, rates, norm, change, self._now())


def _owned(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def norm_of(tensors: list[Tensor]) -> float:
    """The norm of all elements together; 0 without any."""
    return float(torch.nn.utils.get_total_norm([t.detach().float() for t in tensors if t.numel()])) if tensors else 0.0


def _summary(tensor: Tensor, *, keep: bool) -> Inputs:
    some = tensor.detach()[:256].float() if tensor.ndim else tensor.detach().float().reshape(1)
    if not some.numel():
        return Inputs(tuple(tensor.shape), tensor.dtype, 0.0, 0.0, 0.0, 0.0)
    spread, mean = torch.std_mean(some, correction=0)
    numbers = torch.stack([mean, spread, some.min(), some.max()]).tolist()
    names = dict(zip(("mean", "spread", "least", "most"), numbers))
    return Inputs(tuple(tensor.shape), tensor.dtype, **names, tensor=tensor.detach().clone() if keep else None)
