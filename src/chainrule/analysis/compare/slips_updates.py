"""Optimizers and schedules, and what people write instead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.analysis.compare._building import LR
from chainrule.analysis.compare._formula import Argument, Case, Formula, Line, Slip, Values
from chainrule.formulas import (
    adagrad,
    adam,
    adamw,
    cosine_rate,
    inverse_sqrt_rate,
    linear_rate,
    momentum_step_form,
    nesterov,
    rmsprop,
    sgd,
    step_rate,
)

X = Argument("x", ("w", "W", "theta", "param", "params", "weights", "p", "weight"))
DX = Argument("dx", ("dw", "grad", "g", "gradient", "dtheta", "grads", "d"))
EPS = Argument("eps", ("epsilon",), 1e-8, array=False)
LR_FIXED = Argument(LR.name, LR.words, array=False)
_LR_KEY = {"learning_rate": "lr", "lr": "lr"}


def _state(name: str, *words: str) -> Argument:
    return Argument(name, words)


def _cases(rng: np.random.Generator, states: tuple[str, ...], options: dict[str, tuple[float, float]]) -> list[Case]:
    """Steps in the middle of a training, at its start, with gradients far below epsilon and with none."""

    def case(name: str, shape: tuple[int, ...], *, grad: float = 1.0, state: float = 1.0, t: int = 3) -> Case:
        values: dict[str, Any] = {"x": rng.standard_normal(shape), "dx": grad * rng.standard_normal(shape), "t": t}
        values |= {s: state * _start(rng, s, shape) for s in states}
        values |= {o: float(rng.uniform(*span)) for o, span in options.items()}
        return Case(name, values)

    return [
        case("a matrix", (3, 4)), case("a vector", (5,)), case("one number", (1,), t=2),
        case("filters", (2, 3, 2, 2), t=7),
        case("the first step", (3, 2), state=0.0, t=1), case("the second step", (4,), t=2),
        case("gradients of the size of epsilon", (3, 3), grad=1e-8, state=0.0, t=1),
        case("no gradient", (4,), grad=0.0),
        case("large gradients", (4, 2), grad=100.0, t=4), case("a late step", (3, 3), t=1000),
        case("another step", (6,), t=12),
        case("small gradients", (2, 5), grad=1e-3, state=1e-6, t=5),
    ]  # fmt: skip


def _start(rng: np.random.Generator, state: str, shape: tuple[int, ...]) -> np.ndarray:
    drawn = rng.standard_normal(shape)
    return drawn**2 if state in ("v_squares", "grad_squared", "s") else drawn


_SIGN = Slip("step-sign", "the step goes up the gradient: its sign is wrong", {"sign": lambda v: -1.0})
_RATE_FORGOTTEN = Slip("rate-forgotten", "the learning rate is not used", {"rate": lambda v: 1.0})
_EPSILON = (
    Slip(
        "epsilon-inside-the-root",
        "epsilon inside the root",
        {"root": lambda v: np.sqrt(v.second + v.eps)},
        convention="004",
    ),
    Slip("epsilon-absent", "no epsilon", {"root": lambda v: np.sqrt(v.second)}, convention="003"),
    Slip(
        "epsilon-of-another-size", "an epsilon of 1e-7", {"root": lambda v: np.sqrt(v.second) + 1e-7}, convention="002"
    ),
    Slip("root-forgotten", "the root is missing: it is divided by the squares", {"root": lambda v: v.second + v.eps}),
)
_ROOT: dict[str, Line] = {
    "sign": lambda v: 1.0,
    "rate": lambda v: v.lr,
    "root": lambda v: np.sqrt(v.second) + v.eps,
    "new_x": lambda v: v.x - v.sign * v.rate * v.first / v.root,
}

SGD = Formula(
    "sgd", "gradient descent", "B1", (X, DX, LR_FIXED), ("new_x",), (),
    lambda v: {"new_x": sgd(v.x, v.dx, v.lr)}, None, lambda rng: _cases(rng, (), {"lr": (0.05, 0.5)}),
    upstream={}, moves=True, packs={"config": _LR_KEY},
    lines={"sign": lambda v: 1.0, "rate": lambda v: v.lr, "new_x": lambda v: v.x - v.sign * v.rate * v.dx},
    slips=(_SIGN, _RATE_FORGOTTEN,
           Slip("step-instead-of-point", "the step is returned, not the point after it",
                {"new_x": lambda v: -v.lr * v.dx}),
           Slip("averaged", "the gradient is divided by its first size, as if it were a sum",
                {"new_x": lambda v: v.x - v.lr * v.dx / len(v.x)}),
           Slip("normalized", "the gradient is divided by its norm",
                {"new_x": lambda v: v.x - v.lr * v.dx / np.linalg.norm(v.dx)})),
)  # fmt: skip

MOMENTUM = Formula(
    "momentum", "momentum", "B2",
    (X, DX, _state("v", "velocity", "m", "vel"), LR_FIXED, Argument("rho", ("mu", "momentum", "beta", "gamma",
    "m"), 0.9, array=False)),
    ("new_x", "new_v"), (),
    lambda v: dict(zip(("new_x", "new_v"), momentum_step_form(v.x, v.dx, v.v, v.lr, v.rho))), None,
    lambda rng: _cases(rng, ("v",), {"lr": (0.05, 0.5), "rho": (0.3, 0.95)}),
    upstream={}, moves=True, optional=("new_v",), packs={"config": {**_LR_KEY, "momentum": "rho", "velocity": "v"}},
    lines={
        "sign": lambda v: 1.0, "rate": lambda v: v.lr, "decay": lambda v: v.rho, "share": lambda v: 1.0,
        "new_v": lambda v: v.decay * v.v - v.sign * v.share * v.rate * v.dx,
        "step": lambda v: v.new_v,
        "new_x": lambda v: v.x + v.step,
    },
    slips=(
        Slip("velocity-of-gradients", "the velocity is a sum of gradients, and the rate is applied to all of it",
             {"new_v": lambda v: v.decay * v.v + v.share * v.dx, "step": lambda v: -v.rate * v.new_v}, convention="B2"),
        Slip("damped-velocity", "the new gradient is multiplied by 1 - rho, as a running average has it",
             {"new_v": lambda v: v.rho * v.v + (1 - v.rho) * v.dx, "step": lambda v: -v.rate * v.new_v},
             convention="running average"),
        Slip("step-sign", "the step goes up the gradient: the sign of the gradient or of the velocity is wrong",
             {"sign": lambda v: -1.0}),
        Slip("step-sign", "the velocity is a sum of gradients, and is added: the step goes up the gradient",
             {"new_v": lambda v: v.decay * v.v + v.dx, "step": lambda v: v.rate * v.new_v}),
        Slip("step-sign", "the velocity is subtracted, though the gradient already was", {"step": lambda v: -v.new_v}),
        Slip("old-velocity-used", "the step is that of the old velocity", {"step": lambda v: v.v}),
        Slip("velocity-forgotten", "the point moves by the gradient alone", {"step": lambda v: -v.rate * v.dx}),
        Slip("velocity-not-kept", "the velocity is used, but not kept for the next step",
             {"new_v": lambda v: v.v, "step": lambda v: v.rho * v.v - v.lr * v.dx}),
        Slip("rate-twice", "the rate is applied twice", {"step": lambda v: v.rate * v.new_v}),
        _RATE_FORGOTTEN,
        Slip("momentum-swapped", "rho and 1 - rho have changed places", {"decay": lambda v: 1 - v.rho}),
        Slip("momentum-missing", "the velocity is not multiplied by rho", {"decay": lambda v: 1.0}),
    ),
    words=("sgd_momentum",),
)  # fmt: skip

NESTEROV = Formula(
    "nesterov", "Nesterov momentum", "B3", MOMENTUM.arguments, ("new_x", "new_v"), (),
    lambda v: dict(zip(("new_x", "new_v"), nesterov(v.x, v.dx, v.v, v.lr, v.rho))), None, MOMENTUM.cases,
    upstream={}, moves=True, optional=("new_v",), packs=MOMENTUM.packs,
    lines={
        "sign": lambda v: 1.0, "rate": lambda v: v.lr,
        "new_v": lambda v: v.rho * v.v - v.sign * v.rate * v.dx,
        "back": lambda v: -v.rho * v.v, "ahead": lambda v: (1 + v.rho) * v.new_v,
        "new_x": lambda v: v.x + v.back + v.ahead,
    },
    slips=(
        Slip("velocity-of-gradients", "the velocity is a sum of gradients, as torch has it",
             {"new_v": lambda v: v.rho * v.v + v.dx, "new_x": lambda v: v.x - v.rate * (v.dx + v.rho * v.new_v)},
             convention="torch"),
        Slip("plain-momentum", "that is plain momentum: nothing looks ahead",
             {"back": lambda v: 0.0, "ahead": lambda v: v.new_v}),
        Slip("old-velocity-forgotten", "the term of the old velocity is missing", {"back": lambda v: 0.0}),
        Slip("old-velocity-sign", "the term of the old velocity has the wrong sign", {"back": lambda v: v.rho * v.v}),
        Slip("new-velocity-in-both", "the new velocity stands where the old one belongs",
             {"back": lambda v: -v.rho * v.new_v}),
        Slip("look-ahead-factor", "the new velocity is not multiplied by 1 + rho", {"ahead": lambda v: v.new_v}),
        Slip("step-sign", "the gradient has the wrong sign", {"sign": lambda v: -1.0}), _RATE_FORGOTTEN,
    ),
    words=("nag", "nesterov_momentum", "sgd_nesterov"),
)  # fmt: skip

_SQUARES = ("cache", "s", "v", "h", "grad_sq", "gradsquared", "G", "sq", "r")

ADAGRAD = Formula(
    "adagrad", "AdaGrad", "B4", (X, DX, _state("grad_squared", *_SQUARES), LR_FIXED, EPS), ("new_x",
    "new_grad_squared"), (),
    lambda v: dict(zip(("new_x", "new_grad_squared"), adagrad(v.x, v.dx, v.grad_squared, v.lr, v.eps))), None,
    lambda rng: _cases(rng, ("grad_squared",), {"lr": (0.05, 0.5)}),
    upstream={}, moves=True, optional=("new_grad_squared",),
    packs={"config": {**_LR_KEY, "epsilon": "eps", "eps": "eps", "cache": "grad_squared"}},
    lines={**_ROOT, "first": lambda v: v.dx, "second": lambda v: v.new_grad_squared,
           "new_grad_squared": lambda v: v.grad_squared + v.dx**2},
    slips=(*_EPSILON, _SIGN, _RATE_FORGOTTEN,
           Slip("square-forgotten", "the gradients are summed, not their squares",
                {"new_grad_squared": lambda v: v.grad_squared + v.dx}),
           Slip("sum-forgotten", "only the newest square is kept, not the sum",
                {"new_grad_squared": lambda v: v.dx**2}),
           Slip("old-squares-used", "the step uses the sum before this gradient", {"second": lambda v: v.grad_squared}),
           Slip("running-average", "that is RMSProp: old squares are forgotten",
                {"new_grad_squared": lambda v: 0.99 * v.grad_squared + 0.01 * v.dx**2})),
)  # fmt: skip

RMSPROP = Formula(
    "rmsprop", "RMSProp", "B5",
    (X, DX, _state("grad_squared", *_SQUARES), LR_FIXED,
     Argument("decay_rate", ("decay", "rho", "beta", "gamma", "alpha", "beta2"), 0.99, array=False), EPS),
    ("new_x", "new_grad_squared"), (),
    lambda v: dict(zip(("new_x",
    "new_grad_squared"), rmsprop(v.x, v.dx, v.grad_squared, v.lr, v.decay_rate, v.eps))), None,
    lambda rng: _cases(rng, ("grad_squared",), {"lr": (0.05, 0.5), "decay_rate": (0.7, 0.98)}),
    upstream={}, moves=True, optional=("new_grad_squared",),
    packs={"config": {**_LR_KEY, "epsilon": "eps", "eps": "eps", "cache": "grad_squared", "decay_rate": "decay_rate"}},
    lines={**_ROOT, "first": lambda v: v.dx, "second": lambda v: v.new_grad_squared, "decay": lambda v: v.decay_rate,
           "fresh": lambda v: 1 - v.decay, "new_grad_squared": lambda v: v.decay * v.grad_squared + v.fresh * v.dx**2},
    slips=(*_EPSILON, _SIGN, _RATE_FORGOTTEN,
           Slip("decay-swapped", "the decay and 1 - decay have changed places", {"decay": lambda v: 1 - v.decay_rate}),
           Slip("share-of-the-new-forgotten", "the new square is not multiplied by 1 - decay",
                {"fresh": lambda v: 1.0}),
           Slip("decay-forgotten", "old squares are not forgotten: that is AdaGrad",
                {"decay": lambda v: 1.0, "fresh": lambda v: 1.0}),
           Slip("square-forgotten", "the gradients are averaged, not their squares",
                {"new_grad_squared": lambda v: v.decay * v.grad_squared + v.fresh * v.dx}),
           Slip("old-squares-used", "the step uses the average before this gradient",
                {"second": lambda v: v.grad_squared}),
           Slip("state-not-kept", "the average is used, but not kept for the next step",
                {"new_grad_squared": lambda v: v.grad_squared,
                "second": lambda v: v.decay * v.grad_squared + v.fresh * v.dx**2})),
)  # fmt: skip

_ADAM_ARGUMENTS = (
    X, DX, _state("m", "first_moment", "m1", "moment1", "exp_avg"), _state("s", "v", "second_moment", "m2", "moment2",
    "exp_avg_sq"),
    Argument("t", ("step", "iteration", "it", "n", "k"), array=False), Argument("lr", LR.words, 0.001, array=False),
    Argument("beta1", ("b1", "rho1"), 0.9, array=False), Argument("beta2", ("b2", "rho2"), 0.999, array=False), EPS,
)  # fmt: skip
_ADAM_CONFIG = {
    **_LR_KEY,
    "beta1": "beta1",
    "beta2": "beta2",
    "epsilon": "eps",
    "eps": "eps",
    "m": "m",
    "v": "s",
    "t": "steps_before",
}
_ADAM_OUTPUTS = ("new_x", "new_m", "new_s")


def _adam_cases(rng: np.random.Generator, **more: tuple[float, float]) -> list[Case]:
    options = {"lr": (0.05, 0.5), "beta1": (0.5, 0.95), "beta2": (0.7, 0.999), **more}
    return [Case(c.name, {**c.values, "steps_before": c.values["t"] - 1}) for c in _cases(rng, ("m", "s"), options)]


_ADAM_LINES: dict[str, Line] = {
    **_ROOT,
    "grad": lambda v: v.dx,
    "new_m": lambda v: v.beta1 * v.m + (1 - v.beta1) * v.grad,
    "new_s": lambda v: v.beta2 * v.s + (1 - v.beta2) * v.grad**2,
    "correct1": lambda v: 1 - v.beta1**v.steps,
    "correct2": lambda v: 1 - v.beta2**v.steps,
    "steps": lambda v: v.t,
    "first": lambda v: v.new_m / v.correct1,
    "second": lambda v: v.new_s / v.correct2,
}
_ADAM_SLIPS = (
    *_EPSILON, _SIGN,
    Slip("no-bias-correction", "the bias correction is forgotten",
         {"correct1": lambda v: 1.0, "correct2": lambda v: 1.0}),
    Slip("no-bias-correction-of-m", "the first moment is not corrected for its start at 0",
         {"correct1": lambda v: 1.0}),
    Slip("no-bias-correction-of-v", "the second moment is not corrected for its start at 0",
         {"correct2": lambda v: 1.0}),
    Slip("epsilon-before-correction", "epsilon is added before the correction, as the paper's efficient form has it",
         {"root": lambda v: np.sqrt(v.new_s) / np.sqrt(v.correct2) + v.eps / np.sqrt(v.correct2)},
         convention="Kingma and Ba 2015, section 2"),
    Slip("t-not-counted", "the step count is one too small: t is used before it is counted up",
         {"steps": lambda v: v.t - 1}),
    Slip("t-counted-twice", "the step count is one too large", {"steps": lambda v: v.t + 1}),
    Slip("correction-without-power", "the bias correction does not depend on the step: the power is missing",
         {"steps": lambda v: 1}),
    Slip("correction-multiplied", "the correction is multiplied, where it should divide",
         {"first": lambda v: v.new_m * v.correct1, "second": lambda v: v.new_s * v.correct2}),
    Slip("corrected-moments-kept", "the corrected moments are kept as the state",
         {"first": lambda v: v.plain_m / v.correct1, "second": lambda v: v.plain_s / v.correct2,
          "plain_m": lambda v: v.beta1 * v.m + (1 - v.beta1) * v.grad,
          "plain_s": lambda v: v.beta2 * v.s + (1 - v.beta2) * v.grad**2,
          "new_m": lambda v: v.first, "new_s": lambda v: v.second}),
    Slip("betas-swapped", "beta1 and beta2 have changed places",
         {"new_m": lambda v: v.beta2 * v.m + (1 - v.beta2) * v.grad,
         "new_s": lambda v: v.beta1 * v.s + (1 - v.beta1) * v.grad**2,
          "correct1": lambda v: 1 - v.beta2**v.steps, "correct2": lambda v: 1 - v.beta1**v.steps}),
    Slip("square-forgotten", "the second moment averages gradients, not their squares",
         {"new_s": lambda v: v.beta2 * v.s + (1 - v.beta2) * v.grad}),
    Slip("share-of-the-new-forgotten", "the new gradient is not multiplied by 1 - beta1",
         {"new_m": lambda v: v.beta1 * v.m + v.grad}),
    Slip("share-of-the-new-forgotten", "the new square is not multiplied by 1 - beta2",
         {"new_s": lambda v: v.beta2 * v.s + v.grad**2}),
    Slip("gradient-instead-of-m", "the step uses the gradient itself, not its average", {"first": lambda v: v.grad}),
)  # fmt: skip

ADAM = Formula(
    "adam", "Adam", "B6", _ADAM_ARGUMENTS, _ADAM_OUTPUTS, (),
    lambda v: dict(zip(_ADAM_OUTPUTS, adam(v.x, v.dx, v.m, v.s, v.t, v.lr, v.beta1, v.beta2, v.eps))),
    None, _adam_cases,
    upstream={}, moves=True, optional=("new_m", "new_s"), packs={"config": _ADAM_CONFIG}, lines=_ADAM_LINES,
    slips=_ADAM_SLIPS,
)  # fmt: skip

ADAMW = Formula(
    "adamw", "AdamW", "B7",
    (*_ADAM_ARGUMENTS, Argument("lam", ("weight_decay", "wd", "lambda_", "decay",
    "reg"), 0.01, array=False)), _ADAM_OUTPUTS, (),
    lambda v: dict(zip(_ADAM_OUTPUTS, adamw(v.x, v.dx, v.m, v.s, v.t, v.lr, v.lam, v.beta1, v.beta2, v.eps))), None,
    lambda rng: _adam_cases(rng, lam=(0.05, 0.4)),
    upstream={}, moves=True, optional=("new_m", "new_s"), packs={"config": {**_ADAM_CONFIG, "weight_decay": "lam"}},
    lines={**_ADAM_LINES, "decayed": lambda v: v.lr * v.lam * v.x,
    "new_x": lambda v: v.x - v.sign * v.rate * v.first / v.root - v.decayed},
    slips=(
        Slip("decay-without-rate", "the decay is not multiplied by the rate",
             {"decayed": lambda v: v.lam * v.x}, convention="004"),
        Slip("l2-in-the-gradient",
        "the decay is part of the gradient: that is Adam with an L2 penalty, the other line of the algorithm",
             {"grad": lambda v: v.dx + v.lam * v.x, "decayed": lambda v: 0.0}),
        Slip("decay-sign", "the decay makes the weights grow: its sign is wrong",
             {"decayed": lambda v: -v.lr * v.lam * v.x}),
        Slip("decay-forgotten", "the weights are not decayed", {"decayed": lambda v: 0.0}),
        Slip("decay-after-the-step", "the decay is that of the weights after the step",
             {"decayed": lambda v: v.lr * v.lam * (v.x - v.rate * v.first / v.root)},
             convention="order of the two steps"),
        *_ADAM_SLIPS,
    ),
)  # fmt: skip

_T = Argument("t", ("epoch", "step", "it", "iteration", "i", "n", "steps"), array=False)
_T_ALL = Argument(
    "T",
    ("total", "total_steps", "num_steps", "max_steps", "epochs", "t_max", "T_total", "tmax", "horizon"),
    array=False,
)


def _rate_cases(rng: np.random.Generator, *, first: float = 0.0) -> list[Case]:
    return [
        Case(f"t = {t} of {T}", {"lr": lr, "t": t, "T": T})
        for lr, t, T in [(0.1, first, 10), (0.3, 3, 10), (1.0, 5, 20), (0.05, 10, 10), (2.0, 1, 3), (0.1, 7, 9),
                         (0.5, 40, 100), (0.2, 90, 100)]
    ]  # fmt: skip


def _rate(name: str, title: str, function: Any, arguments: tuple[Argument, ...], slips: tuple[Slip, ...],
          first: float = 0.0, cases: Any = None, words: tuple[str, ...] = ()) -> Formula:  # fmt: skip
    def forward(v: Values) -> dict[str, Any]:
        return {"rate": function(*(getattr(v, a.name) for a in arguments))}

    return Formula(
        name, title, "B9", arguments, ("rate",), (), forward, None,
        cases or (lambda rng: _rate_cases(rng, first=first)),
        upstream={}, slips=slips, words=words,
    )  # fmt: skip


def _step_cases(rng: np.random.Generator) -> list[Case]:
    return [Case(f"epoch {e}", {"lr": lr, "t": e}) for lr, e in
            [(1.0, 0), (0.1, 29), (0.1, 30), (0.5, 31), (0.1, 59), (0.2, 60), (0.1, 89), (0.3, 90),
             (0.1, 200)]]  # fmt: skip


SCHEDULES = (
    _rate("cosine_rate", "cosine schedule", cosine_rate, (LR_FIXED, _T, _T_ALL), (
        Slip("half-forgotten", "the factor 1/2 is forgotten",
             {"rate": lambda v: v.lr * (1 + math.cos(math.pi * v.t / v.T))}),
        Slip("one-forgotten", "the cosine is not raised above 0",
             {"rate": lambda v: v.lr / 2 * math.cos(math.pi * v.t / v.T)}),
        Slip("no-pi", "pi is forgotten", {"rate": lambda v: v.lr / 2 * (1 + math.cos(v.t / v.T))}),
        Slip("quarter-cosine", "a quarter of the wave is taken, not half of it",
             {"rate": lambda v: v.lr * math.cos(math.pi / 2 * v.t / v.T)}),
        Slip("whole-wave", "the whole wave is taken: the rate comes back",
             {"rate": lambda v: v.lr / 2 * (1 + math.cos(2 * math.pi * v.t / v.T))}),
        Slip("sign", "the rate rises instead of falling",
             {"rate": lambda v: v.lr / 2 * (1 - math.cos(math.pi * v.t / v.T))}),
    ), words=("cosine", "cosine_schedule", "cosine_decay", "cosine_lr")),
    _rate("linear_rate", "linear schedule", linear_rate, (LR_FIXED, _T, _T_ALL), (
        Slip("sign", "the rate rises instead of falling", {"rate": lambda v: v.lr * v.t / v.T}),
        Slip("off-by-one", "t is counted one too far", {"rate": lambda v: v.lr * (1 - (v.t + 1) / v.T)}),
        Slip("off-by-one", "T is counted one too far", {"rate": lambda v: v.lr * (1 - v.t / (v.T + 1))}),
    ), words=("linear_schedule", "linear_decay", "linear_lr")),
    _rate("inverse_sqrt_rate", "inverse square root schedule", inverse_sqrt_rate, (LR_FIXED, _T), (
        Slip("root-forgotten", "the root is missing", {"rate": lambda v: v.lr / v.t}),
        Slip("off-by-one", "t is counted from 0, not from 1", {"rate": lambda v: v.lr / math.sqrt(v.t + 1)}),
        Slip("sign", "the rate rises instead of falling", {"rate": lambda v: v.lr * math.sqrt(v.t)}),
    ), first=1.0, words=("inverse_sqrt", "inv_sqrt", "rsqrt_schedule")),
    _rate("step_rate", "step schedule, x 0.1 at epochs 30, 60, 90", step_rate, (LR_FIXED, _T), (
        Slip("off-by-one", "the drop comes one epoch too late: > where >= belongs",
             {"rate": lambda v: v.lr * 0.1 ** sum(v.t > m for m in (30, 60, 90))}),
        Slip("drops-without-end", "it goes on dropping every 30 epochs", {"rate": lambda v: v.lr * 0.1 ** (v.t // 30)}),
        Slip("dropped-once", "the rate drops once only", {"rate": lambda v: v.lr * 0.1 ** (v.t >= 30)}),
    ), cases=_step_cases, words=("step_schedule", "step_decay", "step_lr")),
)  # fmt: skip

FORMULAS = (SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, ADAMW, *SCHEDULES)
