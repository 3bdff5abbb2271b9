"""Backward passes that go through the same past again and again, before any step is taken."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.findings import Fact, Finding

WHOLE = 0.9
"""Share of the graph of the pass before from which on it is gone through again as a whole; losses of several heads
share their trunk, and not each other's heads."""
IN_A_ROW = 3
"""Passes of growing graphs, one after the other, from which on it is a loop's doing."""


@check("backward-through-same-past")
def through_same_past(case: Case) -> Iterator[Finding]:
    """Rows of passes in one line before one step, each of which holds all of the one before and more."""
    longest: list[Backward] = []
    row: list[Backward] = []
    for event in case.seen.events:
        if isinstance(event, Moved):
            row = []
        elif isinstance(event, Backward):
            goes_on = bool(row) and event.again >= WHOLE and event.line == row[-1].line
            row = [*row, event] if goes_on else [event]
            longest = max(longest, row, key=len)
    if len(longest) <= IN_A_ROW:
        return
    yield Finding(
        "backward-through-same-past",
        f"{len(longest)} backward passes before a step go through the same past again and again: the time grows with "
        "the square of their number.",
        "fault",
        0.94,
        (
            Fact("passes before one step, each through all of the one before", f"{len(longest)} (usual: 1)"),
            Fact("share of the graph before that is gone through again", f"{longest[-1].again:.0%}"),
            Fact("loss of the first and of the last of them", f"{longest[0].loss:.4g}, {longest[-1].loss:.4g}"),
        ),
        "Add up the losses in the loop over time, and call `backward()` once after it, without retain_graph=True.",
        case.place(longest[-1].line),
        explains=("accumulation-not-divided", "graph-kept", "state-keeps-graph", "rate-too-high", "data-loading-slow"),
    )
