"""Affine layers, dropout, penalties, clipping and distances, and what people write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.analysis.compare._building import X, away, backward_of, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Slip, Values
from chainrule.formulas import (
    affine_backward,
    affine_forward,
    clip_by_norm,
    clip_by_value,
    l1_penalty,
    l1_penalty_backward,
    l2_distance,
    l2_penalty,
    l2_penalty_backward,
)

W = Argument("W", ("w", "weight", "weights", "theta", "kernel"))
B = Argument("b", ("bias", "biases"))


def _affine_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, shape: tuple[int, ...], K: int) -> Case:
        D = int(np.prod(shape[1:]))
        values = {"x": away(rng, *shape), "W": away(rng, D, K), "b": away(rng, K)}
        return Case(name, values)

    return [
        case("a batch", (4, 3), 5), case("one example", (1, 4), 3), case("one feature", (5, 1), 2),
        case("one output", (3, 4), 1), case("square weights", (4, 3), 3), case("all sizes equal", (3, 3), 3),
        case("images", (2, 3, 2, 2), 4), case("a sequence", (2, 5, 3), 4), case("one number", (1, 1), 1),
        case("more outputs than inputs", (3, 2), 6), case("another batch", (6, 5), 4), case("odd sizes", (7, 3), 5),
    ]  # fmt: skip


def _rows(v: Values) -> np.ndarray:
    return v.x.reshape(len(v.x), -1)


AFFINE = Formula(
    "affine", "affine (fully connected) layer", "A3", (X, W, B), ("out",), ("dx", "dW", "db"),
    forward_of(affine_forward, "x W b"), backward_of(affine_forward, affine_backward, "x W b", "dx dW db"),
    _affine_cases,
    slips=(
        Slip("bias-forgotten", "the bias is not added", {"out": lambda v: _rows(v) @ v.W}),
        Slip("bias-subtracted", "the bias is subtracted", {"out": lambda v: _rows(v) @ v.W - v.b}),
        Slip("first-example-only", "db is the gradient of one example only: the sum over the batch is forgotten",
             {"db": lambda v: v.dout[0]}),
        Slip("mean-instead-of-sum", "db is averaged over the batch, not summed", {"db": lambda v: v.dout.mean(axis=0)}),
        Slip("mean-instead-of-sum", "dW is averaged over the batch, not summed",
             {"dW": lambda v: _rows(v).T @ v.dout / len(v.x)}),
        Slip("summed-over-outputs", "db is summed over the outputs, not over the examples",
             {"db": lambda v: v.dout.sum(axis=1)}),
        Slip("summed-over-everything", "db is one number: it is summed over the outputs too",
             {"db": lambda v: v.dout.sum()}),
        Slip("transpose-forgotten", "the weights are not transposed in dx",
             {"dx": lambda v: (v.dout @ v.W).reshape(v.x.shape)}),
        Slip("bias-in-dw", "the gradient of the weights contains the bias",
             {"dW": lambda v: _rows(v).T @ v.dout + v.b}),
        Slip("weights-instead-of-input", "dW is made of the weights, not of the input",
             {"dW": lambda v: v.W * v.dout.sum(axis=0)}),
        Slip("extra-activation", "a ReLU is applied to the output",
             {"out": lambda v: np.maximum(0, _rows(v) @ v.W + v.b)}),
    ),
    words=("linear", "fc", "fully_connected", "dense", "affine_layer"),
)  # fmt: skip


def _affine_relu_backward(v: Values) -> tuple[np.ndarray, ...]:
    a, cache = affine_forward(v.x, v.W, v.b)
    return affine_backward(v.dout * (a > 0), cache)


AFFINE_RELU = Formula(
    "affine_relu", "affine layer, then ReLU", "A3, C4", (X, W, B), ("out",), ("dx", "dW", "db"),
    lambda v: {"out": np.maximum(0, affine_forward(v.x, v.W, v.b)[0])},
    lambda v: dict(zip(("dx", "dW", "db"), _affine_relu_backward(v))),
    lambda rng: [Case(c.name, {**c.values, "b": c.values["b"] * 1.37}) for c in _affine_cases(rng)],
    lines={
        "a": lambda v: affine_forward(v.x, v.W, v.b)[0],
        "da": lambda v: v.dout * (v.a > 0),
        "dx": lambda v: affine_backward(v.da, (v.x, v.W))[0],
        "dW": lambda v: affine_backward(v.da, (v.x, v.W))[1],
        "db": lambda v: v.da.sum(axis=0),
    },
    slips=(
        Slip("relu-backward-forgotten", "the gradient does not pass through the ReLU", {"da": lambda v: v.dout}),
        Slip("mask-of-upstream", "the mask is taken of the upstream gradient", {"da": lambda v: v.dout * (v.dout > 0)}),
        Slip("relu-forgotten", "no ReLU is applied to the output", {"out": lambda v: v.a}),
        Slip("bias-without-mask", "db is summed before the mask is applied", {"db": lambda v: v.dout.sum(axis=0)}),
        Slip("first-example-only", "db is the gradient of one example only: the sum over the batch is forgotten",
             {"db": lambda v: v.da[0]}),
    ),
)  # fmt: skip


def _dropout_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, shape: tuple[int, ...], p: float, mode: str = "train") -> Case:
        values = {"x": away(rng, *shape), "p": p, "mode": mode, "train": mode == "train"}
        return Case(name, values, ("p", *(("mode",) if mode == "test" else ())))

    def flagged(case: Case) -> Case:
        return Case(case.name + " (flag)", case.values, ("p", "train"))

    test = case("test time", (5, 4), 0.4, "test")
    return [
        case("p = 0.3", (200, 300), 0.3), case("p = 0.75", (300, 200), 0.75), case("images", (20, 10, 20, 10), 0.2),
        case("a wide layer", (4, 9000), 0.6), test, flagged(test),
    ]  # fmt: skip


def _kept(v: Values, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the user's code dropped cannot be foreseen: it is read off its output."""
    out = found["out"]
    kept = (out != 0) if out.shape == v.x.shape else np.ones(v.x.shape, dtype=bool)
    return {"kept": kept, "share": np.mean(~kept)}


