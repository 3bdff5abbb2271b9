"""What looking at the layers costs at its default interval, over steps without a look.

Run with CHAINRULE_DATA set: `python benchmarks/looks.py [STEPS] [TURNS] [--busy]`. The same steps of the same network
with looks and without, in turn in one process; the figure is the ratio of medians.
"""

from __future__ import annotations

import dataclasses
import time

from measure import begin, in_turns, medians, write

from chainrule.tasks import Classification, open_recipe
from chainrule.tasks.runs._plan import LOOK_EVERY, plan_of
from chainrule.training.loop import start, train_loop
from chainrule.training.rules import stop_on_non_finite
from chainrule.training.task import never

RECIPES = ("digits-mlp", "fashion-cnn", "cifar10-resnet20")
"""A network whose steps take less than a millisecond, and two of usual size."""


def seconds_of(name: str, steps: int, turns: int) -> dict[str, float]:
    """Median seconds with looks and without."""
    recipe = open_recipe(name, {"train.steps": steps})
    job = Classification(recipe)
    task = job.task()

    def take(looking: bool) -> float:
        state = start(task, 0)
        plan = plan_of(job, never, stop_on_non_finite(), lambda state: None)
        plan = dataclasses.replace(plan, evaluate=never, keep=never, **({} if looking else {"look": never}))
        begun = time.perf_counter()
        train_loop(task, state, plan, observers=[lambda seen: None])
        return time.perf_counter() - begun

    contestants = {"with looks": lambda: take(True), "without": lambda: take(False)}
    in_turns(contestants, 1)
    return medians(in_turns(contestants, turns))


def main(steps: int, turns: int) -> None:
    """Measure and write."""
    found = {name: seconds_of(name, steps * (10 if name.startswith("digits") else 1), turns) for name in RECIPES}
    write(
        "looks",
        {
            "what": f"median seconds of {turns} turns of {steps} steps (digits: {10 * steps})",
            "steps between two looks": LOOK_EVERY,
            "seconds": found,
            "with looks over without": {
                name: round(one["with looks"] / one["without"], 4) for name, one in found.items()
            },
        },
    )


if __name__ == "__main__":
    numbers = [int(word) for word in begin()]
    main(*(numbers or (200, 7)))
