"""The side of a contestant: say what is known, then take a turn whenever a line arrives. Python's own library only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def take_turns(turn: Callable[[], Mapping[str, Any]], facts: Mapping[str, Any], *, out: int | None = None) -> None:
    """Answer each line on standard input with one turn, until it ends.

    Args:
        turn: Returns its "seconds", and what else is to be told.
        facts: Told first.
        out: From `quiet_output`, where something else might print.
    """
    channel = os.fdopen(out, "w") if out is not None else sys.stdout
    print(json.dumps(facts), file=channel, flush=True)
    for _ in sys.stdin:
        print(json.dumps(turn()), file=channel, flush=True)


def quiet_output() -> int:
    """Send all that is printed to standard error, and return a descriptor of what was standard output."""
    out = os.dup(1)
    os.dup2(2, 1)
    return out