def _trains(v: Values) -> bool:
    return bool(v.train) and v.mode != "test"


DROPOUT = Formula(
    "dropout", "dropout (inverted)", "C7",
    (X, Argument("p", ("rate", "drop_prob", "prob", "dropout", "drop", "keep_prob", "p_drop"), array=False),
     Argument("mode", (), "train", array=False),
     Argument("train", ("training", "is_training", "is_train"), True, array=False),
     Argument("rng", ("generator",), np.random.default_rng(0), array=False)),
    ("out", "share"), ("dx",),
    lambda v: {"out": v.x * v.kept / (1 - v.p) if _trains(v) else v.x, "share": v.p if _trains(v) else 0.0},
    lambda v: {"dx": v.dout * v.kept / (1 - v.p) if _trains(v) else v.dout},
    _dropout_cases, observed=_kept, packs={"dropout_param": {"p": "p", "mode": "mode"}},
    optional=("share",), loose={"share": 0.06},
    lines={
        "kept": lambda v: np.ones(v.x.shape, dtype=bool),
        "scale": lambda v: 1 / (1 - v.p),
        "forward_scale": lambda v: v.scale,
        "backward_scale": lambda v: v.scale,
        "test": lambda v: v.x,
        "drop": lambda v: v.p,
        "share": lambda v: v.drop if _trains(v) else 0.0,
        "out": lambda v: v.x * v.kept * v.forward_scale if _trains(v) else v.test,
        "dx": lambda v: v.dout * v.kept * v.backward_scale if _trains(v) else v.dout,
    },
    slips=(
        Slip("p-is-keep", "your p is the probability of keeping, as 003 has it; here p is the probability of dropping",
             {"scale": lambda v: 1 / v.p, "drop": lambda v: 1 - v.p}, convention="003"),
        Slip("no-scaling", "what is kept is not divided by the keep probability, and nothing makes up for it",
             {"scale": lambda v: 1.0}),
        Slip("not-inverted", "your code scales at test time, not while training",
             {"scale": lambda v: 1.0, "test": lambda v: v.x * (1 - v.p)}, convention="003"),
        Slip("not-inverted", "your code scales at test time, not while training; its p is of keeping",
             {"scale": lambda v: 1.0, "test": lambda v: v.x * v.p, "drop": lambda v: 1 - v.p},
             convention="003"),
        Slip("scaled-twice", "it is scaled while training and at test time too", {"test": lambda v: v.x * (1 - v.p)}),
        Slip("multiplied-instead-of-divided", "what is kept is multiplied by the keep probability, not divided by it",
             {"scale": lambda v: 1 - v.p}),
        Slip("scale-forgotten-in-backward", "the gradient is not scaled as the output is",
             {"backward_scale": lambda v: 1.0}),
        Slip("keep-and-drop-swapped",
        "keep and drop probability are mixed: p drops, but the scale is that of keeping p",
             {"scale": lambda v: 1 / v.p}),
        Slip("keep-and-drop-swapped",
        "keep and drop probability are mixed: p keeps, but the scale is that of dropping p",
             {"drop": lambda v: 1 - v.p}),
        Slip("no-scaling", "what is kept is not divided by the keep probability (your p), also not at test time",
             {"scale": lambda v: 1.0, "drop": lambda v: 1 - v.p}),
        Slip("no-mask", "the gradient is passed on for dropped units too",
             {"dx": lambda v: v.dout * v.backward_scale if _trains(v) else v.dout}),
        Slip("no-mask", "the gradient is passed on unchanged: the mask is forgotten", {"dx": lambda v: v.dout}),
    ),
)  # fmt: skip


