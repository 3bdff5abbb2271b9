"""Normalization, and what people write instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.analysis.compare._building import BETA, EPS, GAMMA, X, backward_of, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Line, Slip, Values
from chainrule.formulas import (
    batch_norm_test,
    batch_norm_train,
    batch_norm_train_backward,
    group_norm_backward,
    group_norm_forward,
    instance_norm_backward,
    instance_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
)

Along = Callable[[np.ndarray, Values], np.ndarray]


def _steps(count: Line, mean: Along, summed: Along, spread: Along) -> dict[str, Line]:  # fmt: skip
    """Normalization line by line: `mean` and `summed` keep axes and give back the parameters' shape."""
    return {
        "count": count,
        "mu": lambda v: mean(v.x, v),
        "center": lambda v: v.mu,
        "squares": lambda v: (v.x - v.center) ** 2,
        "var": lambda v: mean(v.squares, v) * v.biased,
        "biased": lambda v: 1.0,
        "root": lambda v: np.sqrt(v.var + v.eps),
        "std": lambda v: v.root,
        "xhat": lambda v: (v.x - v.mu) / v.std,
        "scale": lambda v: spread(v.gamma, v),
        "scale_out": lambda v: v.scale,
        "out": lambda v: v.scale_out * v.xhat + spread(v.beta, v),
        "dbeta": lambda v: summed(v.dout, v),
        "dgamma": lambda v: summed(v.dout * v.xhat, v),
        "dxhat": lambda v: v.dout * v.scale,
        "through_mean": lambda v: mean(v.dxhat, v),
        "through_variance": lambda v: v.xhat * mean(v.dxhat * v.xhat, v),
        "dx": lambda v: (v.dxhat - v.through_mean - v.through_variance) / v.std,
    }


_SLIPS = (
    Slip("unbiased-variance", "the variance is the unbiased one: its sum is divided by one less",
         {"biased": lambda v: np.float64(v.count) / (v.count - 1)}),
    Slip("epsilon-outside-the-root", "epsilon is added outside the root", {"root": lambda v: np.sqrt(v.var) + v.eps}),
    Slip("epsilon-missing", "epsilon is missing: equal numbers give a division by 0",
         {"root": lambda v: np.sqrt(v.var)}),
    Slip("epsilon-of-another-size", "your epsilon is 1e-8, not 1e-5: the rest agrees",
         {"root": lambda v: np.sqrt(v.var + 1e-8)},
         convention="another size of epsilon"),
    Slip("epsilon-of-another-size", "your epsilon is 1e-7, not 1e-5: the rest agrees",
         {"root": lambda v: np.sqrt(v.var + 1e-7)},
         convention="another size of epsilon"),
    Slip("epsilon-of-another-size", "your epsilon is 1e-6, not 1e-5: the rest agrees",
         {"root": lambda v: np.sqrt(v.var + 1e-6)},
         convention="another size of epsilon"),
    Slip("divided-by-variance", "it is divided by the variance, not by its root", {"root": lambda v: v.var + v.eps}),
    Slip("mean-not-subtracted", "the mean is not subtracted", {"xhat": lambda v: v.x / v.std}),
    Slip("variance-around-zero", "the variance is that around 0, not around the mean", {"center": lambda v: 0.0}),
    Slip("gamma-forgotten", "gamma is not used in the output", {"scale_out": lambda v: 1.0}),
    Slip("gamma-forgotten", "gamma is missing in dx", {"dxhat": lambda v: v.dout}),
    Slip("path-through-mean-forgotten", "dx lacks the path through the mean", {"through_mean": lambda v: 0.0}),
    Slip("path-through-variance-forgotten", "dx lacks the path through the variance",
         {"through_variance": lambda v: 0.0}),
    Slip("both-paths-forgotten", "dx lacks the paths through mean and variance",
         {"through_mean": lambda v: 0.0, "through_variance": lambda v: 0.0}),
    Slip("path-signs", "the path through the variance has the wrong sign",
         {"dx": lambda v: (v.dxhat - v.through_mean + v.through_variance) / v.std}),
    Slip("path-signs", "the path through the mean has the wrong sign",
         {"dx": lambda v: (v.dxhat + v.through_mean - v.through_variance) / v.std}),
    Slip("divided-by-variance", "dx is divided by the variance, not by its root",
         {"dx": lambda v: (v.dxhat - v.through_mean - v.through_variance) / v.std**2}),
    Slip("not-divided-by-std", "dx is not divided by the standard deviation",
         {"dx": lambda v: v.dxhat - v.through_mean - v.through_variance}),
)  # fmt: skip


def _own(raw: Line, whole: Line) -> tuple[Slip, ...]:
    return (
        Slip("raw-input-in-dgamma", "dgamma is made of x itself, not of the normalized x", {"dgamma": raw}),
        Slip("scaled-in-dgamma", "dgamma is made of the output, not of the normalized x", {"dgamma": whole}),
    )


