"""Asking all checks."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence

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
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.extend(each.look(case))
        except Exception as error:  # anybody's network may run in there, and may fail in any way
            if os.environ.get("CHAINRULE_DOCTOR_RAISES"):
                raise
            broken[each.name] = f"{type(error).__name__}: {error}"
    asked = tuple(label for each in checks for label in each.labels if label not in skipped)
    return Diagnosis(subject, ordered(found), _seen(case), asked, skipped, broken, time.monotonic() - begun)


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
