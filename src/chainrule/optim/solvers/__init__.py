"""Solvers for linear classifiers: no learning rate to choose, or none that has to decay by hand.

A network is trained by optimizers, step by step. A linear classifier is a convex problem with few unknowns: a
second-order method ends near its minimum after a few passes over the data, and says how near.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.optim.solvers._averaged import averaged_sgd as averaged_sgd
    from chainrule.optim.solvers._newton import newton_cg as newton_cg
    from chainrule.optim.solvers._solution import Iteration as Iteration
    from chainrule.optim.solvers._solution import LinearSolution as LinearSolution

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {"newton_cg": "_newton", "averaged_sgd": "_averaged", "Iteration": "_solution", "LinearSolution": "_solution"},
)

GIVEN = ("classes", "loss", "l2", "penalize_bias", "start", "generator")
"""What a recipe says elsewhere: in its sections `loss` and `penalty`, by its data and by its seed."""

SOLVERS = Registry(
    "solver",
    [
        (
            "newton_cg",
            Entry(
                f"{__name__}._newton:newton_cg",
                "Newton's method by conjugate gradients (LECTURES B8): softmax, svm",
                {"given": GIVEN, "losses": ("softmax", "squared_hinge")},
            ),
        ),
        (
            "averaged_sgd",
            Entry(
                f"{__name__}._averaged:averaged_sgd",
                "minibatches and averaged weights: the hinge loss",
                {"given": GIVEN, "losses": ("hinge", "softmax")},
            ),
        ),
    ],
    group="chainrule.solvers",
)