def _weights(rng: np.random.Generator, **more: float) -> list[Case]:
    shapes = [(3, 4), (1, 1), (5,), (2, 3, 2, 2), (1, 7), (6, 2)]
    cases = [Case("x".join(map(str, s)), {"W": away(rng, *s), **{k: a * (i + 1) for k, a in more.items()}})
             for i, s in enumerate(shapes)]  # fmt: skip
    return [*cases, Case("zeros", {"W": np.zeros((2, 2)), **more})]


LAM = Argument(
    "lam", ("lambda", "lambda_", "reg", "lmbda", "weight_decay", "l2", "l1", "strength", "alpha"), 1.0, array=False
)

L2_PENALTY = Formula(
    "l2_penalty", "L2 penalty lam sum W^2", "A6", (W, LAM), ("loss",), ("dW",),
    lambda v: {"loss": v.lam * l2_penalty(v.W)[0]},
    lambda v: {"dW": l2_penalty_backward(v.lam * v.dloss, v.W)},
    lambda rng: _weights(rng, lam=0.1), upstream={"dloss": "loss"},
    slips=(
        Slip("half-the-square", "your code takes half of the square: its lam is twice that of the notes",
             {"loss": lambda v: v.lam * (v.W**2).sum() / 2, "dW": lambda v: v.lam * v.W * v.dloss},
             convention="weight decay"),
        Slip("factor-2-forgotten", "the gradient is lam W, that of half the square",
             {"dW": lambda v: v.lam * v.W * v.dloss}),
        Slip("factor-2-forgotten", "the loss is that of half the square, the gradient is not",
             {"loss": lambda v: v.lam * (v.W**2).sum() / 2}),
        Slip("root", "the norm itself is taken, not its square", {"loss": lambda v: v.lam * np.sqrt((v.W**2).sum())}),
        Slip("mean-instead-of-sum", "the mean of the squares is taken, not their sum",
             {"loss": lambda v: v.lam * (v.W**2).mean()}),
        Slip("lambda-forgotten", "the gradient does not contain lam", {"dW": lambda v: 2 * v.W * v.dloss}),
        Slip("sign", "the penalty is subtracted", {"loss": lambda v: -v.lam * (v.W**2).sum()}),
        Slip("absolute-value", "absolute values are summed: that is the L1 penalty",
             {"loss": lambda v: v.lam * np.abs(v.W).sum()}),
    ),
    words=("l2", "l2_regularization", "weight_penalty", "ridge"),
)  # fmt: skip

