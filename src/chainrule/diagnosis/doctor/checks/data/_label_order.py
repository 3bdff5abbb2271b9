"""Inputs and labels that are kept apart and lie in different orders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of
from chainrule.diagnosis.doctor.checks.data._facts import Fed, columns, facts
from chainrule.diagnosis.doctor.checks.data._fit import relation
from chainrule.diagnosis.doctor.checks.data._in_time import in_time
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

FITS, BARELY = 15.0, 6.0
"""Standard deviations above shuffled labels from which labels belong to the inputs, and below which they may not."""
TIMES = 4.0
"""How many times better they must fit in another order."""
EXAMPLES = 200
"""Examples that are needed."""
READ_OFF = 0.999
"""Correlation of ranks with one column, from which a label that was moved is that column."""


@dataclass(frozen=True)
class Order:
    """An order that labels may have been put in by mistake.

    Args:
        how: In words.
        places: For each input the place of its label, (N,).
        change: What puts it right.
    """

    how: str
    places: Tensor
    change: str


@check("labels-unrelated", experiment=True)
def another_order(case: Case) -> Iterator[Finding]:
    """Do inputs tell nothing of the labels as they stand, and very much of them in another order?"""
    every = whole(case)
    if every is None or case.task == "own" or len(every.inputs) < EXAMPLES or not every.inputs.is_floating_point():
        return
    found = relation(Fed(every.inputs, every.targets))
    if found is None or (given := found.told()) > BARELY:
        return
    count, node = len(every.inputs), _files(case)
    orders = [_reverse(count)]
    if node is not None:
        orders += _as_text(count)
    if not in_time(every.inputs):  # what comes next is to be forecast there
        orders += [each for each in _moved(count) if not _read_off(every.inputs, found.wanted[each.places])]
    best, order = max(((found.told(each.places), each) for each in orders), key=lambda pair: pair[0])
    if best < max(FITS, TIMES * given):
        return
    text = "as text" in order.how
    yield Finding(
        "labels-unrelated",
        f"Inputs and labels lie in different orders: {order.how}.",
        "fault",
        0.97,
        (
            Fact(
                "what inputs tell of the labels beside them", f"{given:+.1f} standard deviations from shuffled labels"
            ),
            Fact(f"of the labels when {order.how}", f"{best:+.1f}"),
        ),
        change=order.change,
        where=case.place(line_of(case, node)) if text else facts(case).place,
        explains=(*LEARNS_LITTLE, "overfits", "labels-partly-wrong"),
    )


def _as_text(count: int) -> list[Order]:
    """Numbered files, of which one list is in the order of text."""
    found, change = [], "keep name and label in one table, or sort both by the same key: key=lambda path: int(...)"
    for start in (0, 1):
        text = torch.tensor(sorted(range(count), key=lambda i: str(i + start)))
        numbered = "" if start == 0 else " (numbered from 1)"
        for first, second, places in (("inputs", "labels", text), ("labels", "inputs", text.argsort())):
            how = f"{first} are taken as sorted as text, 10 before 2{numbered}, and {second} as sorted by number"
            found.append(Order(how, places, change))
    return found


def _moved(count: int) -> list[Order]:
    """A few places on."""
    place = torch.arange(count)
    return [
        Order(
            f"labels are moved by {step:+d}",
            (place + step) % count,
            f"the label of example i is targets[i], and not targets[i {'-' if step > 0 else '+'} {abs(step)}]: drop or "
            "shift the same rows of both",
        )
        for step in (1, -1, 2, -2)
    ]


def _reverse(count: int) -> Order:
    return Order("labels are taken in reverse", torch.arange(count).flip(0), "turn round both, or neither")


def _read_off(inputs: Tensor, wanted: Tensor) -> bool:
    """Whether labels say no more than in which order of size one column's values are."""
    if wanted.shape[1] > 2:
        return False
    table, target = columns(inputs[:2000])[:, :256], wanted[:2000, 0]
    for column in table.T:
        order = column.argsort()
        steps = target[order].diff()
        changes = int((steps != 0).sum())
        classes = len(target.unique())
        if classes <= 20 and changes <= 2 * classes:
            return True
        ranks = torch.stack([column.argsort().argsort(), target.argsort().argsort()]).double()
        if classes > 20 and float(torch.corrcoef(ranks)[0, 1].abs()) > READ_OFF:
            return True
    return False


def _files(case: Case) -> ast.AST | None:
    """Where files are listed, sorted as text or in no order at all."""
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call) and name_of(node) == "sorted" and not any(k.arg == "key" for k in node.keywords):
            return node
    listing = ("listdir", "glob", "iglob", "iterdir", "scandir", "rglob", "walk")
    return next((n for n in ast.walk(case.source.tree) if isinstance(n, ast.Call) and name_of(n) in listing), None)
