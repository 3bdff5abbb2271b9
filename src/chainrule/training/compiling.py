"""Whether torch's compiler is worth its time for a training: measured, once, before the first step."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from chainrule.data.feed import feed
from chainrule.runtime.compiled import missing_compiler
from chainrule.runtime.device import placed
from chainrule.runtime.world import Alone
from chainrule.training.task import Plan, Task, TrainState

LEAST = 120.0
"""Seconds of work below which it is not even tried: translating a small network takes about half a minute."""
TURNS = 3


def is_worth_compiling(task: Task, state: TrainState, plan: Plan) -> tuple[bool, str]:
    """Return whether the steps that are left take less time translated, with the time of translating, and why.

    Both ways are timed on a copy of the network and the next step's examples; nothing of the training is changed.

    Args:
        task: What is learned.
        state: Where it stands.
        plan: Its length.
    """
    missing = missing_compiler()
    if missing is not None:
        return False, missing
    left = plan.end - state.step
    alone = Alone(next(state.model.parameters()).device)
    batches = feed(task.examples["train"], task.orders["train"], replace(plan, workers=0), alone, first=state.step)
    with torch.random.fork_rng(devices=alone.devices):
        _, made = next(batches)
        parts = {part: placed(batch, alone.device, plan.precision.whole) for part, batch in made.items()}
        twin = replace(state, model=copy.deepcopy(state.model), carry={})
        phase, at = task.phases[task.cycle[state.step % len(task.cycle)]], state.at(plan)

        def seconds() -> float:
            begun = time.perf_counter()
            with plan.precision.computing(alone.device):
                phase.objective.gradients(twin, phase, parts, at, alone)
            return time.perf_counter() - begun

        phase.mode(twin.model, at)
        seconds()
        plain = statistics.median(seconds() for _ in range(TURNS))
        if plain * left < LEAST:
            return False, f"the {left} steps that are left take about {plain * left:.0f} s as they are"
        twin.model.compile()
        try:
            translating = seconds()
            translated = statistics.median(seconds() for _ in range(TURNS))
        except Exception as error:  # whatever the compiler does not know, in a network of anybody's
            return False, f"torch's compiler fails on this network ({type(error).__name__})"
    saved = (plain - translated) * left - translating
    because = f"a step takes {plain:.4f} s, translated {translated:.4f} s; translating takes {translating:.0f} s"
    return saved > 0, because


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """While it lasts, a network that was translated is computed layer by layer, so that each can be looked at."""
    program = vars(model).get("_compiled_call_impl")
    if program is None:
        yield
        return
    vars(model)["_compiled_call_impl"] = None
    try:
        yield
    finally:
        vars(model)["_compiled_call_impl"] = program
