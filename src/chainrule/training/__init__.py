"""The loop: tasks, phases, objectives, rules, checkpoints, evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.training.evaluate import tally as tally
    from chainrule.training.loop import start as start
    from chainrule.training.loop import train_loop as train_loop
    from chainrule.training.objective import Separable as Separable
    from chainrule.training.task import Average as Average
    from chainrule.training.task import Objective as Objective
    from chainrule.training.task import Phase as Phase
    from chainrule.training.task import Plan as Plan
    from chainrule.training.task import Seen as Seen
    from chainrule.training.task import Task as Task
    from chainrule.training.task import TrainState as TrainState

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        **dict.fromkeys(["Average", "Objective", "Phase", "Plan", "Seen", "Task", "TrainState"], "task"),
        "Separable": "objective",
        "start": "loop",
        "tally": "evaluate",
        "train_loop": "loop",
    },
)
