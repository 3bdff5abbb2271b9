"""A run folder and a report for a hand-written loop."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import nn

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder, new_folder
from chainrule.core.journal import Journal
from chainrule.runtime.weights import write_weights
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._run import Run


class Log:
    """A run folder for a hand-written loop: what `run()` returns.

    Example:
        >>> import tempfile
        >>> with run(Path(tempfile.mkdtemp(), "mine")) as log:
        ...     for step in range(3):
        ...         log.log(loss=1 / (step + 1))
        >>> [line["step"] for line in log.run.history]
        [1, 2, 3]
    """

    def __init__(self, folder: RunFolder, name: str) -> None:
        self.folder = folder
        self._begun = datetime.datetime.now(datetime.UTC)
        folder.create(new_info("log", name, begun=self._begun))
        self._metrics = Journal(folder.metrics)
        self._step = 0
        self._last: dict[str, dict[str, float]] = {}

    def log(self, *, step: int | None = None, part: str = "train", **values: Any) -> None:
        """Write one line of metrics.

        Args:
            step: Which step; one more than the last when left out.
            part: "train", "valid", "test" or a word of one's own.
            values: Numbers by name; tensors and arrays of one element count as numbers.

        Raises:
            UsageError: A value is no number.
        """
        self._step = self._step + 1 if step is None else int(step)
        numbers = {name: _number(name, value) for name, value in values.items()}
        self._metrics.append({"step": self._step, "part": part, **numbers})
        self._last.setdefault(part, {}).update(numbers)

    def save(self, module: nn.Module) -> None:
        """Keep the weights of a network in the folder."""
        write_weights(self.folder.model, {name: value.contiguous() for name, value in module.state_dict().items()})
        self.folder.update(parameters=sum(parameter.numel() for parameter in module.parameters()))

    @property
    def run(self) -> Run:
        """The run, opened."""
        self._metrics.flush() if self.folder.info()["status"] == "running" else None
        return Run.open(self.folder.path)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.sync()
        self._metrics.close()
        status = "finished" if kind is None else "interrupted" if kind is KeyboardInterrupt else "failed"
        seconds = (datetime.datetime.now(datetime.UTC) - self._begun).total_seconds()
        final = {part: self._last.get(part) for part in ("valid", "test")}
        self.folder.update(status=status, result={**final, "steps": self._step, "seconds": round(seconds, 3)})
        write_report(self.folder)


def run(out: str | Path | None = None, *, name: str = "run") -> Log:
    """Open a run folder for a hand-written loop: `with chainrule.run() as r: r.log(loss=...)`.

    Args:
        out: The folder; `runs/NAME-DATE-TIME` when left out.
        name: What lists and the report call it.

    Raises:
        UsageError: The folder exists.
    """
    return Log(RunFolder(Path(out) if out is not None else new_folder(name)), name)


def _number(name: str, value: Any) -> float | int:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise UsageError(f"log: {name} is no number", got=type(value).__name__)
    try:
        number = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"log: {name} is no single number", got=type(value).__name__) from None
    return number if isinstance(number, int) or math.isfinite(number) else float(number)
