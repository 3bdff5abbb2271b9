"""Copies that are none: a network that is to stay behind, and is the very one that learns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Forward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of, loops_to, name_of, spelled
from chainrule.diagnosis.doctor.checks.learning._loop import MOST, cycles, share
from chainrule.diagnosis.doctor.findings import Fact, Finding

COPY = re.compile(
    r"(^|_)(teacher|target|ema|averaged?|avg|frozen|old|reference|ref|initial|init|slow|momentum)(_|$)", re.I
)
"""Names of a network that is to stay behind the one that learns."""
NETWORK = re.compile(r"(model|net|network|encoder|policy|student|online|actor|critic|q|critics?)$", re.I)
"""Names of networks."""
UPDATES = frozenset({"parameters", "state_dict", "load_state_dict", "named_parameters"})
"""What an update of the copy goes through."""


@check("copy-is-the-network-itself")
def copy_is_itself(case: Case) -> Iterator[Finding]:
    """`teacher = model`, where the teacher is asked in each step, or is to follow, and the one that learns answers."""
    tree = case.source.tree
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign) and len(each.targets) == 1):
        target, value = node.targets[0], node.value
        if not isinstance(target, (ast.Name, ast.Attribute)) or not isinstance(value, (ast.Name, ast.Attribute)):
            continue
        copy, source = (spelled(each).rpartition(".")[2] for each in (target, value))
        if not COPY.search(copy) or COPY.search(source) or not NETWORK.search(source) or _given_else(tree, node):
            continue
        asked, everywhere = _asked(case, copy)
        follows = _updated(case, copy)
        if asked <= MOST and not (everywhere and follows):
            continue
        yield Finding(
            "copy-is-the-network-itself",
            f"`{spelled(node)}` makes no copy: both names stand for the one network, which goes on learning.",
            "fault",
            0.93,
            (
                Fact("statement", spelled(node)),
                Fact(f"calls of `{copy}` that the network answered which learns", f"{everywhere}"),
                Fact("steps in which both were asked", f"{asked:.0%}"),
                *((Fact("what is to make it follow", follows),) if follows else ()),
            ),
            f"`{spelled(target)} = copy.deepcopy({spelled(value)})`.",
            case.place(line_of(case, node)),
            explains=("best-weights-not-copied", "gradients-in-evaluation", "loss-oscillates"),
        )
        return


def _given_else(tree: ast.AST, node: ast.Assign) -> bool:
    """Whether the name is given something else anywhere: in another branch, or later on."""
    target = spelled(node.targets[0])
    others = (each for each in ast.walk(tree) if isinstance(each, ast.Assign) and each is not node)
    return any(
        spelled(t) == target and not (isinstance(each.value, ast.Constant) and each.value.value is None)
        for each in others
        for t in each.targets
    )


def _asked(case: Case, copy: str) -> tuple[float, int]:
    """The share of the steps for which the learning network is asked under this name and once more; all its calls."""
    learning = {id(f.module) for f in case.forwards if f.learning}
    written = [c for c in calls(case.source.tree) if name_of(c) == copy]
    lines = {line for c in written for line in range(c.lineno, (c.end_lineno or c.lineno) + 1)}

    def under(event: Forward) -> bool:
        return id(event.module) in learning and event.line is not None and event.line[1] in lines

    both = []
    for cycle in cycles(case):
        asked = [e for e in cycle.events if isinstance(e, Forward) and id(e.module) in learning]
        both.append(len(asked) > 1 and any(map(under, asked)))
    return share(both), sum(under(f) for f in case.forwards)


def _updated(case: Case, copy: str) -> str:
    """In the loops of the training: what gives the copy other weights; empty where nothing does."""
    line = next((m.line[1] for m in case.moves if m.line), 0)
    for loop in loops_to(case.source.tree, line):
        for call in calls(loop, UPDATES):
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if owner is not None and spelled(owner).rpartition(".")[2] == copy:
                return spelled(call)
    return ""
