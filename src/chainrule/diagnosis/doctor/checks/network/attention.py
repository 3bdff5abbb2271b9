"""Attention that somebody wrote out: whether its scores are scaled, and its weights sum to one over the keys."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import PRODUCTS, SHAPING, Signals, signals, spot
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

MASKING = frozenset({"masked_fill", "masked_fill_", "where", "dropout", "+", "-", "+=", "tril", "triu"})
SCALING = frozenset({"*", "/", "*=", "/=", "mul", "div"})
NORMING = frozenset({"normalize", "layer_norm", "rms_norm", "rsqrt", "norm", "linalg_vector_norm"})
OFF = 3.0
"""How many times the usual scale is odd: sqrt(d) at d = 16 is 4, and learned or tuned temperatures stay below 2."""
TELLS = 0.97
"""Loss after a trial with the usual scale, over that without, from which the scale is what is wrong."""


@dataclass(frozen=True)
class Attention:
    """One attention on the tape: product of queries and keys, softmax, product with the values.

    Args:
        product: What gives the scores.
        softmax: What makes weights of them.
        mixing: What multiplies the values by the weights.
        width: Numbers in a query.
    """

    product: Operation
    softmax: Operation
    mixing: Operation
    width: int


def attentions(batch: Batch) -> list[Attention]:
    """The attentions that were written out, in order."""
    operations = {o.index: o for o in batch.tape.operations}
    uses = batch.tape.consumers()
    found = []
    for operation in batch.tape.operations:
        if operation.function != "softmax" or operation.call is None:
            continue
        product = _product(batch, operation.inputs[0])
        value, mixing = operation.results[0], None
        for _ in range(6):
            after = [operations[i] for i in uses[value]]
            mixing = next((o for o in after if o.function in PRODUCTS), None)
            if mixing is not None or not after or after[0].function not in MASKING | SHAPING | SCALING:
                break
            value = after[0].results[0]
        if product is not None and mixing is not None:
            found.append(Attention(product, operation, mixing, _contracted(batch, product)))
    return found


def _product(batch: Batch, value: int) -> Operation | None:
    """The product of two learned tensors that scores are."""
    for _ in range(12):
        made = batch.made_by(value)
        if made is None:
            return None
        if made.function in PRODUCTS:
            learned = [i for i in made.inputs if i in batch.learned and batch.tape.values[i].operation is not None]
            return made if len(learned) > 1 or len(set(made.inputs)) == 1 else None
        if made.function not in MASKING | SHAPING | SCALING:
            return None
        value = next((i for i in made.inputs if i in batch.learned), made.inputs[0])
    return None


def _contracted(batch: Batch, product: Operation) -> int:
    """How many numbers are summed in each element of a product."""
    shapes = [batch.tape.values[i].shape for i in product.inputs]
    if product.function != "einsum":
        return shapes[0][-1] if product.function != "baddbmm" else shapes[1][-1]
    left, right = _letters(product)
    sizes = {letter: size for letters, shape in zip(left, shapes) for letter, size in zip(letters, shape)}
    return math.prod(size for letter, size in sizes.items() if letter not in right)


def _letters(product: Operation) -> tuple[list[str], str]:
    equation = str(product.arguments[0]).replace(" ", "")
    before, _, after = equation.partition("->")
    return before.split(","), after


@check("attention-over-wrong-axis")
def softmax_axis(case: Case) -> Iterator[Finding]:
    """The weights of an attention must sum to one over what the product with the values sums over: the keys."""
    for batch in case.batches[:1]:
        for found in attentions(batch):
            shape = batch.tape.values[found.softmax.results[0]].shape
            given = found.softmax.options.get("dim", (*found.softmax.arguments, None, None)[1])
            axis = given % len(shape) if isinstance(given, int) else (0 if len(shape) in (0, 1, 3) else 1)
            summed = _summed(batch, found)
            if summed is None or axis == summed or shape[axis] == 1:
                continue
            yield Finding(
                "attention-over-wrong-axis",
                f"the softmax of the attention runs along dimension {axis}; the keys are along dimension {summed}",
                "fault",
                0.96,
                (
                    Fact("weights that the values are multiplied by", f"shape {shape}, summing to one along {axis}"),
                    Fact("dimension that the product with the values sums over", str(summed)),
                ),
                "softmax(dim=-1) on scores (..., queries, keys)",
                spot(case, batch, found.softmax),
                None,
                (
                    "softmax-over-wrong-axis",
                    "softmax-over-batch",
                    "examples-leak",
                    "no-causal-mask",
                    "attention-not-scaled",
                ),
            )
            return


def _summed(batch: Batch, found: Attention) -> int | None:
    """The dimension of the weights that goes away in the product with the values; None where it cannot be said."""
    values = batch.tape.values
    shape = values[found.softmax.results[0]].shape
    weights = next((i for i in found.mixing.inputs if values[i].shape == shape), None)
    if weights is None or len(set(found.mixing.inputs)) < 2:
        return None
    made = weights
    while made != found.softmax.results[0]:  # only where nothing between turns it
        operation = batch.made_by(made)
        if operation is None or operation.function in SHAPING:
            return None
        made = next((i for i in operation.inputs if i in batch.learned), operation.inputs[0])
    place = found.mixing.inputs.index(weights)
    if found.mixing.function == "einsum":
        left, right = _letters(found.mixing)
        other = "".join(letters for i, letters in enumerate(left) if i != place)
        gone = [i for i, letter in enumerate(left[place]) if letter not in right and letter in other]
        return gone[0] if len(gone) == 1 and "." not in left[place] else None
    return len(shape) - 1 if place == 0 else len(shape) - 2


@check("attention-scaled-the-wrong-way", "attention-not-scaled", experiment=True)
def attention_scale(case: Case) -> Iterator[Finding]:
    """Scores are products of d numbers: over sqrt(d) they spread by about one, times it the softmax is saturated."""
    if not can_try(case):
        return
    batch = case.batches[0]
    written = attentions(batch)
    if not written:
        return
    state = signals(batch, case.rehearsal.start())
    odd = [(a, f) for a in written if (f := _factor(batch, state, a)) is not None and f * math.sqrt(a.width) > OFF]
    if not odd:
        return
    worst, factor = max(odd, key=lambda each: each[1] * math.sqrt(each[0].width))
    usual = 1 / math.sqrt(worst.width)
    wrong = factor > 1.5
    before = trial(case, steps=40)
    after = trial(case, steps=40, actions={i: _scaled(case, b) for i, b in enumerate(case.batches)})
    helped = after.last < TELLS * before.last
    yield _scale_finding(case, batch, worst, state, (factor, usual), wrong, helped, (before, after))


def _scale_finding(
    case: Case,
    batch: Batch,
    worst: Attention,
    state: Signals,
    scale: tuple[float, float],
    wrong: bool,
    helped: bool,
    tried: tuple[Trial, Trial],
) -> Finding:
    scores, weights = state.values[worst.softmax.inputs[0]], state.values[worst.softmax.results[0]]
    spread = float(scores[scores.abs() < 1e4].std())
    largest = float(weights.amax(-1).mean())
    line = next((o for o in _scalers(batch, worst)), worst.softmax)
    return Finding(
        "attention-scaled-the-wrong-way" if wrong else "attention-not-scaled",
        "the attention's scores are multiplied by the root of the width, not divided by it"
        if wrong
        else "the attention's scores are not divided by the root of the width: its softmax is saturated",
        "fault" if wrong or (helped and largest > 0.5) else "note",
        0.96 if wrong and helped else 0.9 if wrong else 0.75,
        (
            Fact("factor of the scores", f"{scale[0]:.3g} (usual: 1 / sqrt({worst.width}) = {scale[1]:.3g})"),
            Fact("spread of the scores at the first weights", f"{spread:.3g} (usual: about 1 or less)"),
            Fact("largest weight of a query, on average", f"{largest:.2f}"),
        ),
        "scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))",
        spot(case, batch, line),
        Tried("scores divided by the root of the width", tried[0].words(), tried[1].words(), helped),
        ("initialization-too-large", "gradients-vanish", "saturated-units"),
    )


def _scalers(batch: Batch, found: Attention) -> Iterator[Operation]:
    """Multiplications between the product and the softmax."""
    value = found.softmax.inputs[0]
    while (made := batch.made_by(value)) is not None and made is not found.product:
        if made.function in SCALING:
            yield made
        value = next((i for i in made.inputs if i in batch.learned), made.inputs[0])


def _factor(batch: Batch, state: Signals, found: Attention) -> float | None:
    """What the plain products of queries and keys are multiplied by on the way to the softmax."""
    raw, scores = state.values.get(found.product.results[0]), state.values.get(found.softmax.inputs[0])
    if raw is None or scores is None or raw.numel() != scores.numel() or raw.numel() < 2:
        return None
    raw, scores = raw.double().flatten(), scores.double().reshape(-1)
    kept = torch.isfinite(scores) & (scores.abs() < 1e4) & (scores != 0)
    if int(kept.sum()) < 2 or float(raw[kept].var()) == 0:
        return None
    slope = float(((raw[kept] - raw[kept].mean()) * (scores[kept] - scores[kept].mean())).mean() / raw[kept].var())
    before = [_number_before(batch, state, i) for i in dict.fromkeys(found.product.inputs)]
    if None in before:
        return None
    return abs(slope) * math.prod(b for b in before if b is not None)


def _number_before(batch: Batch, state: Signals, value: int) -> float | None:
    """What a query or key was multiplied by after its layer; None where a norm makes it another thing."""
    factor = 1.0
    for _ in range(8):
        made = batch.made_by(value)
        if made is None:
            return factor
        if made.function in NORMING:
            return None
        if made.function in SCALING and len(made.arguments) > 1:
            number = next((_number(a, batch, state) for a in made.arguments[::-1] if _number(a, batch, state)), None)
            if number is None:
                return None
            factor *= 1 / number if made.function in ("/", "/=", "div") else number
        elif made.function not in SHAPING:
            return factor
        value = next((i for i in made.inputs if i in batch.learned), made.inputs[0])
    return factor


def _number(argument: Any, batch: Batch, state: Signals) -> float | None:
    if isinstance(argument, (int, float)) and not isinstance(argument, bool):
        return float(argument)
    if isinstance(argument, Ref) and argument.value not in batch.learned:
        tensor = state.values.get(argument.value)
        return float(tensor) if tensor is not None and tensor.numel() == 1 else None
    return None


def _scaled(case: Case, batch: Batch) -> dict[int, Any]:
    """Actions that give each attention's product the usual scale."""
    state = signals(batch, case.rehearsal.start())
    found = {}
    for each in attentions(batch):
        factor = _factor(batch, state, each)
        if factor is not None and factor * math.sqrt(each.width) > OFF:
            found[each.product.index] = _times(each.product.target, 1 / (factor * math.sqrt(each.width)))
    return found


def _times(target: Any, factor: float) -> Any:
    return lambda *arguments, **options: target(*arguments, **options) * factor
