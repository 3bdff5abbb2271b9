"""What is said of a training that ended with an error: the error is a finding like others."""

from __future__ import annotations

import traceback
from dataclasses import replace

from chainrule.core.errors import ChainruleError
from chainrule.diagnosis.doctor._events import Backward, Forward, Line, Made, Moved, Observation
from chainrule.diagnosis.doctor._places import is_users
from chainrule.diagnosis.doctor.findings import Diagnosis, Fact, Finding, ordered
from chainrule.diagnosis.doctor.labels.ending import FAILS

ALONE, BESIDE = 0.97, 0.6
"""How sure the error is what is wrong: where nothing else is, and where a fault was found that may be its cause."""


def is_training(seen: Observation) -> bool:
    """Whether something was to be learned: a gradient was taken, or a step.

    Where it came to its end, an optimizer is enough: that no gradient was taken is then its fault. Where an error ended
    it, a call that asks for gradients: it may have been the first one.

    Example:
        >>> is_training(Observation(complete=True))
        False
    """
    if any(isinstance(event, Backward | Moved) for event in seen.events):
        return True
    if seen.complete:
        return any(isinstance(event, Made) for event in seen.events)
    return seen.error is not None and any(isinstance(event, Forward) and event.learning for event in seen.events)


def error_line(error: BaseException) -> Line | None:
    """The innermost line of the user's own that an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    return next(((f.filename, f.lineno) for f in reversed(frames) if f.lineno and is_users(f.filename)), None)


def with_error(diagnosis: Diagnosis, error: BaseException, where: str = "", code: str = "") -> Diagnosis:
    """The diagnosis with the error that ended the training among its findings.

    Args:
        diagnosis: Of what was seen before.
        error: What ended it.
        where: Its place in the user's code.
        code: What stands there.
    """
    said, remedy = _told(error)
    beside = any(each.level == "fault" for each in diagnosis.findings)
    found = Finding(
        FAILS,
        f"The training ends with an error: {said}",
        "warning" if beside else "fault",
        BESIDE if beside else ALONE,
        (Fact("steps before it", f"{diagnosis.seen.get('steps', 0)}"),),
        remedy,
        where,
        code=code,
    )
    return replace(diagnosis, findings=ordered([*diagnosis.findings, found]))


def _told(error: BaseException) -> tuple[str, str]:
    """What it says, and what mends it."""
    if isinstance(error, ChainruleError) and error.remedy:
        return error.what, f"{error.remedy[:1].upper()}{error.remedy[1:]}."
    first = (str(error).splitlines() or [""])[0]
    return type(error).__name__ + (f": {first}" if first else ""), "Mend what the error names; then ask again."
