"""A network that is made anew in every epoch, so that each one has learned for one epoch only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import learning_loops
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.findings import Fact, Finding

MODELS = 3
"""Networks of one kind from which on it is a habit."""
SAME = 0.9
"""Share of the examples that each of them must have seen: folds see less of them."""


@check("model-made-anew")
def model_made_anew(case: Case) -> Iterator[Finding]:
    """Several networks of equal shapes, each of which learns once from the same examples, one after the other."""
    calls: dict[int, list[Tensor]] = {}
    modules: dict[int, nn.Module] = {}
    times: dict[int, list[float]] = {}
    for each in case.forwards:
        if each.learning and each.rows is not None:
            modules[id(each.module)] = each.module
            calls.setdefault(id(each.module), []).append(each.rows)
            times.setdefault(id(each.module), []).append(each.at)
    if len(modules) < MODELS or len(learning_loops(case)) > 2 or len(case.optimizers) < MODELS:
        return
    shapes = {tuple(tuple(p.shape) for p in module.parameters()) for module in modules.values()}
    spans = sorted((each[0], each[-1]) for each in times.values())
    if len(shapes) > 1 or any(first[1] > second[0] for first, second in pairwise(spans)):
        return
    rows = {key: torch.cat(found) for key, found in calls.items()}
    every = len(torch.unique(torch.cat(list(rows.values()))))
    own = {key: len(torch.unique(found)) for key, found in rows.items()}
    full = [key for key in own if own[key] >= SAME * every]
    once = [key for key in full if len(rows[key]) <= 1.5 * own[key]]
    if len(full) < len(modules) - 1 or len(once) < len(modules) - 1:
        return
    passes: list[Backward] = case.seen.of(Backward)
    ends = [next((b.loss for b in passes if b.at > until), 0.0) for _, until in spans]
    yield Finding(
        "model-made-anew",
        f"The network is made anew in every epoch: each of {len(modules)} has learned for one epoch only.",
        "fault",
        0.9,
        (
            Fact("networks of equal shapes that learned one after the other", f"{len(modules)} (usual: 1)"),
            Fact("examples that each has learned from, times", f"{every}, once"),
            Fact("loss at the end of each", ", ".join(number(end) for end in ends[:6])),
        ),
        "Make the network and the optimizer once, before the loop over epochs.",
        next((case.place(f.line) for f in case.forwards if f.learning), ""),
        explains=("optimizer-made-anew", "too-few-steps", "stopped-too-early", "underfits", "evaluated-another-model"),
    )
