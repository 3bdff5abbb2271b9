"""What a verb gives back: the facts for `--json`, and the same for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The outcome of one verb.

    Args:
        data: Plain JSON data; printed inside `{"format": 1, "verb": ..., "status": ..., "result": data}` with `--json`.
        text: What is printed otherwise: a string or anything that rich can print.
        status: Exit status (0, or 9 when a check ran and says no).
        written: What was written where: a line after the text that is never wrapped, so that its path can be copied.
    """

    data: Any
    text: Any = ""
    status: int = 0
    written: str = ""
