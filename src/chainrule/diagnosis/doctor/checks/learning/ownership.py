"""Whose weights the optimizers have: those of the network that learns, all of them, from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Made, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import Weight, looks_random, weights
from chainrule.diagnosis.doctor.checks.learning.gradients import LEAST
from chainrule.diagnosis.doctor.findings import Fact, Finding


@check("optimizer-of-another-model")
def optimizer_of_another_model(case: Case) -> Iterator[Finding]:
    """None of the optimizers' weights ever gets a gradient, and the network's weights do."""
    owned = case.owned
    reached = [w for w in weights(case) if w.reached and w.tensor.requires_grad]
    if not case.moves or not reached or not owned or len(case.losses) < LEAST:
        return
    if owned & case.seen.reached or any(w.moved for w in reached):
        return
    made = next((m for m in case.seen.of(Made)), None)
    yield Finding(
        "optimizer-of-another-model",
        "The optimizer holds the parameters of another model than the one that is trained.",
        "fault",
        0.98,
        (
            Fact("parameters of the network that get a gradient", f"{len(reached)}"),
            Fact("of these in the optimizer", "0 (usual: all)"),
            Fact("tensors that the optimizer holds", f"{len(owned)}, none of which ever gets a gradient"),
        ),
        "Make the optimizer from `model.parameters()` of the model that is called, after it was made, copied or moved.",
        case.place(made.line if made else None),
        explains=(*LEARNS_NOTHING, "parameters-left-out"),
    )


@check("parameters-left-out")
def parameters_left_out(case: Case) -> Iterator[Finding]:
    """Weights that get a gradient, and that nobody moves."""
    found = weights(case)
    owned = case.owned
    if not case.moves or len(case.losses) < LEAST or not owned & case.seen.reached:
        return
    still = [w for w in found if w.reached and not w.owned and not w.moved and w.tensor.requires_grad]
    moved = [w for w in found if w.reached and w.owned]
    loose = {id(tensor) for tensor in case.seen.loose.values()}
    inside = [w for w in still if id(w.tensor) not in loose]
    if inside:
        yield _left_out(case, inside, moved)


def _left_out(case: Case, still: list[Weight], moved: list[Weight]) -> Finding:
    """One network's weights that the optimizer should have, or a part that was made elsewhere and is kept."""
    random = [looks_random(w.tensor) for w in still if w.tensor.ndim >= 2]
    thawed = [w for w in still if id(w.tensor) in case.seen.frozen]  # somebody wanted them to learn from then on
    trained = any(each is False for each in random) and not any(random) and not thawed
    share = _elements(still) / (_elements(still) + _elements(moved))
    made = next((m for m in case.seen.of(Made)), None)
    names = ", ".join(w.name for w in still[:4]) + (" ..." if len(still) > 4 else "")
    return Finding(
        "parameters-left-out",
        "Weights that were frozen are thawed later on, and no optimizer ever gets them: they never change."
        if thawed
        else "Weights that get a gradient are in no optimizer and never change.",
        "note" if trained else "fault",
        0.4 if trained else 0.95 if any(random) or share > 0.02 else 0.8,
        (
            Fact("weights in no optimizer", names),
            Fact("their share of all that get a gradient", f"{share:.1%} (usual: 0 %)"),
            Fact("frozen when the optimizer was made, and thawed since", f"{len(thawed)} tensors")
            if thawed
            else Fact("they look", "trained" if trained else "as they were drawn at random, or set, at first"),
        ),
        "optimizer.add_param_group({'params': ...}) when they are thawed, or give it all `model.parameters()` at first."
        if thawed
        else "Give the optimizer `model.parameters()`; set `requires_grad_(False)` for what is to stay as it is.",
        case.place(made.line if made else None),
        explains=() if trained else ("rate-too-low", "underfits", "loss-does-not-move", "rate-too-high"),
    )


def _elements(found: list[Weight]) -> int:
    return sum(w.tensor.numel() for w in found)


HALF = 0.4
"""Share of a network's weights from which on it is a loss that they stay as they were drawn."""


@check("frozen-at-random")
def frozen_at_random(case: Case) -> Iterator[Finding]:
    """Weights that are kept from learning, and that nobody has ever trained."""
    network = case.network
    if network is None or len(case.losses) < LEAST:
        return
    own = {id(p) for p in network.parameters()}
    used = case.rehearsal.used
    mine = [w for w in weights(case) if id(w.tensor) in own]
    frozen = [w for w in mine if not w.tensor.requires_grad and not w.moved and id(w.tensor) in used]
    random = [w for w in frozen if looks_random(w.tensor)]
    told = [w for w in frozen if looks_random(w.tensor) is not None]
    if not random or len(random) < len(told):
        return
    part = _elements(random) / _elements(mine)
    yield Finding(
        "frozen-at-random",
        "Weights are frozen (requires_grad is False) as they were drawn: nobody has ever trained them.",
        "fault" if part >= HALF else "note",
        0.75 if part >= HALF else 0.4,
        (
            Fact("frozen and random", ", ".join(w.name for w in random[:4])),
            Fact("share of the network's weights", f"{part:.0%}"),
            Fact("largest singular value", "as of a random matrix (trained ones have directions that stand out)"),
        ),
        "Load the trained weights before freezing, or do not freeze.",
        explains=("underfits", "rate-too-low"),
    )


@check("optimizer-made-anew")
def optimizer_made_anew(case: Case) -> Iterator[Finding]:
    """Optimizers that follow each other over the same weights: what the one has gathered, the next does not know."""
    made: list[Made] = case.seen.of(Made)
    steps = {id(m.optimizer): 0 for m in made}
    for moved in case.moves:
        steps[id(moved.optimizer)] = steps.get(id(moved.optimizer), 0) + 1
    groups: dict[frozenset[int], list[Made]] = {}
    for each in made:
        members = owned_by(each.optimizer)
        if steps[id(each.optimizer)]:
            groups.setdefault(frozenset(map(id, members)), []).append(each)
    again = max(groups.values(), key=len, default=[])
    if len(again) < 3 or len({each.line for each in again}) > 1:
        return
    counts = sorted(steps[id(each.optimizer)] for each in again)
    middle = counts[len(counts) // 2]
    state = [key for key, value in again[0].optimizer.state.items() if _gathers(value)]
    every = middle <= 2
    yield Finding(
        "optimizer-made-anew",
        "A new optimizer is made again and again, and what the one before has gathered is lost.",
        "note" if not state else "fault" if every else "warning",
        0.4 if not state else 0.9 if every else 0.55,
        (
            Fact("optimizers made over the same weights", f"{len(again)} (usual: 1)"),
            Fact("steps of each", f"{middle}"),
            Fact("what is lost each time", "momentum or averages of gradients" if state else "nothing"),
        ),
        "Make the optimizer once, before the loop.",
        case.place(again[0].line),
        explains=("rate-too-low", "rate-too-high") if state and every else (),
    )


def _gathers(state: object) -> bool:
    return isinstance(state, dict) and any(
        isinstance(value, Tensor) and value.ndim > 0 for name, value in state.items() if name != "step"
    )
