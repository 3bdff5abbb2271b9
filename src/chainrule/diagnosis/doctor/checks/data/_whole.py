"""The whole training set as it lies in memory, of which the recorded steps took their examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._rows import row_numbers
from chainrule.diagnosis.doctor._stored import arrays_of
from chainrule.diagnosis.doctor.checks.data._facts import Fed, facts, fed_of, input_value, joined

MOST = 1 << 26
"""Numbers in it, at most."""
SAME = 0.5
"""Share of a step's examples that are given as they are stored, from which there is no augmentation to speak of."""
LEAST = 0.02
"""Share of the validation that is among stored examples, from which these are those of the validation."""
LOOKED_AT = 4
"""Recorded steps that are looked at."""


@dataclass(frozen=True)
class Whole:
    """Examples in the order in which they lie.

    Args:
        inputs: All of them; those of the validation as well, where both lie in one tensor.
        targets: As many.
        trained: Which of them training was given, (N,).
    """

    inputs: Tensor
    targets: Tensor
    trained: Tensor


@lru_cache(maxsize=1)
def whole(case: Case) -> Whole | None:
    """The tensors that examples and targets were taken out of; None where they are not to be found.

    A step's inputs are rows of a larger tensor, and its targets the same rows of another.
    """
    for batch in case.batches[:LOOKED_AT]:
        place, wanted = input_value(batch), batch.targets
        if place is None or wanted is None or not wanted.ndim:
            continue
        given = batch.tape.values[place].tensor
        found = _rows_of(batch, given, wanted)
        if found is not None:
            inputs, targets, numbers = found
            return Whole(inputs, targets, torch.isin(numbers, facts(case).known))
    return None


def _rows_of(batch: Batch, given: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    rows = row_numbers(given)
    if rows is None or len(given) != len(wanted) or given.ndim < 2:
        return None
    larger = [t for t in _data(batch) if t.ndim and len(t) > len(given)]
    for inputs in larger:
        if inputs.shape[1:] != given.shape[1:] or inputs.dtype != given.dtype or inputs.numel() > MOST:
            continue
        numbers = row_numbers(inputs)
        if numbers is None or not bool(torch.isin(rows, numbers).all()):
            continue
        places = _places(numbers, rows)
        for targets in larger:
            alike = targets.shape[1:] == wanted.shape[1:] and targets.dtype == wanted.dtype
            if alike and len(targets) == len(inputs) and torch.equal(targets[places], wanted):
                return inputs.detach(), targets.detach(), numbers
    return None


def _data(batch: Batch) -> list[Tensor]:
    """The tensors of the user's in a step, each once, the largest first."""
    found = {
        id(v.tensor): v.tensor
        for v in batch.tape.values
        if v.operation is None and v.kind not in ("parameter", "buffer") and not v.tensor.requires_grad
    }
    return sorted(found.values(), key=lambda tensor: -tensor.numel())


def _places(numbers: Tensor, rows: Tensor) -> Tensor:
    """Where each row stands."""
    order = torch.argsort(numbers)
    return order[torch.searchsorted(numbers[order], rows).clamp_max(len(numbers) - 1)]


@lru_cache(maxsize=1)
def held_out(case: Case) -> Fed | None:
    """Validation examples with what stands beside them in the shape of the targets of training.

    For metrics that compare in a way of their own: the truth is the only tensor of that shape.
    """
    known = facts(case)
    train, valid = known.train, known.valid
    if train is None or train.targets is None or valid is None or (valid.targets is not None and valid.paired):
        return valid
    found = []
    for seen in case.evaluations[-1]:
        fed = fed_of(seen)
        if fed is None or known.known_share(fed.inputs) >= 0.99:
            continue
        alike = {
            id(v.tensor): v.tensor
            for v in seen.tape.values
            if v.operation is None and v.kind not in ("parameter", "buffer") and v.dtype == train.targets.dtype
            and v.tensor.numel() == len(fed.inputs) * train.targets[0].numel() and v.shape[:1] != ()
            and not (v.shape == tuple(fed.inputs.shape) and torch.equal(v.tensor, fed.inputs))
        }  # fmt: skip
        if len(alike) == 1:
            truth = _named_alike(next(iter(alike.values())), train.targets)
            found.append(Fed(fed.inputs, truth.reshape(len(fed.inputs), *train.targets.shape[1:]), fed.answers))
    return joined(found) or valid


def _named_alike(truth: Tensor, targets: Tensor) -> Tensor:
    """Classes under the numbers that they have in training, where a metric has multiplied them."""
    if truth.is_floating_point():
        return truth
    kinds, wanted = truth.unique(), targets.unique()
    if len(kinds) != len(wanted) or len(kinds) > 256 or torch.equal(kinds, wanted):
        return truth
    return wanted[torch.searchsorted(kinds, truth)]


@lru_cache(maxsize=1)
def originals(case: Case) -> Fed | None:
    """The stored examples and classes that steps made theirs of; None where examples are given as they are stored."""
    fed = facts(case).fed
    if not fed or fed[0].targets is None or fed[0].inputs.ndim < 2 or not fed[0].inputs.is_floating_point():
        return None
    given, wanted = fed[0].inputs, fed[0].targets
    found: list[Tensor] = _data(case.batches[0])
    for made in case.seen.loaders:
        found += [t for _, array in arrays_of(made["loader"].dataset) if (t := _as_tensor(array)) is not None]
    larger = [t for t in found if t.ndim and len(t) > len(given) and t.numel() <= MOST]
    inputs = [t for t in larger if t.shape[1:] == given.shape[1:] and t.dtype == given.dtype]
    labels = [t for t in larger if t.shape[1:] == wanted.shape[1:] and t.dtype in _CLASSES]
    if wanted.dtype not in _CLASSES or not bool(given.isfinite().all()):
        return None
    kinds = torch.cat([each.targets.reshape(-1) for each in fed if each.targets is not None]).unique()
    rows, valid = row_numbers(given), facts(case).valid
    held = row_numbers(valid.inputs) if valid is not None else None
    for examples in inputs:
        beside = [t for t in labels if len(t) == len(examples) and float(torch.isin(t, kinds).double().mean()) > 0.99]
        numbers = row_numbers(examples)
        if numbers is None or rows is None or (held is not None and _share(held, numbers) > LEAST):
            continue  # the validation is no original of what was trained on
        if _share(rows, numbers) >= SAME:
            return None
        if beside and _alike(examples, given):
            return Fed(examples.detach(), beside[0].to(wanted.dtype))
    return None


def _share(rows: Tensor, among: Tensor) -> float:
    return float(torch.isin(rows, among).double().mean())


_CLASSES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""What classes are stored as."""


def _as_tensor(array: Any) -> Tensor | None:
    """An array as a tensor over the same memory; None where torch has no such numbers."""
    try:
        return array if isinstance(array, Tensor) else torch.from_numpy(array)
    except (TypeError, ValueError):
        return None


def _alike(stored: Tensor, given: Tensor) -> bool:
    """Whether both are of one scale: nothing but the augmentation lies between them."""
    mean, spread = float(stored.mean()), float(stored.std())
    return float(given.min()) >= mean - 8 * spread and 0.2 < float(given.std()) / max(spread, 1e-9) < 2.5