def _per_channel(a: np.ndarray, v: Values) -> np.ndarray:
    return a.reshape(1, -1, *[1] * (v.x.ndim - 2))


def _channel_sum(a: np.ndarray, v: Values) -> np.ndarray:
    return a.sum(axis=(0, *range(2, v.x.ndim)))


def _batch_mean(a: np.ndarray, v: Values) -> np.ndarray:
    return a.mean(axis=(0, *range(2, v.x.ndim)), keepdims=True)


def _parameters(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"gamma": 1 + 0.5 * rng.standard_normal(shape), "beta": rng.standard_normal(shape)}


def _batch_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, N: int, D: int, *, scale: float = 1.0, shift: float = 0.0, eps: float = 1e-5,
    needs: tuple[str, ...] = (),
             mode: str = "train") -> Case:  # fmt: skip
        x = shift + scale * rng.standard_normal((N, D))
        stats = {"running_mean": rng.standard_normal(D), "running_var": 0.5 + rng.random(D), "momentum": 0.8}
        return Case(name, {"x": x, **_parameters(rng, (D,)), "eps": eps, "mode": mode, **stats}, needs)

    return [
        case("a batch", 4, 3), case("two examples", 2, 3), case("one feature", 5, 1), case("one example", 1, 4),
        case("far from 0", 6, 3, scale=2.0, shift=5.0), case("small spread", 5, 4, scale=3e-3),
        case("large epsilon", 5, 3, eps=0.3, needs=("eps",)), case("as many features as examples", 4, 4),
        case("tiny spread", 4, 3, scale=1e-4, shift=1.0), case("more features than examples", 3, 7),
        case("a large batch", 16, 3), case("test time", 5, 3, mode="test", needs=("mode",)),
    ]  # fmt: skip


def _trains(v: Values) -> bool:
    return v.mode != "test"


def _batch_forward(v: Values) -> dict[str, np.ndarray]:
    if not _trains(v):
        out = batch_norm_test(v.x, v.gamma, v.beta, v.running_mean, v.running_var, v.eps)[0]
        return {"out": out, "new_running_mean": v.running_mean, "new_running_var": v.running_var}
    out, keep = batch_norm_train(v.x, v.gamma, v.beta, v.eps)[0], v.momentum
    mean = keep * v.running_mean + (1 - keep) * v.x.mean(axis=0)
    return {
        "out": out,
        "new_running_mean": mean,
        "new_running_var": keep * v.running_var + (1 - keep) * v.x.var(axis=0),
    }


