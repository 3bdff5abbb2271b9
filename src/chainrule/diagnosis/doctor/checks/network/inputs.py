"""What of its input a network's answer depends on: nothing, or a part."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import (
    FAILURES,
    MOVED,
    Probe,
    askable,
    difference,
    example_axis,
    probing,
)
from chainrule.diagnosis.doctor.checks.network.sequences import real_lengths
from chainrule.diagnosis.doctor.findings import Fact, Finding, Level

MOST = 48
"""Places of a sequence that are changed one after the other, at equal distances."""
HALF = 0.5
"""Share of a sequence, or of an image, from which leaving it out is no crop or choice of somebody's."""
SOME = 0.3
"""Share of columns from which it is worth a warning."""
TIME = 1.5
"""Seconds for one network."""


@check("input-ignored", "part-of-input-unseen", experiment=True)
def part_unseen(case: Case) -> Iterator[Finding]:
    """Change a part of the input; where no answer moves, the network does not see it."""
    for title, forward in askable(case):
        if example_axis(case, forward) != 0:
            continue
        with probing(case, title, forward) as probe:
            if probe is None or not probe.tensors or len(probe.tensors[0]) < 2:
                continue
            tensor = probe.tensors[0]
            before, other = probe.ask(), probe.ask(partial(_rolled, tensor=tensor))
            if before is None or other is None or before.shape != other.shape or len(before) != len(tensor):
                continue
            second = _second_ignored(case, probe, before)
            if second is not None:
                yield second
                return
            if (tensor != tensor[:1]).any() and float((before - other).abs().max()) <= 1e-7 * float(before.abs().max()):
                yield _ignored(title)
                return
            unseen = _tokens(probe, tensor) if not tensor.is_floating_point() else _numbers(probe, tensor)
            if unseen is not None and bool(unseen.any()):
                found = _partly(title, tensor, unseen)
                if found is not None:
                    yield found
                    return


def _rolled(given: Tensor, tensor: Tensor) -> Tensor:
    """The first input with its examples moved on by one."""
    return given.roll(1, 0) if given.shape == tensor.shape and torch.equal(given, tensor) else given.clone()


def _second_ignored(case: Case, probe: Probe, before: Tensor) -> Finding | None:
    """Of several sequences or tables one that moves nothing, and that nothing in a step uses; masks are left out."""
    tensors = probe.tensors
    several = [t.ndim > 1 and t.dtype != torch.bool and len(t) == len(tensors[0]) for t in tensors]
    batch = case.batches[0] if case.batches else None
    calls = [] if batch is None else [c for c in batch.calls if c.module is probe.forward.module]
    if batch is None or sum(several) < 2 or not calls or len(calls[0].inputs) != len(tensors):
        return None
    used = {i for operation in batch.tape.operations for i in operation.inputs}
    for place, other in enumerate(tensors):
        if not several[place] or calls[0].inputs[place] in used or not (other != other[:1]).any():
            continue
        after = probe.ask(partial(_rolled, tensor=other))
        if after is None or after.shape != before.shape or float((before - after).abs().max()) > 0:
            continue
        return Finding(
            "part-of-input-unseen",
            f"the network does not use input {place + 1} of {len(tensors)}, of shape {tuple(other.shape)}",
            "fault",
            0.9,
            (Fact("change of the answers when it is exchanged between the examples", "none"),),
            "see where forward loses it: attention that is given the wrong keys, a state that is not handed on",
            probe.title,
            None,
            ("underfits", "unused-layer"),
        )
    return None


def _ignored(title: str) -> Finding:
    return Finding(
        "input-ignored",
        "the network gives the same answer whatever its input is",
        "warning",
        0.6,
        (Fact("change of the answers when every example is exchanged for another", "none"),),
        "see which layer gives the same for every example: dead units, a constant in place of the input",
        title,
    )


