"""From a recipe to a task and a run; fitting one's own module; logs of hand-written loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks._classify import Classification as Classification
    from chainrule.tasks._explain import Explanation as Explanation
    from chainrule.tasks._log import run as run
    from chainrule.tasks._predict_pictures import Prediction as Prediction
    from chainrule.tasks._run import Run as Run
    from chainrule.tasks._signals import Interrupted as Interrupted
    from chainrule.tasks._train import OwnNetwork as OwnNetwork
    from chainrule.tasks._train import begin_run as begin_run
    from chainrule.tasks._train import continue_run as continue_run
    from chainrule.tasks.estimators import KNearestNeighbors as KNearestNeighbors
    from chainrule.tasks.estimators import LinearSVM as LinearSVM
    from chainrule.tasks.estimators import MultilayerPerceptron as MultilayerPerceptron
    from chainrule.tasks.estimators import SoftmaxRegression as SoftmaxRegression
    from chainrule.tasks.fitting import fit as fit
    from chainrule.tasks.tables import open_recipe as open_recipe

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Classification": "_classify",
        "Explanation": "_explain",
        "Interrupted": "_signals",
        "KNearestNeighbors": "estimators",
        "LinearSVM": "estimators",
        "MultilayerPerceptron": "estimators",
        "OwnNetwork": "_train",
        "Prediction": "_predict_pictures",
        "Run": "_run",
        "SoftmaxRegression": "estimators",
        "begin_run": "_train",
        "continue_run": "_train",
        "fit": "fitting",
        "open_recipe": "tables",
        "run": "_log",
    },
)
