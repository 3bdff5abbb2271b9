"""Examples that a run could not read and others stood in for: counted, kept in checkpoints, told, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.core.journal import Log
from chainrule.core.sections import ImageData
from chainrule.data._bad_examples import too_many
from chainrule.runtime.world import World
from chainrule.tasks.job._job import Job
from chainrule.training.task import Seen

SHOWN = 20
"""How many are named."""


class Skipped:
    """How many examples were skipped up to a step, and the names of the first.

    Args:
        share: Of the examples seen (of one pass over the part, until that many were seen): more is an error.
        count: Examples of the training part; 0 where none is skipped, which costs nothing.
        events: Where the count is told when the run is saved.
        world: The processes that share a step: all of them count the same.
    """

    def __init__(self, share: float, count: int, events: Log, world: World) -> None:
        self.share, self.part, self.events, self.world = share, count, events, world
        self.count = self.seen = self._told = 0
        self.names: list[str] = []

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint says."""
        stored = facts.get("skipped", {})
        self.count, self.seen = stored.get("count", 0), stored.get("seen", 0)
        self.names, self._told = list(stored.get("examples", ())), self.count

    def watch(self, seen: Seen) -> None:
        """Count what a step skipped.

        Raises:
            DataError: It is more than may be skipped.
        """
        if self.part == 0:
            return
        shared = self.world.gather((seen.examples, seen.skipped))
        skipped = [name for _, names in shared for name in names]
        self.seen += sum(examples for examples, _ in shared)
        if not skipped:
            return
        self.count += len(skipped)
        new = [name for name in dict.fromkeys(skipped) if name not in self.names]
        self.names += new[: SHOWN - len(self.names)]
        if self.count > self.share * max(self.seen, self.part):
            raise too_many(self.count, self.seen, self.share, self.names)

    def facts(self) -> dict[str, Any]:
        """Return the count, of how many, and names; nothing while nothing was skipped."""
        if self.count == 0:
            return {}
        return {"skipped": {"count": self.count, "seen": self.seen, "examples": self.names}}

    def saved(self, step: int) -> dict[str, Any]:
        """Tell the log of events what is new, and return what a checkpoint keeps."""
        if self.count > self._told:
            self._told = self.count
            self.events.append({"event": "skipped", "step": step, **self.facts()["skipped"]})
            self.events.sync()
        return self.facts()


def skipped_examples(job: Job, events: Log, facts: Mapping[str, Any], world: World) -> Skipped:
    """Return the count of a run as a checkpoint has it.

    Args:
        job: Whose training part and whose bound.
        events: Where it is told.
        facts: Of the checkpoint.
        world: The processes that share a step.
    """
    data = job.recipe.data
    skips = isinstance(data, ImageData) and data.bad_examples == "skip"
    share = data.bad_share if isinstance(data, ImageData) else 0.0
    skipped = Skipped(share, len(job.parts.get("train", ())) if skips else 0, events, world)
    skipped.restore(facts)
    return skipped
