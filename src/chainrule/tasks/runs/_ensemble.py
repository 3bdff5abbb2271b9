"""An ensemble: a group of runs of one recipe, and what they answer together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.spread import spread
from chainrule.tasks.job._evaluation import CERTAINTY
from chainrule.tasks.job._final import parts_to_measure
from chainrule.tasks.runs._begin import OwnNetwork, with_seed
from chainrule.tasks.runs._combined import require_classes
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._run_group import Group, Single

METRICS = ("accuracy", "top5", *CERTAINTY)
"""What the result of an ensemble tells of a part, as far as it was measured."""


def ensemble_group(
    recipe: Recipe,
    count: int,
    *,
    name: str,
    command_of_one: str,
    command: str | None = None,
    own: OwnNetwork | None = None,
) -> Group:
    """Return the runs of an ensemble: other weights and orders of one training part, or of parts drawn from it.

    All members share one split, that of the first seed. None of them reads the test part: the ensemble reads it once,
    at its end, for all of them.

    Args:
        recipe: With the first seed; with `data.bootstrap` each member draws its training part by its own seed.
        count: How many members, at least 2.
        name: Of the recipe.
        command_of_one: What makes a single run, without its seed.
        command: What makes all of them; that of the folder stays when left out.
        own: The network, if it is one's own.

    Raises:
        UsageError: Fewer than two, or networks that do not give probabilities of classes.

    Source:
        LECTURES B14.
    """
    if count < 2:
        raise UsageError("an ensemble has at least two members", got=count)
    require_classes(recipe, "an ensemble")
    first = recipe.train.seed
    data: Any = recipe.data  # both tasks have a split and its seed
    split = first if data.split_seed is None else data.split_seed
    members = {}
    for number in range(count):
        one = with_seed(recipe, first + number)
        sections = {
            "data": data.model_copy(update={"split_seed": split}),
            "train": one.train.model_copy(update={"test": False}),
        }
        settings = f"--train.seed {first + number} --data.split_seed {split} --train.test false"
        members[f"member-{number + 1}"] = Single(one.model_copy(update=sections), name, f"{command_of_one} {settings}")
    return Group(
        "ensemble",
        name,
        recipe.to_yaml(),
        members,
        partial(answered_together, own=own),
        facts={"task": recipe.task, "command_of_one": command_of_one, "count": count},
        command=command,
        title=lambda folder: folder.replace("-", " "),
    )


def answered_together(runs: Sequence[Run], *, own: OwnNetwork | None = None) -> dict[str, Any]:
    """Measure the members of an ensemble together, and write the facts for its report.

    Args:
        runs: The members, trained.
        own: The network, if it is one's own.

    Returns:
        `{"seconds": of all trainings, "valid", "test": what the mean of the probabilities reaches, "vote": {part:
        {"accuracy", "nll", "ece"}}, "members": {part: {metric: {"mean", "deviation", "minimum", "maximum",
        "values"}}}, "gain": {part: {metric: together - mean of the members}}}`.
    """
    folder = RunFolder(runs[0].path.parent)
    ensemble = Run.open(folder.path)
    job, model = ensemble.job(), ensemble.model(None if own is None else ensemble.own_module(own.build))
    evaluation = {part: job.evaluate(model, part) for part in parts_to_measure(ensemble.recipe, job.parts)}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    job.write_data_facts(folder)
    together = {part: _figures(facts) for part, facts in evaluation.items()}
    members = {part: spread([_figures(one) for one in facts["members"]]) for part, facts in evaluation.items()}
    return {
        "seconds": round(sum((run.result or {}).get("seconds", 0.0) for run in runs), 3),
        "valid": None,
        "test": None,
        **together,
        "vote": {part: _figures(facts["combined"]["vote"]) for part, facts in evaluation.items()},
        "members": members,
        "gain": {
            part: {name: found[name] - one["mean"] for name, one in members[part].items()}
            for part, found in together.items()
        },
    }


def _figures(facts: Mapping[str, Any]) -> dict[str, float]:
    return {name: facts[name] for name in METRICS if facts.get(name) is not None}
