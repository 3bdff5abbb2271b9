"""When gradients are cleared: never, too early, too often; and how those of several passes are added up."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Cleared, Forward, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_BADLY, LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import MOST, Cycle, cycles, number, share
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

LEAST = 4
"""Steps that must be seen to call something a habit of the loop."""


@check("gradients-not-cleared")
def gradients_not_cleared(case: Case) -> Iterator[Finding]:
    """Gradients that a step has used are added to for the next one."""
    moves: list[Moved] = case.moves
    if len(moves) >= LEAST:
        carried = share([moved.carried > 0.5 for moved in moves[1:]])
        norms = [moved.norm for moved in moves]
    else:  # steps by hand
        passes: list[Backward] = case.seen.of(Backward)
        steps = len(case.seen.by_hand)
        if moves or steps < LEAST:
            return
        carried = share([each.stale > 0.0 for each in passes[1:]])
        norms = [each.stale for each in passes[1:]]
    if carried < 0.5:
        return
    cleared = len(case.seen.of(Cleared))
    line = next((e.line for e in case.seen.of(Backward)), None)
    yield Finding(
        "gradients-not-cleared",
        "Gradients are not cleared between steps: each backward adds to all that came before.",
        "fault",
        0.97,
        (
            Fact("steps whose gradient holds that of earlier steps", f"{carried:.0%} (usual: none)"),
            Fact("calls of zero_grad", f"{cleared} for {max(len(moves), len(case.seen.by_hand))} steps"),
            Fact("norm of the gradient used, at first and at last", f"{number(norms[0])}, {number(norms[-1])}"),
        ),
        "Call `optimizer.zero_grad()` once for every step, before `loss.backward()`.",
        case.place(line),
        _cleared_tried(case),
        (*LEARNS_BADLY, "accumulation-not-divided"),
    )


def _cleared_tried(case: Case) -> Tried | None:
    found = trials(case)
    if not found.possible:
        return None
    before, after = found.seen_end, found.base.end
    return Tried("gradients cleared before each backward", found.words(before), found.words(after), after < before)


@check("gradients-cleared-before-step", "step-before-backward")
def cleared_before_step(case: Case) -> Iterator[Finding]:
    """Steps that come when the gradients are gone, or before they are there."""
    all_cycles = cycles(case)
    seen = [c for c in all_cycles if c.moves]
    if len(seen) < LEAST or not case.seen.of(Backward):
        return
    early = share([_early(cycle) for cycle in seen])
    empty = share([cycle.norm == 0.0 for cycle in seen])
    gone = share([_gone(cycle) for cycle in seen])
    line = next((m.line for m in case.moves), None)
    if early >= MOST and share([any(isinstance(e, Backward) for e in c.events) for c in seen[1:]]) >= MOST:
        yield Finding(
            "step-before-backward",
            "The step comes before the backward pass: it moves by the gradient of the batch before, or by none.",
            "fault",
            0.96 if empty >= MOST else 0.85,
            (
                Fact("steps between the network's call and backward", f"{early:.0%} (usual: none)"),
                Fact("steps with a gradient of norm 0", f"{empty:.0%}"),
            ),
            "`zero_grad`, the network's call, the loss, `backward`, `step`: in this order.",
            case.place(line),
            explains=(*LEARNS_NOTHING, "gradients-cleared-before-step"),
        )
    elif gone >= MOST and case.seen.reached:
        yield Finding(
            "gradients-cleared-before-step",
            "Gradients are cleared between backward and step, so no step has a gradient.",
            "fault",
            0.97,
            (
                Fact("steps with a gradient of norm 0", f"{empty:.0%} (usual: none)"),
                Fact("clearings between backward and step", f"in {gone:.0%} of the steps"),
            ),
            "`optimizer.zero_grad()` before `loss.backward()`, or after `optimizer.step()`; never between them.",
            case.place(_clearing_line(seen)),
            explains=LEARNS_NOTHING,
        )


def _early(cycle: Cycle) -> bool:
    """Whether the last thing before a step is a call that is to be learned from, with no backward after it."""
    last = [e for e in cycle.since_backward() if isinstance(e, Forward) and e.grad and cycle.forwards]
    inside = any(isinstance(e, Backward) and cycle.closure(e) for e in cycle.events)
    return bool(last) and last[-1].learning and not inside


def _gone(cycle: Cycle) -> bool:
    """Whether gradients were computed, and are zero at the step for somebody has cleared them."""
    return (
        bool(cycle.backwards)
        and cycle.norm == 0.0
        and any(isinstance(event, Cleared) for event in cycle.since_backward())
    )


def _clearing_line(seen: list[Cycle]) -> tuple[str, int] | None:
    return next((e.line for c in seen for e in c.since_backward() if isinstance(e, Cleared) and c.backwards), None)


@check("accumulation-forgets")
def accumulation_forgets(case: Case) -> Iterator[Finding]:
    """Of several passes before a step only the last one counts."""
    seen = cycles(case)
    forgets = [_forgets(cycle) for cycle in seen]
    if len(seen) < 2 or share(forgets) < MOST:
        return
    count = sorted(len(cycle.backwards) for cycle in seen)[len(seen) // 2]
    line = next((e.line for c in seen for e in c.events if isinstance(e, Cleared)), None)
    yield Finding(
        "accumulation-forgets",
        f"Gradients are cleared in each small batch, so of {count} backward passes only the last one counts.",
        "fault",
        0.96,
        (
            Fact("backward passes for each step", f"{count}"),
            Fact("gradients that are there when the next pass adds to them", "none (usual when adding up: all)"),
        ),
        "Call `optimizer.zero_grad()` only after `optimizer.step()`, not in every small batch; "
        "or take a step after each backward.",
        case.place(line),
        explains=("rate-too-low", "too-few-steps", "rate-too-high", "stopped-too-early", "underfits"),
    )


def _forgets(cycle: Cycle) -> bool:
    passes = cycle.backwards
    if len(passes) < 2 or any(each.stale > 0.0 for each in passes[1:]):
        return False
    if len({each.line for each in passes}) > 1:
        return False  # losses of two kinds, each with gradients of its own
    rows = [f.rows for f in cycle.forwards if f.rows is not None]
    same = len(rows) > 1 and all(r.shape == rows[0].shape and bool((r == rows[0]).all()) for r in rows)
    places = [place for place, event in enumerate(cycle.events) if isinstance(event, Backward)]
    between = cycle.events[places[0] : places[-1]]
    return any(isinstance(event, Cleared) for event in between) and not same  # the same batch twice: a trial step


@check("loss-cleared-away")
def loss_cleared_away(case: Case) -> Iterator[Finding]:
    """Of two losses before a step the gradients of the first are cleared before anybody uses them."""
    seen = cycles(case)
    wasted = [_cleared_away(cycle) for cycle in seen]
    found = next((each for each in wasted if each is not None), None)
    if len(seen) < LEAST or found is None or share([each is not None for each in wasted]) < MOST:
        return
    first, clearing = found
    yield Finding(
        "loss-cleared-away",
        "The gradients of the first of two losses are cleared before the step: only the last one is learned from.",
        "fault",
        0.93,
        (
            Fact("backward passes before each step", "2, of different lines"),
            Fact("clearings between them", f"in {share([each is not None for each in wasted]):.0%} of the steps"),
        ),
        "One `optimizer.zero_grad()` before both, or `(loss_a + loss_b).backward()`.",
        case.place(clearing.line or first.line),
        explains=("one-batch-is-not-learned", "underfits", "one-answer-for-all", "loss-does-not-move"),
    )


def _cleared_away(cycle: Cycle) -> tuple[Backward, Cleared] | None:
    passes = cycle.backwards
    if len(passes) != 2 or len(cycle.moves) != 1 or passes[0].line == passes[1].line or passes[1].stale > 0.0:
        return None
    places = [place for place, event in enumerate(cycle.events) if isinstance(event, Backward)]
    between = cycle.events[places[0] : places[1]]
    if any(isinstance(event, Forward) for event in between):
        return None  # the weights were moved by hand in between, and asked again
    return next(((passes[0], event) for event in between if isinstance(event, Cleared)), None)


@check("accumulation-not-divided", experiment=True)
def accumulation_not_divided(case: Case) -> Iterator[Finding]:
    """Gradients of several batches are added up at a rate made for their mean."""
    seen = cycles(case)
    added = [len(c.backwards) for c in seen if len(c.backwards) > 1 and all(b.stale > 0 for b in c.backwards[1:])]
    same_line = share([len({b.line for b in c.backwards}) == 1 for c in seen])
    if len(seen) < 2 or len(added) < MOST * len(seen) or same_line < MOST:
        return
    if share([moved.carried > 0.5 for moved in case.moves[1:]]) >= 0.5:
        return  # never cleared at all
    count = sorted(added)[len(added) // 2]
    factor = _factor(case)
    if factor is None or factor < 2.0 / count:
        return
    found = trials(case)
    if not found.possible or found.adapts:  # the step of such an optimizer does not depend on the factor
        return
    divided = found.run(scale=1 / count, passes=3)
    summed = found.run(passes=3)
    helps = divided.drop > summed.drop + 0.05 * abs(found.start) or found.beats_all(divided)
    yield Finding(
        "accumulation-not-divided",
        f"The gradients of {count} batches are added up and not divided by {count}.",
        "fault" if helps else "note",
        0.92 if helps else 0.4,
        (
            Fact("backward passes for each step", f"{count}"),
            Fact("factor of each batch's loss", f"{number(factor)} (for a mean: {number(1 / count)})"),
        ),
        f"`(loss / {count}).backward()`, or a rate that is {count} times smaller.",
        case.place(next((b.line for c in seen for b in c.backwards), None)),
        Tried("loss divided", found.words(summed.end), found.words(divided.end), helps),
        ("rate-too-high", "loss-diverges", "loss-oscillates", "rate-too-low") if helps else (),
    )


def _factor(case: Case) -> float | None:
    """By what a criterion's mean is multiplied on its way to the loss."""
    for batch in case.batches:
        criterion = batch.criterion
        if criterion is None or not criterion.operation.results:
            continue
        values = batch.played()
        own = values[criterion.operation.results[0]]
        if own.numel() == 1 and float(own) != 0.0:
            return float(values[batch.loss].sum()) / float(own)
    return None
