"""Whether the order of a sequence, or of the patches of an image, makes a difference: attention without positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.network._layers import ATTENDING
from chainrule.diagnosis.doctor.checks.network._probe import MOVED, Change, Probe, askable, difference, probing
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.checks.network.sequences import _by_place, _exchanged, real_lengths, told
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

MIXED = 0.01
"""Share of places with a like token of another target in their row from which order is needed."""
HELPS = 0.8
"""Loss after a trial with positions, over that without, from which they are what is missing."""
PATCHES = (2, 3, 4, 5, 6, 7, 8, 10, 14, 16)
"""Sizes of patches that images are cut into."""


@check("order-ignored", experiment=True)
def order_ignored(case: Case) -> Iterator[Finding]:
    """Attention without positions: what came before may be in any order, and the answer is the same."""
    for title, forward in askable(case):
        batch = case.batches[0] if case.batches else None
        if batch is None or not _attends(batch):
            continue
        with probing(case, title, forward) as probe:
            if probe is None or not probe.tensors or any(m for m in map(_recurrent, probe.module.modules()) if m):
                continue
            tensor = probe.tensors[0]
            if tensor.is_floating_point() and tensor.ndim == 4:
                facts, level = _patches(probe, tensor), 0.88
            elif tensor.is_floating_point() and tensor.ndim == 3:
                facts, level = _steps(probe, tensor), 0.0  # a set of points has no order: trying tells
            elif not tensor.is_floating_point() and tensor.ndim == 2:
                facts, level = _words(probe, tensor), 0.6
            else:
                continue
            if not facts:
                continue
            found = told(batch, next((f for f in case.forwards if f.given is not None and f.learning), forward))
            mixed = _mixed(case)
            if mixed:
                facts = [Fact("places whose token stands in its row with another target too", f"{mixed:.0%}"), *facts]
            level = 0.93 if found is not None or mixed > MIXED else level
            tried = _with_positions(case, tensor) if level < 0.8 else None
            helped = tried is not None and tried[1].last < HELPS * tried[0].last and tried[1].gain > 0.05
            level = 0.9 if helped else level
            if level:
                yield _finding(title, facts, level, tried, helped)
                return


def _finding(title: str, facts: list[Fact], sure: float, tried: tuple[Trial, Trial] | None, helped: bool) -> Finding:
    return Finding(
        "order-ignored",
        "the order of a sequence makes no difference: attention without positions sees a bag",
        "fault" if sure > 0.8 else "warning",
        sure,
        tuple(facts),
        "add positions to the embeddings: nn.Embedding(length, dim), or sinusoids",
        title,
        Tried("positions added to what the attention is given", tried[0].words(), tried[1].words(), helped)
        if tried
        else None,
        LEARNS_LITTLE if sure > 0.8 else (),
    )


def _words(probe: Probe, tensor: Tensor) -> list[Fact]:
    """What was seen, where tokens between the first and the last are reversed and the answer stays; else nothing."""
    if tensor.shape[1] < 4:
        return []
    lengths = real_lengths(tensor)
    turned = _turned(tensor, lengths)
    if torch.equal(turned, tensor):
        return []
    other = _exchanged(tensor, 1, slice(1, max(2, int(lengths.max()) - 1)))
    return _compared(probe, tensor, turned, other, lengths)


def _steps(probe: Probe, tensor: Tensor) -> list[Fact]:
    """The same of steps of numbers."""
    if tensor.shape[1] < 4 or len(tensor) < 2:
        return []
    lengths = torch.full((len(tensor),), tensor.shape[1])
    return _compared(probe, tensor, _turned(tensor, lengths), tensor.roll(1, 0), lengths)


def _patches(probe: Probe, tensor: Tensor) -> list[Fact]:
    """The same of patches of images, of any size."""
    height, width = tensor.shape[2:]
    if len(tensor) < 2:
        return []
    lengths = torch.ones(len(tensor), dtype=torch.long)
    for size in PATCHES:
        if height % size or width % size or (height // size) * (width // size) < 4:
            continue
        cut = tensor.reshape(*tensor.shape[:2], height // size, size, width // size, size)
        turned = cut.flip(2, 4).reshape(tensor.shape)
        found = _compared(probe, tensor, turned, tensor.roll(1, 0), lengths)
        if found:
            return [Fact("size of the patches", f"{size} x {size}"), *found]
    return []


def _compared(probe: Probe, tensor: Tensor, turned: Tensor, other: Tensor, lengths: Tensor) -> list[Fact]:
    before, after = probe.ask(), probe.ask(_in_place_of(tensor, turned))
    if before is None or after is None or after.shape != before.shape:
        return []
    exchanged = probe.ask(_in_place_of(tensor, other))
    if exchanged is None or exchanged.shape != before.shape:
        return []
    far, seen = _at_last(before, after, tensor, lengths), _at_last(before, exchanged, tensor, lengths)
    if not float(far.max()) <= MOVED < float(seen.max()):
        return []
    return [
        Fact("change of the answer when what is between the first and the last is reversed", "none"),
        Fact("change when it is replaced by others", f"{float(seen.max()):.2g} spreads"),
    ]


def _with_positions(case: Case, tensor: Tensor) -> tuple[Trial, Trial] | None:
    """Trials as it is, and with learned positions added to the first thing that has features at each place."""
    if not can_try(case):
        return None
    actions: dict[int, dict[int, Any]] = {}
    state = case.rehearsal.start()
    table: Tensor | None = None
    for place, batch in enumerate(case.batches):
        for operation in batch.tape.operations:
            shape = batch.tape.values[operation.results[0]].shape if operation.results else ()
            first = len(shape) == 3 and operation.function in ("embedding", "linear")
            if not first or shape[1] != batch.inputs[0].shape[1]:
                continue
            if table is None:
                drawn = torch.randn(4 * tensor.shape[1], shape[2], generator=torch.Generator().manual_seed(0))
                table = (0.1 * drawn).requires_grad_()
                state[id(table)] = table
            if shape[1] <= len(table) and shape[2] == table.shape[1]:
                actions[place] = {operation.index: _placed(operation.target, table)}
            break
    if not actions or table is None:
        return None
    plain: dict[int, dict[int, Any]] = {place: {} for place in actions}
    return trial(case, actions=plain, rate=3e-3), trial(case, actions=actions, rate=3e-3, state=state)


def _placed(target: Any, table: Tensor) -> Any:
    def run(*arguments: Any, **options: Any) -> Any:
        found = target(*arguments, **options)
        return found + table[: found.shape[1]]

    return run


def _mixed(case: Case) -> float:
    """Share of places whose token has another target elsewhere in its row; without positions both get one answer."""
    shares = []
    for batch in case.batches[:4]:
        tokens, targets = next(iter(batch.inputs), None), batch.targets
        if tokens is None or targets is None or tokens.ndim != 2 or tokens.is_floating_point():
            continue
        if targets.is_floating_point() or targets.numel() != tokens.numel():
            continue
        goal = targets.reshape(tokens.shape)
        same = tokens[:, :, None] == tokens[:, None, :]
        real = goal >= 0
        other = (goal[:, :, None] != goal[:, None, :]) & real[:, :, None] & real[:, None, :]
        shares.append(float((same & other).any(2)[real].float().mean()) if bool(real.any()) else 0.0)
    return sum(shares) / len(shares) if shares else 0.0


def _attends(batch: Batch) -> bool:
    return any(o.function in ATTENDING for o in batch.tape.operations) or any(
        o.function == "softmax" and o.call is not None for o in batch.tape.operations
    )


def _recurrent(module: Any) -> bool:
    return isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase)


def _at_last(before: Tensor, after: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """How far the answers moved: where there is one for each place, those at the last real one."""
    far = difference(before, after)
    places = _by_place(far, (tokens.shape[0], tokens.shape[1]))
    return far if places is None else places[torch.arange(len(lengths)), lengths - 1]


def _turned(tokens: Tensor, lengths: Tensor) -> Tensor:
    """The same rows with what is between the first and the last real place reversed."""
    turned = tokens.clone()
    for row, length in zip(turned, lengths.tolist()):
        row[1 : length - 1] = row[1 : length - 1].flip(0)
    return turned


def _in_place_of(tensor: Tensor, other: Tensor) -> Change:
    def change(given: Tensor) -> Tensor:
        return other.clone() if given.shape == tensor.shape and torch.equal(given, tensor) else given.clone()

    return change
