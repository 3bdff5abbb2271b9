"""Sequences cut so short that most of what they say is lost."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor._rows import row_numbers
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, facts
from chainrule.diagnosis.doctor.checks.data._tokens import padding_of, tokens_of
from chainrule.diagnosis.doctor.findings import Fact, Finding

SHORT = 8
"""Tokens of one example, up to which a whole text was surely cut: sentences have about 15 words."""
FULL = 0.75
"""Share of examples that fill all places, from which the places and not the texts end them."""
TIMES = 3
"""How many times as long they were, where that can be seen."""


@check("sequences-truncated")
def sequences_truncated(case: Case) -> Iterator[Finding]:
    """Look for short rows of tokens that are all full, and for what they were cut from."""
    known = facts(case)
    tokens = tokens_of(case)
    labels = class_targets(known.train)
    if tokens is None or tokens.ndim != 2 or labels is None or len(tokens) < 50:
        return
    width = tokens.shape[1]
    padding, _ = padding_of(tokens)
    full = 1.0 if padding is None else float(((tokens != padding).sum(1) >= width).double().mean())
    longer = _longer(case, width)
    line = _cut_line(case, width)
    if longer is None and (line is None or width > SHORT or full < FULL):
        return
    yield Finding(
        "sequences-truncated",
        f"Sequences are cut to {width} tokens: most of what they say is lost.",
        "fault" if longer is not None or width <= SHORT // 2 else "warning",
        0.85 if longer is not None else 0.7 if width <= SHORT // 2 else 0.55,
        (
            Fact("examples that fill all places", f"{full:.0%} of {width} places"),
            *((Fact("tokens before they were cut", str(longer)),) if longer is not None else ()),
            *((Fact("where it is cut", case.source.line(line[1])),) if line is not None else ()),
        ),
        change="keep as many tokens as 95% of the examples have",
        where=case.place(line) if line is not None else known.place,
        explains=(*LEARNS_LITTLE, "overfits"),
    )


def _longer(case: Case, width: int) -> int | None:
    """How long the rows were that the examples were cut from, where that happened in tensors."""
    if not case.batches or not facts(case).fed:
        return None
    inputs = facts(case).fed[0].inputs
    rows = row_numbers(inputs)
    for value in case.batches[0].tape.values:
        if value.operation is not None or len(value.shape) != 2 or value.dtype != inputs.dtype:
            continue
        if value.shape[1] < TIMES * width or value.shape[0] < len(inputs):
            continue
        begins = row_numbers(value.tensor[:, :width].contiguous())
        lost = value.tensor[:, width:]
        real = float((lost != lost.mode().values.mode().values).double().mean())
        if rows is not None and begins is not None and bool(torch.isin(rows, begins).all()) and real > 0.3:
            return int(value.shape[1])
    return None


def _cut_line(case: Case, width: int) -> Line | None:
    """Where the program keeps the first so many of something."""
    if case.source.path is None:
        return None
    numbers = {
        target.id: node.value.value
        for node in ast.walk(case.source.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice) or node.slice.lower is not None:
            continue
        upper = node.slice.upper
        value = upper.value if isinstance(upper, ast.Constant) else numbers.get(getattr(upper, "id", ""))
        if value == width:
            return str(case.source.path), node.lineno
    return None
