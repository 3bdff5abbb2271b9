"""Trials of a stage: planned, claimed, measured, finished, and put back where a process died.

Trials are planned at once and wait; a process claims one by setting its state, which the database lets only one of them
do, so there are never more trainings than were asked for. A trial whose process died is put back: at once where that
can be seen (the same machine), after `GRACE` seconds without a heartbeat elsewhere. The claim and the heartbeat are
Optuna's storage interface; `Study.optimize` makes a trial more when two processes ask at the end of a study, and knows
nothing of processes.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from chainrule.core.space import Axis, label, space_from_data
from chainrule.tuning._owner import is_gone, this_process

BEAT: Final = 20
"""Seconds between two heartbeats of a trial."""
GRACE: Final = 120
"""Seconds without one after which a process elsewhere is taken for dead: several missed ones, or a live trial on a busy
machine would be taken away (Optuna's issues 4234 and 5470)."""
MOST_DEATHS: Final = 3
"""How often a trial's process may die; a fourth one is not tried."""


class Stage:
    """The trials of a stage.

    Args:
        name: "coarse" or "fine".
        study: Optuna's.
        storage: Its storage.
        errors: What turns its errors into ours.
        gone: Where the storage writes the indices of trials that it puts back.
    """

    def __init__(self, name: str, study: Any, storage: Any, errors: Any, gone: list[int]) -> None:
        self.name, self._study, self._storage, self._errors, self._gone = name, study, storage, errors, gone
        self._id = storage.get_study_id_from_name(study.study_name)

    def plan(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        """Let trials wait, beginning with the first index that is not there yet.

        Args:
            wanted: Of each index: `{"space": its axes as plain data, "settings": those that are given (the others are
                drawn), "recipe": whether it is the recipe as it is}`.
        """
        with self._errors():
            for index in range(len(self.newest()), len(wanted)):
                one = wanted[index]
                space = space_from_data(one["space"]) if one["space"] else {}
                given = {name: label(v) if space[name].choices else v for name, v in one["settings"].items()}
                self._study.enqueue_trial(
                    given, user_attrs={"index": index, "recipe": one["recipe"], "space": one["space"]}
                )

    def _all(self) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._id, deepcopy=False)

    def newest(self) -> dict[int, FrozenTrial]:
        """Each trial by its index, as it stands: of one that was put back the last attempt."""
        with self._errors():
            found: dict[int, FrozenTrial] = {}
            for trial in sorted(self._all(), key=lambda trial: trial.number):
                if "index" in trial.user_attrs:
                    found[int(trial.user_attrs["index"])] = trial
            return dict(sorted(found.items()))

    @property
    def is_over(self) -> bool:
        """Whether no trial waits or runs."""
        return all(trial.state.is_finished() and not _is_lost(trial) for trial in self.newest().values())

    def claim(self) -> Trial | None:
        """Return the next trial that waits, which is then this process's; None where none does."""
        with self._errors():
            for waiting in sorted(
                (trial for trial in self._all() if trial.state == TrialState.WAITING), key=lambda trial: trial.number
            ):
                try:
                    if not self._storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
                        continue
                except optuna.exceptions.UpdateFinishedTrialError:
                    continue
                self._storage.record_heartbeat(waiting._trial_id)
                self._storage.set_trial_user_attr(waiting._trial_id, "owner", this_process())
                return Trial(self._study, waiting._trial_id)
        return None

    def draw(self, trial: Trial) -> dict[str, Any]:
        """Return the settings of a trial: those that it was planned with, the others drawn from its space."""
        if trial.user_attrs["recipe"]:
            return {}
        space = space_from_data(trial.user_attrs["space"])
        with self._errors():
            return {name: _value(axis, _suggest(trial, name, axis)) for name, axis in space.items()}

    @contextmanager
    def beating(self, trial: Trial) -> Iterator[None]:
        """Keep a trial known as alive, from a thread of its own."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT):
                try:
                    self._storage.record_heartbeat(trial._trial_id)
                except Exception:  # noqa: S112 a heartbeat that is missed is one of several
                    continue

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def measured(self, trial: Trial, rung: int, value: float) -> bool:
        """Write down what a trial has reached at a measurement, and return whether it should end."""
        with self._errors():
            trial.report(value, rung)
            return bool(trial.should_prune())

    def finish(self, trial: Trial, state: str, value: float | None, facts: Mapping[str, Any]) -> bool:
        """Write down how a trial ended.

        Args:
            trial: Which.
            state: "finished", "pruned", "diverged" or "failed".
            value: Of the metric; None where there is none.
            facts: For the table and the report.

        Returns:
            Whether it was written: not, when another process was given the trial meanwhile.
        """
        states = {"finished": TrialState.COMPLETE, "failed": TrialState.FAIL}
        with self._errors():
            try:
                self._storage.set_trial_user_attr(trial._trial_id, "facts", {**facts, "state": state})
                values = None if value is None or state == "failed" else [value]
                return bool(
                    self._storage.set_trial_state_values(
                        trial._trial_id, state=states.get(state, TrialState.PRUNED), values=values
                    )
                )
            except optuna.exceptions.UpdateFinishedTrialError:
                return False

    def put_back(self, trial: Trial) -> None:
        """Let a trial that was stopped wait again."""
        with self._errors():
            self._put_back(self._storage.get_trial(trial._trial_id), died=False)

    def put_back_dead(self) -> list[int]:
        """Let the trials of processes that died wait again, and return their indices."""
        with self._errors():
            self._gone.clear()
            with without_warnings():
                optuna.storages.fail_stale_trials(self._study)
            found = list(self._gone)
            for index, trial in self.newest().items():
                if _is_lost(trial):
                    again(self._study, trial, died=True)
                    found.append(index)
                elif trial.state == TrialState.RUNNING and _is_dead(trial) and self._put_back(trial, died=True):
                    found.append(index)
        return found

    def _put_back(self, trial: FrozenTrial, *, died: bool) -> bool:
        try:
            if not self._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL):
                return False
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        again(self._study, trial, died=died)
        return True


def again(study: Any, trial: FrozenTrial, *, died: bool) -> None:
    """Add a trial that waits in place of one that did not end, with its settings."""
    deaths = int(trial.user_attrs.get("deaths", 0)) + died
    attempts = [*trial.user_attrs.get("attempts", ()), trial.number]
    known = {key: value for key, value in trial.user_attrs.items() if key != "owner"}
    end = deaths > MOST_DEATHS
    facts = {"facts": {"state": "failed", "why": f"its process died {deaths} times"}} if end else {}
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.FAIL if end else TrialState.WAITING,
            params=trial.params, distributions=trial.distributions, system_attrs=trial.system_attrs,
            user_attrs={**known, **facts, "deaths": deaths, "attempts": attempts},
        )
    )  # fmt: skip


def _is_dead(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get("owner")
    if owner is not None:
        return is_gone(owner) is True
    began = trial.datetime_start  # it was claimed, and its process may have died before it said who it is
    return began is not None and (datetime.now() - began).total_seconds() > GRACE


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether a trial was given up and nothing put in its place: the process that did so died in between."""
    if trial.state != TrialState.FAIL or "facts" in trial.user_attrs:
        return False
    ended = trial.datetime_complete
    return ended is None or (datetime.now() - ended).total_seconds() > 10


def _suggest(trial: Trial, name: str, axis: Axis) -> Any:
    """A value of an axis as Optuna has it; choices as text, since they may be lists."""
    if axis.choices:
        return trial.suggest_categorical(name, [label(choice) for choice in axis.choices])
    log = axis.scale == "log"
    if axis.whole:
        return trial.suggest_int(name, int(axis.low), int(axis.high), log=log, step=int(axis.step or 1))
    return trial.suggest_float(name, float(axis.low), float(axis.high), log=log, step=axis.step)


def _value(axis: Axis, parameter: Any) -> Any:
    if axis.choices:
        return next(choice for choice in axis.choices if label(choice) == parameter)
    return int(parameter) if axis.whole else float(f"{parameter:.4g}") if axis.step is None else float(parameter)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Heartbeats are marked experimental; what is used of them is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
