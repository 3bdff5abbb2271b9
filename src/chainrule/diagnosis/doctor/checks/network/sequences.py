"""Sequences: whether a place sees the future, its own target, the padding, and the order of what came before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import Forward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import ATTENDING, PRODUCTS, SHAPING, spot
from chainrule.diagnosis.doctor.checks.network._probe import (
    MOVED,
    Probe,
    askable,
    difference,
    probing,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding

EQUAL = 0.95
"""Share of places at which targets must equal the shifted inputs: padding and ends may differ."""
FORBIDDEN = -30.0
"""What a score is filled with to be forbidden: e to this is nothing."""


@dataclass(frozen=True)
class Told:
    """An input sequence that the targets are made of.

    Args:
        place: Which of the call's tensors.
        time: The dimension along which time goes: 1, or 0; 2 where channels stand before it.
        shift: Target at t is the input at t + shift.
    """

    place: int
    time: int
    shift: int


def told(batch: Batch, forward: Forward) -> Told | None:
    """How the targets of a recorded step are the inputs, shifted by one or not at all; None where they are not."""
    targets = batch.targets
    if targets is None or forward.given is None:
        return None
    tensors = [leaf for leaf in tree_leaves(forward.given) if isinstance(leaf, Tensor)]
    for place, tensor in enumerate(tensors):
        if tensor.ndim == 3 and tensor.is_floating_point():
            readings = [(tensor[..., 0], (1, 0)), (tensor[:, 0], (2,))]  # (rows, places, numbers), or numbers first
        else:
            readings = [(tensor, (1, 0))]
        for flat, times in readings:
            if flat.ndim != 2 or min(flat.shape) < 1 or flat.numel() != targets.numel():
                continue
            for time in times:
                if (shift := _shift(flat, targets.reshape(flat.shape), min(time, 1))) is not None:
                    return Told(place, time, shift)
    return None


def _shift(flat: Tensor, goal: Tensor, time: int) -> int | None:
    """By how many places the targets are the inputs shifted; None where they are not."""
    if flat.shape[time] < 4:
        return None
    for shift in (1, 0):
        size = flat.shape[time] - shift
        one, other = flat.narrow(time, shift, size), goal.narrow(time, 0, size)
        common = other.flatten().float().mode().values if not other.is_floating_point() else None
        counted = other != common if common is not None and torch.unique(other).numel() > 2 else other == other
        if counted.any() and float((one == other)[counted].float().mean()) > EQUAL:
            return shift
    return None


def _by_place(answer: Tensor, shape: tuple[int, int]) -> Tensor | None:
    """Answers as (rows, columns, rest) of the input; None where they are not one for each place."""
    if tuple(answer.shape[:2]) == shape:
        return answer.reshape(*shape, -1)
    if answer.ndim == 3 and (answer.shape[0], answer.shape[2]) == shape:
        return answer.transpose(1, 2)
    return answer.reshape(*shape, -1) if answer.shape[0] == math.prod(shape) else None


@dataclass(frozen=True)
class Sight:
    """What the outputs at which places depend on: whether the past, its own place, the future moves them, and how far.

    `reach` is by how many places the future is seen at least: 1 where only the next one is.
    """

    past: bool
    own: bool
    future: float
    reach: int


def sight(probe: Probe, found: Told) -> Sight | None:
    """Change the sequence from its middle on, before it, and there alone; see which places move."""
    tensor = probe.tensors[found.place]
    shape = (tensor.shape[0], tensor.shape[max(1, found.time)])
    size, middle = tensor.shape[found.time], tensor.shape[found.time] // 2
    key = [i for i, t in enumerate(probe.tensors) if t.data_ptr() == tensor.data_ptr() and t.shape == tensor.shape]

    def moved(places: slice) -> Tensor | None:
        counter = iter(range(len(probe.tensors)))
        after = probe.ask(lambda t: _exchanged(t, found.time, places) if next(counter) in key else t.clone())
        before = probe.ask()
        if before is None or after is None or before.shape != after.shape:
            return None
        far = _by_place(difference(before, after), shape)
        return None if far is None else far.amax(2).movedim(min(found.time, 1), 1).amax(0)

    later, earlier, here = moved(slice(middle, size)), moved(slice(0, middle)), moved(slice(middle, middle + 1))
    if later is None or earlier is None or here is None:
        return None
    seen = (later[:middle] > MOVED).nonzero().flatten()
    reach = middle - int(seen[0]) if len(seen) else 0
    return Sight(bool((earlier[middle:] > MOVED).any()), bool(here[middle] > MOVED), float(later[:middle].max()), reach)


def _exchanged(tensor: Tensor, time: int, places: slice) -> Tensor:
    """The sequence with other tokens at some places: those that are there, by one further in their list."""
    changed = tensor.clone()
    part = changed.movedim(time, 0)[places]
    if tensor.is_floating_point():
        part.copy_(part.flip(-1) + tensor.std() if part.ndim > 2 else part + tensor.std())
    else:
        tokens = torch.unique(tensor)
        part.copy_(tokens[(torch.searchsorted(tokens, part.contiguous()) + 1) % len(tokens)])
    return changed


@check(
    "no-causal-mask", "causal-mask-inverted", "causal-mask-shifted", "mask-filled-with-zero", "target-seen",
    "past-unseen", experiment=True,
)  # fmt: skip
def causality(case: Case) -> Iterator[Finding]:
    """Where the targets are the inputs shifted, the output at a place must not move with what comes after it."""
    for title, forward in askable(case, learning=True):
        batch = next((b for b in case.batches if b.targets is not None and b.event.at >= forward.at), None)
        found = told(batch, forward) if batch is not None else None
        if batch is None or found is None:
            continue
        with probing(case, title, forward) as probe:
            seen = sight(probe, found) if probe is not None else None
            if probe is None or seen is None:
                continue
            if found.shift == 0:
                yield from _unshifted(case, probe, seen, title)
            elif seen.future > MOVED:
                yield _future(case, batch, seen, title)
            elif not seen.past:
                attends = any(o.function in ATTENDING or o.function == "softmax" for o in batch.tape.operations)
                yield Finding(
                    "past-unseen",
                    "the output at each place depends on that place alone: nothing of the past gets there",
                    "warning" if attends else "note",
                    0.6,
                    (Fact("outputs that moved when all earlier places were changed", "none"),),
                    "let attention see the places before (a lower triangle and its diagonal), or a state carry them",
                    title,
                )
            return


def _unshifted(case: Case, probe: Probe, seen: Sight, title: str) -> Iterator[Finding]:
    """The target at each place is the input at that place: an error where the network only looks back."""
    decoder = len(probe.tensors) > 1
    if not seen.own or (not decoder and seen.future > MOVED):
        return  # an autoencoder, or words behind a mask
    yield Finding(
        "target-seen",
        "the network is given at each place the very token that it must predict there: targets are not shifted",
        "fault",
        0.93 if decoder else 0.9,
        (
            Fact("places at which input and target are the same", "nearly all"),
            Fact("the output at a place moves with the input there", "yes"),
        ),
        "shift by one: inputs tokens[:, :-1], targets tokens[:, 1:]",
        case.place(probe.forward.line) or title,
        None,
        ("target-among-inputs", "padding-seen"),
    )


def _future(case: Case, batch: Batch, seen: Sight, title: str) -> Finding:
    filled = _weak_mask(batch)
    softmax = next((o for o in batch.tape.operations if o.function in ("softmax", *ATTENDING)), None)
    if not seen.past:
        label, sure = "causal-mask-inverted", 0.98
        how = "each place sees what comes after it and nothing before it: the mask is the wrong way round"
        change = "torch.tril for what may be seen (torch.triu(diagonal=1) for what may not: of nn.MultiheadAttention)"
    elif filled is not None:
        label, sure = "mask-filled-with-zero", 0.98
        how = "masked scores are not minus infinity before the softmax, so that the future is seen"
        change = 'masked_fill(mask == 0, float("-inf")) before the softmax'
    elif seen.reach == 1:
        label, sure = "causal-mask-shifted", 0.97
        how = "each place sees the next one, which is its target: the mask is shifted by one"
        change = "torch.tril(ones) with diagonal=0 for what may be seen, torch.triu(diagonal=1) for what may not"
    else:
        label, sure = "no-causal-mask", 0.97
        how = "each place sees what comes after it, which it must predict"
        change = (
            "a causal mask in each attention (tril, -inf); one direction in recurrent layers; convolutions padded left"
        )
    place = filled or softmax
    return Finding(
        label,
        f"the model sees the future: {how}",
        "fault",
        sure,
        (
            Fact("targets", "the inputs, shifted by one"),
            Fact("outputs before a place moved when it and what follows was changed", f"by {seen.future:.2g} spreads"),
            Fact("outputs moved when what came before was changed", "yes" if seen.past else "no"),
        ),
        change,
        spot(case, batch, place) if place is not None else title,
        None,
        (
            "future-in-window",
            "target-among-inputs",
            "order-ignored",
            "attention-not-scaled",
            "past-unseen",
            "padding-seen",
        ),
    )


def _weak_mask(batch: Batch) -> Operation | None:
    """Where scores are masked before a softmax by something that forbids nothing."""
    played = batch.played()
    for operation in batch.tape.operations:
        if operation.function != "softmax":
            continue
        value = operation.inputs[0]
        for _ in range(6):
            made = batch.made_by(value)
            if made is None or made.function in PRODUCTS:
                break
            if made.function in ("masked_fill", "masked_fill_") and isinstance(made.arguments[-1], (int, float)):
                if made.arguments[-1] > FORBIDDEN:
                    return made
            elif (
                made.function in ("*", "*=")
                and any(i not in batch.learned and _is_mask(played[i]) for i in made.inputs)
            ) or (made.function == "where" and _mild(made, batch, played)):
                return made
            elif made.function not in SHAPING and made.function not in (
                "*",
                "/",
                "+",
                "-",
                "masked_fill",
                "masked_fill_",
            ):
                break
            value = next((i for i in made.inputs if i in batch.learned), made.inputs[0])
    return None


def _is_mask(tensor: Tensor) -> bool:
    return tensor.ndim >= 2 and tensor.shape[-1] == tensor.shape[-2] and bool(((tensor == 0) | (tensor == 1)).all())


def _mild(operation: Operation, batch: Batch, played: dict[int, Tensor]) -> bool:
    others: list[Any] = [*operation.arguments[1:], *operation.options.values()]
    plain = [float(a) for a in others if isinstance(a, (int, float)) and not isinstance(a, bool)]
    refs = [played[a.value] for a in others if isinstance(a, Ref) and a.value not in batch.learned]
    fills = plain + [float(t.float().min()) for t in refs if t.numel()]
    return bool(fills) and min(fills) > FORBIDDEN


def real_lengths(tokens: Tensor) -> Tensor:
    """How many places each row has before its padding: the number that several rows end with, more than once each."""
    last = int(tokens[:, -1].mode().values)
    tail = (tokens == last).flip(1).long().cumprod(1).sum(1)
    padded = int((tail > 1).sum()) > 1 or (len(tokens) == 1 and int(tail[0]) > 2)
    full = torch.full_like(tail, tokens.shape[1])
    return torch.where(tail > 0, full - tail, full).clamp_min(1) if padded else full
