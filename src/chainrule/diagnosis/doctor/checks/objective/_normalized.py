"""Softmax, sigmoid and logarithm: once, in the right place, along the right axis."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chainrule.analysis._replay import leave_out
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    CLASSES,
    RECTIFIERS,
    SOFTMAX,
    SQUASHERS,
    Comparison,
    affordable,
    axis_of,
    changes,
    comparisons,
    everywhere,
    first_input,
    plain_name,
    sums_to_one,
    tail,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_AMISS = 0.05
"""How far from one the sum of exponentials may be: far more than rounding, less than in bare scores."""


def tried_without(case: Case, each: Comparison, operation: Operation, what: str) -> Tried | None:
    """Train a little with an operation left out, beside the same without any change."""
    if case.left < 2.0 or not case.rehearsal.possible:
        return None
    steps = affordable(case, min(48, 2 * len(case.batches)))
    before = case.rehearsal.train(steps)
    after = case.rehearsal.train(steps, actions=everywhere(case, leave_out, each.batch, operation))
    worse, better = tail(before), tail(after)
    return Tried(what, f"loss {worse:.4g} after {steps} steps", f"loss {better:.4g}", better < worse)


@check("softmax-twice", "sigmoid-twice", "softmax-of-one-score", "softmax-over-wrong-axis")
def normalized_twice(case: Case) -> Iterator[Finding]:
    """What normalizes the scores, and whether the criterion does it again."""
    for each in comparisons(case):
        done = changes(each.batch, each.criterion.prediction)
        names = [plain_name(operation) for operation in done]
        yield from _one_score(case, each, done)
        yield from _wrong_axis(case, each, done)
        if each.kind == "cross entropy" and _is_float_logits(each) and sums_to_one(each.prediction, each.classes):
            yield _softmax_twice(case, each, done[0] if done else each.criterion.operation)
        for i, name in enumerate(names[:-1]):
            after = [n for n in names[i + 1 :] if n not in ("*", "/")]
            if name in ("softmax", "log_softmax") and after[:1] == ["softmax"] and not _scaled(names, i):
                yield _softmax_twice(case, each, next(o for o in done[i + 1 :] if plain_name(o) == "softmax"))
        if each.kind.endswith("with logits") and names[:1] in (["sigmoid"], ["softmax"]):
            yield _sigmoid_twice(case, each, done[0])
        if each.kind == "binary cross entropy" and names[:2] == ["sigmoid", "sigmoid"]:
            yield _sigmoid_twice(case, each, done[1])


def _scaled(names: list[str], i: int) -> bool:
    return any(name in ("*", "/") for name in names[i + 1 : i + 2])


def _is_float_logits(each: Comparison) -> bool:
    return each.prediction.ndim >= 1 and each.prediction.is_floating_point()


def _softmax_twice(case: Case, each: Comparison, operation: Operation) -> Finding:
    tried = tried_without(case, each, operation, "the softmax left out")
    return Finding(
        "softmax-twice",
        "The scores pass a softmax before a criterion that has one itself.",
        "fault",
        0.98,
        (
            Fact("what the criterion is given", "numbers from 0 to 1 with sum 1 for each example"),
            Fact("layer", operation.module or "outside of the network"),
            Fact("loss at its lowest, were every answer right and sure", f"{_floor(each):.3f}, not 0"),
        ),
        "Give the criterion the scores as they are; take softmax only to show probabilities.",
        each.where(case, operation),
        tried,
        explains=STANDSTILL,
    )


def _floor(each: Comparison) -> float:
    classes = each.prediction.shape[each.classes]
    return float(torch.log(1 + (classes - 1) * torch.exp(torch.tensor(-1.0))))


def _sigmoid_twice(case: Case, each: Comparison, operation: Operation) -> Finding:
    low, high = float(each.prediction.min()), float(each.prediction.max())
    return Finding(
        "sigmoid-twice",
        "The scores pass a sigmoid before a criterion that has one itself.",
        "fault",
        0.97,
        (
            Fact("what the criterion is given", f"numbers from {low:.3f} to {high:.3f}"),
            Fact("what it makes of them", "probabilities from 0.5 to 0.73: no example can be called negative"),
        ),
        "binary_cross_entropy_with_logits on the scores, without the sigmoid.",
        each.where(case, operation),
        tried_without(case, each, operation, "the sigmoid left out"),
        explains=(*STANDSTILL, "wrong-threshold"),
    )


def _one_score(case: Case, each: Comparison, done: list[Operation]) -> Iterator[Finding]:
    single = [o for o in done if plain_name(o) in SOFTMAX and _size(each, o) == 1]
    implied = each.kind == "cross entropy" and each.prediction.ndim > 1 and each.prediction.shape[1] == 1
    if not single and not implied:
        return
    operation = single[0] if single else each.criterion.operation
    yield Finding(
        "softmax-of-one-score",
        "A softmax over a single score is one, whatever the score is.",
        "fault",
        0.99,
        (Fact("size of the axis", "1"), Fact("gradient at the score", "0")),
        "One score: sigmoid, or binary_cross_entropy_with_logits. Or as many scores as there are classes.",
        each.where(case, operation),
        explains=STANDSTILL,
    )


def _size(each: Comparison, operation: Operation) -> int:
    shape = each.batch.tape.values[first_input(operation)].shape
    return shape[axis_of(operation, len(shape))] if shape else 1


def _wrong_axis(case: Case, each: Comparison, done: list[Operation]) -> Iterator[Finding]:
    """A softmax over the examples, where the criterion picks a class."""
    target = each.target
    own = each.kind == "own" and target is not None and not target.is_floating_point()
    if each.kind not in CLASSES and not own:
        return
    for operation in done:
        shape = each.batch.tape.values[first_input(operation)].shape
        if plain_name(operation) not in SOFTMAX or len(shape) < 2:
            continue
        axis = axis_of(operation, len(shape))
        moved = shape != tuple(each.prediction.shape)
        right = (len(shape) - 1) if own or moved else each.classes % len(shape)
        if axis != right and shape[axis] != 1 and not (moved and shape[axis] == each.prediction.shape[each.classes]):
            yield Finding(
                "softmax-over-wrong-axis",
                f"The softmax runs along axis {axis} of {tuple(shape)}; the classes are along axis {right}.",
                "fault",
                0.95,
                (Fact("axis of the softmax", f"{axis}, of size {shape[axis]}"), Fact("classes", f"{shape[right]}")),
                f"dim={right} (or dim=-1 where the classes are last).",
                each.where(case, operation),
                explains=(*STANDSTILL, "examples-leak", "softmax-over-batch", "nll-without-logarithm"),
            )


@check("nll-without-logarithm", "logarithm-twice")
def logarithm_of_probabilities(case: Case) -> Iterator[Finding]:
    """Whether a likelihood is given logarithms of probabilities, and only once."""
    for each in comparisons(case):
        done = changes(each.batch, each.criterion.prediction)
        names = [plain_name(operation) for operation in done]
        if names[:2] in (["log", "log_softmax"], ["log", "log"]) or names[:2] == ["log", "logsigmoid"]:
            yield Finding(
                "logarithm-twice",
                "The logarithm is taken of what is a logarithm already.",
                "fault",
                0.97,
                (Fact("operations", f"{names[1]}, then {names[0]}"), Fact("logarithm of a negative number", "nan")),
                "log_softmax alone.",
                each.where(case, done[0]),
                explains=(*BURST, "log-of-zero"),
            )
            continue
        if (found := _not_logarithms(each, names)) is not None:
            title, value = found
            yield Finding(
                "nll-without-logarithm",
                title,
                "fault",
                0.97,
                (
                    Fact("what the likelihood is given", value),
                    Fact("loss at the beginning", f"{float(each.values[each.batch.loss].sum()):.4g}"),
                ),
                "log_softmax of the scores before nll_loss, or cross_entropy of the scores alone.",
                each.where(case, done[0] if done and names[0] in SOFTMAX else None),
                explains=(*STANDSTILL, *BURST, "loss-with-wrong-sign"),
            )


def _not_logarithms(each: Comparison, names: list[str]) -> tuple[str, str] | None:
    values = each.prediction.detach().double()
    if not values.numel() or not bool(values.isfinite().all()) or values.ndim < 1:
        return None
    if each.kind == "negative log likelihood":
        if sums_to_one(values, each.classes):
            return "nll_loss is given probabilities, not their logarithms.", "probabilities: from 0 to 1, with sum 1"
        total = values.logsumexp(each.classes)
        if bool((total.abs() > _AMISS).float().mean() > 0.5) and names[:1] != ["log_softmax"]:
            low, high = float(values.min()), float(values.max())
            return "nll_loss is given scores that nobody normalized.", f"numbers from {low:.3g} to {high:.3g}"
        return None
    if each.kind == "own" and sums_to_one(values, -1) and names[:1] == ["softmax"]:
        known = {"*", "sum", "mean", "neg", "index", "gather", "squeeze", "/", "view", "flatten", "reshape"}
        after = [o for o in each.batch.behind(each.batch.loss) if o.index >= each.criterion.operation.index]
        if {plain_name(o) for o in after} <= known and float(each.values[each.batch.loss].sum()) < 0:
            return "The mean probability is made to grow where its logarithm is meant.", "probabilities, no logarithm"
    return None


@check("kl-arguments-exchanged", "kl-without-logarithm")
def divergence_arguments(case: Case) -> Iterator[Finding]:
    """kl_div takes logarithms first, probabilities second."""
    for each in comparisons(case):
        operation = each.criterion.operation
        if each.kind != "divergence" or len(operation.inputs) < 2:
            continue
        given, wanted = each.values[operation.inputs[0]], each.values[operation.inputs[1]]
        in_logarithms = bool(operation.options.get("log_target", False))
        first = (
            "logarithms" if bool((given <= 1e-6).all()) else "probabilities" if sums_to_one(given, -1) else "numbers"
        )
        second = "probabilities" if bool((wanted >= 0).all()) else "logarithms"
        learned = operation.inputs[0] in each.batch.learned
        facts = (Fact("first argument", first), Fact("second argument", second), Fact("log_target", str(in_logarithms)))
        if first == "logarithms" and (second == "probabilities") != in_logarithms:
            if not learned:
                yield _kl(case, each, "kl-arguments-exchanged", "warning", 0.55, facts)
        elif first != "logarithms" and second == "logarithms" and not in_logarithms:
            yield _kl(case, each, "kl-arguments-exchanged", "fault", 0.95, facts)
        else:
            yield _kl(case, each, "kl-without-logarithm", "fault", 0.95, facts)


def _kl(case: Case, each: Comparison, label: str, level: str, sure: float, facts: tuple[Fact, ...]) -> Finding:
    title = (
        "kl_div is given its arguments the other way round."
        if label == "kl-arguments-exchanged"
        else "kl_div is not given what it takes: logarithms of probabilities first, probabilities second."
    )
    return Finding(
        label,
        title,
        "fault" if level == "fault" else "warning",
        sure,
        facts,
        "kl_div(log_softmax(scores), probabilities, reduction='batchmean').",
        each.where(case),
        explains=(*STANDSTILL, *BURST, "loss-with-wrong-sign"),
    )


@check("poisson-with-wrong-input")
def poisson_input(case: Case) -> Iterator[Finding]:
    """poisson_nll_loss takes the logarithm of the rate, unless it is told otherwise."""
    for each in comparisons(case):
        if each.kind != "Poisson likelihood":
            continue
        names = [plain_name(o) for o in changes(each.batch, each.criterion.prediction)]
        positional = each.criterion.operation.arguments[2:3]
        logarithms = bool(each.criterion.options.get("log_input", positional[0] if positional else True))
        rates = names[:1] in (["exp"], ["softplus"], ["relu"], ["square"], ["abs"])
        if logarithms and rates:
            title = f"poisson_nll_loss takes the logarithm of the rate, and is given the rate itself ({names[0]})."
        elif not logarithms and not rates and bool((each.prediction < 0).any()):
            title = "poisson_nll_loss with log_input=False takes rates, and is given numbers below zero."
        else:
            continue
        low, high = float(each.prediction.min()), float(each.prediction.max())
        yield Finding(
            "poisson-with-wrong-input",
            title,
            "fault",
            0.95,
            (Fact("log_input", str(logarithms)), Fact("what it is given", f"{low:.3g} to {high:.3g}")),
            "The last layer alone with log_input=True, or exp of it with log_input=False.",
            each.where(case),
            explains=(*STANDSTILL, *BURST, "log-of-zero"),
        )
        return


@check("relu-on-scores", "scores-squashed")
def activation_on_scores(case: Case) -> Iterator[Finding]:
    """An activation between the last layer and a criterion that takes scores of any size."""
    for each in comparisons(case):
        done = changes(each.batch, each.criterion.prediction)
        names = [plain_name(operation) for operation in done]
        skip = 1 if names[:1] in (["log_softmax"], ["softmax"], ["sigmoid"]) and not _takes_scores(each) else 0
        skip = 2 if names[:2] == ["log", "softmax"] else skip
        if not (_takes_scores(each) or skip) or len(done) <= skip:
            continue
        operation, name = done[skip], names[skip]
        if name in RECTIFIERS:
            yield _relu(case, each, operation)
        elif (
            name in SQUASHERS
            and not (each.kind.endswith("with logits") and name == "sigmoid")
            and not (skip and name == names[0])
        ):
            yield _squashed(case, each, operation, name)


def _takes_scores(each: Comparison) -> bool:
    return each.kind in ("cross entropy", "binary cross entropy with logits")


def _relu(case: Case, each: Comparison, operation: Operation) -> Finding:
    after = each.values.get((*operation.results, *operation.changed)[0], torch.zeros(1))
    return Finding(
        "relu-on-scores",
        "A ReLU stands on the scores: none can be negative, and one at zero gets no gradient.",
        "fault",
        0.95,
        (
            Fact("scores at zero, in the first step", f"{float((after <= 0).float().mean()):.0%}"),
            Fact("layer", operation.module or "outside of the network"),
        ),
        "No activation after the last layer.",
        each.where(case, operation),
        tried_without(case, each, operation, "the ReLU on the scores left out"),
        explains=STANDSTILL,
    )


def _squashed(case: Case, each: Comparison, operation: Operation, name: str) -> Finding:
    tried = tried_without(case, each, operation, f"{name} on the scores left out")
    return Finding(
        "scores-squashed",
        f"A {name} stands on the scores: they stay between bounds, and no answer can be sure.",
        "fault",
        0.93 if tried is None or tried.helped else 0.7,
        (
            Fact("scores lie between", "0 and 1" if "sigmoid" in name else "-1 and 1"),
            Fact("layer", operation.module or "outside of the network"),
        ),
        "No activation after the last layer: the criterion has its own.",
        each.where(case, operation),
        tried,
        explains=STANDSTILL,
    )
