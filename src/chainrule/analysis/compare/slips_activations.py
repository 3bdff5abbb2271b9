"""Activations, and what people write instead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from chainrule.analysis.compare._building import X, away, backward_of, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Slip
from chainrule.formulas import (
    elu_backward,
    elu_forward,
    gelu_backward,
    gelu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)


def _cases(rng: np.random.Generator, *, options: Sequence[str] = (), extreme: bool = True) -> list[Case]:
    def values(x: np.ndarray) -> dict[str, object]:
        return {"x": x, **{name: 0.05 + 0.9 * rng.random() for name in options}}

    cases = [
        Case("a batch", values(away(rng, 4, 3))),
        Case("one example", values(away(rng, 1, 5))),
        Case("one number", values(away(rng, 1, 1))),
        Case("a vector", values(away(rng, 6))),
        Case("images", values(away(rng, 2, 3, 2, 2))),
        Case("all negative", values(-np.abs(away(rng, 3, 4)))),
        Case("all positive", values(np.abs(away(rng, 3, 4)))),
        Case("large numbers", values(20 * away(rng, 3, 4))),
        Case("another batch", values(2 * away(rng, 5, 2))),
    ]
    if extreme:
        cases.append(Case("numbers that overflow an exponential", values(np.array([[-1e3, 1.0, 1e3]]))))
    return cases


RELU = Formula(
    "relu", "ReLU", "C4", (X,), ("out",), ("dx",),
    forward_of(relu_forward, "x"), backward_of(relu_forward, relu_backward, "x", "dx"), _cases,
    slips=(
        Slip("mask-of-upstream", "the mask is taken of the upstream gradient, not of the input",
             {"dx": lambda v: v.dout * (v.dout > 0)}),
        Slip("no-mask", "the gradient is passed on where the unit is inactive too", {"dx": lambda v: v.dout + 0 * v.x}),
        Slip("mask-inverted", "the mask passes what it should stop", {"dx": lambda v: v.dout * (v.x < 0)}),
        Slip("input-instead-of-mask", "the gradient is multiplied by the input, not by a mask",
             {"dx": lambda v: v.dout * np.maximum(v.x, 0)}),
        Slip("upstream-ignored", "the mask alone is returned: the upstream gradient is missing",
             {"dx": lambda v: (v.x > 0) * np.ones(v.x.shape)}),
        Slip("minimum", "the smaller of 0 and x is taken, not the larger", {"out": lambda v: np.minimum(v.x, 0)}),
        Slip("absolute-value", "the absolute value is taken", {"out": lambda v: np.abs(v.x)}),
    ),
)  # fmt: skip

LEAKY_RELU = Formula(
    "leaky_relu", "leaky ReLU", "C4",
    (X, Argument("slope", ("alpha", "negative_slope", "leak", "a"), 0.1, array=False)), ("out",), ("dx",),
    forward_of(leaky_relu_forward, "x slope"), backward_of(leaky_relu_forward, leaky_relu_backward, "x slope", "dx"),
    partial(_cases, options=["slope"]),
    slips=(
        Slip("slope-on-the-wrong-side", "the slope is used where x is positive",
             {"dx": lambda v: v.dout * np.where(v.x > 0, v.slope, 1)}),
        Slip("slope-on-the-wrong-side", "the slope is used where x is positive",
             {"out": lambda v: np.where(v.x > 0, v.slope * v.x, v.x)}),
        Slip("slope-forgotten", "the gradient is 0 where x is negative: the slope is forgotten",
             {"dx": lambda v: v.dout * (v.x > 0)}),
        Slip("slope-forgotten", "the output is 0 where x is negative: the slope is forgotten",
             {"out": lambda v: np.maximum(v.x, 0)}),
        Slip("mask-of-upstream", "the side is decided by the upstream gradient, not by the input",
             {"dx": lambda v: v.dout * np.where(v.dout > 0, 1, v.slope)}),
        Slip("slope-sign", "the slope has the wrong sign", {"out": lambda v: np.where(v.x > 0, v.x, -v.slope * v.x)}),
        Slip("slope-0.01", "your slope is 0.01, as torch has it",
             {"out": lambda v: np.where(v.x > 0, v.x, 0.01 * v.x), "dx": lambda v: v.dout * np.where(v.x > 0, 1, 0.01)},
             convention="torch"),
    ),
    words=("lrelu", "leakyrelu"),
)  # fmt: skip

SIGMOID = Formula(
    "sigmoid", "sigmoid", "C4", (X,), ("out",), ("dx",),
    forward_of(sigmoid_forward, "x"), backward_of(sigmoid_forward, sigmoid_backward, "x", "dx"), _cases,
    slips=(
        Slip("derivative-of-the-input", "the derivative is written in the output, but is computed from the input",
             {"dx": lambda v: v.dout * v.x * (1 - v.x)}),
        Slip("sigmoid-twice", "the sigmoid is applied to its own output before the derivative is taken",
             {"dx": lambda v: v.dout * _sigmoid(v.out) * (1 - _sigmoid(v.out))}),
        Slip("second-factor-forgotten", "one of the two factors of the derivative is forgotten",
             {"dx": lambda v: v.dout * v.out}),
        Slip("second-factor-forgotten", "one of the two factors of the derivative is forgotten",
             {"dx": lambda v: v.dout * (1 - v.out)}),
        Slip("derivative-of-tanh", "the derivative is that of tanh", {"dx": lambda v: v.dout * (1 - v.out**2)}),
        Slip("exponent-sign", "the exponent has the wrong sign", {"out": lambda v: _sigmoid(-v.x)}),
        Slip("tanh-instead", "tanh is computed", {"out": lambda v: np.tanh(v.x)}),
    ),
)  # fmt: skip

TANH = Formula(
    "tanh", "tanh", "C4", (X,), ("out",), ("dx",),
    forward_of(tanh_forward, "x"), backward_of(tanh_forward, tanh_backward, "x", "dx"), _cases,
    slips=(
        Slip("derivative-of-the-input", "the derivative is written in the output, but is computed from the input",
             {"dx": lambda v: v.dout * (1 - v.x**2)}),
        Slip("square-forgotten", "the square in the derivative is forgotten", {"dx": lambda v: v.dout * (1 - v.out)}),
        Slip("derivative-of-sigmoid", "the derivative is that of the sigmoid",
             {"dx": lambda v: v.dout * v.out * (1 - v.out)}),
        Slip("tanh-twice", "tanh is applied to its own output before the derivative is taken",
             {"dx": lambda v: v.dout * (1 - np.tanh(v.out) ** 2)}),
        Slip("derivative-sign", "the derivative is above 1: a sign in it is wrong",
             {"dx": lambda v: v.dout * (1 + v.out**2)}),
        Slip("sigmoid-instead", "the sigmoid is computed", {"out": lambda v: _sigmoid(v.x)}),
        Slip("unstable", "the quotient of exponentials overflows where x is large",
             {"out": lambda v: (np.exp(v.x) - np.exp(-v.x)) / (np.exp(v.x) + np.exp(-v.x)),
              "dx": lambda v: v.dout * (1 - v.out**2)}),
    ),
)  # fmt: skip

ELU = Formula(
    "elu", "ELU", "C4", (X, Argument("alpha", ("a",), 1.0, array=False)), ("out",), ("dx",),
    forward_of(elu_forward, "x alpha"), backward_of(elu_forward, elu_backward, "x alpha", "dx"),
    partial(_cases, options=["alpha"]),
    slips=(
        Slip("minus-1-forgotten", "the exponential is not moved to pass through 0",
             {"out": lambda v: np.where(v.x > 0, v.x, v.alpha * np.exp(np.minimum(v.x, 0)))}),
        Slip("alpha-forgotten", "alpha is forgotten in the gradient",
             {"dx": lambda v: v.dout * np.where(v.x > 0, 1, np.exp(np.minimum(v.x, 0)))}),
        Slip("alpha-forgotten", "alpha is forgotten in the output",
             {"out": lambda v: np.where(v.x > 0, v.x, np.expm1(np.minimum(v.x, 0)))}),
        Slip("output-as-derivative", "for negative x the gradient is the output itself, alpha is not added",
             {"dx": lambda v: v.dout * np.where(v.x > 0, 1, v.alpha * np.expm1(np.minimum(v.x, 0)))}),
        Slip("exponent-sign", "the exponent has the wrong sign",
             {"out": lambda v: np.where(v.x > 0, v.x, v.alpha * np.expm1(-v.x))}),
        Slip("negative-side-as-relu", "the gradient is 0 where x is negative", {"dx": lambda v: v.dout * (v.x > 0)}),
        Slip("mask-of-upstream", "the side is decided by the upstream gradient, not by the input",
             {"dx": lambda v: v.dout * np.where(v.dout > 0, 1, v.alpha * np.exp(np.minimum(v.x, 0)))}),
    ),
)  # fmt: skip

_ROOT = np.sqrt(2 / np.pi)

GELU = Formula(
    "gelu", "GELU (tanh form)", "C4", (X,), ("out",), ("dx",),
    forward_of(gelu_forward, "x"), backward_of(gelu_forward, gelu_backward, "x", "dx"), _cases,
    lines={
        "inner": lambda v: _ROOT * (v.x + 0.044715 * v.x**3),
        "half": lambda v: 0.5,
        "tanh": lambda v: np.tanh(v.inner),
        "out": lambda v: v.half * v.x * (1 + v.tanh),
        "through": lambda v: 0.5 * v.x * (1 - v.tanh**2) * v.dinner,
        "dinner": lambda v: _ROOT * (1 + 3 * 0.044715 * v.x**2),
        "dx": lambda v: v.dout * (0.5 * (1 + v.tanh) + v.through),
    },
    slips=(
        Slip("exact-gelu", "your code follows the exact form, with the error function, not the tanh form",
             {"out": lambda v: v.x * _normal_below(v.x),
              "dx": lambda v: v.dout * (_normal_below(v.x) + v.x * np.exp(-(v.x**2) / 2) / np.sqrt(2 * np.pi))},
             convention="Hendrycks and Gimpel 2016"),
        Slip("quick-gelu", "your code follows the sigmoid form, x sigmoid(1.702 x)",
             {"out": lambda v: v.x * _sigmoid(1.702 * v.x),
              "dx": lambda v: v.dout * (_sigmoid(1.702 * v.x) * (1 + 1.702 * v.x * _sigmoid(-1.702 * v.x)))},
             convention="Hendrycks and Gimpel 2016"),
        Slip("half-forgotten", "the factor 1/2 is forgotten", {"half": lambda v: 1.0}),
        Slip("cube-is-a-square", "the inner polynomial has a square where it has a cube",
             {"inner": lambda v: _ROOT * (v.x + 0.044715 * v.x**2)}),
        Slip("root-forgotten", "the factor in front of the inner polynomial is not the root",
             {"inner": lambda v: 2 / np.pi * (v.x + 0.044715 * v.x**3)}),
        Slip("product-rule-forgotten", "one term of the product rule is missing", {"through": lambda v: 0 * v.x}),
        Slip("inner-derivative", "the derivative of the inner polynomial is wrong: the 3 is forgotten",
             {"dinner": lambda v: _ROOT * (1 + 0.044715 * v.x**2)}),
        Slip("inner-derivative-forgotten", "the derivative of the inner polynomial is forgotten",
             {"dinner": lambda v: 1.0}),
    ),
)  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return sigmoid_forward(x)[0]


def _normal_below(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(x)


FORMULAS = (RELU, LEAKY_RELU, SIGMOID, TANH, ELU, GELU)
