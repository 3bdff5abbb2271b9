"""What the estimators share: data checked as scikit-learn's protocol asks, classes by number, seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from chainrule.core.errors import UsageError

FLOATS: Sequence[type] = (np.float64, np.float32)
"""Types that are kept; others become the first."""


class ParameterError(UsageError, ValueError):
    """A parameter of an estimator, or its data, are wrong; a ValueError, as scikit-learn's protocol asks."""


def training_data(estimator: Any, X: Any, y: Any, *, dtypes: Sequence[type] = FLOATS) -> tuple[Tensor, Tensor]:
    """Check examples and classes; note `classes_`, `n_features_in_` and, of named columns, `feature_names_in_`.

    Args:
        estimator: Is given these attributes.
        X: (N, D), dense and finite.
        y: (N,), numbers or text.
        dtypes: Types that are kept; others become the first.

    Returns:
        The examples, and the numbers of their classes in `classes_`.

    Raises:
        ValueError: They do not belong together, or are not finite; y holds no classes.
        TypeError: X is sparse.
    """
    X, y = validate_data(estimator, X, y, dtype=list(dtypes))
    check_classification_targets(y)
    estimator.classes_, codes = np.unique(y, return_inverse=True)
    return _tensor(X), torch.from_numpy(codes.astype(np.int64))


def new_data(estimator: Any, X: Any, *, dtypes: Sequence[type] = FLOATS) -> Tensor:
    """Check examples that a fitted estimator is asked about.

    Raises:
        NotFittedError: It is not fitted.
        ValueError: They have other features than the examples that it was fitted on.
    """
    check_is_fitted(estimator)
    return _tensor(validate_data(estimator, X, dtype=list(dtypes), reset=False))


def named(estimator: Any, codes: Tensor) -> NDArray[Any]:
    """Return classes by their numbers."""
    return estimator.classes_.take(codes.numpy())


def seed_of(random_state: Any) -> int:
    """Return the seed: a whole number is itself, a generator of numpy's draws one, and so does numpy's own for None.

    Raises:
        ValueError: It is none of these.
    """
    generator = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, int | np.integer) else int(generator.randint(2**31 - 1))


def _tensor(values: NDArray[Any]) -> Tensor:
    """The same memory where torch can have it: in rows, in the machine's order of bytes, writable."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.require(native, requirements=["C", "W"]))
