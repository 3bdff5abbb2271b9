"""Steps that are not taken, or twice; backward passes that are missing."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Made, Moved, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import MOST, share, weights
from chainrule.diagnosis.doctor.checks.learning.gradients import LEAST
from chainrule.diagnosis.doctor.findings import Fact, Finding


@check("backward-never-called")
def backward_never_called(case: Case) -> Iterator[Finding]:
    """There is an optimizer, and a network is called to learn, and no gradient is ever computed."""
    made = case.seen.of(Made)
    learning = [f for f in case.forwards if f.learning]
    if case.seen.of(Backward) or not made or not learning or any(moved.norm > 0 for moved in case.moves):
        return
    if case.seen.error is not None or (len(learning) < LEAST and not case.moves):
        return
    if any(weight.moved for weight in weights(case)):
        return  # gradients that were computed in a way that is not seen
    yield Finding(
        "backward-never-called",
        "No gradient is ever computed: there is no `loss.backward()`.",
        "fault",
        0.96,
        (
            Fact("calls of the network in training mode", f"{len(learning)}"),
            Fact("backward passes", "0 (usual: one for each step)"),
            Fact("steps", f"{len(case.moves)}, none of which changed a weight"),
        ),
        "`loss.backward()` before `optimizer.step()`.",
        case.place(learning[0].line),
        explains=LEARNS_NOTHING,
    )


@check("step-never-called")
def step_never_called(case: Case) -> Iterator[Finding]:
    """Gradients are computed, and an optimizer never steps."""
    passes = case.seen.of(Backward)
    if len(passes) < LEAST:
        return
    taken = {id(moved.optimizer) for moved in case.moves}
    still = {id(w.tensor): w for w in weights(case) if w.reached and not w.moved}
    moved = {id(p) for each in case.moves for p in owned_by(each.optimizer)}
    for made in case.seen.of(Made):
        members = owned_by(made.optimizer)
        idle = [p for p in members if id(p) in still and id(p) not in moved]
        if id(made.optimizer) in taken or not idle or len(idle) < 0.5 * len(members):
            continue
        yield Finding(
            "step-never-called",
            "Gradients are computed and the optimizer never takes a step.",
            "fault",
            0.97 if not taken else 0.9,
            (
                Fact("backward passes", f"{len(passes)}"),
                Fact("steps of this optimizer", "0 (usual: one for each backward pass)"),
                Fact("weights that are as they were at first", f"{len(idle)} of {len(members)} tensors"),
            ),
            "`optimizer.step()` after `loss.backward()`.",
            case.place(passes[0].line),
            explains=LEARNS_NOTHING,
        )
        return


@check("step-called-twice")
def step_called_twice(case: Case) -> Iterator[Finding]:
    """Two steps with one gradient."""
    last: Moved | None = None
    again: list[bool] = []
    for event in case.seen.events:
        if isinstance(event, Backward):
            last = None
        elif isinstance(event, Moved):
            if last is not None and last.optimizer is event.optimizer and event.norm > 0:
                again[-1] = True
            else:
                again.append(False)
                last = event
    if len(again) < LEAST or share(again) < MOST:
        return
    yield Finding(
        "step-called-twice",
        "The optimizer takes more than one step with the same gradient.",
        "fault",
        0.75,
        (Fact("gradients that more than one step was taken with", f"{share(again):.0%} (usual: none)"),),
        "One `optimizer.step()` for each `loss.backward()`.",
        case.place(last.line if last else None),
        explains=("rate-too-high", "loss-oscillates"),
    )
