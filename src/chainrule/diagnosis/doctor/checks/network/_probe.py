"""Asking a trained network again, with inputs that were changed at one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor._copies import copy_with
from chainrule.diagnosis.doctor._events import Forward

MOVED = 1e-3
"""Change of an output, over its spread, from which it counts: rounding of float32 is a thousand times less."""
FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, AssertionError, KeyError)
"""What somebody's network may raise when it is called otherwise than it was made for."""
Change = Callable[[Tensor], Tensor]


@dataclass
class Probe:
    """A copy of a network in evaluation mode, and inputs that it was once called with.

    Args:
        title: The network's name.
        module: The copy.
        forward: The call.
    """

    title: str
    module: nn.Module
    forward: Forward

    @property
    def given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What it was called with."""
        assert self.forward.given is not None
        return self.forward.given

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors in it."""
        return [leaf for leaf in tree_leaves(self.given) if isinstance(leaf, Tensor)]

    def ask(self, change: Change | None = None, *, seed: int = 0) -> Tensor | None:
        """Its first output, where each input tensor goes through `change`; None where it gives no tensor of numbers."""
        args, options = tree_map(
            lambda leaf: (change(leaf) if change else leaf.clone()) if isinstance(leaf, Tensor) else leaf, self.given
        )
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            try:
                answer = output_of(self.module(*args, **options))
            except FAILURES:
                return None
        return answer.double() if answer is not None and answer.is_floating_point() else None


def difference(one: Tensor, other: Tensor) -> Tensor:
    """How far each number moved, over the spread of all."""
    spread = float(one.std(correction=0)) if one.numel() > 1 else 0.0
    moved = (one - other).abs() / max(spread, 1e-6 * float(one.abs().max()), 1e-12)
    return torch.nan_to_num(moved, nan=0.0)


@contextmanager
def probing(case: Case, title: str, forward: Forward) -> Iterator[Probe | None]:
    """A copy of a network to be asked; None where it cannot be copied or run apart from its training.

    The weights are those at the end, or the first ones where those give nothing but one number, or none.
    """
    network = case.networks[title]
    try:
        inner = case.answering(network)
        module = inner.__enter__()
    except FAILURES:
        yield None
        return
    try:
        probe = Probe(title, module, forward)
        answer = probe.ask()
        if answer is None or not bool(torch.isfinite(answer).any()) or float(answer.std(correction=0)) < 1e-9:
            probe = Probe(title, copy_with(network, case.seen.initial), forward)
            answer = probe.ask()
        yield probe if answer is not None else None
    finally:
        inner.__exit__(None, None, None)


def askable(case: Case, *, learning: bool = False) -> Iterator[tuple[str, Forward]]:
    """Each network that learns and one of its calls: of evaluation where there is one, or of learning."""
    for title, network in case.networks.items():
        own = [f for f in case.forwards if f.module is network and f.given is not None]
        if not any(f.learning for f in own):
            continue
        calls = [f for f in own if f.learning] if learning else [*(f for f in own if not f.training), *own]
        if calls:
            yield title, calls[0]


def example_axis(case: Case, forward: Forward) -> int | None:
    """The dimension of a network's first input along which its examples are; None where that cannot be said.

    The targets tell: one for each example. Where they have the same two leading sizes as the input, an axis whose size
    differs between calls is the batch's; else it is the first, unless a layer that takes sequences first is in there.
    """
    shape = forward.inputs.shape if forward.inputs is not None else ()
    if not shape:
        return None
    targets = next((b.targets for b in case.batches if b.targets is not None), None)
    inputs = next((x for b in case.batches for x in b.inputs[:1]), None)
    if targets is not None and inputs is not None and targets.ndim and inputs.ndim > 1:
        pair, count = tuple(inputs.shape[:2]), targets.shape[0]
        alone = targets.ndim == 1 or tuple(targets.shape[:2]) != pair
        if alone and count == pair[0] != pair[1]:
            return 0
        if alone and count == pair[1] != pair[0] and inputs.ndim > 2:
            return 1
    same = [f.inputs.shape for f in case.forwards if f.module is forward.module and f.inputs is not None]
    varying = [i for i in range(min(2, len(shape))) if len({s[i] for s in same if len(s) == len(shape)}) > 1]
    if len(varying) == 1:
        return varying[0]
    first = any(getattr(m, "batch_first", True) is False for m in forward.module.modules())
    return None if first and len(shape) > 1 else 0


def batches_apart(case: Case) -> Iterator[tuple[Probe, int, int]]:
    """Networks whose examples should not meet: a copy to be asked, the axis of the examples, and how many there are.

    Left out are batches of fewer than three, and graphs.
    """
    for title, forward in askable(case):
        axis = example_axis(case, forward)
        if axis is None or forward.inputs is None or len(forward.inputs.shape) <= axis:
            continue
        count = forward.inputs.shape[axis]
        if count < 3:
            continue
        with probing(case, title, forward) as probe:
            if probe is not None and not _is_graph(probe, count):
                yield probe, axis, count


def _is_graph(probe: Probe, count: int) -> bool:
    """Whether the examples are nodes that a matrix links."""
    held = [*probe.tensors, *probe.module.buffers()]
    held += [t for m in probe.module.modules() for t in vars(m).values() if isinstance(t, Tensor)]
    linked = any(t.layout != torch.strided or (t.ndim == 2 and t.shape == (count, count)) for t in held)
    return linked or any(t.ndim == 2 and t.shape[0] == 2 and not t.is_floating_point() for t in probe.tensors)
