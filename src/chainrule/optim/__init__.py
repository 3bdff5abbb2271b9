"""Optimizers, schedules, clipping, and what a rate may depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.optim._clip import clip_gradients as clip_gradients
    from chainrule.optim._clip import suggest_clip as suggest_clip
    from chainrule.optim.place import At as At
    from chainrule.optim.place import Group as Group

__getattr__, __dir__, __all__ = lazy(
    __name__, {"At": "place", "Group": "place", "clip_gradients": "_clip", "suggest_clip": "_clip"}
)

_HERE = "chainrule.optim"

OPTIMIZERS = Registry(
    "optimizer",
    [
        ("sgd", Entry(f"{_HERE}.sgd_family:sgd", "gradient descent, with momentum or Nesterov (LECTURES B1-B3)")),
        ("adagrad", Entry(f"{_HERE}.adaptive:adagrad", "rates divided by all past gradients (LECTURES B4)")),
        ("rmsprop", Entry(f"{_HERE}.adaptive:rmsprop", "rates divided by recent gradients (LECTURES B5)")),
        ("adam", Entry(f"{_HERE}.adaptive:adam", "momentum and rmsprop, bias-corrected (LECTURES B6)")),
        ("adamw", Entry(f"{_HERE}.adaptive:adamw", "adam with decoupled weight decay (LECTURES B7)")),
    ],
    group="chainrule.optimizers",
)

SCHEDULES = Registry(
    "schedule",
    [
        ("constant", Entry(f"{_HERE}.schedules:constant", "the same rate throughout")),
        ("step", Entry(f"{_HERE}.schedules:step", "a factor at each milestone")),
        ("cosine", Entry(f"{_HERE}.schedules:cosine", "(1 + cos(pi t/T)) / 2")),
        ("linear", Entry(f"{_HERE}.schedules:linear", "1 - t/T")),
        ("inverse_sqrt", Entry(f"{_HERE}.schedules:inverse_sqrt", "1 / sqrt(t), t from 1")),
    ],
    group="chainrule.schedules",
)
