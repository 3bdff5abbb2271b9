"""How settings are drawn and trainings cut short: Optuna's samplers and pruners, seeded to be repeatable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import optuna

from chainrule.runtime.rng import derive
from chainrule.tuning._plan import RUNGS, SearchPlan


class Seeded(optuna.samplers.BaseSampler):
    """A sampler whose every draw has a seed of its own: that of the search, the trial and the setting.

    So random search gives trial i the same settings whoever draws them and in which order, and a search that is gone
    on with does not begin its random numbers anew. TPE's draws depend on the trials that are finished as well.

    Args:
        make: `seed -> sampler`.
        seed: Of the search.
        stage: Of the trials.
    """

    def __init__(self, make: Callable[[int], optuna.samplers.BaseSampler], seed: int, stage: str) -> None:
        self.make, self.seed, self.stage = make, seed, stage

    def _of(self, trial: Any, name: str) -> optuna.samplers.BaseSampler:
        return self.make(derive(self.seed, "search", self.stage, int(trial.user_attrs["index"]), name) % 2**32)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Nothing is drawn together: settings are drawn one by one."""
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """Draw one setting."""
        return self._of(trial, param_name).sample_independent(study, trial, param_name, param_distribution)


def sampler(plan: SearchPlan, stage: str) -> Seeded:
    """Return the sampler of a stage."""
    startup = min(10, max(4, plan.count_of(stage) // 4))

    def make(seed: int) -> optuna.samplers.BaseSampler:
        if plan.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)

    return Seeded(make, plan.seed, stage)


def pruner(plan: SearchPlan, stage: str) -> optuna.pruners.BasePruner:
    """Return the pruner of a stage; its unit is one measurement on the validation part.

    The median one lets the first four trainings and the first third of each be: fast rates lead at the beginning.
    """
    epochs = plan.recipe.train.epochs
    rungs = max(RUNGS, math.ceil(epochs * (plan.share if stage == "coarse" else 1.0))) if epochs else RUNGS
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=rungs // 3)
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=rungs, reduction_factor=3)
    return optuna.pruners.NopPruner()
