"""What a recorded step says of the network: its affine layers, what lies between them, and where gradients go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chainrule.analysis._replay import play
from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._rehearse import State

CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
PRODUCTS = frozenset({"@", "matmul", "mm", "bmm", "einsum", "baddbmm"})
RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
ATTENDING = frozenset({"multi_head_attention_forward", "scaled_dot_product_attention"})
TURNED = frozenset({"T", "mT", "t", "transpose", "permute", "contiguous", "to", "float"})
"""What a weight goes through before it multiplies."""
BENT = frozenset(
    {"relu", "relu_", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "selu", "gelu", "silu", "mish", "softplus",
     "relu6", "hardtanh", "hardswish", "tanh", "tanh_", "sigmoid", "sigmoid_", "celu", "clamp", "clamp_", "clip",
     "clamp_min", "maximum", "sin", "hardsigmoid", "softsign", "logsigmoid", "tanhshrink", "rrelu", "threshold"}
)  # fmt: skip
"""Activations."""
RECTIFIERS = frozenset({"relu", "relu_", "relu6", "clamp_min", "threshold", "clamp", "clamp_"})
"""Activations that are flat on one side: a unit may be zero for everything."""
SHAPING = frozenset(
    {"view", "reshape", "flatten", "unflatten", "permute", "transpose", "T", "t", "mT", "unsqueeze", "squeeze",
     "contiguous", "index", "expand", "chunk", "split", "clone", "to", "float", "double", "view_as", "movedim"}
)  # fmt: skip
"""What only moves numbers about."""
STRAIGHT = SHAPING | {
    "dropout", "dropout_", "dropout1d", "dropout2d", "feature_dropout", "avg_pool1d", "avg_pool2d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "mean", "sum", "+", "-", "*", "/", "+=", "-=", "*=", "/=",
    "batch_norm", "pad", "interpolate", "neg",
}  # fmt: skip
"""What keeps an affine map affine (batch normalization as it is in evaluation)."""


@dataclass(frozen=True)
class Affine:
    """A layer that multiplies by weights: linear, convolution, or a product with a parameter.

    Args:
        operation: On the tape.
        weight: Its value, the parameter itself.
        given: The value that it multiplies.
        fan_in: Numbers that go into one unit.
        fan_out: Units.
        axis: Dimension of the weight along which the units are.
        groups: Of a convolution.
    """

    operation: Operation
    weight: int
    given: int
    fan_in: int
    fan_out: int
    axis: int
    groups: int = 1

    @property
    def result(self) -> int:
        """What it gives."""
        return self.operation.results[0]


def affine_layers(batch: Batch) -> list[Affine]:
    """The affine layers of a recorded step, in order."""
    return [found for operation in batch.tape.operations if (found := _affine(batch, operation)) is not None]


def _affine(batch: Batch, operation: Operation) -> Affine | None:
    name, refs = operation.function, [a.value for a in operation.arguments if isinstance(a, Ref)]
    refs += [a.value for a in operation.options.values() if isinstance(a, Ref)]
    if len(refs) < 2 or len(operation.results) != 1:
        return None
    values = batch.tape.values
    if name == "linear" or name in CONVOLUTIONS or name in TRANSPOSED:
        weight = _leaf(batch, refs[1])
        if weight is None:
            return None
        shape = values[weight[0]].shape
        if len(shape) < 2:
            return None
        axis = 1 if name in TRANSPOSED else 0
        fan_in = 1
        for i, size in enumerate(shape):
            fan_in *= 1 if i == axis else size
        given = values[refs[0]].shape
        channel = -1 if name == "linear" else 1
        groups = given[channel] // shape[1] if name in CONVOLUTIONS and shape[1] and len(given) > 1 else 1
        return Affine(operation, weight[0], refs[0], fan_in, shape[axis], axis, groups)
    if name in ("@", "matmul", "mm"):
        for side in (1, 0):
            weight = _leaf(batch, refs[side])
            if weight is None or len(values[weight[0]].shape) != 2:
                continue
            turned = weight[1]
            axis = (0 if turned else 1) if side == 1 else (1 if turned else 0)
            shape = values[weight[0]].shape
            return Affine(operation, weight[0], refs[1 - side], shape[1 - axis], shape[axis], axis)
    return None


def _leaf(batch: Batch, value: int) -> tuple[int, bool] | None:
    """The parameter that a value is, perhaps turned: its place, and whether it is."""
    turned = False
    for _ in range(4):
        made = batch.made_by(value)
        if made is None:
            found = batch.tape.values[value]
            return (value, turned) if value in batch.learned and found.operation is None else None
        if made.function not in TURNED or not made.inputs:
            return None
        turned ^= made.function in ("T", "mT", "t", "transpose", "permute")
        value = made.inputs[0]
    return None


@dataclass(frozen=True)
class Chain:
    """Two affine layers with nothing between them that bends, and the operations between."""

    first: Affine
    second: Affine
    between: tuple[Operation, ...]


def chains(batch: Batch) -> list[Chain]:
    """The pairs of affine layers that follow each other without anything nonlinear between them."""
    layers = affine_layers(batch)
    at = {layer.operation.index: layer for layer in layers}
    uses = batch.tape.consumers()
    operations = {operation.index: operation for operation in batch.tape.operations}
    found = []
    for layer in layers:
        open_: list[tuple[int, tuple[Operation, ...]]] = [(layer.result, ())]
        seen: set[int] = set()
        while open_:
            value, way = open_.pop()
            for index in uses[value]:
                operation = operations[index]
                if index in at and at[index].given == value:
                    found.append(Chain(layer, at[index], way))
                elif index not in seen and index not in at and is_straight(batch, operation, value):
                    seen.add(index)
                    open_ += [(result, (*way, operation)) for result in {*operation.results, *operation.changed}]
    return found


def is_straight(batch: Batch, operation: Operation, value: int) -> bool:
    """Whether what an operation gives is affine in one of its inputs, and depends on weights through no other."""
    if operation.function not in STRAIGHT:
        return False
    others = [index for index in operation.inputs if index != value]
    return all(index not in batch.learned or batch.tape.values[index].operation is None for index in others)


def spot(case: Case, batch: Batch, operation: Operation) -> str:
    """Where an operation is: the name of its layer, or the line where somebody wrote it out."""
    call = operation.call
    if call is not None and call.parent is not None and type(call.module).__module__.startswith("torch."):
        return operation.module
    return case.place(batch.line(operation)) or operation.module


def name_of(case: Case, tensor: Tensor) -> str:
    """The name of a parameter."""
    return next((name for name, each in case.parameters.items() if each is tensor), "a weight")


@dataclass(frozen=True)
class Signals:
    """All values of a recorded step and the gradients of the loss by them."""

    values: dict[int, Tensor]
    gradients: dict[int, Tensor]


def signals(batch: Batch, state: State) -> Signals:
    """Play a step with these weights, forward and backward."""
    given = {
        value.index: state[id(value.tensor)].detach().clone().requires_grad_(value.tensor.requires_grad)
        for value in batch.tape.values
        if value.operation is None and id(value.tensor) in state
    }
    with torch.enable_grad():
        values = play(batch.score, given)
        loss = values[batch.loss].sum()
        reached = {i: v for i, v in values.items() if v.is_floating_point() and _differentiable(v)}
        kept = list(reached.values())
        found = torch.autograd.grad(loss, kept, allow_unused=True) if loss.requires_grad and kept else ()
    gradients = {i: gradient for i, gradient in zip(reached, found) if gradient is not None}
    return Signals({i: v.detach() for i, v in values.items()}, gradients)


def _differentiable(tensor: Tensor) -> bool:
    """Whether torch can say a gradient by it; of a view made without gradients whose base got some it cannot."""
    try:
        return tensor.requires_grad and (tensor.is_leaf or tensor.grad_fn is not None)
    except RuntimeError:
        return False


def modules_of(case: Case) -> Iterator[tuple[str, nn.Module]]:
    """Every module of every network, by its path."""
    for title, network in case.networks.items():
        for path, module in network.named_modules():
            yield (f"{title}.{path}" if path else title) if len(case.networks) > 1 else (path or title), module
