"""What is made for finding errors, and was left on: each step takes longer for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of
from chainrule.diagnosis.doctor.checks.learning._loop import share
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

MOST = 0.9
"""Share of the backward passes from which on it is no single look."""
FEWEST = 10
"""Backward passes below which it may be one."""
TAKEN = 4
"""Steps that are timed with it and without."""
SWITCHES = frozenset({"set_detect_anomaly", "detect_anomaly", "profile", "emit_nvtx"})
"""What turns it on."""


@check("debugging-left-on", experiment=True)
def debugging_left_on(case: Case) -> Iterator[Finding]:
    """Detection of anomalies or a profiler in nearly all backward passes; recorded steps are timed with and without."""
    passes = len(case.losses)
    for name, count in case.seen.debugging.items():
        if passes < FEWEST or count < MOST * passes:
            continue
        tried = _timed(case) if name == "anomaly detection" else None
        yield Finding(
            "debugging-left-on",
            f"Autograd's {name} runs in every step: it is made for finding an error, and costs time.",
            "warning",
            0.95,
            (Fact(f"backward passes under {name}", f"{share([True] * count + [False] * (passes - count)):.0%}"),),
            "Turn it on around the steps in question only, and off once the error is found.",
            case.place(line_of(case, next(calls(case.source.tree, SWITCHES), None))),
            tried,
        )
        return


def _timed(case: Case) -> Tried | None:
    """Recorded steps with and without it."""
    if not case.rehearsal.possible:
        return None
    took = []
    for on in (True, False):
        with torch.autograd.set_detect_anomaly(on):
            case.rehearsal.train(1)
            begun = time.perf_counter()
            case.rehearsal.train(TAKEN)
            took.append((time.perf_counter() - begun) / TAKEN)
    with_it, without = took
    words = [f"{1e3 * seconds:.2g} ms a step" for seconds in took]
    return Tried("recorded steps without it", words[0], words[1], without < with_it)
