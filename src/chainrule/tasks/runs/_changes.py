"""What changed along a run: its length, and into how many parts its steps are cut. Written in `events.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import Log, read_journal
from chainrule.training.task import Change

LONGER, SMALLER = "extended", "parts doubled"
STEPS = "train.steps"
WITHOUT_EFFECT = ("train.workers", "train.worker_timeout", "train.process_timeout")
"""Settings that change no byte of what a run computes."""


def resumed_with(folder: RunFolder, settings: Mapping[str, Any]) -> tuple[int | None, dict[str, Any]]:
    """Return another length, if one is wanted, and the other settings that a run is to go on with.

    Raises:
        UsageError: A run cannot go on with one of them, or several runs are meant.
    """
    for name in settings:
        if name not in (STEPS, *WITHOUT_EFFECT):
            raise UsageError(
                f"a run cannot go on with another {name}: its result would be that of no recipe",
                expected=" or ".join((STEPS, *WITHOUT_EFFECT)),
                remedy="train the recipe anew with that setting",
            )
    steps, others = settings.get(STEPS), {name: value for name, value in settings.items() if name != STEPS}
    if STEPS in settings and (not isinstance(steps, int) or isinstance(steps, bool)):
        raise UsageError(f"{STEPS} is a number", expected="a whole number", got=repr(steps))
    if settings and not folder.checkpoints.is_dir():
        raise UsageError(f"{folder.path} holds several runs", remedy="go on with one of the runs in it")
    return steps, others


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
