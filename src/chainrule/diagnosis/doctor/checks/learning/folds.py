"""One network for all folds, seeds or settings: from the second one on it has learned from what is held out there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from statistics import mean

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Loaded, Made, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import Loop, functions, line_of, loops_to, reaches, spelled
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.findings import Fact, Finding, Level

FOLDS = re.compile(r"(^|[^a-z])(k?folds?|cv)([^a-z]|$)", re.I)
"""Names of what a cross-validation goes over."""
COMPARED = re.compile(r"(^|[^a-z])(seeds?|trials?|repeats?|repetitions?)([^a-z]|$)", re.I)
"""Names of what is compared, each time from the start."""
RUNS = re.compile(r"(^|[^a-z])(runs?|configs?|candidates?)([^a-z]|$)", re.I)
"""Names of what may be compared, or be a stage of one training."""
RATES = re.compile(r"(^|[^a-z])(lrs?|rates?)([^a-z]|$)", re.I)
"""Names of rates, which are compared, or are the stages of a schedule."""
SPLITTERS = re.compile(r"Fold|ShuffleSplit|LeaveOne|LeavePOut")
"""What scikit-learn calls a cross-validation."""
ANEW = frozenset({"reset_parameters", "apply", "load_state_dict", "deepcopy", "init_weights", "reset", "reset_weights"})
"""What gives a network other weights."""
GONE_ON = 0.75
"""Share of the very first loss that the loss never reaches again: a network that begins anew begins there."""
WINDOW = 4
"""Passes whose mean is a loss."""
LONG = 1.25
"""Epochs that an example is not met at the beginning or the end where it is held out; a shuffled one comes in one."""
PART = (0.04, 0.6)
"""Share of the examples that one round may hold out."""
BOTH = 0.25
"""Share of those that the first round holds out that the last may hold out too: folds have none in common."""
SETTINGS = 3
"""Rates from which on they are compared: two may be a warm-up and the rest."""


@check("model-kept-between-folds")
def kept_between_folds(case: Case) -> Iterator[Finding]:
    """A loop over folds or settings around the whole training, with one network that learns in all of its rounds."""
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
    rates = _rounds(case)
    folds = kind in ("splitter", "fold")
    held = _held_out(case) if folds else None
    judged = _of_folds(kind, held, len(rates)) if folds else _of_runs(kind, rates, complete=case.seen.complete)
    if judged is None:
        return
    level, sure = judged
    yield Finding(
        "model-kept-between-folds",
        "One network is trained on from fold to fold: it has learned from what is held out in the later ones."
        if folds
        else f"One network is trained on through all of `{spelled(loop.iter)}`: none but the first begins anew.",
        level,
        sure,
        (
            Fact("loop", f"for {spelled(loop.target)} in {spelled(loop.iter)}"[:90]),
            Fact("networks that learn in it", "1 (usual: one for each)"),
            Fact("very first loss, and the highest of what came later", f"{number(means[0])}, {number(max(later))}"),
            *((Fact("examples that are learned from in the first rounds and no more in the last", str(held)),)
              if held else ()),
            *((Fact("optimizers that follow each other over the same weights", str(len(rates))),) if rates else ()),
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
    )  # fmt: skip


def _of_folds(kind: str, held: int | None, rounds: int) -> tuple[Level, float] | None:
    """What folds prove: examples that change, where they can be told apart; else there is the text only."""
    if held is not None:
        return ("fault", 0.92) if held else None
    return ("warning", 0.6) if kind == "splitter" and rounds > 1 else None


def _of_runs(kind: str, rates: list[float], *, complete: bool) -> tuple[Level, float] | None:
    """What optimizers prove that are made anew while the network is not."""
    if kind == "rate":
        return ("fault", 0.85) if len(rates) >= SETTINGS and rates[-1] >= max(rates) > min(rates) else None
    if len(rates) > 1 and rates[-1] >= max(rates):
        return ("fault", 0.85) if kind == "compared" else ("warning", 0.6)
    return ("note", 0.5) if kind == "compared" and complete and not rates else None


def _loop(case: Case, line: int) -> tuple[ast.For, str] | None:
    """The loop over folds or runs that leads to this line, with another one within it, and no other kind around it."""
    tree = case.source.tree
    known = functions(tree)
    leading = loops_to(tree, line)
    for loop in (node for node in leading if isinstance(node, ast.For)):
        kind = _kind(loop, tree)
        if not kind or reaches(loop, ANEW, known) or _leaves(loop):
            continue
        around = [each for each in loops_to(tree, loop.lineno) if each is not loop]
        if all(isinstance(each, ast.For) and _kind(each, tree) for each in around) and len(leading) > len(around) + 1:
            return loop, kind
    return None


def _kind(loop: ast.For, tree: ast.AST) -> str:
    """What is gone through: the folds of a splitter or by name, things to compare, runs, rates, or something else."""
    over, target = spelled(loop.iter), spelled(loop.target)
    names = {node.id for node in ast.walk(loop.iter) if isinstance(node, ast.Name)}
    given = [spelled(n.value) for n in ast.walk(tree) if isinstance(n, ast.Assign) and _named(n.targets[0]) in names]
    if any(".split(" in text for text in (over, *given)) and any(SPLITTERS.search(text) for text in (over, *given)):
        return "splitter"
    if FOLDS.search(target) or FOLDS.search(over):
        return "fold"
    kinds = {"compared": COMPARED, "rate": RATES, "run": RUNS}
    return next((kind for kind, words in kinds.items() if words.search(target)), "")


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _leaves(loop: Loop) -> bool:
    """Whether the loop ends after its first round."""
    return any(isinstance(node, (ast.Break, ast.Return)) for node in loop.body)


def _rounds(case: Case) -> list[float]:
    """The first rate of each of the optimizers that one line makes over the same weights, one after the other."""
    spans: dict[int, tuple[int, int]] = {}
    for place, moved in enumerate(case.moves):
        begun = spans.get(id(moved.optimizer), (place, place))[0]
        spans[id(moved.optimizer)] = (begun, place)
    lines: dict[object, list[Made]] = {}
    for made in case.seen.of(Made):
        if id(made.optimizer) in spans:
            lines.setdefault(made.line, []).append(made)
    several = max(lines.values(), key=len, default=[])
    turns = sorted(spans[id(made.optimizer)] for made in several)
    weights = [{id(p) for p in owned_by(made.optimizer)} for made in several]
    apart = all(one[1] < other[0] for one, other in pairwise(turns))
    if len(several) < 2 or not apart or not set.intersection(*weights):
        return []
    return [max(case.moves[begun].rates, default=0.0) for begun, _ in turns]


def _held_out(case: Case) -> int | None:
    """How many examples are learned from at first and no more in the last round, while others come only later.

    In one training each example comes in the first epoch and in the last one. None where examples do not come again, so
    that nobody can tell.
    """
    calls = [f.rows for f in case.forwards if f.learning and f.rows is not None]
    if not calls:
        return None
    rows = torch.cat(calls)
    examples, which, counts = torch.unique(rows, return_inverse=True, return_counts=True)
    places = torch.arange(len(rows), dtype=torch.float64)
    first = torch.full((len(examples),), float(len(rows)), dtype=torch.float64).scatter_reduce(0, which, places, "amin")
    last = torch.zeros(len(examples), dtype=torch.float64).scatter_reduce(0, which, places, "amax")
    again = counts > 1
    if float(again.double().mean()) < 0.5:
        return None
    epoch = float(((last - first)[again] / (counts[again] - 1)).median())
    come, gone = first > LONG * epoch, len(rows) - last > LONG * epoch
    shares = [float(part.double().mean()) for part in (come, gone)]
    if not all(PART[0] <= share <= PART[1] for share in shares):
        return 0
    both = float((come & gone).double().mean())
    return int(gone.sum()) if both <= BOTH * min(shares) else 0
