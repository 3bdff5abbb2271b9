"""From a recipe to a task and a run; fitting one's own module; logs of hand-written loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.estimators import KNearestNeighbors as KNearestNeighbors
    from chainrule.tasks.estimators import LinearSVM as LinearSVM
    from chainrule.tasks.estimators import MultilayerPerceptron as MultilayerPerceptron
    from chainrule.tasks.estimators import SoftmaxRegression as SoftmaxRegression
    from chainrule.tasks.explaining._explain import Explanation as Explanation
    from chainrule.tasks.fitting import fit as fit
    from chainrule.tasks.images import Classification as Classification
    from chainrule.tasks.job._prediction import Prediction as Prediction
    from chainrule.tasks.runs._begin import OwnNetwork as OwnNetwork
    from chainrule.tasks.runs._begin import begin_run as begin_run
    from chainrule.tasks.runs._own_loop import run as run
    from chainrule.tasks.runs._run import Run as Run
    from chainrule.tasks.runs._signals import Interrupted as Interrupted
    from chainrule.tasks.runs._train import continue_run as continue_run
    from chainrule.tasks.tables import open_recipe as open_recipe

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Classification": "images",
        "Explanation": "explaining._explain",
        "Interrupted": "runs._signals",
        "KNearestNeighbors": "estimators",
        "LinearSVM": "estimators",
        "MultilayerPerceptron": "estimators",
        "OwnNetwork": "runs._begin",
        "Prediction": "job._prediction",
        "Run": "runs._run",
        "SoftmaxRegression": "estimators",
        "begin_run": "runs._begin",
        "continue_run": "runs._train",
        "fit": "fitting",
        "open_recipe": "tables",
        "run": "runs._own_loop",
    },
)
