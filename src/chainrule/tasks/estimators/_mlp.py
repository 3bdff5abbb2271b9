"""Fully connected networks as an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor

from chainrule.models import mlp
from chainrule.tasks.estimators._data import ParameterError, named, new_data, seed_of, training_data
from chainrule.tasks.fitting._task import pairs_task
from chainrule.training.loop import start, train_loop
from chainrule.training.rules import stop_on_non_finite
from chainrule.training.task import Plan, Seen

GROUP = 4096
"""Examples that go through the network at once."""


class MultilayerPerceptron(ClassifierMixin, BaseEstimator):
    """Classifier by a fully connected network, trained by the loop that trains recipes.

    The network is that of `chainrule.models.mlp`, in float32. Features should be of similar size: put a
    `StandardScaler` before it in a pipeline.

    Args:
        hidden: Width of each hidden layer.
        activation: relu, tanh, sigmoid, leaky_relu, elu or gelu.
        dropout: Probability of dropping each hidden unit while training.
        optim: Name of an optimizer.
        lr: Learning rate at the start of the schedule.
        schedule: Name of a schedule.
        weight_decay: On weights, not on biases; needs an optimizer that has it.
        batch: Examples a step.
        epochs: Passes over the examples.
        random_state: Seed of weights, order and dropout, from which each is drawn by key: the same seed gives the same
            network.

    Attributes:
        classes_: The classes, sorted.
        network_: The trained `torch.nn.Module`, in evaluation mode.
        n_iter_: Epochs taken.
        loss_curve_: Mean training loss of each epoch.

    Example:
        >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
        >>> MultilayerPerceptron(hidden=(16,), lr=0.05, epochs=100).fit(x, y).predict(x).tolist()
        [0, 1, 1, 0]

    Source:
        LECTURES C4.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (128,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        optim: str = "adam",
        lr: float = 1e-3,
        schedule: str = "cosine",
        weight_decay: float = 0.0,
        batch: int = 64,
        epochs: int = 50,
        random_state: Any = 0,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.optim = optim
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch = batch
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MultilayerPerceptron:
        """Train the network on all examples.

        Args:
            X: (N, D), numbers.
            y: (N,) classes.

        Raises:
            UsageError: A parameter is wrong.
            NonFiniteError: The loss or the gradient is not finite.
        """
        self._check()
        x, codes = training_data(self, X, y, dtypes=(np.float32,))
        seed = seed_of(self.random_state)
        task = pairs_task(
            lambda: mlp(
                tuple(x.shape[1:]),
                len(self.classes_),
                hidden=self.hidden,
                activation=self.activation,
                dropout=self.dropout,
            ),
            x,
            codes,
            {"train": torch.arange(len(x))},
            batch=min(self.batch, len(x)),
            seed=seed,
            lr=self.lr,
            optim=self.optim,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
        )
        curve = _LossCurve()
        state = train_loop(
            task,
            start(task, seed),
            Plan(
                steps=self.epochs * task.orders["train"].per_epoch,
                seed=seed,
                parts=1,
                evaluate=lambda at: False,
                keep=lambda at: False,
                stop=lambda at: False,
                guard=stop_on_non_finite(),
                save=lambda state: None,
            ),
            observers=[curve],
        )
        for parameter in state.model.parameters():
            parameter.grad = None
        self.network_ = state.model.eval()
        self.n_iter_, self.loss_curve_ = self.epochs, curve.means()
        return self

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """Return the network's scores, (M, K); of two classes (M,), above 0 for the second."""
        scores = self._scores(X)
        return (scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example: the one with the largest score."""
        return named(self, self._scores(X).argmax(1))

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Return the softmax of the scores, (M, K)."""
        return self._scores(X).softmax(1).numpy()

    def predict_log_proba(self, X: Any) -> NDArray[np.float32]:
        """Return the logarithms of the probabilities, (M, K)."""
        return self._scores(X).log_softmax(1).numpy()

    def _scores(self, X: Any) -> Tensor:
        x = new_data(self, X, dtypes=(np.float32,))
        with torch.no_grad():
            return torch.cat([self.network_(group) for group in x.split(GROUP)])

    def _check(self) -> None:
        for name in ("batch", "epochs"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{name} is a count", expected="a whole number, at least 1", got=value)
        if not isinstance(self.hidden, Sequence) or not all(
            isinstance(size, int | np.integer) and size >= 1 for size in self.hidden
        ):
            raise ParameterError("hidden are widths of layers", expected="whole numbers, at least 1", got=self.hidden)


class _LossCurve:
    """Sums the loss of each epoch, by examples."""

    def __init__(self) -> None:
        self.sums: dict[int, tuple[float, int]] = {}

    def __call__(self, seen: Seen) -> None:
        total, count = self.sums.get(seen.epoch, (0.0, 0))
        self.sums[seen.epoch] = total + seen.report["loss"] * seen.examples, count + seen.examples

    def means(self) -> list[float]:
        return [total / count for total, count in self.sums.values()]
