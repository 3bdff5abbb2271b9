"""Things that belong together and do not: two optimizers of one weight, a schedule of an optimizer that never steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations, pairwise

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Moved, Scheduled, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.learning.schedules import EXPLAINED, FEW, stepped_times
from chainrule.diagnosis.doctor.findings import Fact, Finding

TURNS = 8
"""Changes from one optimizer to another from which on they take turns, and do not follow each other once."""
COPY = re.compile(
    r"(^|_)(teacher|target|ema|averaged?|avg|frozen|old|reference|ref|initial|init|slow|momentum)(_|$)", re.I
)
"""Names of a network that is to stay behind the one that learns."""
NETWORK = re.compile(r"(model|net|network|encoder|policy|student|online|actor|critic|q|critics?)$", re.I)
"""Names of networks."""


@check("weights-in-two-optimizers")
def two_optimizers(case: Case) -> Iterator[Finding]:
    """Optimizers that take turns, both of which hold, and move, the same weights."""
    steps: dict[int, list[Moved]] = {}
    for moved in case.moves:
        steps.setdefault(id(moved.optimizer), []).append(moved)
    for one, other in combinations(list(steps.values())[:6], 2):
        mine, theirs = ({id(p): p for p in owned_by(each[0].optimizer)} for each in (one, other))
        both = mine.keys() & theirs.keys() & case.seen.reached
        order = [id(m.optimizer) for m in case.moves if m.optimizer in (one[0].optimizer, other[0].optimizer)]
        turns = sum(a != b for a, b in pairwise(order))
        if not both or turns < TURNS or not one[0].norm or not other[0].norm:
            continue
        if len(both) == len(mine) == len(theirs):
            continue  # two ways to move all of them, such as a hybrid of two methods
        elements = sum(mine[key].numel() for key in both)
        yield Finding(
            "weights-in-two-optimizers",
            "Two optimizers that take turns hold the same weights: each moves what the other is to learn.",
            "warning",
            0.8,
            (
                Fact("weights that both hold", f"{len(both)} tensors, {elements:,} numbers"),
                Fact("of the one's and the other's tensors", f"{len(mine)}, {len(theirs)}"),
                Fact("times that one follows the other", str(turns)),
            ),
            "Give each optimizer the parameters of its own network or part only.",
            case.place(case.optimizer_line),
            explains=("loss-oscillates", "rate-too-high"),
        )
        return


@check("schedule-of-another-optimizer")
def schedule_of_another(case: Case) -> Iterator[Finding]:
    """A schedule that is stepped, whose optimizer takes no step while another one does."""
    made: list[Scheduled] = case.seen.of(Scheduled)
    moved = {id(m.optimizer): m.optimizer for m in case.moves}
    for each in made:
        optimizer = getattr(each.scheduler, "optimizer", None)
        if optimizer is None or id(optimizer) in moved or len(case.moves) < FEW or stepped_times(each.scheduler) < 2:
            continue
        weights = {id(p) for p in owned_by(optimizer)}
        others = [o for o in moved.values() if weights & {id(p) for p in owned_by(o)}]
        if not others or any(getattr(m.scheduler, "optimizer", None) is o for m in made for o in others):
            continue
        yield Finding(
            "schedule-of-another-optimizer",
            "The schedule moves the rate of an optimizer that takes no step; the one that does keeps its own.",
            "fault",
            0.94,
            (
                Fact("steps of the schedule", str(stepped_times(each.scheduler))),
                Fact("steps of its optimizer, and of the other", f"0, {len(case.moves)}"),
                Fact(
                    "rate of the other at first and at last", f"{case.moves[0].rates[0]:g}, {case.moves[-1].rates[0]:g}"
                ),
            ),
            "Make the schedule after the optimizer that is used, and from it.",
            case.place(each.line),
            explains=EXPLAINED,
        )
        return


@check("copy-is-the-network-itself")
def copy_is_itself(case: Case) -> Iterator[Finding]:
    """A network that is to stay behind, which is given the very one that learns: `teacher = model`."""
    tree = case.source.tree
    networks = {
        spelled(node.func.value)
        for node in calls(tree, frozenset({"parameters", "train", "eval"}))
        if isinstance(node.func, ast.Attribute)
    }
    taught = {
        name for node in calls(tree) if "optim" in spelled(node.func) or name_of(node) in ("Adam", "AdamW", "SGD")
        for name in networks if any(f"{name}.parameters()" in spelled(a) for a in node.args)
    }  # fmt: skip
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target, value = spelled(node.targets[0]), spelled(node.value)
        plain = isinstance(node.value, (ast.Name, ast.Attribute)) and isinstance(
            node.targets[0], (ast.Name, ast.Attribute)
        )
        last, source = target.rpartition(".")[2], value.rpartition(".")[2]
        if not plain or value not in taught or not COPY.search(last) or not NETWORK.search(source) or target in taught:
            continue
        if COPY.search(source) or not any(name_of(c) == last or spelled(c.func) == target for c in calls(tree)):
            continue
        yield Finding(
            "copy-is-the-network-itself",
            f"`{target} = {value}` makes no copy: both names stand for the one network, which goes on learning.",
            "fault",
            0.93,
            (Fact("statement", f"{target} = {value}"), Fact("what learns", f"{value}.parameters()")),
            f"`{target} = copy.deepcopy({value})`.",
            case.place(line_of(case, node)),
            explains=("best-weights-not-copied", "gradients-in-evaluation", "loss-oscillates"),
        )
        return


@check("patience-never-reset")
def patience_never_reset(case: Case) -> Iterator[Finding]:
    """A count of epochs without progress that progress does not set back, and that ends the training."""
    for branch in (node for node in ast.walk(case.source.tree) if isinstance(node, ast.If)):
        if not branch.orelse or not isinstance(branch.test, ast.Compare) or "best" not in spelled(branch.test).lower():
            continue
        counted = [
            spelled(s.target) for s in branch.orelse
            if isinstance(s, ast.AugAssign) and isinstance(s.op, ast.Add) and spelled(s.value) == "1"
        ]  # fmt: skip
        for name in counted:
            given = [
                t for n in ast.walk(case.source.tree) if isinstance(n, ast.Assign)
                for target in n.targets for t in ast.walk(target)
                if spelled(t) == name and n.lineno >= branch.lineno
            ]  # fmt: skip
            ends = [
                n for n in ast.walk(case.source.tree)
                if isinstance(n, ast.If) and name in spelled(n.test).split() and n is not branch
                and any(isinstance(s, (ast.Break, ast.Return)) for b in n.body for s in ast.walk(b))
            ]  # fmt: skip
            if given or not ends:
                continue
            yield Finding(
                "patience-never-reset",
                f"`{name}` counts all epochs without progress, and not those in a row: progress does not set it back.",
                "warning",
                0.85,
                (Fact("counted", f"{name} += 1"), Fact("ends the training", spelled(ends[0].test))),
                f"`{name} = 0` where the best is renewed.",
                case.place(line_of(case, branch)),
                explains=("stopped-too-early", "too-few-steps", "underfits"),
            )
            return
