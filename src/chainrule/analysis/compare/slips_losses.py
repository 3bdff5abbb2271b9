"""Losses, and what people write instead.

A loss is compared as it is returned: one number (the mean over the examples) or one for each example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.analysis.compare._formula import Argument, Case, Formula, Line, Slip, Values
from chainrule.formulas import (
    binary_cross_entropy,
    binary_cross_entropy_backward,
    mean_squared_error,
    mean_squared_error_backward,
    softmax,
    softmax_loss,
    softmax_loss_backward,
    svm_loss,
    svm_loss_backward,
)

Y = Argument("y", ("labels", "target", "targets", "t", "label", "y_true", "ytrue", "truth"))


def _scores(*more: str) -> Argument:
    return Argument("scores", ("x", "logits", "z", "s", "f", "outputs", "out", "y_pred", *more))


def _as_returned(v: Values, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"each": found["loss"].ndim == 1 and len(found["loss"]) == len(v.y)}


def _forward(loss: Callable[..., Any], first: str) -> Callable[[Values], dict[str, Any]]:
    def results(v: Values) -> dict[str, Any]:
        losses = loss(getattr(v, first), v.y)[0]
        return {"loss": losses if v.each else losses.mean()}

    return results


def _backward(loss: Callable[..., Any], backward: Callable[..., Any], first: str) -> Callable[[Values], dict[str, Any]]:
    def results(v: Values) -> dict[str, Any]:
        cache = loss(getattr(v, first), v.y)[1]
        dlosses = v.dloss if v.each else np.full(len(v.y), v.dloss / len(v.y))
        return {"d" + first: backward(dlosses, cache)}

    return results


_SHARE: dict[str, Line] = {
    "share": lambda v: 1.0 if v.each else 1 / len(v.y),
    "up": lambda v: v.dloss[:, None] if v.each else v.dloss,
    "mean": lambda v: v.losses if v.each else v.losses.sum() * v.loss_share,
    "loss_share": lambda v: 1 / len(v.y),
    "loss": lambda v: v.mean,
}
_NOT_AVERAGED = Slip("loss-not-averaged", "the loss is the sum over the examples: 1/N is missing",
                     {"loss_share": lambda v: 1.0})  # fmt: skip
_GRADIENT_NOT_AVERAGED = Slip("missing-1-over-n",
"the gradient is not divided by the number of examples: 1/N is missing",
                              {"share": lambda v: 1.0})  # fmt: skip


def _class_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, N: int, K: int, scale: float = 1.0, shift: float = 0.0) -> Case:
        scores = shift + scale * rng.standard_normal((N, K))
        return Case(name, {"scores": scores, "y": rng.integers(0, K, N), "each": False})

    shapes = [(4, 3), (2, 7), (7, 2), (5, 5), (3, 10)]
    return [
        *(case(f"{N} examples of {K} classes", N, K) for N, K in shapes),
        case("one example", 1, 4),
        case("two classes", 6, 2, 3.0),
        case("scores far from 0", 3, 4, 1.0, -20.0),
        case("spread scores", 4, 5, 8.0),
        Case("equal scores", {"scores": np.full((3, 4), 0.5), "y": np.array([0, 3, 1]), "each": False}),
        Case("scores near 1000", {"scores": 1e3 + rng.standard_normal((3, 4)), "y": np.array([2, 0, 1]),
        "each": False}),
        Case("scores that overflow an exponential", {"scores": np.array([[1e3, 0.0, -1e3], [900.0, 1e3, 0.0]]),
             "y": np.array([1, 0]), "each": False}),
    ]  # fmt: skip


def _onehot(v: Values) -> np.ndarray:
    return np.eye(v.scores.shape[1])[v.y]


def _at(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return p[np.arange(len(y)), y]


SOFTMAX_LOSS = Formula(
    "softmax_loss", "softmax (cross-entropy) loss", "A5", (_scores(), Y), ("loss",), ("dscores",),
    _forward(softmax_loss, "scores"), _backward(softmax_loss, softmax_loss_backward, "scores"), _class_cases,
    upstream={"dloss": "loss"}, observed=_as_returned,
    lines={
        **_SHARE,
        "p": lambda v: softmax(v.scores),
        "losses": lambda v: v.sign * softmax_loss(v.scores, v.y)[0],
        "sign": lambda v: 1.0,
        "onehot": _onehot,
        "dscores": lambda v: (v.p - v.onehot) * v.share * v.up,
    },
    slips=(
        _NOT_AVERAGED, _GRADIENT_NOT_AVERAGED,
        Slip("no-max-subtraction", "large scores overflow the exponential: the largest score is not subtracted first",
             {"losses": lambda v: -np.log(_at(_naive(v.scores), v.y)), "p": lambda v: _naive(v.scores)}),
        Slip("log-of-rounded", "where a class is all but certain, the logarithm of another is taken of a rounded 0",
             {"losses": lambda v: -np.log(_at(softmax(v.scores), v.y))}, mild=True),
        Slip("log-with-epsilon", "a small number is added inside the logarithm, which bounds the loss",
             {"losses": lambda v: -np.log(_at(softmax(v.scores), v.y) + 1e-8)}, mild=True),
        Slip("log-with-epsilon", "a small number is added inside the logarithm, which bounds the loss",
             {"losses": lambda v: -np.log(_at(softmax(v.scores), v.y) + 1e-12)}, mild=True),
        Slip("softmax-over-the-batch", "the softmax runs over the examples, not over the classes",
             {"losses": lambda v: -np.log(_at(softmax(v.scores.T).T, v.y))}),
        Slip("softmax-over-the-batch", "the softmax of the gradient runs over the examples, not over the classes",
             {"p": lambda v: softmax(v.scores.T).T}),
        Slip("softmax-over-everything", "the softmax is normalized over all numbers, not for each example",
             {"losses": lambda v: -np.log(_at(_whole(v.scores), v.y)), "p": lambda v: _whole(v.scores)}),
        Slip("softmax-over-everything", "the softmax is normalized over all numbers, not for each example",
             {"losses": lambda v: -np.log(_at(_whole(v.scores), v.y))}),
        Slip("softmax-twice", "the softmax is applied twice",
             {"losses": lambda v: softmax_loss(softmax(v.scores), v.y)[0]}),
        Slip("sign", "the sign of the loss is wrong", {"sign": lambda v: -1.0}),
        Slip("right-class-forgotten", "the gradient is the probabilities alone: the right class is not subtracted",
             {"onehot": lambda v: 0.0}),
        Slip("no-logarithm", "the logarithm is missing", {"losses": lambda v: -_at(softmax(v.scores), v.y)}),
        Slip("not-normalized", "the exponentials are not divided by their sum",
             {"losses": lambda v: -v.scores[np.arange(len(v.y)), v.y]}),
        Slip("averaged-over-classes", "the loss is divided by the number of classes too",
             {"loss_share": lambda v: 1 / v.scores.size}),
        Slip("averaged-over-classes", "the gradient is divided by the number of classes too",
             {"share": lambda v: 1 / v.scores.size}),
        Slip("gradient-only-of-the-right-class", "only the right class gets a gradient",
             {"dscores": lambda v: (v.p - 1) * v.onehot * v.share * v.up}),
        Slip("log-base-2", "the logarithm is that of base 2",
             {"losses": lambda v: softmax_loss(v.scores, v.y)[0] / np.log(2)}),
    ),
    words=("softmax", "cross_entropy", "cross_entropy_loss", "softmax_cross_entropy", "xent"),
)  # fmt: skip


def _margin_cases(rng: np.random.Generator) -> list[Case]:
    return [case for case in _class_cases(rng) if "overflow" not in case.name]


def _margins(v: Values) -> np.ndarray:
    return np.maximum(0, v.scores - _at(v.scores, v.y)[:, None] + v.margin)


SVM_LOSS = Formula(
    "svm_loss", "multiclass SVM (hinge) loss", "A4", (_scores(), Y), ("loss",), ("dscores",),
    _forward(svm_loss, "scores"), _backward(svm_loss, svm_loss_backward, "scores"), _margin_cases,
    upstream={"dloss": "loss"}, observed=_as_returned,
    lines={
        **_SHARE,
        "margin": lambda v: 1.0,
        "onehot": _onehot,
        "margins": lambda v: _margins(v) * (1 - v.onehot),
        "losses": lambda v: v.margins.sum(axis=1),
        "violating": lambda v: (v.margins > 0).astype(float) * (1 - v.onehot),
        "pull": lambda v: v.violating.sum(axis=1, keepdims=True),
        "dscores": lambda v: (v.violating - v.onehot * v.pull) * v.share * v.up,
    },
    slips=(
        _NOT_AVERAGED, _GRADIENT_NOT_AVERAGED,
        Slip("right-class-counted", "the right class is counted too, which adds the margin for each example",
             {"losses": lambda v: _margins(v).sum(axis=1)}),
        Slip("right-class-not-pulled", "the right class gets no gradient", {"pull": lambda v: 0.0}),
        Slip("right-class-pulled-once", "the right class is pulled once, however many classes violate the margin",
             {"pull": lambda v: (v.violating.sum(axis=1, keepdims=True) > 0).astype(float)}),
        Slip("right-class-overwritten", "the right class is pulled too little by one: its own margin is counted",
             {"pull": lambda v: v.violating.sum(axis=1, keepdims=True) - 1}),
        Slip("no-margin", "the margin is missing", {"margin": lambda v: 0.0}),
        Slip("margin-sign", "the margin has the wrong sign", {"margin": lambda v: -1.0}),
        Slip("difference-reversed", "the right score minus the others is taken, not the others minus the right one",
             {"margins": lambda v: np.maximum(0, _at(v.scores, v.y)[:, None] - v.scores + 1) * (1 - v.onehot)}),
        Slip("squared-hinge", "your code follows the squared hinge loss",
             {"losses": lambda v: (v.margins**2).sum(axis=1),
              "violating": lambda v: 2 * v.margins}, convention="the L2-SVM"),
        Slip("hardest-class-only", "only the class with the largest margin is counted",
             {"losses": lambda v: v.margins.max(axis=1)}),
        Slip("margins-instead-of-mask", "the gradient holds the margins, not where they are violated",
             {"violating": lambda v: v.margins}),
        Slip("averaged-over-classes", "the loss is divided by the number of classes too",
             {"loss_share": lambda v: 1 / v.scores.size}),
    ),
    words=("svm", "hinge", "hinge_loss", "multiclass_svm"),
)  # fmt: skip


def _regression_cases(rng: np.random.Generator) -> list[Case]:
    shapes = [(4, 3), (1, 5), (6, 1), (1, 1), (2, 7), (5, 5), (3, 4), (8, 2)]
    return [
        Case(f"{N} x {D}", {"yhat": 2 * rng.standard_normal((N, D)), "y": rng.standard_normal((N, D)), "each": False})
        for N, D in shapes
    ] + [Case("nothing wrong", {"yhat": np.ones((2, 3)), "y": np.ones((2, 3)), "each": False})]


MSE = Formula(
    "mse", "mean squared error", "A7",
    (Argument("yhat", ("y_pred", "pred", "prediction", "predictions", "x", "output", "outputs", "y_hat", "p")), Y),
    ("loss",), ("dyhat",),
    _forward(mean_squared_error, "yhat"), _backward(mean_squared_error, mean_squared_error_backward, "yhat"),
    _regression_cases, upstream={"dloss": "loss"}, observed=_as_returned,
    lines={
        **_SHARE,
        "difference": lambda v: v.yhat - v.y,
        "outputs": lambda v: v.yhat.shape[1],
        "losses": lambda v: (v.difference**2).sum(axis=1) / v.outputs,
        "two": lambda v: 2.0,
        "dyhat": lambda v: v.two * v.difference / v.outputs * v.share * v.up,
    },
    slips=(
        Slip("half-the-square", "your code takes half of the square, as 001's walk-through does",
             {"losses": lambda v: (v.difference**2).sum(axis=1) / v.outputs / 2, "two": lambda v: 1.0},
             convention="001"),
        Slip("sum-over-outputs", "your code adds over the outputs and averages over the examples only",
             {"outputs": lambda v: 1}, convention="regression"),
        Slip("half-the-sum", "your code takes half of the square, summed over the outputs, as 001's walk-through does",
             {"losses": lambda v: (v.difference**2).sum(axis=1) / 2, "two": lambda v: 1.0, "outputs": lambda v: 1},
             convention="001"),
        _NOT_AVERAGED, _GRADIENT_NOT_AVERAGED,
        Slip("loss-not-averaged", "the loss is the sum over all numbers: the average is missing",
             {"losses": lambda v: (v.difference**2).sum(axis=1), "loss_share": lambda v: 1.0}),
        Slip("missing-1-over-n", "the gradient is not divided by the number of numbers",
             {"dyhat": lambda v: 2 * v.difference * v.up}),
        Slip("factor-2-forgotten", "the factor 2 of the square's derivative is forgotten", {"two": lambda v: 1.0}),
        Slip("outputs-forgotten", "the gradient is not divided by the number of outputs",
             {"dyhat": lambda v: v.two * v.difference * v.share * v.up}),
        Slip("sign", "the difference is taken the other way round",
             {"dyhat": lambda v: -v.two * v.difference / v.outputs * v.share * v.up}),
        Slip("absolute-difference", "the absolute difference is taken, not the square",
             {"losses": lambda v: np.abs(v.difference).mean(axis=1)}),
        Slip("root", "a root is taken of the mean", {"loss": lambda v: np.sqrt(v.mean)}),
    ),
    words=("mean_squared_error", "l2_loss", "squared_error", "mse_loss"),
)  # fmt: skip


def _binary_cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case(f"{N} examples", {"scores": s * rng.standard_normal(N), "y": rng.integers(0, 2, N).astype(float),
        "each": False})
        for N, s in [(4, 1.0), (1, 1.0), (7, 3.0), (2, 0.1), (9, 5.0), (3, 1.0), (6, 2.0)]
    ] + [
        Case("soft targets", {"scores": rng.standard_normal(5), "y": rng.random(5), "each": False}),
        Case("scores that overflow an exponential",
             {"scores": np.array([1e3, -1e3, 1e3, -1e3]), "y": np.array([1.0, 0, 0, 1]), "each": False}),
    ]  # fmt: skip


def _sigmoid(s: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -s))


BCE = Formula(
    "bce", "binary cross-entropy, from scores", "A5", (_scores(), Y), ("loss",), ("dscores",),
    _forward(binary_cross_entropy, "scores"),
    _backward(binary_cross_entropy, binary_cross_entropy_backward, "scores"),
    _binary_cases, upstream={"dloss": "loss"}, observed=_as_returned,
    lines={
        **_SHARE,
        "up": lambda v: v.dloss,
        "p": lambda v: _sigmoid(v.scores),
        "losses": lambda v: binary_cross_entropy(v.scores, v.y)[0],
        "dscores": lambda v: (v.p - v.y) * v.share * v.up,
    },
    slips=(
        _NOT_AVERAGED, _GRADIENT_NOT_AVERAGED,
        Slip("log-of-rounded", "where a class is all but certain, the logarithm of the other is taken of a rounded 0",
             {"losses": lambda v: -(v.y * np.log(v.p) + (1 - v.y) * np.log(1 - v.p))}, mild=True),
        Slip("unstable", "large scores overflow an exponential",
             {"losses": lambda v: np.log(1 + np.exp(-v.scores)) + (1 - v.y) * v.scores}),
        Slip("log-with-epsilon", "a small number is added inside the logarithm, which bounds the loss",
             {"losses": lambda v: -(v.y * np.log(v.p + 1e-8) + (1 - v.y) * np.log(1 - v.p + 1e-8))}, mild=True),
        Slip("second-term-forgotten", "the term of the other class is missing",
             {"losses": lambda v: v.y * np.logaddexp(0, -v.scores)}),
        Slip("sign", "the sign of the loss is wrong", {"losses": lambda v: -binary_cross_entropy(v.scores, v.y)[0]}),
        Slip("sigmoid-derivative-twice", "the sigmoid's derivative is multiplied once more: it has already cancelled",
             {"dscores": lambda v: (v.p - v.y) * v.p * (1 - v.p) * v.share * v.up}),
        Slip("gradient-of-the-probability", "the gradient is that with respect to the probability, not to the score",
             {"dscores": lambda v: (v.p - v.y) / (v.p * (1 - v.p)) * v.share * v.up}),
        Slip("targets-swapped", "the two classes have changed places",
             {"losses": lambda v: binary_cross_entropy(v.scores, 1 - v.y)[0]}),
        Slip("no-sigmoid", "the scores are used as if they were probabilities",
             {"dscores": lambda v: (v.scores - v.y) * v.share * v.up}),
    ),
    words=("binary_cross_entropy", "bce_loss", "logistic_loss", "bce_with_logits"),
)  # fmt: skip


def _naive(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores)
    return e / e.sum(axis=1, keepdims=True)


def _whole(scores: np.ndarray) -> np.ndarray:
    return softmax(scores.reshape(1, -1)).reshape(scores.shape)


FORMULAS = (SOFTMAX_LOSS, SVM_LOSS, MSE, BCE)
