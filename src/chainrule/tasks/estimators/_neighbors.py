"""k nearest neighbors as an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import check_cv
from torch import Tensor

from chainrule.models._knn import right_by_k, vote_scores
from chainrule.ops import Points
from chainrule.tasks.estimators._data import FLOATS, ParameterError, named, new_data, training_data

DTYPES = (*FLOATS, np.uint8)
"""Pixels of 8 bits are compared as such, which is exact and fast."""


class KNearestNeighbors(ClassifierMixin, BaseEstimator):
    """Classifier by majority vote of the k nearest training examples.

    Where votes are equal, the class of the nearest member wins; of examples that are equally near, the first ones vote.

    Args:
        k: How many neighbors vote; of several numbers the one with the best accuracy in cross-validation, of equally
            good ones the smallest.
        distance: "l2", sqrt(sum_i (a_i - b_i)^2), or "l1", sum_i |a_i - b_i|.
        cv: Folds of that cross-validation: their number (stratified, in the order of the examples), or a splitter.

    Attributes:
        classes_: The classes, sorted.
        k_: How many neighbors vote.
        cv_accuracy_: Each k -> its accuracy in cross-validation; empty if there was no choice.

    Example:
        >>> fitted = KNearestNeighbors(k=1).fit([[0.0, 0.0], [9.0, 9.0]], ["low", "high"])
        >>> fitted.predict([[8.0, 7.0]]).tolist()
        ['high']

    Source:
        LECTURES A2.

    Departures:
        Of equal votes `sklearn.neighbors.KNeighborsClassifier` takes the class that is sorted first.
    """

    def __init__(self, k: int | Sequence[int] = 5, *, distance: Literal["l2", "l1"] = "l2", cv: Any = 5) -> None:
        self.k = k
        self.distance = distance
        self.cv = cv

    def fit(self, X: Any, y: Any) -> KNearestNeighbors:
        """Keep a copy of the training examples, and choose k.

        Args:
            X: (N, D), numbers; those of 8 bits without sign are compared exactly, in whole numbers.
            y: (N,) classes.

        Raises:
            ParameterError: A k below 1 or above N, or another distance.
        """
        options = self._options()
        x, self._codes = training_data(self, X, y, dtypes=DTYPES)
        if options[-1] > len(x):
            raise ParameterError(
                "there are too few examples for so many neighbors",
                expected=f"k at most n_samples = {len(x)}",
                got=options[-1],
            )
        self._points = Points(x.clone())
        self.cv_accuracy_ = self._accuracy(options) if len(options) > 1 else {}
        self.k_ = max(options, key=lambda k: (self.cv_accuracy_.get(k, 0.0), -k))
        return self

    def neighbors(self, X: Any, k: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return distances and positions of the nearest training examples, the nearest first.

        Args:
            X: (M, D).
            k: How many; those that vote when left out.

        Raises:
            UsageError: k is below 1 or above N.

        Example:
            >>> fitted = KNearestNeighbors(k=1).fit([[0.0], [9.0], [3.0]], [0, 1, 0])
            >>> distances, index = fitted.neighbors([[4.0]], 2)
            >>> distances.tolist(), index.tolist()
            ([[1.0, 4.0]], [[2, 0]])
        """
        x = new_data(self, X, dtypes=DTYPES)
        distances, index = self._points.nearest(x, self.k_ if k is None else k, distance=self.distance)
        return distances.numpy(), index.numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example."""
        return named(self, self._vote(X)[1])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the shares of the votes, (M, K).

        Of equal shares that of the predicted class is larger by the last bit, so that the largest share is always that
        of the predicted class.
        """
        members, winner = self._vote(X)
        shares = torch.nn.functional.one_hot(members, len(self.classes_)).sum(1).double() / self.k_  # (M, K)
        won = shares.gather(1, winner[:, None])
        tied = (shares == won).sum(1, keepdim=True) > 1
        shares.scatter_(1, winner[:, None], torch.where(tied, won.nextafter(won + 1), won))
        return shares.numpy()

    def _vote(self, X: Any) -> tuple[Tensor, Tensor]:
        """The classes of the neighbors, (M, k), and those that they elect, (M,)."""
        _, index = self.neighbors(X)
        members = self._codes[torch.from_numpy(index)]
        return members, vote_scores(members, self.k_, len(self.classes_)).argmax(1)

    def _options(self) -> list[int]:
        given = list(self.k) if isinstance(self.k, Sequence | np.ndarray) else [self.k]
        if not given or not all(isinstance(k, int | np.integer) and not isinstance(k, bool) and k >= 1 for k in given):
            raise ParameterError("k is how many neighbors vote", expected="at least 1, or several such", got=self.k)
        if self.distance not in ("l2", "l1"):
            raise ParameterError("there are two distances", expected="l1 or l2", got=self.distance)
        return sorted({int(k) for k in given})

    def _accuracy(self, options: list[int]) -> dict[int, float]:
        """Of each k, over all examples, each found among the other folds."""
        x, codes = self._points.points, self._codes
        right = []
        for others, held in check_cv(self.cv, codes.numpy(), classifier=True).split(x.numpy(), codes.numpy()):
            if options[-1] > len(others):
                raise ParameterError(
                    "there are too few examples for so many neighbors",
                    expected=f"k at most {len(others)}, which a fold leaves of n_samples = {len(x)}",
                    got=options[-1],
                )
            _, index = Points(x[others]).nearest(x[held], options[-1], distance=self.distance)
            right.append(right_by_k(codes[others][index], codes[held], options, len(self.classes_)))
        return dict(zip(options, torch.cat(right).double().mean(0).tolist()))
