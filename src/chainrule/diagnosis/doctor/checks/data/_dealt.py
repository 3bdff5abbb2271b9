"""How examples are dealt to steps: some never, some in batch after batch, none at all."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import NOT_FINITE
from chainrule.diagnosis.doctor.checks._program import line_of
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

LEFT = 1.5
"""Examples that a data set holds over those that it gives out, from which somebody did not mean it."""
OVERLAP = 0.5
"""Share of a batch that stood in the one before, from which slices overlap."""
PAIRS = 0.8
"""Share of the pairs of batches of which that is true."""

_EXPLAINS = ("overfits", "few-examples-again", "class-missing", "more-parameters-than-examples", "too-few-steps",
             "split-not-shuffled", "underfits", "one-answer-for-all", "classes-uneven", "rare-class-neglected",
             "class-weights-upside-down", "target-constant", "labels-start-at-one", "labels-unrelated")  # fmt: skip


@check("empty-batches")
def empty_batches(case: Case) -> Iterator[Finding]:
    """Look for calls in training that were given no example."""
    learning = facts(case).learning
    empty = [f for f in learning if f.inputs is not None and f.inputs.shape and f.inputs.shape[0] == 0]
    if not empty:
        return
    share = len(empty) / len(learning)
    yield Finding(
        "empty-batches",
        f"{share:.0%} of the batches hold no example: their loss is the mean of nothing, which is no number.",
        "fault" if share > 0.01 else "warning",
        0.97,
        (
            Fact("calls with an empty batch", f"{len(empty)} of {len(learning)}"),
            Fact("shape of the first of them", str(empty[0].inputs.shape if empty[0].inputs else "")),
        ),
        change="x[i : i + size] in steps of size: the end of a slice is a place, not a length",
        where=case.place(empty[0].line),
        explains=(*NOT_FINITE, "few-examples-again", "input-not-finite", "target-not-finite", "overfits"),
    )


@check("batches-overlap")
def batches_overlap(case: Case) -> Iterator[Finding]:
    """Look for batches that hold most of the examples of the batch before."""
    rows = facts(case).rows[:60]
    pairs = [(a, b) for a, b in itertools.pairwise(rows) if len(a) == len(b) > 3]
    if len(pairs) < 8:
        return
    shares = [float(torch.isin(b, a).double().mean()) for a, b in pairs]
    if sum(OVERLAP <= share < 1 for share in shares) < PAIRS * len(shares):
        return
    every = facts(case).known
    mean = sum(shares) / len(shares)
    if len(pairs[0][0]) > 0.6 * len(every):
        return  # nearly all examples in each batch
    yield Finding(
        "batches-overlap",
        f"Each batch holds {mean:.0%} of the one before: slices begin one place on, not one batch on.",
        "fault",
        0.94,
        (
            Fact("share of a batch that stood in the one before, in the mean", f"{mean:.0%}"),
            Fact("different examples met", str(len(every))),
        ),
        change="x[i * size : (i + 1) * size], or for i in range(0, len(x), size)",
        where=facts(case).place,
        explains=("few-examples-again", "overfits", "data-not-shuffled", "class-missing", "split-not-shuffled"),
    )


@check("examples-left-out")
def examples_left_out(case: Case) -> Iterator[Finding]:
    """Compare how many examples a data set of the user's says it has with how many it holds."""
    yield from _weights_of_classes(case)
    for made in case.seen.loaders:
        dataset = getattr(made.get("loader"), "dataset", None)
        size = made.get("size")
        if dataset is None or not isinstance(size, int) or size < 1 or hasattr(dataset, "indices"):
            continue
        if type(dataset).__module__.startswith(("torch", "datasets", "chainrule")):
            continue
        held = _held(dataset)
        if held is None or held < LEFT * size or len(facts(case).known) > 1.1 * size:
            continue
        node = _length(case, type(dataset).__name__)
        yield Finding(
            "examples-left-out",
            f"The data set gives out {size} of the {held} examples that it holds: its length is wrong.",
            "fault",
            0.93,
            (Fact("len(dataset)", str(size)), Fact("examples that it holds", str(held))),
            change="return len(self.x) in __len__: the number of examples, not of batches or columns",
            where=case.place(line_of(case, node)) or case.place(made.get("line")),
            explains=_EXPLAINS,
        )  # fmt: skip
        return


def _weights_of_classes(case: Case) -> Iterator[Finding]:
    """A sampler that was given a weight for each class, where it wants one for each example."""
    for made in case.seen.loaders:
        weights = getattr(getattr(made.get("loader"), "sampler", None), "weights", None)
        size = made.get("size")
        if weights is None or not isinstance(size, int) or len(weights) * LEFT > size:
            continue
        yield Finding(
            "examples-left-out",
            f"The sampler has {len(weights)} weights for {size} examples: only the first {len(weights)} are drawn.",
            "fault",
            0.97,
            (
                Fact("weights of the sampler", str(len(weights))),
                Fact("examples", str(size)),
                Fact("different examples met", str(len(facts(case).known))),
            ),
            change="one weight for each example: class_weight[labels], not one for each class",
            where=case.place(made.get("line")),
            explains=_EXPLAINS,
        )


def _held(dataset: Any) -> int | None:
    """How many examples a data set holds: the length that two of its members have, one of them a table or a list."""
    lengths: dict[int, list[bool]] = {}
    for value in getattr(dataset, "__dict__", {}).values():
        if isinstance(value, (list, tuple)) or (hasattr(value, "ndim") and hasattr(value, "shape") and value.ndim):
            many = isinstance(value, (list, tuple)) or value.ndim > 1
            lengths.setdefault(len(value), []).append(many)
    found = [count for count, kinds in lengths.items() if len(kinds) > 1 and any(kinds)]
    return max(found, default=None)


def _length(case: Case, kind: str) -> ast.AST | None:
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.ClassDef) and node.name == kind:
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__len__":
                    return next((n for n in inner.body if isinstance(n, ast.Return)), inner)
    return None
