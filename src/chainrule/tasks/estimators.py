"""The classifiers of the lectures as estimators in scikit-learn's protocol; see docs/estimators.md.

They go into pipelines, grid searches and ensembles. What they compute is computed by `chainrule.ops.nearest`,
`chainrule.optim.solvers` and `chainrule.training.train_loop`, as in recipes.
"""

from __future__ import annotations

from chainrule.tasks._estimator_data import ParameterError
from chainrule.tasks._estimator_linear import LinearSVM, SoftmaxRegression
from chainrule.tasks._estimator_mlp import MultilayerPerceptron
from chainrule.tasks._estimator_neighbors import KNearestNeighbors

__all__ = ["KNearestNeighbors", "LinearSVM", "MultilayerPerceptron", "ParameterError", "SoftmaxRegression"]