def _tokens(probe: Probe, tensor: Tensor) -> Tensor | None:
    """The places of a sequence of tokens that move nothing; only those that hold more than padding are asked."""
    if tensor.ndim != 2 or tensor.shape[1] < 4:
        return None
    before, longest = probe.ask(), int(real_lengths(tensor).max())
    begun = _clock.computed()
    probe.ask()
    each = max(_clock.computed() - begun, 1e-4)
    count = min(longest, MOST, int(TIME / each))
    if count < 3 or before is None:
        return None
    tokens, unseen = _kinds(tensor), []
    for place in torch.linspace(0, longest - 1, count).round().long().tolist():

        def change(given: Tensor, place: int = place) -> Tensor:
            changed = given.clone()
            if given.shape == tensor.shape and torch.equal(given, tensor):
                old = torch.searchsorted(tokens, tensor[:, place].contiguous())
                changed[:, place] = tokens[(old + 1) % len(tokens)]
            return changed

        after = probe.ask(change)
        if after is None or after.shape != before.shape:
            return None
        unseen.append(float(difference(before, after).max()) <= MOVED)
    return torch.tensor(unseen)


def _kinds(tokens: Tensor) -> Tensor:
    """The different tokens, in order."""
    return torch.tensor(sorted(set(tokens.flatten().tolist())), dtype=tokens.dtype)


def _numbers(probe: Probe, tensor: Tensor) -> Tensor | None:
    """The parts of an input of numbers (columns, steps, pixels) without any effect: no gradient, and no change."""
    if tensor.ndim < 2:
        return None
    args, options = tree_map(
        lambda leaf: leaf.clone().requires_grad_(leaf.is_floating_point()) if isinstance(leaf, Tensor) else leaf,
        probe.given,
    )
    first = next((leaf for leaf in [*args, *options.values()] if isinstance(leaf, Tensor)), None)
    if first is None:
        return None
    try:
        with torch.enable_grad():
            answer = output_of(probe.module(*args, **options))
            if answer is None or not answer.requires_grad:
                return None
            loss = (answer * torch.rand_like(answer)).sum()
            gradient: Tensor | None = torch.autograd.grad(loss, first, allow_unused=True)[0]
    except FAILURES:
        return None
    if gradient is None:
        return None
    rest = [0, 2] if tensor.ndim == 3 else [0, 1] if tensor.ndim == 4 else [0]
    unseen = gradient.abs().amax(rest) == 0
    if not bool(unseen.any()):
        return unseen
    spread = float(tensor.std()) or 1.0

    def change(given: Tensor) -> Tensor:
        if given.shape != tensor.shape or not torch.equal(given, tensor):
            return given.clone()
        shape = (1, -1, 1) if tensor.ndim == 3 else (1, 1, *unseen.shape) if tensor.ndim == 4 else (1, -1)
        noise = torch.randn(given.shape, generator=torch.Generator().manual_seed(0)) * spread * 3
        return given + noise * unseen.reshape(shape)

    before, after = probe.ask(), probe.ask(change)
    if before is None or after is None or float(difference(before, after).max()) > MOVED:
        return None  # flat here, and yet seen
    return unseen


def _partly(title: str, tensor: Tensor, unseen: Tensor) -> Finding | None:
    share = float(unseen.float().mean())
    sequence = tensor.ndim == 3 or not tensor.is_floating_point()
    what = "the steps of a sequence" if sequence else "the pixels" if tensor.ndim == 4 else "the columns"
    seen = (~unseen).nonzero().flatten().tolist() if unseen.ndim == 1 else []
    only = "the first is" if seen == [0] else "the last is" if seen == [len(unseen) - 1] else ""
    fault = sequence and share >= HALF
    if not fault and share < 0.02:
        return None
    level: Level = "fault" if fault else "warning" if share >= (SOME if tensor.ndim == 2 else HALF) else "note"
    return Finding(
        "part-of-input-unseen",
        f"{share:.0%} of {what} have no effect on the answer" + (f": only {only} seen" if only else ""),
        level,
        0.9 if fault else 0.6,
        (
            Fact("share that changes nothing", f"{share:.0%}"),
            Fact("what is seen", ", ".join(map(str, seen[:12])) if seen else f"{1 - share:.0%}"),
        ),
        "read the last step (out[:, -1]) or the mean of all, not the first; slice no more than is meant"
        if sequence
        else "see which slice, stride or mask in forward leaves the rest out",
        title,
        None,
        ("underfits",) if fault else (),
    )
