"""What a trial is in tables, files and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from chainrule.tuning._stage import Stage


def row_of(stage: str, trial: FrozenTrial) -> dict[str, Any]:
    """Return a trial as plain data.

    Returns:
        `{"name", "stage", "index", "state": waiting, running, finished, pruned, diverged or failed, "recipe": whether
        it is the recipe as it is, "settings", "value", "rungs": [[share of the training, value], ...], "deaths": of
        processes that had it, and where known "metrics", "seconds", "steps", "parameters", "why", "folder"}`.
    """
    known: Mapping[str, Any] = trial.user_attrs
    facts = dict(known.get("facts") or {})
    finished = facts.get("state") == "finished"
    return {
        "name": f"{stage}-{int(known['index']):03d}",
        "stage": stage,
        "index": int(known["index"]),
        "recipe": bool(known.get("recipe")),
        "settings": {},
        "rungs": [],
        "deaths": int(known.get("deaths", 0)),
        "state": trial.state.name.lower(),
        "value": float(trial.values[0]) if finished and trial.values else None,
        **facts,
    }


def rows_of(stage: Stage) -> list[dict[str, Any]]:
    """Return all trials of a stage, by index."""
    return [row_of(stage.name, trial) for trial in stage.newest().values()]
