"""Linear classifiers as estimators: f(x) = W x + b, by the softmax loss or the SVM's."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from chainrule.optim.solvers import LinearSolution, averaged_sgd, newton_cg
from chainrule.tasks.estimators._data import ParameterError, named, new_data, seed_of, training_data


class SoftmaxRegression(ClassifierMixin, BaseEstimator):
    """Linear classifier with the softmax loss: minimizes mean -log p_y + lambda sum W^2, p = softmax(W x + b).

    Args:
        l2: lambda, at least 0. `LogisticRegression(C)` has the same minimum for C = 1 / (2 lambda N), between more than
            two classes; see Departures for two.
        solver: "newton_cg", to the minimum, or "averaged_sgd", by minibatches near it.
        tol: newton_cg stops when no element of the gradient is larger.
        max_iter: Most iterations of newton_cg (100 when left out), or epochs of averaged_sgd (5, or more where that
            makes fewer than 1,000 minibatches).
        random_state: Seed of the samples or minibatches.

    Attributes:
        classes_: The classes, sorted.
        coef_: W, (K, D); of two classes (1, D), the second's less the first's.
        intercept_: b, (K,) or (1,).
        n_iter_: Iterations or epochs taken.
        objective_: What was minimized, at the end.

    Example:
        >>> fitted = SoftmaxRegression(l2=0.1).fit([[-1.0], [0.0], [1.0], [2.0]], [0, 1, 0, 1])
        >>> fitted.predict([[5.0]]).tolist(), fitted.predict_proba([[0.5]]).round(3).tolist()
        ([1], [[0.5, 0.5]])

    Source:
        LECTURES A3, A5, A6.

    Departures:
        Two classes have two rows of weights as all others do. At the minimum they are opposite, w and -w, so the
        penalty is half of what one row of 2 w would cost: the `LogisticRegression` of scikit-learn with the same
        minimum has C = 1 / (lambda N).
    """

    def __init__(
        self,
        l2: float = 1e-4,
        *,
        solver: Literal["newton_cg", "averaged_sgd"] = "newton_cg",
        tol: float = 1e-4,
        max_iter: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.l2 = l2
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> SoftmaxRegression:
        """Find the weights.

        Args:
            X: (N, D), numbers; float32 is worked on as such, others as float64.
            y: (N,) classes.

        Raises:
            UsageError: A parameter is wrong.
        """
        if self.solver not in ("newton_cg", "averaged_sgd"):
            raise ParameterError(
                "softmax regression has two solvers", expected="newton_cg or averaged_sgd", got=self.solver
            )
        x, codes = training_data(self, X, y)
        _keep(self, _solved(self, x, codes, self.solver, "softmax"))
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the scores W x + b, (M, K); of two classes (M,), above 0 for the second."""
        return _scores(self, X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example: the one with the largest score."""
        return _largest(self, X)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return softmax(W x + b), (M, K)."""
        scores = torch.from_numpy(_scores(self, X))
        if scores.ndim == 1:
            scores = torch.stack([torch.zeros_like(scores), scores][-len(self.classes_) :], 1)
        return scores.softmax(1).numpy()

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of the probabilities, (M, K)."""
        return np.log(self.predict_proba(X))


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear classifier with the multiclass SVM loss.

    Minimizes mean sum_{j != y} max(0, s_j - s_y + 1) + lambda sum W^2 over s = W x + b, or the same with squares.

    Args:
        l2: lambda, at least 0.
        loss: "hinge", solved by minibatches and averaged weights, or "squared_hinge", by Newton's method.
        tol: For squared_hinge: stop when no element of the gradient is larger.
        max_iter: Most epochs for hinge (5, or more where that makes fewer than 1,000 minibatches), or iterations for
            squared_hinge (100).
        random_state: Seed of the minibatches or samples.

    Attributes:
        classes_: The classes, sorted.
        coef_: W, (K, D); of two classes (1, D), the second's less the first's.
        intercept_: b, (K,) or (1,).
        n_iter_: Epochs or iterations taken.
        objective_: What was minimized, at the end.

    Example:
        >>> fitted = LinearSVM().fit([[-2.0], [-1.0], [1.0], [2.0]], ["left", "left", "right", "right"])
        >>> fitted.predict([[0.5]]).tolist()
        ['right']

    Source:
        LECTURES A3, A4, A6.

    Departures:
        All classes are told apart by one loss; `sklearn.svm.LinearSVC` solves one problem a class.
    """

    def __init__(
        self,
        l2: float = 1e-4,
        *,
        loss: Literal["hinge", "squared_hinge"] = "hinge",
        tol: float = 1e-4,
        max_iter: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.l2 = l2
        self.loss = loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LinearSVM:
        """Find the weights.

        Args:
            X: (N, D), numbers; float32 is worked on as such, others as float64.
            y: (N,) classes.

        Raises:
            UsageError: A parameter is wrong.
        """
        if self.loss not in ("hinge", "squared_hinge"):
            raise ParameterError("the SVM has two losses", expected="hinge or squared_hinge", got=self.loss)
        x, codes = training_data(self, X, y)
        solver: Literal["averaged_sgd", "newton_cg"] = "averaged_sgd" if self.loss == "hinge" else "newton_cg"
        _keep(self, _solved(self, x, codes, solver, self.loss))
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the scores W x + b, (M, K); of two classes (M,), above 0 for the second."""
        return _scores(self, X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example: the one with the largest score."""
        return _largest(self, X)


def _solved(
    estimator: Any, x: Tensor, codes: Tensor, solver: Literal["newton_cg", "averaged_sgd"], loss: Any
) -> LinearSolution:
    generator = torch.Generator().manual_seed(seed_of(estimator.random_state))
    common = {"classes": len(estimator.classes_), "loss": loss, "l2": estimator.l2, "generator": generator}
    if solver == "averaged_sgd":
        return averaged_sgd(x, codes, epochs=estimator.max_iter, **common)
    most = 100 if estimator.max_iter is None else estimator.max_iter
    found = newton_cg(x, codes, tolerance=estimator.tol, iterations=most, **common)
    if found.reason == "iterations":
        said = f"newton_cg stopped after {most} iterations, with a gradient of {found.record[-1].gradient:.2g}"
        warnings.warn(f"{said}: scale the features, or raise max_iter or tol", ConvergenceWarning, stacklevel=3)
    return found


def _keep(estimator: Any, found: LinearSolution) -> None:
    """Note what was found; of two classes, how the second differs from the first."""
    weights, bias = found.weights, found.bias
    if len(estimator.classes_) == 2:
        weights, bias = weights[1:] - weights[:1], bias[1:] - bias[:1]
    estimator.coef_, estimator.intercept_ = weights.numpy(), bias.numpy()
    estimator.n_iter_ = len(found.record) - 1
    estimator.objective_ = found.objective


def _scores(estimator: Any, X: Any) -> NDArray[Any]:
    scores = new_data(estimator, X).numpy() @ estimator.coef_.T + estimator.intercept_
    return scores[:, 0] if scores.shape[1] == 1 else scores


def _largest(estimator: Any, X: Any) -> NDArray[Any]:
    scores = torch.from_numpy(_scores(estimator, X))
    return named(estimator, (scores > 0).long() if scores.ndim == 1 else scores.argmax(1))
