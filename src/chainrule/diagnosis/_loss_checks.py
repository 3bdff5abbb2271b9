"""The 15 checks of a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import gradcheck

from chainrule.core.errors import ChainruleError
from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check, told
from chainrule.diagnosis._compare import require_near, require_tensor
from chainrule.diagnosis._loss_subject import LossSubject


@check(
    "one value for each example",
    "a step divides the global sum by the global count, whatever the batches: a mean taken before cannot be undone",
    "`.mean()`, `reduction='mean'`, a sum over the wrong axis",
)
def per_example(subject: LossSubject) -> Evidence:
    for count in (1, 2, 7):
        subject.values(subject.scores(count), subject.targets(count))
    return Evidence("(N,) for N = 1, 2, 7")


@check(
    "the values have the type of the scores, and 16 bits are widened or kept",
    "nothing is computed in another precision than was asked for",
    "a constant of float32, `.float()`, a sum of exponentials in 16 bits",
)
def types(subject: LossSubject) -> Evidence:
    targets = subject.targets(6)
    for dtype in (torch.float32, torch.float64):
        found = subject.values(subject.scores(6, dtype=dtype), targets)
        if found.dtype != dtype:
            raise Violation(f"scores of {dtype} give {found.dtype}", type=str(found.dtype))
    wanted = subject.values(subject.scores(6), targets)
    for dtype, limit in ((torch.float32, 1e-5), (torch.bfloat16, 3e-2), (torch.float16, 3e-3)):
        found = subject.values(subject.scores(6, dtype=dtype), targets)
        require_near(f"the loss of {dtype}", found.double(), wanted, limit)
    for kind in (torch.int32, torch.uint8):
        require_near(f"the loss with classes of {kind}", subject.values(subject.scores(6), targets.to(kind)), wanted, 0)
    return Evidence("float32 and float64 as given; 16 bits near; classes of any integer type")


@check(
    "an example's value does not depend on the other examples",
    "losses over different batch sizes, and over several processes, can be added",
    "a normalization over the batch, a hardest example that is picked, a division by N",
)
def other_examples(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(6), subject.targets(6)
    together = subject.values(scores, targets)
    alone = torch.cat([subject.values(scores[i : i + 1], targets[i : i + 1]) for i in range(6)])
    apart = require_near("the values one by one", alone, together, 1e-12)
    changed = torch.cat([scores[:3], 50 * subject.scores(3, salt=1)])
    apart = max(
        apart, require_near("the values beside others", subject.values(changed, targets)[:3], together[:3], 1e-12)
    )
    return Evidence(f"differ by at most {apart:.1g} one by one and beside others", difference=apart)


@check(
    "permuting the examples permutes the values",
    "the order within a batch carries no meaning",
    "pairs of neighbors, weights by position",
)
def example_order(subject: LossSubject) -> Evidence:
    scores, targets, order = subject.scores(6), subject.targets(6), torch.tensor([4, 2, 0, 5, 1, 3])
    apart = require_near(
        "the permuted values",
        subject.values(scores[order], targets[order]),
        subject.values(scores, targets)[order],
        1e-12,
    )
    return Evidence(f"differ by {apart:.1g}", difference=apart)


@check(
    "renaming the classes changes nothing",
    "no class is special but by declared weights",
    "a background class, class 0 as 'none', an index that is off by one",
)
def class_order(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(8), subject.targets(8)
    order = torch.arange(subject.classes).roll(1)
    places = order.argsort()  # class c stands in column places[c] afterwards
    apart = require_near(
        "the values with renamed classes",
        subject.values(scores[:, order], places[targets]),
        subject.values(scores, targets),
        1e-12,
    )
    return Evidence(f"differ by {apart:.1g}", difference=apart)


@check(
    "no value is below the declared least",
    "a loss that can fall for ever is no measure of how far there is to go",
    "a sign, a logarithm of something above 1, a constant that was left out",
)
def least(subject: LossSubject) -> Evidence:
    if subject.least is None:
        raise DoesNotApply("no least value is declared")
    found = min(
        float(subject.values(subject.scores(40, scale=scale, salt=7), subject.targets(40)).min())
        for scale in (0.0, 0.1, 3.0, 100.0)
    )
    if found < subject.least - 1e-9:
        raise Violation(f"{found:.4g} is below {subject.least:g}", least=found)
    return Evidence(f"at least {found + 0.0:.3g}", least=found + 0.0)


@check(
    "values and gradients are finite at extremes",
    "one confident mistake does not end a training",
    "exp of a large score, log of a probability that was rounded to 0, a square root at 0",
)
def extremes(subject: LossSubject) -> Evidence:
    most = 0.0
    for dtype in (torch.float32, torch.float64):
        for size in (1e4, -1e4, 1e-30, 0.0):
            scores = torch.zeros(subject.classes + 1, subject.classes, dtype=dtype)
            scores[: subject.classes].fill_diagonal_(size)
            scores[subject.classes] = size
            targets = torch.arange(subject.classes + 1) % subject.classes
            for right in (targets, (targets + 1) % subject.classes):
                most = max(most, float(subject.values(scores, right).max()))
                require_tensor("the gradient", subject.gradient(scores, right))
    return Evidence(f"scores of 0, 1e-30 and +-10,000: at most {most:.3g}", most=most)


@check(
    "the gradient is the finite difference, in float64",
    "training goes where the loss says",
    "a hand-written backward pass, a `detach`, a clamp that cuts the gradient",
)
def gradient(subject: LossSubject) -> Evidence:
    for count, scale in ((3, 0.7), (4, 2.3), (1, 11.0)):
        scores, targets = subject.scores(count, scale=scale, salt=count).requires_grad_(), subject.targets(count)
        try:
            gradcheck(lambda s, y=targets: subject.loss(s, y), (scores,), nondet_tol=0.0)
        except RuntimeError as error:
            raise Violation(f"torch's gradcheck: {told(error)}") from error
    return Evidence("three sizes and scales")


@check(
    "gradients add up",
    "parts of a batch, processes, and steps that gather gradients give the gradient of the whole",
    "an example's value that reaches another's scores, a gradient that is scaled by the batch",
)
def gradient_sums(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(6), subject.targets(6)
    whole = subject.gradient(scores, targets)
    parts = torch.cat([subject.gradient(scores[i : i + 2], targets[i : i + 2]) for i in (0, 2, 4)])
    require_near("the gradients of parts", parts, whole, 1e-12)
    weights = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.5, 3.0], dtype=torch.float64)
    weighed = subject.gradient(scores, targets, weights)
    require_near("the gradient of weighted values", weighed, whole * weights[:, None], 1e-12)
    shifted = subject.values(scores + 3.0, targets)
    if bool(((shifted - subject.values(scores, targets)).abs() < 1e-9).all()):
        rest = float(whole.sum(1).abs().max())
        if rest > 1e-9:
            raise Violation(
                f"adding to all scores changes nothing, but their gradients add up to {rest:.2g}", rest=rest
            )
        return Evidence("over parts and weights; over the classes to 0, as the loss knows differences only", rest=rest)
    return Evidence("over parts and weights")


@check(
    "no example gives no value, and no gradient",
    "a process whose part of the last step is empty does not stop the others",
    "a maximum of nothing, a mean of nothing",
)
def no_examples(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(0), subject.targets(0)
    subject.values(scores, targets)
    if subject.gradient(scores, targets).shape != scores.shape:
        raise Violation("the gradient of nothing has another shape")
    return Evidence("(0,)")


@check(
    "NaN shows in its own example's value, and there alone",
    "a broken score is seen, and in the right place",
    "`nan_to_num`, a maximum that skips NaN, a mean over the batch",
)
def nan_shows(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(4), subject.targets(4)
    wanted = subject.values(scores, targets)
    scores[1] = float("nan")
    try:
        found = subject.loss(scores, targets)
    except ChainruleError as error:
        return Evidence(f"refused: {told(error)[:80]}")
    if bool(found[1].isfinite()):
        raise Violation(f"scores of NaN have the loss {float(found[1]):.3g}")
    rest = [0, 2, 3]
    require_near("the values beside NaN", found[rest], wanted[rest], 1e-12)
    return Evidence("its own value alone is NaN")


@check(
    "classes out of range are refused by name",
    "labels that are counted from 1 do not train on the wrong classes in silence",
    "an index that wraps round, a clamp, `ignore_index` that is not declared",
)
def class_range(subject: LossSubject) -> Evidence:
    said = []
    for wrong in (-1, subject.classes, -100, 255):
        targets = subject.targets(3)
        targets[1] = wrong
        said.append(_refused(subject, subject.scores(3), targets, f"class {wrong}"))
    return Evidence(f"refused: {said[0][:80]}")


@check(
    "shapes and types that do not fit are refused by name",
    "nothing is broadcast to a shape that nobody meant",
    "targets (N, 1), which make (N, N) of (N,), scores of whole numbers, one label too many",
)
def misfits(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(4), subject.targets(4)
    wrong: dict[str, tuple[Tensor, Tensor]] = {
        "a label too few": (scores, targets[:3]),
        "a label too many": (scores, torch.cat([targets, targets[:1]])),
        "classes (N, 1)": (scores, targets[:, None]),
        "classes as floats": (scores, targets.double()),
        "classes as truth values": (scores, targets > 0),
        "whole numbers as scores": (scores.long(), targets),
        "an axis too many": (scores[..., None], targets),
    }
    for what, (s, y) in wrong.items():
        _refused(subject, s, y, what)
    return Evidence(f"{len(wrong)} kinds refused")


def _refused(subject: LossSubject, scores: Tensor, targets: Tensor, what: str) -> str:
    try:
        found = subject.loss(scores, targets)
    except ChainruleError as error:
        return told(error)
    except Exception as error:
        raise Violation(f"{what} is refused by {told(error)}, not by an error that says what fits") from error
    raise Violation(f"{what} is accepted: {tuple(found.shape)}")


@check(
    "nothing is modified, nothing is random, and memory layout does not matter",
    "a loss is a function of its arguments",
    "work in place, a sampled negative, `view` of scores that are not contiguous",
)
def pure(subject: LossSubject) -> Evidence:
    scores, targets = subject.scores(5), subject.targets(5)
    before, state = (scores.clone(), targets.clone()), torch.get_rng_state()
    first, second = subject.values(scores, targets), subject.values(scores, targets)
    require_near("the values again", second, first, 0)
    if not torch.equal(scores, before[0]) or not torch.equal(targets, before[1]) or scores._version or targets._version:
        raise Violation("the arguments are written to")
    if not torch.equal(torch.get_rng_state(), state):
        raise Violation("random numbers are drawn")
    turned = scores.t().contiguous().t()
    spread = torch.stack([scores, scores], -1)[..., 1]
    for name, laid in (("turned", turned), ("spread", spread)):
        require_near(f"the values of scores that are {name} in memory", subject.values(laid, targets), first, 1e-12)
    return Evidence("twice the same bits; three layouts")


@check(
    "a higher score of the right class never costs more",
    "lowering the loss means answering better",
    "a sign, a loss of probabilities that is given scores, classes that are counted from 1",
)
def right_answers(subject: LossSubject) -> Evidence:
    targets = subject.targets(2 * subject.classes)
    right = torch.nn.functional.one_hot(targets, subject.classes).double()
    sure, guess, wrong = (subject.values(scale * right, targets) for scale in (6.0, 0.0, -6.0))
    best = subject.values(right, targets)
    if not bool((best < guess).all()) or not bool((sure < wrong).all()):
        costs = [f"{float(values.mean()):.3g}" for values in (best, guess, wrong)]
        raise Violation(f"right answers cost {costs[0]}, guesses {costs[1]}, wrong ones {costs[2]}")
    slope = float(subject.gradient(torch.zeros_like(right), targets)[right.bool()].max())
    if slope >= 0:
        raise Violation(f"at equal scores the right one has the slope {slope:.3g}: it would fall", slope=slope)
    return Evidence(f"right {float(best.max()):.3g}, guessed {float(guess.max()):.3g}, wrong {float(wrong.max()):.3g}")


LOSS_CHECKS: tuple[Check[LossSubject], ...] = (
    per_example,
    types,
    other_examples,
    example_order,
    class_order,
    least,
    extremes,
    gradient,
    gradient_sums,
    no_examples,
    nan_shows,
    class_range,
    misfits,
    pure,
    right_answers,
)
