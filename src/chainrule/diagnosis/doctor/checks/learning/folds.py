"""One network for all folds, seeds or settings: from the second one on it has learned from what is held out there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from statistics import mean

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Loaded, Made, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import Loop, calls, functions, line_of, loops, name_of, reaches, spelled
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.findings import Fact, Finding

FOLDS = re.compile(r"(^|[^a-z])(k?folds?|cv|splits?|splitter)([^a-z]|$)|fold", re.I)
"""Names of what a cross-validation goes over."""
RUNS = re.compile(
    r"(^|[^a-z])(seeds?|runs?|trials?|repeats?|repetitions?|lr|lrs|rates?|configs?|candidates?)([^a-z]|$)", re.I
)
"""Names of what is compared, each time from the start."""
SPLITTERS = re.compile(r"Fold|ShuffleSplit|LeaveOne|LeavePOut")
"""What scikit-learn calls a cross-validation."""
ANEW = frozenset({"reset_parameters", "apply", "load_state_dict", "deepcopy", "init_weights", "reset", "reset_weights"})
"""What gives a network other weights."""
GONE_ON = 0.75
"""Share of the very first loss that the loss never reaches again: a network that begins anew begins there."""
WINDOW = 4
"""Passes whose mean is a loss."""


@check("model-kept-between-folds")
def kept_between_folds(case: Case) -> Iterator[Finding]:
    """A loop over folds or settings around the whole training, with one network that is made outside of it."""
    learning = {id(f.module) for f in case.forwards if f.learning}
    first = next((f for f in case.forwards if f.learning), None)
    if len(learning) != 1 or first is None or case.seen.of(Loaded) or len(case.losses) < 8 * WINDOW:
        return
    found = _loop(case, first.line[1] if first.line else 0)
    if found is None:
        return
    loop, kind = found
    means = [mean(case.losses[i : i + WINDOW]) for i in range(0, len(case.losses) - WINDOW + 1, WINDOW)]
    later = means[max(1, len(means) // 6) :]
    if not max(later) < GONE_ON * means[0]:
        return
    made = case.seen.of(Made)
    folds = kind == "fold"
    yield Finding(
        "model-kept-between-folds",
        "One network is trained on from fold to fold: it has learned from what is held out in the later ones."
        if folds
        else f"One network is trained on through all of `{spelled(loop.iter)}`: none but the first begins anew.",
        "fault",
        0.92 if folds else 0.85,
        (
            Fact("loop", f"for {spelled(loop.target)} in {spelled(loop.iter)}"[:90]),
            Fact("networks that learn in it", "1, made before it (usual: one for each)"),
            Fact("very first loss, and the highest of what came later", f"{number(means[0])}, {number(max(later))}"),
            Fact(
                "optimizers over the same weights", str(len({id(m.optimizer) for m in made if owned_by(m.optimizer)}))
            ),
        ),
        "Make the network and its optimizer in the loop, at the beginning of each fold.",
        case.place(line_of(case, loop)),
        explains=(
            "optimizer-made-anew",
            "metric-on-training-data",
            "validation-among-training",
            "learns-from-validation",
            "augmentation-in-evaluation",
        ),
    )


def _loop(case: Case, line: int) -> tuple[ast.For, str] | None:
    """The loop over folds or runs in which the network is called to learn, another loop within it, and none is made."""
    tree = case.source.tree
    known = functions(tree)
    makers = _makers(tree)
    holders = frozenset(name for name, f in known.items() if f.lineno <= line <= (f.end_lineno or f.lineno))
    for loop in (node for node in loops(tree) if isinstance(node, ast.For)):
        inside = loop.lineno <= line <= (loop.end_lineno or loop.lineno)
        if not inside and not (holders and reaches(loop, holders, known)):
            continue
        kind = _kind(loop, tree)
        if not kind or reaches(loop, ANEW | makers, known) or _leaves(loop):
            continue
        if kind == "run" and not (_deep(loop) or any(_deep(known[name]) for name in holders)):
            continue
        return loop, kind
    return None


def _kind(loop: ast.For, tree: ast.AST) -> str:
    """What is gone through: folds, runs, or something else."""
    over, target = spelled(loop.iter), spelled(loop.target)
    names = {node.id for node in ast.walk(loop.iter) if isinstance(node, ast.Name)}
    given = [spelled(n.value) for n in ast.walk(tree) if isinstance(n, ast.Assign) and _named(n.targets[0]) in names]
    split = ".split(" in over or any(".split(" in text for text in given)
    if split and any(SPLITTERS.search(text) for text in (over, *given)):
        return "fold"
    if split and any(SPLITTERS.search(spelled(n.value)) and f"{_named(n.targets[0])}.split" in over
                     for n in ast.walk(tree) if isinstance(n, ast.Assign)):  # fmt: skip
        return "fold"
    if FOLDS.search(target) or (FOLDS.search(over) and "split(" not in over):
        return "fold"
    return "run" if RUNS.search(target) else ""


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _makers(tree: ast.AST) -> frozenset[str]:
    """Classes of the program that are networks, torch's own containers, and functions that return one."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names = {c.name for c in classes if any("Module" in spelled(base) or "nn." in spelled(base) for base in c.bases)}
    names |= {"Sequential", "build_model", "make_model", "create_model", "get_model", "Linear"}
    made: set[str] = set()
    for name, function in functions(tree).items():
        for node in ast.walk(function):
            given = node.value if isinstance(node, ast.Return) else None
            if given is not None and any(name_of(each) in names for each in calls(given)):
                made.add(name)
    return frozenset(names | made)


def _leaves(loop: Loop) -> bool:
    """Whether the loop ends after its first round."""
    return any(isinstance(node, (ast.Break, ast.Return)) for node in loop.body)


def _deep(node: ast.AST) -> bool:
    """Whether loops stand in each other in there: over epochs, and over batches."""
    return any(inner is not outer for outer in loops(node) if outer is not node for inner in loops(outer))
