"""Terms of a loss that go under beside others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.analysis._replay import Action
from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import upstream
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import place, plain_name
from chainrule.diagnosis.doctor.checks.objective._terms import (
    Term,
    strengths,
    terms,
    trainable,
    without,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_LOUDER = 10.0
"""Times as large a gradient at the shared weights from which a term can drown another: tasks that go well together are
within three or four of each other."""
_LOUD_CODE = 4.0
"""The same for a divergence that has gone to nothing: in a balanced one both gradients are alike."""
_HELD_BACK = 0.5
"""Share of its progress that a term must lose to another one."""
_COST = 0.15
"""What a penalty must cost of the first loss: a useful one costs a hundredth."""
_COLLAPSED = 0.05
"""Share of its first value that is left of a divergence that won."""
_STEPS = 48
"""Steps that are taken with and without a term."""
_LONGER = 5
"""Times as many where nothing has moved by then."""
_SECONDS = 6.0
"""How long that may take."""


@dataclass(frozen=True)
class _Sum:
    case: Case
    batches: list[Batch]
    terms: list[Term]

    @property
    def batch(self) -> Batch:
        return self.batches[0]

    def values(self, state: State) -> list[float]:
        """What each term is in the first recorded step."""
        return strengths(self.batch, state, terms(self.batch))[0]

    def trained(self, left_out: Sequence[int], state: State, steps: int = _STEPS) -> list[float]:
        """The terms after a few steps without some of them; those that were left out are zero."""
        actions: dict[int, dict[int, Action]] = {}
        for each in left_out:
            for index, found in without(self.batches, each).items():
                actions.setdefault(self.case.batches.index(self.batches[index]), {}).update(found)
        self.case.rehearsal.train(steps, state=state, actions=actions)
        return self.values(state)

    def line(self, i: int) -> str:
        return place(self.case, self.batch, self.terms[i].operation)


def _sum(case: Case) -> _Sum | None:
    if not case.batches or not case.rehearsal.possible:
        return None
    found = terms(case.batches[0])
    names = [term.operation.function for term in found]
    same = [b for b in case.batches if [t.operation.function for t in terms(b)] == names]
    return _Sum(case, same, found) if len(found) > 1 and len(same) > len(case.batches) // 3 else None


@check("penalty-too-strong", experiment=True)
def strong_penalty(case: Case) -> Iterator[Finding]:
    """Trains on from the end without the penalty on the weights: how far does the loss of the task fall?"""
    loss = _sum(case)
    if loss is None:
        return
    penalties = [i for i, term in enumerate(loss.terms) if term.role == "penalty"]
    tasks = [i for i, term in enumerate(loss.terms) if term.role != "penalty"]
    if not penalties or not tasks:
        return
    start = case.rehearsal.start()
    first, last = loss.values(start), loss.values(trainable(case.final, start))
    if sum(first[i] for i in penalties) < 0:
        return  # it is subtracted: another mistake
    begun, now = (sum(values[i] for i in tasks) for values in (first, last))
    if not math.isfinite(now) or now < _COST * begun:
        return
    change, with_it, steps = "trained on without the penalty", now, _STEPS
    freed = sum(loss.trained(penalties, trainable(case.final, start))[i] for i in tasks)
    if not (now - freed > _COST * abs(begun) and freed < 0.6 * now):
        change = "trained from the start without the penalty"  # weights that it has pressed to nothing do not recover
        if now < 0.5 * begun:
            return
        begin = _clock.computed()
        freed = sum(loss.trained(penalties, case.rehearsal.start(), steps)[i] for i in tasks)
        if begun - freed < 0.05 * abs(begun) and (_clock.computed() - begin) * 2 * _LONGER < min(case.left, _SECONDS):
            steps *= _LONGER  # a slow rate
            freed = sum(loss.trained(penalties, case.rehearsal.start(), steps)[i] for i in tasks)
        with_it = sum(loss.trained([], case.rehearsal.start(), steps)[i] for i in tasks)
        if begun - freed < 0.05 * abs(begun) or begun - with_it > _HELD_BACK * (begun - freed):
            return
    size = sum(last[i] for i in penalties)
    yield Finding(
        "penalty-too-strong",
        "The penalty on the weights outweighs the task.",
        "fault",
        0.93,
        (
            Fact("loss of the task at the end", f"{now:.4g} (at the beginning {begun:.4g})"),
            Fact("penalty at the end", f"{size:.4g}"),
            Fact("penalty at the beginning", f"{sum(first[i] for i in penalties):.4g}"),
        ),
        "A much smaller factor: 1e-4 is usual, and a penalty of a hundredth of the loss.",
        loss.line(penalties[-1]),
        Tried(change, f"task {with_it:.4g}", f"task {freed:.4g} after {steps} steps", True),
        explains=STANDSTILL,
    )


@check("one-task-drowns-the-other", "divergence-outweighs-reconstruction", experiment=True)
def drowned_term(case: Case) -> Iterator[Finding]:
    """Gradients of the terms at the weights they share; then training with and without the loud one."""
    loss = _sum(case)
    if loss is None:
        return
    start = case.rehearsal.start()
    first, norms = strengths(loss.batch, start, loss.terms)
    heard = [i for i, term in enumerate(loss.terms) if term.role != "penalty" and norms[i] > 0]
    if len(heard) < 2 or not all(math.isfinite(norms[i]) for i in heard):
        return
    last, ends = strengths(loss.batch, trainable(case.final, start), loss.terms)
    for code in heard:
        if loss.terms[code].role == "divergence" and (found := _collapsed(loss, code, (first, last), (norms, ends))):
            yield _divergence(loss, code, found)
            return
    loud = max(heard, key=lambda i: norms[i])
    for quiet in heard:
        if _of_one_answer(loss, loud, quiet):
            continue
        if quiet == loud or loss.terms[quiet].role != "task" or norms[loud] < _LOUDER * norms[quiet]:
            continue
        facts = (
            Fact("gradients at shared weights", f"{norms[loud]:.3g} against {norms[quiet]:.3g}"),
            Fact("values at the beginning", f"{first[loud]:.4g} against {first[quiet]:.4g}"),
        )
        together = loss.trained([], case.rehearsal.start())[quiet]
        alone = loss.trained([loud], case.rehearsal.start())[quiet]
        if not first[quiet] - together < _HELD_BACK * (first[quiet] - alone) or alone > 0.9 * first[quiet]:
            continue
        tried = Tried(
            "the loud term left out", f"the quiet one {together:.4g} after {_STEPS} steps", f"{alone:.4g}", True
        )
        if loss.terms[loud].role == "divergence":
            yield _divergence(loss, loud, facts, tried)
        else:
            yield _drowned(loss, loud, quiet, facts, tried)
        return


def _of_one_answer(loss: _Sum, first: int, second: int) -> bool:
    """Whether both terms are made of the same numbers: a distance for like pairs, and for unlike ones."""
    tape, outputs = loss.batch.tape, loss.batch.outputs
    behind = [
        {o.index for o in upstream(tape, loss.terms[i].value, stop=outputs) if set(o.inputs) & loss.batch.learned}
        for i in (first, second)
    ]
    return bool(behind[0] & behind[1])


def _collapsed(
    loss: _Sum, code: int, values: tuple[list[float], list[float]], norms: tuple[list[float], list[float]]
) -> tuple[Fact, ...]:
    """Evidence that a divergence, one with a logarithm or exponential in it, has pressed the code to nothing."""
    behind = upstream(loss.batch.tape, loss.terms[code].value, stop=loss.batch.outputs)
    if not {plain_name(operation) for operation in behind} & {"exp", "log", "expm1", "log1p"}:
        return ()
    first, last = (abs(each[code]) for each in values)
    for quiet, term in enumerate(loss.terms):
        ratios = [each[code] / each[quiet] for each in norms if each[quiet] > 0]
        tiny = last < _COLLAPSED * first and last < 0.1 * abs(values[1][quiet])
        if term.role == "task" and tiny and ratios and max(ratios) >= _LOUD_CODE:
            begun, now = (f"{each[code]:.3g} against {each[quiet]:.3g}" for each in norms)
            return (
                Fact("gradients at shared weights, at first and at the end", f"{begun}; {now}"),
                Fact("divergence, first and last", f"{first:.3g}, {last:.3g}: the code says nothing"),
            )
    return ()


def _divergence(loss: _Sum, loud: int, facts: tuple[Fact, ...], tried: Tried | None = None) -> Finding:
    return Finding(
        "divergence-outweighs-reconstruction",
        "The term on the code (divergence) outweighs the reconstruction: the code collapses to the prior.",
        "fault",
        0.93,
        facts,
        "Sum both over their own dimensions and take the mean over the batch, or weigh the divergence down at first.",
        loss.line(loud),
        tried,
        explains=STANDSTILL,
    )


def _drowned(loss: _Sum, loud: int, quiet: int, facts: tuple[Fact, ...], tried: Tried) -> Finding:
    names = [loss.terms[i].operation.function for i in (loud, quiet)]
    return Finding(
        "one-task-drowns-the-other",
        f"One term ({names[0]}) is so much larger that the other ({names[1]}) goes under.",
        "fault",
        0.94,
        facts,
        "Scale the target of the large one to a spread near 1, or weigh it down, until the gradients are alike.",
        loss.line(loud),
        tried,
        explains=(*STANDSTILL, "target-not-scaled", "rate-too-high", "gradients-explode", "loss-oscillates"),
    )
