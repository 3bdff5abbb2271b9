"""The 15 checks of a metric."""

from __future__ import annotations

import copy
import itertools
import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import ChainruleError
from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check, told
from chainrule.diagnosis._metric_subject import MetricSubject

COUNT = 60


def _require_alike(what: str, found: list[Any], wanted: list[Any], limit: float = 0.0) -> None:
    first, second = found[0], wanted[0]
    near = abs(first - second) <= limit * max(1.0, abs(second)) or (math.isnan(first) and math.isnan(second))
    if not near or (limit == 0 and repr(found[1:]) != repr(wanted[1:])):
        raise Violation(f"{what}: {first!r} instead of {second!r}", found=first, wanted=second)


@check(
    "merged parts give the result of the whole, bit for bit",
    "it does not matter how many examples are evaluated at once, or by how many processes",
    "a mean of means, sums that are rounded on the way, a state that is divided too early",
)
def merged_parts(subject: MetricSubject) -> Evidence:
    examples = subject.examples(COUNT)
    whole = subject.tell(subject.tally(examples))
    for cuts in ((30,), (1,), (7, 20, 21), tuple(range(1, COUNT))):
        edges = [0, *cuts, COUNT]
        parts = [subject.tally(examples, begin, end) for begin, end in itertools.pairwise(edges)]
        merged = reduce(lambda a, b: a.merge(b), parts)
        _require_alike(f"{len(parts)} parts, merged", subject.tell(merged), whole)
    return Evidence(f"2 to {COUNT} parts: {whole[0]:.6g}", result=whole[0])


@check(
    "merging in another order gives the same",
    "processes finish in any order",
    "a result that takes the last part's word, a sum of floats",
)
def merge_order(subject: MetricSubject) -> Evidence:
    examples = subject.examples(COUNT)
    a, b = subject.tally(examples, 0, 25), subject.tally(examples, 25, COUNT)
    _require_alike("b with a", subject.tell(b.merge(a)), subject.tell(a.merge(b)))
    return Evidence("a with b is b with a")


@check(
    "merging in other groups gives the same",
    "partial results can be joined in a tree, or one after the other",
    "an average of two averages",
)
def merge_groups(subject: MetricSubject) -> Evidence:
    examples = subject.examples(COUNT)
    a, b, c = (subject.tally(examples, begin, end) for begin, end in ((0, 10), (10, 35), (35, COUNT)))
    _require_alike("a with (b with c)", subject.tell(a.merge(b.merge(c))), subject.tell(a.merge(b).merge(c)))
    return Evidence("(a with b) with c is a with (b with c)")


@check(
    "the order of the examples does not matter",
    "a shuffled evaluation is the same evaluation",
    "ties that the first example wins, a running value",
)
def example_order(subject: MetricSubject) -> Evidence:
    scores, targets, index = subject.examples(COUNT)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(subject.seed))
    found = subject.tell(subject.of(scores[order], targets[order], index[order]))
    _require_alike("in another order", found, subject.tell(subject.of(scores, targets, index)))
    return Evidence(f"{COUNT} examples in two orders")


@check(
    "merging with nothing changes nothing",
    "a process without examples does no harm",
    "a count that starts at 1, a 0 that is averaged in",
)
def nothing_merged(subject: MetricSubject) -> Evidence:
    examples = subject.examples(COUNT)
    some, none = subject.tally(examples), subject.tally(examples, 0, 0)
    for merged in (some.merge(none), none.merge(some)):
        _require_alike("with nothing", subject.tell(merged), subject.tell(some))
    return Evidence("before and after")


@check(
    "the result of nothing is NaN, or 0 of what is counted",
    "no examples are no success and no failure, and no division by 0",
    "0 / 0, a plausible number for no evidence",
)
def nothing(subject: MetricSubject) -> Evidence:
    found = subject.number(subject.tally(subject.examples(COUNT), 0, 0))
    counts = math.isinf(subject.bounds[1])
    if not (math.isnan(found) or (counts and found == 0)):
        raise Violation(f"{found!r}", found=found)
    return Evidence(f"{found!r}")


@check(
    "results are within their bounds",
    "a share is a share",
    "percent beside shares, a sum that is not divided, examples that are counted twice",
)
def bounds(subject: MetricSubject) -> Evidence:
    low, high = subject.bounds
    found = [subject.number(subject.tally(subject.examples(count, salt=count))) for count in (1, 2, 3, 17, COUNT)]
    if not all(low <= value <= high for value in found):
        raise Violation(f"{min(found):.4g} to {max(found):.4g} are not in [{low:g}, {high:g}]", results=found)
    return Evidence(f"{min(found):.4g} to {max(found):.4g} in [{low:g}, {high:g}]")


@check(
    "perfect answers get the best result",
    "the best is known, so that a result can be judged",
    "an index that is off by one, a comparison of other things",
)
def perfect(subject: MetricSubject) -> Evidence:
    if subject.best is None:
        raise DoesNotApply("it has no best result")
    _, targets, index = subject.examples(COUNT)
    found = subject.number(subject.of(torch.nn.functional.one_hot(targets, subject.classes).float(), targets, index))
    if found != subject.best:
        raise Violation(f"{found!r}, not {subject.best!r}", found=found)
    return Evidence(f"{found!r}", found=found)


