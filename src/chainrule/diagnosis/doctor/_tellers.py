"""What is told of without being recorded: rates, cleared and clipped gradients, loaded weights, metrics, prints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from chainrule.diagnosis.doctor._events import (
    Cleared,
    Clipped,
    Judged,
    Line,
    Loaded,
    Measured,
    Observation,
    Printed,
    Scheduled,
)
from chainrule.diagnosis.doctor._places import user_line


class Tellers:
    """Each stands in the place of one of torch's entry points, calls it, and tells what happened.

    Args:
        seen: Where it is written down.
        now: Seconds since the beginning.
        quiet: Whether what runs is our own.
        aside: What runs in it is our own.
    """

    def __init__(
        self,
        seen: Observation,
        *,
        now: Callable[[], float],
        quiet: Callable[[], bool],
        aside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.seen, self.now, self.quiet, self.aside = seen, now, quiet, aside

    def judged(self, original: Callable[..., Any], scheduler: Any, metrics: Any, *args: Any, **kwargs: Any) -> None:
        """A validation figure was given to ReduceLROnPlateau."""
        original(scheduler, metrics, *args, **kwargs)
        if not self.quiet():
            self.seen.events.append(Judged(scheduler, float(metrics), self.now(), user_line()))

    def scheduled(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> None:
        """A schedule was made."""
        original(scheduler, *args, **kwargs)
        if not self.quiet():
            self.seen.events.append(Scheduled(scheduler, self.now(), user_line()))

    def zero_grad(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Gradients were cleared."""
        found = original(*args, **kwargs)
        if not self.quiet():
            self.seen.events.append(Cleared(self.now(), user_line()))
        return found

    def clip_norm(self, original: Callable[..., Any], tensors: Any, max_norm: float, *args: Any, **kwargs: Any) -> Any:
        """Gradients were scaled down to a norm."""
        norm = original(tensors, max_norm, *args, **kwargs)
        if not self.quiet():
            self.seen.events.append(Clipped(float(norm), float(max_norm), False, self.now(), user_line()))
        return norm

    def clip_value(self, original: Callable[..., Any], tensors: Any, value: float, *args: Any, **kwargs: Any) -> Any:
        """Gradients were clipped one by one."""
        with self.aside():
            members = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            most = max(
                (float(t.grad.abs().max()) for t in members if t.grad is not None and t.grad.numel()), default=0.0
            )
            original(members, value, *args, **kwargs)
        if not self.quiet():
            self.seen.events.append(Clipped(most, float(value), True, self.now(), user_line()))

    def loaded(self, original: Callable[..., Any], module: nn.Module, state: Any, *args: Any, **kwargs: Any) -> Any:
        """Weights were loaded."""
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        shared = tuple(
            name
            for name, tensor in state.items()
            if isinstance(tensor, Tensor) and name in own and tensor.data_ptr() == own[name].data_ptr() != 0
        )
        found = original(module, state, *args, **kwargs)
        if not self.quiet():
            names = tuple(tuple(getattr(found, kind, ())) for kind in ("missing_keys", "unexpected_keys"))
            self.seen.events.append(Loaded(module, shared, self.now(), user_line(), *names))
        return found

    def measured(self, name: str, truth: Any, predicted: Any, value: Any, line: Line | None) -> None:
        """A metric of a library was computed."""
        if not self.quiet():
            self.seen.events.append(Measured(name, truth, predicted, value, self.now(), line))

    def printed(self, text: str) -> None:
        """Something was printed."""
        if text.strip():
            self.seen.events.append(Printed(text, self.now()))