L1_PENALTY = Formula(
    "l1_penalty", "L1 penalty lam sum |W|", "A6", (W, LAM), ("loss",), ("dW",),
    lambda v: {"loss": v.lam * l1_penalty(v.W)[0]},
    lambda v: {"dW": l1_penalty_backward(v.lam * v.dloss, v.W)},
    lambda rng: _weights(rng, lam=0.1), upstream={"dloss": "loss"},
    slips=(
        Slip("sign-forgotten", "the gradient does not have the sign of the weights",
             {"dW": lambda v: v.lam * v.dloss * np.ones(v.W.shape)}),
        Slip("sign-forgotten", "the weights are summed, not their absolute values",
             {"loss": lambda v: v.lam * v.W.sum()}),
        Slip("squared", "squares are summed: that is the L2 penalty", {"loss": lambda v: v.lam * (v.W**2).sum()}),
        Slip("derivative-of-square", "the gradient is that of the L2 penalty",
             {"dW": lambda v: 2 * v.lam * v.W * v.dloss}),
        Slip("lambda-forgotten", "the gradient does not contain lam", {"dW": lambda v: np.sign(v.W) * v.dloss}),
    ),
    words=("l1", "l1_regularization", "lasso"),
)  # fmt: skip

G = Argument("g", ("grad", "gradient", "grads", "x", "dw", "dx"))
C = Argument("c", ("max_norm", "threshold", "clip", "limit", "max_value", "clip_value", "value", "norm"), array=False)


def _clip_cases(rng: np.random.Generator) -> list[Case]:
    cases = [
        Case(f"norm {scale}", {"g": scale * away(rng, 3, 4) / np.sqrt(12), "c": 1.0}) for scale in (0.2, 0.9, 1.3, 30.0)
    ]
    return [
        *cases,
        Case("a vector", {"g": 3 * away(rng, 7), "c": 2.5}), Case("c below 1", {"g": away(rng, 5), "c": 0.25}),
        Case("norm between c and its root", {"g": np.array([3.0, 4.0]), "c": 9.0}),
        Case("norm between c and its square", {"g": np.array([0.3, 0.4]), "c": 0.45}),
        Case("a zero gradient", {"g": np.zeros(3), "c": 1.0}), Case("one number", {"g": np.array([-8.0]), "c": 2.0}),
    ]  # fmt: skip


def _norm(g: np.ndarray) -> float:
    return float(np.sqrt((g**2).sum()))


CLIP_BY_NORM = Formula(
    "clip_by_norm", "gradient clipping by norm", "B10", (G, C), ("clipped",), (),
    lambda v: {"clipped": clip_by_norm(v.g, v.c)}, None,
    _clip_cases, upstream={}, moves=True,
    slips=(
        Slip("squared-norm", "the squared norm is compared with the threshold, as 001 has it; the norm itself is meant",
             {"clipped": lambda v: v.g * v.c / _norm(v.g) if _norm(v.g) ** 2 > v.c else v.g}),
        Slip("squared-norm", "the gradient is divided by the squared norm",
             {"clipped": lambda v: v.g * v.c / _norm(v.g) ** 2 if _norm(v.g) > v.c else v.g}),
        Slip("squared-norm", "the squared norm is compared with the threshold, and divided by",
             {"clipped": lambda v: v.g * v.c / _norm(v.g) ** 2 if _norm(v.g) ** 2 > v.c else v.g}),
        Slip("always-scaled", "short gradients are made longer: it is scaled whether or not it is above the threshold",
             {"clipped": lambda v: v.g * v.c / np.maximum(_norm(v.g), 1e-300)}),
        Slip("always-scaled", "a zero gradient is divided by its norm",
             {"clipped": lambda v: v.g * v.c / np.float64(_norm(v.g))}),
        Slip("scaled-to-1", "what is clipped gets norm 1, not the norm of the threshold",
             {"clipped": lambda v: v.g / _norm(v.g) if _norm(v.g) > v.c else v.g}),
        Slip("by-value", "each element is clipped by itself: the direction changes",
             {"clipped": lambda v: clip_by_value(v.g, v.c)}),
        Slip("largest-element", "the largest element is compared, not the norm",
             {"clipped": lambda v: v.g * v.c / np.abs(v.g).max() if np.abs(v.g).max() > v.c else v.g}),
        Slip("comparison-reversed", "what is short is scaled, and what is long is left as it is",
             {"clipped": lambda v: v.g * v.c / _norm(v.g) if 0 < _norm(v.g) < v.c else v.g}),
    ),
    words=("clip_norm", "clip_grad_norm", "gradient_clipping"),
)  # fmt: skip

