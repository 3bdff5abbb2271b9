"""The part of `chainrule check --as` that runs beside the user's code, in a process of its own."""

from __future__ import annotations

from typing import Any

from chainrule.analysis.compare._verdict import compare_with_formula
from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own
from chainrule.core.program import Program


def task(program: Program, payload: dict[str, Any]) -> dict[str, Any]:
    """Compare the loaded functions with the formula that the payload names.

    Raises:
        UsageError: There are more than two functions, or they do not fit.
    """
    if len(program.objects) > 2:
        raise UsageError(
            "more functions are named than can be compared",
            expected="FILE.py:forward or FILE.py:forward,backward",
            got=f"{len(program.objects)} names",
        )
    forward, *rest = program.objects
    backward = rest[0] if rest else None
    return compare_with_formula(payload["formula"], forward, backward, seed=payload["seed"], run=call_own)
