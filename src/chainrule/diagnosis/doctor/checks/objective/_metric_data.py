"""What a metric is taken on: examples that were not trained on, and all of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor._events import Evaluated, Forward
from chainrule.diagnosis.doctor._passes import CALLS
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer
from chainrule.diagnosis.doctor.findings import Fact, Finding

_ALL = 0.98
"""Share of the evaluated examples that were trained on from which none are held out; a few equal examples are usual."""
_TELLING = 4
"""Numbers that an example must have before an equal one must be the same."""
_MANY = 0.02
"""Share of the evaluated data that may be missing before it matters."""
_HELD_OUT = re.compile(r"\b\w*(?:valid|val_|_val\b|\bval\b|test|held|dev_|eval_set)\w*", re.IGNORECASE)


@check("metric-on-training-data")
def on_training_data(case: Case) -> Iterator[Finding]:
    """Whether any example was evaluated that was never trained on."""
    network = case.network  # others, such as those of other folds, have other examples held out
    own = [f for f in case.forwards if f.module is network and f.rows is not None]
    trained = [f.rows for f in own if f.learning and f.rows is not None]
    every = [e.forward for p in case.evaluations for e in p]
    seen = [f for f in every if f.module is network and f.rows is not None and not f.training]
    rows = [f.rows for f in seen if f.rows is not None]
    if not trained or not rows or not all(_has_examples(f) for f in seen):
        return
    known, asked = torch.unique(torch.cat(trained)), torch.unique(torch.cat(rows))
    share = float(torch.isin(asked, known).float().mean())
    if share < _ALL or len(asked) < 16 or not _judged(case.evaluations):
        return
    promised = bool(_HELD_OUT.search(case.source.text))
    yield Finding(
        "metric-on-training-data",
        "Every evaluated example was trained on: the metric says nothing about new ones.",
        "fault" if promised else "note",
        0.9 if promised else 0.5,
        (
            Fact("evaluated examples that were trained on", f"{share:.0%} of {len(asked):,}"),
            Fact("examples trained on", f"{len(known):,}"),
        ),
        "Evaluate on the part that was held out.",
        case.place(seen[-1].line),
        explains=("validation-among-training", "validation-nearly-training"),
    )


def _has_examples(forward: Forward) -> bool:
    """Whether the rows of the first tensor are examples that can be told apart: not tokens of all of them in a row."""
    output = output_of(forward.output)
    if forward.inputs is None or output is None or not output.ndim:
        return False
    return len(output) == forward.inputs.shape[0] and math.prod(forward.inputs.shape[1:]) >= _TELLING


def _judged(evaluations: list[list[Evaluated]]) -> bool:
    """Whether predictions are compared with something there."""
    return any(Answer(each).meetings for seen in evaluations for each in seen)


@check("remainder-not-evaluated")
def dropped_remainder(case: Case) -> Iterator[Finding]:
    """A loader in order, which drops what does not fill a batch: it evaluates, and not everything."""
    for loader in case.seen.loaders:
        size, batch = loader.get("size"), loader.get("batch_size")
        if not loader.get("drop_last") or loader.get("sampler") != "SequentialSampler" or not size or not batch:
            continue
        dropped = size % batch
        shapes = [e.forward.inputs.shape[0] for p in case.evaluations for e in p if e.forward.inputs and len(p) < CALLS]
        if not dropped or dropped == size or not shapes or set(shapes) != {batch}:
            continue
        share = dropped / size
        yield Finding(
            "remainder-not-evaluated",
            f"drop_last leaves {dropped} of {size} examples out of the evaluation.",
            "warning" if share > _MANY else "note",
            0.7,
            (Fact("left out", f"{share:.1%}"),),
            "drop_last=False where nothing is learned.",
            case.place(loader.get("line")),
        )
