"""The order in which examples come: sorted, always the same few, used up, or none at all."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Forward, Line, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Facts, class_targets, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

BLOCK = 8
"""Examples that a share of classes is counted over, at least: smaller batches are put together."""
BETWEEN = 0.5
"""Share of the variance that lies between batches and not within them; 1 / batch size in shuffled data."""
REPEATED = 3
"""Passes over the same evaluation after the last step, from which the training went on without steps."""


@check("no-steps")
def no_steps(case: Case) -> Iterator[Finding]:
    """Look for trainings that never took an example."""
    if case.moves or case.seen.of(Backward) or [f for f in case.forwards if f.learning]:
        return
    if not case.optimizers and not case.forwards:
        return
    empty = [made for made in case.seen.loaders if _empty(made)]
    facts_ = [Fact("steps, backward passes", "0, 0"), Fact("calls of networks", str(len(case.forwards)))]
    for made in empty[:1]:
        facts_.append(Fact("a loader without batches", f"{made['size']} examples, batches of {made['batch_size']}, "
                           f"drop_last={made['drop_last']}"))  # fmt: skip
    if case.seen.error is not None and not empty:
        return  # something else ended it before
    yield Finding(
        "no-steps",
        "The training took no step at all" + (": its loader has no batch." if empty else "."),
        "fault",
        0.98 if empty else 0.9,
        tuple(facts_),
        change="a batch that is no larger than the data, or drop_last=False"
        if empty
        else "look at what the loop runs over: an empty list, a range of zero steps, an iterator already used",
        where=case.place(empty[0].get("line")) if empty else "",
        explains=(
            *LEARNS_LITTLE,
            "step-never-called",
            "backward-never-called",
            "classes-uneven",
            "trained-in-evaluation-mode",
        ),
    )


def _empty(made: dict[str, Any]) -> bool:
    size, batch = made.get("size"), made.get("batch_size")
    if not isinstance(size, int) or not isinstance(batch, int):
        return False
    return size == 0 or bool(made.get("drop_last") and batch > size)


@check("iterator-used-up")
def iterator_used_up(case: Case) -> Iterator[Finding]:
    """Look for evaluations that go on after the last step, and for iterators made once and gone through many times."""
    if not case.moves:
        return
    after = _repeated_after_last(case)
    line = _used_up_line(case)
    if not line and after < REPEATED:
        return
    if line and not after and case.seen.error is None and not _only_one_pass(case):
        return
    yield Finding(
        "iterator-used-up",
        "The training data are an iterator that is used up after the first epoch: later epochs have no batch.",
        "fault",
        0.95 if line and after else 0.85 if line else 0.75,
        (
            Fact("steps", str(len(case.moves))),
            Fact("evaluations of the same examples after the last step", str(after)),
            *((Fact("made once", case.source.line(line[1])),) if line else ()),
        ),
        change="make it anew in each epoch (for batch in loader:), or keep a list instead of an iterator",
        where=case.place(line),
        explains=LEARNS_LITTLE,
    )


def _only_one_pass(case: Case) -> bool:
    known = facts(case)
    total = sum(len(rows) for rows in known.rows)
    return total <= 1.05 * len(known.known)


def _repeated_after_last(case: Case) -> int:
    """How often the commonest evaluation call came after the last step, of the same place and examples."""
    last = max((i for i, e in enumerate(case.seen.events) if isinstance(e, Moved)), default=0)
    counts: dict[tuple[Any, ...], int] = {}
    for event in case.seen.events[last:]:
        if (
            isinstance(event, Forward)
            and not event.learning
            and event.rows is not None
            and event.module is case.network
        ):
            key = (int(event.rows.sum()), len(event.rows), event.line)
            counts[key] = counts.get(key, 0) + 1
    return max(counts.values(), default=0)


def _used_up_line(case: Case) -> Line | None:
    """Where an iterator is made that a loop inside of a later loop goes through."""
    if case.source.path is None:
        return None
    generators = {
        node.name
        for node in ast.walk(case.source.tree)
        if isinstance(node, ast.FunctionDef) and any(isinstance(i, (ast.Yield, ast.YieldFrom)) for i in ast.walk(node))
    }
    made = {
        target.id: node.lineno
        for node in ast.walk(case.source.tree)
        if isinstance(node, ast.Assign) and _is_iterator(node.value, generators)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for outer in ast.walk(case.source.tree):
        if not isinstance(outer, (ast.For, ast.While)):
            continue
        for inner in ast.walk(outer):
            if (
                inner is outer
                or not isinstance(inner, ast.For)
                or any(isinstance(i, ast.Break) for i in ast.walk(inner))
            ):
                continue
            for name in _gone_through(inner.iter):
                if name in made and not outer.lineno <= made[name] <= (outer.end_lineno or outer.lineno):
                    return str(case.source.path), made[name]
    return None


def _is_iterator(value: ast.expr, generators: set[str]) -> bool:
    if isinstance(value, ast.GeneratorExp):
        return True
    names = {"iter", "zip", "map", "filter", "enumerate", "reversed"} | generators
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in names


def _gone_through(value: ast.expr) -> list[str]:
    """The name that a loop goes through, bare or in `enumerate(...)`, `tqdm(...)`."""
    if isinstance(value, ast.Name):
        return [value.id]
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("enumerate", "tqdm"):
        return [argument.id for argument in value.args[:1] if isinstance(argument, ast.Name)]
    return []


@check("data-not-shuffled", experiment=True)
def not_shuffled(case: Case) -> Iterator[Finding]:
    """Look for batches of one class, and numbers in order; train again with the same examples drawn at random."""
    known = facts(case)
    fed = known.fed
    if len(fed) < 4 or len(case.networks) > 1 or any(f.targets is None or not f.paired for f in fed):
        return
    batches = [class_targets(f) for f in fed]
    if all(b is not None for b in batches) and case.task in ("classes", "yes or no"):
        yield from _classes_in_order(case, known, [b for b in batches if b is not None])
    elif case.task == "numbers":
        yield from _numbers_in_order(case, known)


def _classes_in_order(case: Case, known: Facts, batches: list[Tensor]) -> Iterator[Finding]:
    every = torch.cat(batches)
    if len(every) < 4 * BLOCK or int(every.min()) < 0:
        return
    blocks = every.split(max(BLOCK, len(batches[0])))
    purest = sum(float(torch.bincount(b).max()) / len(b) for b in blocks) / len(blocks)
    valid = class_targets(known.valid)
    wider = valid if valid is not None and len(valid) > 30 and int(valid.min()) >= 0 else every
    usual = float(torch.bincount(wider).max()) / len(wider)
    majority = [int(torch.bincount(block).argmax()) for block in blocks]
    changes = sum(a != b for a, b in itertools.pairwise(majority))
    more = len(known.known) > 1.3 * len(every) or valid is not None
    one = len(every.unique()) == 1 and more and len(wider.unique()) > 1 and _surely_not_chance(wider, every)
    sorted_ = len(every.unique()) > 1 and between(blocks) > BETWEEN and changes <= max(2, len(blocks) // 3)
    if not (one or sorted_) or purest < usual + 0.2:
        return
    yield Finding(
        "data-not-shuffled",
        "The examples come sorted by class: batches are of one class each.",
        "fault",
        0.93,
        (
            Fact("share of a batch's most frequent class, in the mean", f"{purest:.0%} (all examples: {usual:.0%})"),
            Fact("classes in the order in which they come", str([k for k, _ in _runs(majority)][:12])),
        ),
        change="shuffle=True, or a new torch.randperm in each epoch",
        where=known.place,
        explains=(
            *LEARNS_LITTLE,
            "class-missing",
            "classes-uneven",
            "target-constant",
            "rate-too-high",
            "loss-diverges",
            "validation-prepared-differently",
            "labels-unrelated",
        ),
    )


def _surely_not_chance(wider: Tensor, every: Tensor) -> bool:
    share = float((wider == every[0]).double().mean())
    return share ** len(every) < 1e-6


def _runs(values: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1] = value, runs[-1][1] + 1
        else:
            runs.append((value, 1))
    return runs


def between(blocks: tuple[Tensor, ...]) -> float:
    """The share of the variance of class membership that lies between blocks.

    Example:
        >>> between((torch.tensor([0, 0, 0, 0]), torch.tensor([1, 1, 1, 1])))
        1.0
    """
    blocks = tuple(block for block in blocks if len(block))
    if not blocks:
        return 0.0
    classes = int(max(block.max() for block in blocks)) + 1
    hot = [torch.nn.functional.one_hot(block, classes).double() for block in blocks]
    means = torch.stack([block.mean(0) for block in hot])
    total = torch.cat(hot).var(0, correction=0).sum()
    return float(means.var(0, correction=0).sum() / total) if float(total) > 0 else 0.0


def _numbers_in_order(case: Case, known: Facts) -> Iterator[Finding]:
    targets = [f.targets.reshape(len(f.targets), -1)[:, 0].double() for f in known.fed if f.targets is not None]
    every = torch.cat(targets)
    blocks = every.split(max(BLOCK, len(targets[0])))
    shapes = {(f.inputs.shape, None if f.targets is None else f.targets.shape) for f in known.fed[:-1]}
    if len(blocks) < 4 or len(shapes) != 1 or float(every.var()) == 0:
        return
    means = torch.stack([block.mean() for block in blocks])
    share = float(means.var(correction=0) / every.var(correction=0))
    steps = means.diff()
    if share < BETWEEN or float((steps.sign() == steps.sign().mode().values).double().mean()) < 0.8:
        return
    full = known.fed[:-1]
    order = torch.randperm(sum(len(f.inputs) for f in full), generator=torch.Generator().manual_seed(0))
    inputs = torch.cat([f.inputs for f in full])[order].split(len(full[0].inputs))
    wanted = torch.cat([f.targets for f in full if f.targets is not None])[order].split(len(full[0].inputs))
    before = again(case)
    after = again(case, inputs=dict(enumerate(inputs)), targets=dict(enumerate(wanted)))
    old, new = compare(before, after, count=len(full))
    yield Finding(
        "data-not-shuffled",
        "The examples come sorted by their targets.",
        "fault" if new < 0.8 * old else "note",
        0.85 if new < 0.8 * old else 0.4,
        (Fact("share of the targets' variance that lies between batches", f"{share:.0%}"),),
        change="shuffle=True, or a new torch.randperm in each epoch",
        where=known.place,
        tried=Tried("the same examples drawn at random", f"loss {old:.4g}", f"loss {new:.4g}", new < 0.8 * old),
        explains=(*LEARNS_LITTLE, "rate-too-high"),
    )