_BATCH = _steps(lambda v: v.x.size // v.x.shape[1], _batch_mean, _channel_sum, _per_channel)

BATCH_NORM = Formula(
    "batch_norm", "batch normalization", "C6",
    (X, GAMMA, BETA, EPS, Argument("mode", (), "train", array=False), Argument("momentum", (), 0.9, array=False),
     Argument("running_mean", ("moving_mean", "run_mean"), np.zeros(1)), Argument("running_var", ("moving_var",
     "run_var"), np.ones(1))),
    ("out", "new_running_mean", "new_running_var"), ("dx", "dgamma", "dbeta"),
    _batch_forward, lambda v: dict(zip(("dx", "dgamma", "dbeta"), _batch_backward(v))), _batch_cases,
    optional=("new_running_mean", "new_running_var"),
    packs={"bn_param": {"eps": "eps", "mode": "mode", "momentum": "momentum", "running_mean": "running_mean",
    "running_var": "running_var"}},
    lines={
        **_BATCH,
        "trained": _BATCH["out"],
        "test_root": lambda v: np.sqrt(v.running_var + v.eps),
        "test_out": lambda v: v.gamma * (v.x - v.running_mean) / v.test_root + v.beta,
        "out": lambda v: v.trained if _trains(v) else v.test_out,
        "keep": lambda v: v.momentum,
        "kept_var": lambda v: v.var.ravel(),
        "new_running_mean": lambda v: _followed(v, v.running_mean, v.mu) if _trains(v) else v.running_mean,
        "new_running_var": lambda v: _followed(v, v.running_var, v.kept_var) if _trains(v) else v.running_var,
        "dx": lambda v: _BATCH["dx"](v) if _trains(v) else v.book_backward["dx"],
        "dgamma": lambda v: _BATCH["dgamma"](v) if _trains(v) else v.book_backward["dgamma"],
    },
    slips=(
        Slip("statistics-of-each-example",
        "mean and variance are taken over the features of each example, not over the batch",
             {"mu": lambda v: v.x.mean(axis=1, keepdims=True), "var": lambda v: v.x.var(axis=1, keepdims=True)}),
        Slip("unbiased-running-variance", "your running variance is the unbiased one, as torch keeps it",
             {"kept_var": lambda v: v.var.ravel() * v.count / max(v.count - 1, 1)}, convention="torch"),
        Slip("momentum-of-the-new", "your momentum is the share of the new batch, as torch has it",
             {"keep": lambda v: 1 - v.momentum}, convention="torch"),
        Slip("running-averages-not-kept", "the running averages are not updated",
             {"new_running_mean": lambda v: v.running_mean, "new_running_var": lambda v: v.running_var}),
        Slip("batch-statistics-at-test-time", "the batch's own statistics are used at test time",
             {"test_out": lambda v: v.trained}),
        Slip("running-variance-as-deviation", "at test time it is divided by the variance, not by its root",
             {"test_root": lambda v: v.running_var + v.eps}),
        *_SLIPS, *_own(lambda v: (v.dout * v.x).sum(axis=0), lambda v: (v.dout * v.out).sum(axis=0)),
        Slip("mean-instead-of-sum", "dbeta is averaged over the batch, not summed",
             {"dbeta": lambda v: v.dout.mean(axis=0)}),
        Slip("mean-instead-of-sum", "dgamma is averaged over the batch, not summed",
             {"dgamma": lambda v: (v.dout * v.xhat).mean(axis=0)}),
        Slip("summed-not-averaged", "in dx, sums over the batch stand where averages belong",
             {"dx": lambda v: (v.dxhat - v.dxhat.sum(0) - v.xhat * (v.dxhat * v.xhat).sum(0)) / v.std}),
    ),
    words=("batchnorm", "bn", "batch_normalization", "batchnorm_alt", "batchnorm1d"),
)  # fmt: skip


def _followed(v: Values, running: np.ndarray, new: np.ndarray) -> np.ndarray:
    return v.keep * running + (1 - v.keep) * new.ravel()


def _batch_backward(v: Values) -> tuple[np.ndarray, ...]:
    if _trains(v):
        return batch_norm_train_backward(v.dout, batch_norm_train(v.x, v.gamma, v.beta, v.eps)[1])
    std = np.sqrt(v.running_var + v.eps)
    return v.dout * v.gamma / std, (v.dout * (v.x - v.running_mean) / std).sum(axis=0), v.dout.sum(axis=0)


def _layer_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, N: int, D: int, *, scale: float = 1.0, shift: float = 0.0, eps: float = 1e-5) -> Case:
        x = shift + scale * rng.standard_normal((N, D))
        return Case(name, {"x": x, **_parameters(rng, (D,)), "eps": eps}, ("eps",) if eps != 1e-5 else ())

    return [
        case("a batch", 4, 5), case("one example", 1, 4), case("two features", 3, 2), case("one feature", 3, 1),
        case("far from 0", 3, 6, scale=2.0, shift=5.0), case("small spread", 5, 4, scale=3e-3), case("square", 4, 4),
        case("large epsilon", 4, 5, eps=0.3), case("tiny spread", 2, 5, scale=1e-4, shift=1.0),
        case("many features", 2, 20),
    ]  # fmt: skip


LAYER_NORM = Formula(
    "layer_norm", "layer normalization", "C6", (X, GAMMA, BETA, EPS), ("out",), ("dx", "dgamma", "dbeta"),
    forward_of(layer_norm_forward, "x gamma beta eps"),
    backward_of(layer_norm_forward, layer_norm_backward, "x gamma beta eps", "dx dgamma dbeta"), _layer_cases,
    packs={"ln_param": {"eps": "eps"}},
    lines=_steps(lambda v: v.x.shape[1], lambda a, v: a.mean(axis=1, keepdims=True), lambda a, v: a.sum(axis=0),
                 lambda a, v: a),
    slips=(
        Slip("statistics-over-the-batch", "mean and variance are taken over the batch, not over each example",
             {"mu": lambda v: v.x.mean(axis=0, keepdims=True), "var": lambda v: v.x.var(axis=0, keepdims=True)}),
        *_SLIPS, *_own(lambda v: (v.dout * v.x).sum(axis=0), lambda v: (v.dout * v.out).sum(axis=0)),
        Slip("summed-over-features", "dbeta is summed over the features, not over the examples",
             {"dbeta": lambda v: v.dout.sum(axis=1)}),
        Slip("mean-instead-of-sum", "dgamma is averaged over the examples, not summed",
             {"dgamma": lambda v: (v.dout * v.xhat).mean(axis=0)}),
        Slip("paths-over-the-batch", "in dx the paths are averaged over the batch, as batch normalization has them",
             {"through_mean": lambda v: v.dxhat.mean(axis=0),
             "through_variance": lambda v: v.xhat * (v.dxhat * v.xhat).mean(axis=0)}),
    ),
    words=("layernorm", "ln", "layer_normalization"),
)  # fmt: skip


