"""Observers that write down what a run does."""

from __future__ import annotations

import time

from chainrule.core.journal import Log
from chainrule.training.task import Observer, Seen


def write_metrics(journal: Log, *, every: int, steps: int) -> Observer:
    """Write one line each so many steps, and one for each evaluation. No times: equal runs give equal bytes."""

    def watch(seen: Seen) -> None:
        if seen.step % every == 0 or seen.step == steps or seen.step == 1:
            place = {"step": seen.step, "epoch": seen.epoch, "part": "train"}
            journal.append({**place, "phase": seen.phase, "rate": seen.rate, "norm": seen.norm, **seen.report})
        if seen.evaluated is not None:
            journal.append({"step": seen.step, "epoch": seen.epoch, "part": "valid", **seen.evaluated})

    return watch


def write_layers(journal: Log) -> Observer:
    """Write one line for each look at the layers."""

    def watch(seen: Seen) -> None:
        if seen.look is not None:
            place = {"step": seen.step, "epoch": seen.epoch, "phase": seen.phase, "norm": seen.norm}
            journal.append({**place, **seen.look.to_data()})

    return watch


def write_timing(journal: Log, *, seconds: float = 1.0) -> Observer:
    """Write the rate and the memory about once a second."""
    begun = last = time.perf_counter()
    examples = 0

    def watch(seen: Seen) -> None:
        nonlocal last, examples
        examples += seen.examples
        now = time.perf_counter()
        if now - last >= seconds:
            journal.append(
                {
                    "step": seen.step,
                    "seconds": round(now - begun, 3),
                    "examples_per_second": round(examples / (now - last), 1),
                    "memory": _peak_memory(),
                }
            )
            last, examples = now, 0

    return watch


def _peak_memory() -> int:
    """Most resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
