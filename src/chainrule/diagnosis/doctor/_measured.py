"""What a training measures with scikit-learn's metrics: they see numbers that have left torch."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

import numpy as np

from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor._places import is_users, user_line

METRICS = (
    "accuracy_score",
    "balanced_accuracy_score",
    "f1_score",
    "precision_score",
    "recall_score",
    "matthews_corrcoef",
    "cohen_kappa_score",
    "roc_auc_score",
    "average_precision_score",
    "log_loss",
    "r2_score",
    "explained_variance_score",
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
)
"""The functions that are listened to: each takes the truth first, and then predictions."""
MOST = 1 << 20
"""Elements from which on an argument is not kept."""

Told = Callable[[str, Any, Any, Any, Line | None], None]


class Meter:
    """Tells of each call: name, truth, predictions, result and line. Whoever imported a function by name is found.

    Args:
        told: Called after each call.
        stack: Puts everything back when it closes.
    """

    def __init__(self, told: Told, stack: ExitStack) -> None:
        self._told, self._stack = told, stack
        self._listening = False

    def listen(self) -> None:
        """Begin, once the library is loaded; the functions are replaced in it and in the user's running modules."""
        library = sys.modules.get("sklearn.metrics")
        if self._listening or library is None:
            return
        self._listening = True
        owners = [vars(library), *_running(sys._getframe(1))]
        for name in METRICS:
            original = getattr(library, name, None)
            if original is None:
                continue
            watched = self._watched(name, original)
            for owner in owners:
                for key in [key for key, value in owner.items() if value is original]:
                    owner[key] = watched
                    self._stack.callback(owner.__setitem__, key, original)

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            found = original(*args, **kwargs)
            given = [*args, *(kwargs[key] for key in ("y_true", "y_pred", "y_score", "y_prob") if key in kwargs)]
            if len(given) >= 2:
                self._told(name, _array(given[0]), _array(given[1]), found, user_line())
            return found

        return watched


def _running(frame: FrameType | None) -> list[dict[str, Any]]:
    """The global names of the user's functions that are running."""
    found: dict[int, dict[str, Any]] = {}
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            found[id(frame.f_globals)] = frame.f_globals
        frame = frame.f_back
    return list(found.values())


def _array(values: Any) -> Any:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array.copy() if array.size <= MOST and array.dtype.kind in "biuf" else None
