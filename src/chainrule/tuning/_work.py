"""Training the trials of a stage: in this process, or in several on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chainrule.core.errors import ChainruleError, StorageError
from chainrule.tasks.runs._signals import Interrupted, stop_flag
from chainrule.training.task import Observer
from chainrule.tuning._database import Database
from chainrule.tuning._plan import SearchPlan
from chainrule.tuning._rows import row_of
from chainrule.tuning._stage import Stage
from chainrule.tuning._trial import run_trial

POLL: Final = 0.5
"""Seconds between two looks at the study, while other processes have the last trials."""
STORAGE: Final = "CHAINRULE_SEARCH_STORAGE"
"""The variable in which workers find the address: an argument could be read by anybody on the machine."""
_REPLACED: Final = 3
"""How many workers that died are replaced for each that was asked for."""

Tell = Callable[[str, Mapping[str, Any] | None], None]
"""Is told what happens: words, and of a trial that ended its row."""


@dataclass(frozen=True)
class Opened:
    """A search at work.

    Args:
        plan: What it is.
        folder: Where its runs stand.
        url: Of its database.
        database: Opened.
        per_epoch: Steps of an epoch at the recipe's own batch.
        command: What goes on with it.
    """

    plan: SearchPlan
    folder: Path
    url: str
    database: Database
    per_epoch: float | None
    command: str


def work(
    opened: Opened, stage: Stage, *, observers: Callable[[str], Iterable[Observer]], tell: Tell,
    wanted: Callable[[], bool] = lambda: True,
) -> None:  # fmt: skip
    """Train trials until none waits or runs any more, those of dead processes among them.

    Args:
        opened: The search.
        stage: Of the trials.
        observers: What a run is called -> called after each of its steps.
        tell: Told of each trial that ended here.
        wanted: Whether to go on, asked before each trial.

    Raises:
        Interrupted: A signal came; the trial that was at work is saved and waits again.
    """
    while wanted():
        for index in stage.put_back_dead():
            tell(f"{stage.name} {index}: its process died; it is taken up again", None)
        trial = stage.claim()
        if trial is None:
            if stage.is_over:
                return
            with stop_flag() as flag:
                time.sleep(POLL)
            if flag.number is not None:
                raise Interrupted(flag.number, opened.command)
            continue
        try:
            settings = stage.draw(trial)
        except BaseException:
            stage.put_back(trial)
            raise
        run_trial(
            opened.plan, stage, trial, settings, folder=opened.folder, per_epoch=opened.per_epoch,
            observers=observers, resume_command=opened.command,
        )  # fmt: skip
        index = int(trial.user_attrs["index"])
        tell("", row_of(stage.name, stage.newest()[index]))


def work_in_processes(opened: Opened, stage: Stage, workers: int, *, tell: Tell) -> None:
    """Train the trials of a stage in several processes of this machine, and wait for them.

    One that dies is replaced. A signal is passed on to all: each saves its run, which then waits again.

    Raises:
        Interrupted: A signal came.
        ChainruleError: What ended a worker that did not die but fail.
    """
    children = [_Worker(opened, stage.name, number, workers) for number in range(1, workers + 1)]
    replaced, known = 0, {index for index, trial in stage.newest().items() if trial.state.is_finished()}
    try:
        with stop_flag() as flag:
            passed_on = False
            while any(child.is_alive for child in children):
                time.sleep(POLL)
                if flag.number is not None and not passed_on:
                    passed_on = True
                    for child in children:
                        child.stop()
                known = _tell_new(stage, known, tell)
                for place, child in enumerate(children):
                    if child.died and flag.number is None:
                        replaced += 1
                        if replaced > _REPLACED * workers:
                            raise StorageError(
                                "worker processes die again and again",
                                got=f"signal {-child.process.returncode}",
                                remedy=f"see {child.log}; fewer --workers, if memory is short",
                            )
                        tell(f"worker {child.number} died of signal {-child.process.returncode}; another begins", None)
                        children[place] = _Worker(opened, stage.name, child.number, workers)
        _tell_new(stage, known, tell)
        if flag.number is not None:
            raise Interrupted(flag.number, opened.command)
        for child in children:
            child.raise_failure()
    finally:
        for child in children:
            child.stop()
            child.wait()


def _tell_new(stage: Stage, known: set[int], tell: Tell) -> set[int]:
    for index, trial in stage.newest().items():
        if index not in known and trial.state.is_finished() and "facts" in trial.user_attrs:
            known = known | {index}
            tell("", row_of(stage.name, trial))
    return known


class _Worker:
    """A process that trains trials of a stage."""

    def __init__(self, opened: Opened, stage: str, number: int, workers: int) -> None:
        self.number = number
        self.log = opened.folder / "facts" / f"worker-{number}.log"
        self.log.parent.mkdir(exist_ok=True)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // workers)))
        environment = {**os.environ, STORAGE: opened.url, "OMP_NUM_THREADS": threads}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 this program itself
                [sys.executable, "-m", "chainrule.tuning._worker", str(opened.folder), stage, opened.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def died(self) -> bool:
        """Whether a signal ended it, and not one of ours."""
        return self.process.poll() is not None and self.process.returncode < 0

    def stop(self) -> None:
        if self.is_alive:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        self.process.wait()

    def raise_failure(self) -> None:
        """Say what it said last, if it failed."""
        status = self.process.returncode
        if status == 0:
            return
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        error = ChainruleError(f"worker {self.number} failed: {lines[-1][:400] if lines else 'it said nothing'}")
        error.exit_status = status
        raise error