CLIP_BY_VALUE = Formula(
    "clip_by_value", "gradient clipping by value", "B10", (G, C), ("clipped",), (),
    lambda v: {"clipped": clip_by_value(v.g, v.c)}, None,
    _clip_cases, upstream={}, moves=True,
    slips=(
        Slip("one-side-only", "only large positive numbers are clipped", {"clipped": lambda v: np.minimum(v.g, v.c)}),
        Slip("one-side-only", "only large negative numbers are clipped", {"clipped": lambda v: np.maximum(v.g, -v.c)}),
        Slip("sign-lost", "negative numbers become positive", {"clipped": lambda v: np.minimum(np.abs(v.g), v.c)}),
        Slip("by-norm", "the whole gradient is scaled: that is clipping by norm",
             {"clipped": lambda v: clip_by_norm(v.g, v.c)}),
        Slip("set-to-zero", "what is too large is set to 0",
             {"clipped": lambda v: np.where(np.abs(v.g) > v.c, 0, v.g)}),
    ),
    words=("clip_value", "clamp"),
)  # fmt: skip


def _distance_cases(rng: np.random.Generator) -> list[Case]:
    shapes = [(3, 4, 2), (1, 1, 1), (2, 5, 3), (4, 4, 4), (5, 1, 3), (1, 6, 2), (3, 3, 1)]
    cases = [Case(f"{m} queries, {n} points", {"X": rng.standard_normal((m, d)), "points": rng.standard_normal((n, d))})
             for m, n, d in shapes]  # fmt: skip
    near = rng.standard_normal((3, 4))
    return [*cases, Case("equal points", {"X": near, "points": near[::-1].copy()})]


DISTANCES = Formula(
    "distances", "Euclidean distances of all pairs (kNN)", "A2",
    (Argument("X", ("x", "queries", "x_test", "test", "a", "q", "xte")),
     Argument("points", ("x_train", "train", "data", "b", "xtr", "y", "neighbors", "reference"))),
    ("dists",), (),
    lambda v: {"dists": np.array([[l2_distance(x, p) for p in v.points] for x in v.X])}, None, _distance_cases,
    upstream={},
    lines={"squares": lambda v: ((v.X[:, None] - v.points[None]) ** 2).sum(axis=2)},
    slips=(
        Slip("root-forgotten", "the distances are squared: the root is forgotten", {"dists": lambda v: v.squares}),
        Slip("l1-distance", "your code follows the L1 distance",
             {"dists": lambda v: np.abs(v.X[:, None] - v.points[None]).sum(axis=2)}, convention="A2"),
        Slip("cross-term-sign", "the mixed term of the square has the wrong sign",
             {"dists": lambda v: np.sqrt((v.X**2).sum(1)[:, None] + (v.points**2).sum(1) + 2 * v.X @ v.points.T)}),
        Slip("cross-term-factor", "the mixed term of the square has no factor 2",
             {"dists": lambda v: np.sqrt((v.X**2).sum(1)[:, None] + (v.points**2).sum(1) - v.X @ v.points.T)}),
        Slip("mean-instead-of-sum", "the squares are averaged over the features, not summed",
             {"dists": lambda v: np.sqrt(v.squares / v.X.shape[1])}),
        Slip("unstable", "rounding makes some squares negative, and their root is no number",
             {"dists": lambda v: np.where(v.squares < 1e-12, np.nan, np.sqrt(v.squares))}),
    ),
    words=("knn", "compute_distances", "l2_distances", "compute_distances_no_loops", "compute_distances_two_loops",
           "compute_distances_one_loop", "euclidean_distance"),
    loose={"dists": 2e-6},
)  # fmt: skip

FORMULAS = (AFFINE, AFFINE_RELU, DROPOUT, L2_PENALTY, L1_PENALTY, CLIP_BY_NORM, CLIP_BY_VALUE, DISTANCES)
