"""What changed along a run: its length, and into how many parts its steps are cut. Written in `events.jsonl`."""

from __future__ import annotations

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import Log, read_journal
from chainrule.training.task import Change

LONGER, SMALLER = "extended", "parts doubled"


def changes_of(folder: RunFolder) -> tuple[Change, ...]:
    """Return the changes that a run has seen, in the order in which they came.

    A resumed run takes them at the steps at which they were made, whichever checkpoint it goes on from.
    """
    if not folder.events.exists():
        return ()
    events = read_journal(folder.events)
    return tuple(
        Change(event["step"], steps=event.get("steps"), parts=event.get("parts"))
        for event in events
        if event.get("event") in (LONGER, SMALLER)
    )


def extend(events: Log, *, taken: int, steps: int) -> None:
    """Write down that a run will have another length from the step on that it has reached.

    Raises:
        UsageError: It has taken more steps already.
    """
    if steps <= taken:
        raise UsageError(
            "the run cannot end before the step that it has reached", expected=f"more than {taken} steps", got=steps
        )
    events.append({"event": LONGER, "step": taken, "steps": steps})
    events.sync()


def double_parts(events: Log, *, taken: int, parts: int, reason: str) -> None:
    """Write down that steps are cut into more parts from a checkpoint on."""
    events.append({"event": SMALLER, "step": taken, "parts": parts, "reason": reason})
    events.sync()
