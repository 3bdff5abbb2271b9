"""Losses: one value an example, and the penalties on the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.losses._binary import binary_cross_entropy as binary_cross_entropy
    from chainrule.losses._penalty import penalty as penalty
    from chainrule.losses._softmax import softmax_loss as softmax_loss
    from chainrule.losses._squared import squared_error as squared_error
    from chainrule.losses._svm import svm_loss as svm_loss

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "binary_cross_entropy": "_binary",
        "penalty": "_penalty",
        "softmax_loss": "_softmax",
        "squared_error": "_squared",
        "svm_loss": "_svm",
    },
)

LOSSES = Registry(
    "loss",
    [
        ("softmax", Entry("chainrule.losses._softmax:softmax_loss", "cross-entropy of the softmax (LECTURES A5)")),
        ("svm", Entry("chainrule.losses._svm:svm_loss", "multiclass hinge loss (LECTURES A4)")),
        ("squared_error", Entry("chainrule.losses._squared:squared_error", "mean squared error (LECTURES A7)")),
        (
            "binary_cross_entropy",
            Entry("chainrule.losses._binary:binary_cross_entropy", "each class asked for apart (LECTURES A5)"),
        ),
    ],
    group="chainrule.losses",
)
