"""The classifiers of the lectures as estimators in scikit-learn's protocol; see docs/estimators.md.

They go into pipelines, grid searches and ensembles. What they compute is computed by `chainrule.ops.nearest`,
`chainrule.optim.solvers` and `chainrule.training.train_loop`, as in recipes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.estimators._data import ParameterError as ParameterError
    from chainrule.tasks.estimators._linear import LinearSVM as LinearSVM
    from chainrule.tasks.estimators._linear import SoftmaxRegression as SoftmaxRegression
    from chainrule.tasks.estimators._mlp import MultilayerPerceptron as MultilayerPerceptron
    from chainrule.tasks.estimators._neighbors import KNearestNeighbors as KNearestNeighbors

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "KNearestNeighbors": "_neighbors",
        "LinearSVM": "_linear",
        "MultilayerPerceptron": "_mlp",
        "ParameterError": "_data",
        "SoftmaxRegression": "_linear",
    },
)