def _image_cases(rng: np.random.Generator, *, groups: bool) -> list[Case]:
    def case(name: str, shape: tuple[int, int, int, int], G: int, *, scale: float = 1.0, shift: float = 0.0) -> Case:
        values = {"x": shift + scale * rng.standard_normal(shape), **_parameters(rng, (shape[1],)), "eps": 1e-5, "G": G}
        return Case(name, values if groups else {k: a for k, a in values.items() if k != "G"})

    return [
        case("images", (2, 4, 3, 3), 2), case("one image", (1, 6, 2, 3), 3),
        case("as many groups as channels", (2, 3, 2, 2), 3),
        case("one group", (3, 4, 2, 2), 1), case("far from 0", (2, 4, 3, 2), 2, shift=4.0),
        case("small spread", (2, 4, 2, 2), 2, scale=3e-3),
        case("not square", (2, 6, 1, 4), 2), case("one channel", (3, 1, 3, 3), 1),
    ]  # fmt: skip


def _grouped(a: np.ndarray, v: Values) -> np.ndarray:
    shape = (len(a), v.G, -1)
    return np.broadcast_to(a.reshape(shape).mean(axis=2)[:, :, None], (len(a), v.G, a[0].size // v.G)).reshape(a.shape)


def _shaped(a: np.ndarray, v: Values) -> np.ndarray:
    return a.reshape(1, -1, 1, 1)


GROUP_NORM = Formula(
    "group_norm", "group normalization", "C6",
    (X, GAMMA, BETA, Argument("G", ("groups", "num_groups", "g"), array=False), EPS), ("out",), ("dx", "dgamma",
    "dbeta"),
    forward_of(group_norm_forward, "x gamma beta G eps"),
    backward_of(group_norm_forward, group_norm_backward, "x gamma beta G eps", "dx dgamma dbeta"),
    lambda rng: _image_cases(rng, groups=True), packs={"gn_param": {"eps": "eps"}},
    lines=_steps(lambda v: v.x[0].size // v.G, _grouped, _channel_sum, _shaped),
    slips=(
        Slip("channels-interleaved", "the groups are every G-th channel, not consecutive channels",
             {"mu": lambda v: _interleaved(v.x, v), "var": lambda v: _interleaved((v.x - v.mu) ** 2, v)}),
        Slip("statistics-over-the-batch", "mean and variance are taken over the batch too",
             {"mu": lambda v: _grouped(v.x, v).mean(axis=0, keepdims=True),
              "var": lambda v: _grouped((v.x - v.mu) ** 2, v).mean(axis=0, keepdims=True)}),
        *_SLIPS, *_own(lambda v: _channel_sum(v.dout * v.x, v), lambda v: _channel_sum(v.dout * v.out, v)),
    ),
    words=("groupnorm", "gn", "spatial_groupnorm", "group_normalization"),
)  # fmt: skip


def _interleaved(a: np.ndarray, v: Values) -> np.ndarray:
    order = np.arange(a.shape[1]).reshape(-1, v.G).T.ravel()
    out = np.empty(a.shape)
    out[:, order] = _grouped(a[:, order], v)
    return out


INSTANCE_NORM = Formula(
    "instance_norm", "instance normalization", "C6", (X, GAMMA, BETA, EPS), ("out",), ("dx", "dgamma", "dbeta"),
    forward_of(instance_norm_forward, "x gamma beta eps"),
    backward_of(instance_norm_forward, instance_norm_backward, "x gamma beta eps", "dx dgamma dbeta"),
    lambda rng: _image_cases(rng, groups=False),
    lines=_steps(lambda v: v.x[0, 0].size, lambda a, v: a.mean(axis=(2, 3), keepdims=True), _channel_sum, _shaped),
    slips=(
        Slip("statistics-over-the-batch", "mean and variance are taken over the batch too, as in batch normalization",
             {"mu": lambda v: v.x.mean(axis=(0, 2, 3), keepdims=True),
             "var": lambda v: v.x.var(axis=(0, 2, 3), keepdims=True)}),
        Slip("statistics-over-channels", "mean and variance are taken over the channels too, as in layer normalization",
             {"mu": lambda v: v.x.mean(axis=(1, 2, 3), keepdims=True),
             "var": lambda v: v.x.var(axis=(1, 2, 3), keepdims=True)}),
        *_SLIPS, *_own(lambda v: _channel_sum(v.dout * v.x, v), lambda v: _channel_sum(v.dout * v.out, v)),
    ),
    words=("instancenorm", "instance_normalization"),
)  # fmt: skip

FORMULAS = (BATCH_NORM, LAYER_NORM, GROUP_NORM, INSTANCE_NORM)