@check(
    "wrong answers get the worst result",
    "the worst is known, so that a result can be judged",
    "credit for a neighbor, answers that nobody counts",
)
def all_wrong(subject: MetricSubject) -> Evidence:
    if subject.worst is None:
        raise DoesNotApply("it has no worst result")
    _, targets, index = subject.examples(COUNT)
    lowest = -torch.nn.functional.one_hot(targets, subject.classes).float()  # the right class comes last
    found = subject.number(subject.of(lowest, targets, index))
    if found != subject.worst:
        raise Violation(f"{found!r}, not {subject.worst!r}", found=found)
    return Evidence(f"{found!r}", found=found)


@check(
    "renaming the classes changes nothing",
    "no class is special",
    "class 0 as 'none', a mean over classes with weights by number",
)
def class_order(subject: MetricSubject) -> Evidence:
    scores, targets, index = subject.examples(COUNT)
    scores = scores + 1e-3 * torch.randn(scores.shape, generator=torch.Generator().manual_seed(1))  # no ties
    order = torch.arange(subject.classes).roll(2)
    places = order.argsort()
    found = [subject.number(subject.of(scores[:, order], places[targets], index))]
    _require_alike("with renamed classes", found, [subject.number(subject.of(scores, targets, index))], 1e-12)
    return Evidence(f"{subject.classes} classes renamed")


@check(
    "only the order of an example's scores counts",
    "scores, probabilities and calibrated ones are judged alike",
    "a threshold at 0.5, scores that are summed",
)
def ranks(subject: MetricSubject) -> Evidence:
    if not subject.ranks:
        raise DoesNotApply("it measures values, not ranks")
    scores, targets, index = subject.examples(COUNT)
    wanted = subject.number(subject.of(scores, targets, index))
    for name, other in (("4 s - 3", 4 * scores - 3), ("s / 8", scores / 8), ("float64", scores.double())):
        _require_alike(f"with {name}", [subject.number(subject.of(other, targets, index))], [wanted])
    return Evidence("scaled and shifted scores, and float64")


@check(
    "the same as by other means",
    "two programs that were written apart from each other agree",
    "another rule for ties, averages over classes instead of examples",
)
def reference(subject: MetricSubject) -> Evidence:
    if subject.reference is None:
        raise DoesNotApply("no reference is given")
    worst = 0.0
    for count in (1, 5, COUNT, 400):
        scores, targets, index = subject.examples(count, salt=count)
        found, wanted = subject.number(subject.of(scores, targets, index)), subject.reference(scores, targets)
        _require_alike(f"{count} examples", [found], [wanted], 1e-9)
        worst = max(worst, abs(found - wanted))
    return Evidence(f"4 sizes, at most {worst:.1g} apart", difference=worst)


@check(
    "classes out of range and NaN are refused by name, or show as NaN",
    "no plausible number comes of what cannot be judged",
    "a comparison with NaN, which is false and counts as wrong; an index that wraps round",
)
def odd_values(subject: MetricSubject) -> Evidence:
    said = []
    for what in ("class -1", "class K", "a score of NaN"):
        scores, targets, index = subject.examples(8)
        if what == "a score of NaN":
            scores[3] = float("nan")
        else:
            targets[3] = -1 if what == "class -1" else subject.classes
        said.append(_refused(subject, scores, targets, index, what))
    return Evidence("; ".join(dict.fromkeys(said)))


@check(
    "shapes and types that do not fit are refused",
    "nothing is broadcast to a shape that nobody meant",
    "classes (N, 1), which compare with (N,) to (N, N)",
)
def misfits(subject: MetricSubject) -> Evidence:
    scores, targets, index = subject.examples(8)
    wrong: dict[str, tuple[Tensor, Tensor]] = {
        "a class too few": (scores, targets[:7]),
        "classes (N, 1)": (scores, targets[:, None]),
        "an axis too few": (scores[:, 0], targets),
    }
    said = [_refused(subject, s, y, index, what) for what, (s, y) in wrong.items()]
    return Evidence(said[0])


def _refused(subject: MetricSubject, scores: Tensor, targets: Tensor, index: Tensor, what: str) -> str:
    try:
        found = subject.number(subject.of(scores, targets, index))
    except Violation:
        raise
    except ChainruleError as error:
        return f"refused: {told(error)[:70]}"
    except Exception as error:  # whatever it says, as long as it says something
        if str(error).strip():
            return f"refused: {told(error)[:70]}"
        raise Violation(f"{what} is refused without a word ({type(error).__name__})") from error
    if math.isnan(found):
        return "NaN"
    raise Violation(f"{what} gives {found!r}", found=found)


@check(
    "nothing is modified by measuring, merging or telling",
    "a tally can be merged in several ways, and told as often as one likes",
    "`+=` on the own state, a result that empties it",
)
def pure(subject: MetricSubject) -> Evidence:
    examples = subject.examples(COUNT)
    before = [tensor.clone() for tensor in examples]
    a, b = subject.tally(examples, 0, 20), subject.tally(examples, 20, COUNT)
    if not all(torch.equal(tensor, kept) for tensor, kept in zip(examples, before)):
        raise Violation("the scores or classes are written to")
    alone, other = copy.deepcopy(subject.tell(a)), copy.deepcopy(subject.tell(b))
    first, second = subject.tell(a.merge(b)), subject.tell(a.merge(b))
    _require_alike("merged once more", second, first)
    _require_alike("a after it was merged", subject.tell(a), alone)
    _require_alike("b after it was merged", subject.tell(b), other)
    return Evidence("two tallies merged twice and told three times")


METRIC_CHECKS: tuple[Check[MetricSubject], ...] = (
    merged_parts,
    merge_order,
    merge_groups,
    example_order,
    nothing_merged,
    nothing,
    bounds,
    perfect,
    all_wrong,
    class_order,
    ranks,
    reference,
    odd_values,
    misfits,
    pure,
)
