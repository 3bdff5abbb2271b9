"""Optimizers, schedules, clipping, averages of weights, and what a rate may depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.optim._average import ema_decay as ema_decay
    from chainrule.optim._average import ema_update as ema_update
    from chainrule.optim._average import mean_decay as mean_decay
    from chainrule.optim._clip import clip_gradients as clip_gradients
    from chainrule.optim._clip import suggest_clip as suggest_clip
    from chainrule.optim._muon import muon as muon
    from chainrule.optim._muon import orthogonalize as orthogonalize
    from chainrule.optim.adaptive import adagrad as adagrad
    from chainrule.optim.adaptive import adam as adam
    from chainrule.optim.adaptive import adamw as adamw
    from chainrule.optim.adaptive import rmsprop as rmsprop
    from chainrule.optim.place import At as At
    from chainrule.optim.place import Group as Group
    from chainrule.optim.place import is_weight as is_weight
    from chainrule.optim.schedules import constant as constant
    from chainrule.optim.schedules import cosine as cosine
    from chainrule.optim.schedules import cycle_ends as cycle_ends
    from chainrule.optim.schedules import cyclic as cyclic
    from chainrule.optim.schedules import inverse_sqrt as inverse_sqrt
    from chainrule.optim.schedules import linear as linear
    from chainrule.optim.schedules import noam as noam
    from chainrule.optim.schedules import step as step
    from chainrule.optim.sgd_family import sgd as sgd
    from chainrule.optim.teaching import exponential_teaching as exponential_teaching
    from chainrule.optim.teaching import forced as forced
    from chainrule.optim.teaching import inverse_sigmoid_teaching as inverse_sigmoid_teaching
    from chainrule.optim.teaching import linear_teaching as linear_teaching

_NAMES = {
    # what a rate may depend on
    "At": "place",
    "Group": "place",
    "is_weight": "place",
    # optimizers
    "sgd": "sgd_family",
    "adagrad": "adaptive",
    "rmsprop": "adaptive",
    "adam": "adaptive",
    "adamw": "adaptive",
    "muon": "_muon",
    "orthogonalize": "_muon",
    # schedules
    "constant": "schedules",
    "step": "schedules",
    "cosine": "schedules",
    "cycle_ends": "schedules",
    "cyclic": "schedules",
    "linear": "schedules",
    "inverse_sqrt": "schedules",
    "noam": "schedules",
    # scheduled sampling
    "forced": "teaching",
    "linear_teaching": "teaching",
    "exponential_teaching": "teaching",
    "inverse_sigmoid_teaching": "teaching",
    # gradients and averages
    "clip_gradients": "_clip",
    "suggest_clip": "_clip",
    "ema_decay": "_average",
    "mean_decay": "_average",
    "ema_update": "_average",
}

__getattr__, __dir__, __all__ = lazy(__name__, _NAMES)

_HERE = "chainrule.optim"

OPTIMIZERS = Registry(
    "optimizer",
    [
        ("sgd", Entry(f"{_HERE}.sgd_family:sgd", "gradient descent, with momentum or Nesterov (LECTURES B1-B3)")),
        ("adagrad", Entry(f"{_HERE}.adaptive:adagrad", "rates divided by all past gradients (LECTURES B4)")),
        ("rmsprop", Entry(f"{_HERE}.adaptive:rmsprop", "rates divided by recent gradients (LECTURES B5)")),
        ("adam", Entry(f"{_HERE}.adaptive:adam", "momentum and rmsprop, bias-corrected (LECTURES B6)")),
        ("adamw", Entry(f"{_HERE}.adaptive:adamw", "adam with decoupled weight decay (LECTURES B7)")),
        (
            "muon",
            Entry(f"{_HERE}._muon:muon", "orthogonal steps for matrices, Nesterov or AdamW for the rest"),
        ),
    ],
    group="chainrule.optimizers",
)

SCHEDULES = Registry(
    "schedule",
    [
        ("constant", Entry(f"{_HERE}.schedules:constant", "the same rate throughout")),
        ("step", Entry(f"{_HERE}.schedules:step", "a factor at each milestone")),
        ("cosine", Entry(f"{_HERE}.schedules:cosine", "(1 + cos(pi t/T)) / 2")),
        ("cyclic", Entry(f"{_HERE}.schedules:cyclic", "the cosine, begun anew in each cycle, for snapshots")),
        ("linear", Entry(f"{_HERE}.schedules:linear", "1 - t/T")),
        ("inverse_sqrt", Entry(f"{_HERE}.schedules:inverse_sqrt", "1 / sqrt(t), t from 1")),
        ("noam", Entry(f"{_HERE}.schedules:noam", "rises to 1 at the end of the warm-up w, then sqrt(w/t)")),
    ],
    group="chainrule.schedules",
)

TEACHING = Registry(
    "teaching schedule",
    [
        ("forced", Entry(f"{_HERE}.teaching:forced", "teacher forcing: every input is the ground truth")),
        ("linear", Entry(f"{_HERE}.teaching:linear_teaching", "scheduled sampling: max(final, begin - slope t)")),
        ("exponential", Entry(f"{_HERE}.teaching:exponential_teaching", "scheduled sampling: k^t")),
        (
            "inverse_sigmoid",
            Entry(f"{_HERE}.teaching:inverse_sigmoid_teaching", "scheduled sampling: k / (k + exp(t/k))"),
        ),
    ],
    group="chainrule.teaching",
)
"""`(t, steps, **options) -> share of inputs that are the ground truth`, while a network learns to write."""
