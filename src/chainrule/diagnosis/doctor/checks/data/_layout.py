"""Axes exchanged by reshape: the numbers are all there, in places where they do not belong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

_RESHAPES = frozenset({"reshape", "view", "resize", "view_as", "reshape_as", "unflatten"})
SMOOTHER = 0.6
"""Mean difference of neighbours in another reading over that in the given one, below which the other one is right:
right readings are smoother than any wrong one by a third and more, on photographs, drawings and measurements."""
_EXPLAINS = (
    *LEARNS_LITTLE,
    "labels-unrelated",
    "input-not-scaled",
    "examples-leak",
    "overfits",
    "validation-prepared-differently",
)


@check("axes-exchanged")
def axes_exchanged(case: Case) -> Iterator[Finding]:
    """Look for reshapes that exchange axes, and for a reading of the inputs in which neighbours are more alike."""
    for batch in case.batches[:1]:
        for operation in batch.tape.operations:
            shapes = _exchanging(batch, operation)
            if shapes is not None:
                given, made = shapes
                yield Finding(
                    "axes-exchanged",
                    f"`{operation.function}` makes {given} into {made}: that exchanges axes and mixes the numbers.",
                    "fault",
                    0.96,
                    (
                        Fact("shape before and after", f"{given} and {made}"),
                        Fact("what reshape keeps", "the order of the numbers in memory, not which axis they are on"),
                    ),
                    change="permute or transpose, which move the axes with their numbers",
                    where=case.place(batch.line(operation)),
                    explains=_EXPLAINS,
                )
                return
    yield from _rougher(case)


def _exchanging(batch: Batch, operation: Operation) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Shapes before and after, where a reshape's axes are those before in another order.

    Axes that are alike, or of one element, say nothing; a matrix of weights may be read as one likes.
    """
    if operation.function not in _RESHAPES or not operation.inputs or not operation.results:
        return None
    source = batch.tape.values[operation.inputs[0]]
    given, made = source.shape, batch.tape.values[operation.results[0]].shape
    if source.kind == "parameter":
        return None
    before, after = [n for n in given if n > 1], [n for n in made if n > 1]
    if before != after and sorted(before) == sorted(after) and len(before) > 1:
        return given, made
    examples = _examples(batch)
    if examples is not None and examples > 2 and _crosses(given, made, examples):
        return given, made
    return None


def _examples(batch: Batch) -> int | None:
    """How many examples a step has; None where it cannot be told."""
    targets = batch.targets
    return len(targets) if targets is not None and targets.ndim == 1 else None


def _crosses(given: Sequence[int], made: Sequence[int], examples: int) -> bool:
    """Whether the axis of examples, not the first before, is the first after, behind a boundary that it cuts through.

    Example:
        >>> _crosses((28, 60, 5), (60, 140), 60), _crosses((60, 28, 5), (60, 140), 60)
        (True, False)
    """
    return (
        len(given) > 2
        and examples not in (given[0],)
        and list(given).count(examples) == 1
        and given[1] == examples
        and len(made) > 0
        and made[0] == examples
        and bool(given[0] % examples)
    )


def _rougher(case: Case) -> Iterator[Finding]:
    train = facts(case).train
    if (
        train is None
        or not train.inputs.is_floating_point()
        or train.inputs.ndim not in (3, 4)
        or len(train.inputs) < 16
    ):
        return
    inputs = train.inputs[:256].float()
    better = other_reading(inputs)
    if better is None:
        return
    reading, ratio = better
    yield Finding(
        "axes-exchanged",
        "The inputs are scrambled: read as another order of axes, neighbours are much more alike.",
        "fault",
        0.95,
        (
            Fact("shape that the network is given", str(tuple(inputs.shape))),
            Fact("shape in which neighbours are alike", str(reading)),
            Fact("mean difference of neighbours, in that reading over the given one", f"{ratio:.2f}"),
        ),
        change="permute (or transpose) where reshape or view was used to bring the axes into order",
        where=facts(case).place,
        explains=_EXPLAINS,
    )


def other_reading(inputs: Tensor) -> tuple[tuple[int, ...], float] | None:
    """The shape (N, ...) in which the same numbers are smoother, and by how much; None where the given one is best.

    Args:
        inputs: (N, A, B) or (N, C, H, W).
    """
    shape = tuple(inputs.shape)
    if len({n for n in shape[1:] if n > 1}) < 2 or not bool(inputs.isfinite().all()):
        return None
    spread = float(inputs.std())
    if spread == 0:
        return None
    own = _roughness(inputs)
    best: tuple[tuple[int, ...], float] | None = None
    for order in permutations(range(1, inputs.ndim)):
        other = tuple(shape[i] for i in order)
        if [n for n in other if n > 1] == [n for n in shape[1:] if n > 1]:
            continue
        # (N, A, B) was made of numbers in the order `other`; to bring them home the axes are moved back
        back = [0] * inputs.ndim
        for place, axis in enumerate(order, start=1):
            back[axis] = place
        read = inputs.reshape(shape[0], *other).permute(back)
        ratio = _roughness(read) / own if own else 1.0
        if ratio < SMOOTHER and _roughness(read) < 0.8 * _random(inputs) and (best is None or ratio < best[1]):
            best = (shape[0], *other), ratio
    return best


def _roughness(inputs: Tensor) -> float:
    """Mean difference of neighbours: of pictures along height and width, of sequences along time."""
    if inputs.ndim == 4:
        along = [dim for dim in (2, 3) if inputs.shape[dim] > 2]
        differences = [float(inputs.diff(dim=dim).abs().mean()) for dim in along]
        return sum(differences) / len(differences) if differences else 0.0
    return float(inputs.diff(dim=1).abs().mean()) if inputs.shape[1] > 2 else 0.0


def _random(inputs: Tensor) -> float:
    """Mean difference of two values of an example, wherever they stand."""
    flat = inputs.reshape(len(inputs), -1)
    generator = torch.Generator().manual_seed(0)
    return float((flat - flat[:, torch.randperm(flat.shape[1], generator=generator)]).abs().mean())


@check("batch-and-time-exchanged")
def batch_and_time(case: Case) -> Iterator[Finding]:
    """Look for recurrent layers that run over the examples of the batch instead of over time."""
    for batch in case.batches[:1]:
        examples = _examples(batch)
        if examples is None or examples < 2:
            continue
        for call in batch.tape.calls:
            module = call.module
            if not isinstance(module, (nn.RNN, nn.LSTM, nn.GRU)) or not call.inputs:
                continue
            shape = batch.tape.values[call.inputs[0]].shape
            if len(shape) != 3 or shape[0] == shape[1]:
                continue
            time, over = (1, 0) if module.batch_first else (0, 1)
            if shape[time] != examples or shape[over] == examples:
                continue
            yield Finding(
                "batch-and-time-exchanged",
                f"The {call.kind} runs over the {examples} examples of the batch as if they were steps of time.",
                "fault",
                0.9,
                (
                    Fact("shape that it is given", str(shape)),
                    Fact(
                        "how it reads it",
                        "(batch, time, features)" if module.batch_first else "(time, batch, features)",
                    ),
                    Fact("examples in the batch", str(examples)),
                ),
                change=f"batch_first={not module.batch_first}, or x.transpose(0, 1) before it",
                where=call.path or call.kind,
                explains=(*LEARNS_LITTLE, "axes-exchanged", "examples-leak"),
            )
            return
