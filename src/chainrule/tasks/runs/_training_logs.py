"""The logs that a checkpoint knows the length of: equal runs, resumed or not, give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from chainrule.core.folder import RunFolder
from chainrule.core.journal import Journal, Log, journal
from chainrule.tasks.runs._skipped import Skipped


class TrainingLogs:
    """`metrics.jsonl` and `layers.jsonl` of a run, open, and the count of what could not be read."""

    def __init__(self, folder: RunFolder, *, kept: bool = True, skipped: Skipped | None = None) -> None:
        self.skipped = skipped
        with ExitStack() as stack:
            self.metrics: Log = stack.enter_context(journal(folder.metrics, kept=kept))
            self.layers: Log = stack.enter_context(journal(folder.layers, kept=kept))
            self._open = stack.pop_all()

    def sync(self, step: int) -> dict[str, Any]:
        """Put everything on the disk and return what `cut` needs, for the checkpoint of a step to keep."""
        lengths = {"metrics": self.metrics.sync(), "layers": self.layers.sync()}
        found = {name: {"bytes": length, "crc32": crc} for name, (length, crc) in lengths.items()}
        return {**found, **(self.skipped.saved(step) if self.skipped else {})}

    @staticmethod
    def cut(folder: RunFolder, facts: Mapping[str, Any]) -> None:
        """Cut the logs back to where they were at a checkpoint.

        Raises:
            CheckpointCorrupt: One of them was changed before that place.
        """
        for name, path in (("metrics", folder.metrics), ("layers", folder.layers)):
            place = facts.get(name, {"bytes": 0, "crc32": 0})  # runs of before there were looks at layers
            Journal.cut(path, place["bytes"], place["crc32"])

    def __enter__(self) -> TrainingLogs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
