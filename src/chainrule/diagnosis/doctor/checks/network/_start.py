"""The weights at the start: how large they are for their layer, and the same ones made as they should be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.analysis._tape import Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks.network._layers import (
    ATTENDING,
    RECTIFIERS,
    RECURRENT,
    affine_layers,
    name_of,
)


@dataclass(frozen=True)
class Weights:
    """The weights of one layer at the start.

    Args:
        name: Their name.
        key: Id of the tensor.
        tensor: They, as they were.
        axis: Dimension along which the units are.
        fan_in: Numbers that go into a unit.
        usual: The spread that keeps the signal's size: sqrt(2 / fan_in) before ReLUs, else sqrt(1 / fan_in).
    """

    name: str
    key: int
    tensor: Tensor
    axis: int
    fan_in: int
    usual: float

    @property
    def size(self) -> float:
        """Root mean square over the usual one."""
        return float(self.tensor.detach().double().square().mean().sqrt()) / self.usual


def weights_at_start(case: Case) -> list[Weights]:
    """The weights of the layers that the recorded steps use and train, in order of use."""
    if not case.batches:
        return []
    batch = case.batches[0]
    gain = (
        math.sqrt(2.0) if any(o.function in RECTIFIERS or o.function == "gelu" for o in batch.tape.operations) else 1.0
    )
    found: dict[int, Weights] = {}

    def add(value: int, axis: int, fan_in: int, scale: float) -> None:
        tensor = batch.tape.values[value].tensor
        if id(tensor) in case.seen.initial and tensor.requires_grad and id(tensor) not in found and fan_in > 0:
            first = case.seen.initial[id(tensor)]
            usual = scale / math.sqrt(fan_in)
            found[id(tensor)] = Weights(name_of(case, tensor), id(tensor), first, axis, fan_in, usual)

    affine = {layer.operation.index: layer for layer in affine_layers(batch)}
    for operation in batch.tape.operations:
        if operation.index in affine:
            layer = affine[operation.index]
            add(layer.weight, layer.axis, layer.fan_in, gain)
        elif operation.function in RECURRENT or operation.function in ATTENDING:
            for value in operation.inputs:
                held = batch.tape.values[value]
                if value in batch.learned and held.operation is None and len(held.shape) == 2:
                    add(value, 0, held.shape[1], 1.0)
    return list(found.values())


def vectors_at_start(case: Case) -> dict[int, tuple[str, Tensor]]:
    """Biases and gains that the first recorded step uses: parameters of one dimension, as they were."""
    found = {}
    for value in case.batches[0].tape.values if case.batches else []:
        tensor = value.tensor
        if (
            value.operation is None
            and len(value.shape) == 1
            and tensor.requires_grad
            and id(tensor) in case.seen.initial
        ):
            found[id(tensor)] = (name_of(case, tensor), case.seen.initial[id(tensor)])
    return found


def gains_of(batch: Batch) -> set[int]:
    """Ids of the tensors that norms multiply by."""
    found = set()
    for operation in batch.tape.operations:
        if operation.function in ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"):
            place = 3 if operation.function == "batch_norm" else 2
            given = [*operation.arguments[place : place + 1], operation.options.get("weight")]
            found |= {id(batch.tape.values[g.value].tensor) for g in given if isinstance(g, Ref)}
    return found


def rescaled(case: Case, weights: list[Weights]) -> State:
    """The first weights, each layer's with the usual size."""
    state = case.rehearsal.start()
    with torch.no_grad():
        for each in weights:
            if each.size > 0:
                state[each.key] /= each.size
    return state


def redrawn(case: Case, weights: list[Weights]) -> State:
    """The first weights, those of these layers drawn anew: normal, of the usual size."""
    state = case.rehearsal.start()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in weights:
            drawn = torch.randn(each.tensor.shape, generator=generator) * each.usual
            state[each.key].copy_(drawn)
    return state


def without_offsets(case: Case) -> State:
    """The first weights, with gains of one and biases of zero."""
    state, gains = case.rehearsal.start(), gains_of(case.batches[0])
    with torch.no_grad():
        for key in vectors_at_start(case):
            state[key].fill_(1.0 if key in gains else 0.0)
    return state
