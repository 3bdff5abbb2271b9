"""Asking all checks."""

from __future__ import annotations

import linecache
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks import CHECKS
from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.findings import Diagnosis, Finding, ordered

LEAST = 0.5
"""Seconds that must be left for an experiment to begin."""


def diagnose(case: Case, subject: str, *, checks: Sequence[Check] = CHECKS) -> Diagnosis:
    """Ask every check of a training, and return what they found in order of likelihood.

    A check that fails itself takes nothing from the others: it is named in `broken`. In this product's own tests and
    measurements (`CHAINRULE_DOCTOR_RAISES` set) it raises.

    Args:
        case: What was watched.
        subject: What to call it.
        checks: Which ones.
    """
    begun = time.monotonic()
    found: list[Finding] = []
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}
    for each in checks:
        if each.experiment and case.left < LEAST:
            skipped.update(dict.fromkeys(each.labels, "no time was left"))
            continue
        try:
            with torch.random.fork_rng(), warnings.catch_warnings(), torch.autograd.set_detect_anomaly(False):
                warnings.simplefilter("ignore")
                found.extend(each.look(case))
        except Exception as error:  # anybody's network may run in there, and may fail in any way
            if os.environ.get("CHAINRULE_DOCTOR_RAISES"):
                raise
            broken[each.name] = f"{type(error).__name__}: {error}"
    asked = tuple(label for each in checks for label in each.labels if label not in skipped)
    quoted = tuple(replace(each, code=each.code or _code(case, each.where)) for each in ordered(found))
    return Diagnosis(subject, quoted, _seen(case), asked, skipped, broken, time.monotonic() - begun)


def _code(case: Case, where: str) -> str:
    """The line of code at `train.py:12`, of one of the files in which something happened."""
    name, _, number = where.rpartition(":")
    if not name or not number.isdigit():
        return ""
    lines = [getattr(event, "line", None) for event in case.seen.events]
    lines += [line for event in case.seen.recorded for line in event.lines.values()]
    files = [line[0] for line in lines if line and Path(line[0]).name == name]
    files += [str(case.source.path)] if case.source.path and case.source.path.name == name else []
    return linecache.getline(files[0], int(number)).strip() if files else ""


def _seen(case: Case) -> dict[str, object]:
    error = case.seen.error
    return {
        "steps": len(case.moves),
        "backward passes": len(case.losses),
        "parameters": sum(p.numel() for p in case.parameters.values()),
        "first loss": case.losses[0] if case.losses else None,
        "last loss": case.losses[-1] if case.losses else None,
        "complete": case.seen.complete,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "seconds": case.seen.seconds,
    }
