"""Batches that the network is called with to learn, and that no gradient comes from."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import Backward, Forward, is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import MOST, share
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 3
"""Calls beside the one that is learned from, for each backward pass: one or two have other ends."""
PASSES = 2
"""Backward passes that are needed to see it again."""


@check("batches-without-backward")
def batches_without_backward(case: Case) -> Iterator[Finding]:
    """A backward pass that stands after the loop over batches: the last one is learned from, and the others are not."""
    counts = [_unused(batch) for batch in case.batches]
    wasted = [idle >= FEWEST * max(used, 1) for idle, used in counts]
    passes: list[Backward] = case.seen.of(Backward)
    if len(wasted) < PASSES or share(wasted) < MOST:
        return
    calls = [f for f in case.forwards if f.learning]
    if len({f.module for f in calls if is_network(f.module)}) > 1 or len(calls) < FEWEST * len(passes):
        return
    if not _varied(calls[: 2 * FEWEST]):
        return  # one batch many times: an average over dropout, a search
    idle, used = counts[0]
    yield Finding(
        "batches-without-backward",
        f"Of {idle + used} batches that the network is called with, {used} is learned from: `backward` and `step` "
        "stand after the loop over batches.",
        "fault",
        0.95,
        (
            Fact("calls of the network in training mode, with gradients", f"{len(calls)}"),
            Fact("backward passes, and steps", f"{len(passes)}, {len(case.moves)} (usual: one for each call)"),
            Fact("calls before the first backward pass that lead to its loss", f"{used} of {idle + used}"),
        ),
        "Indent `loss.backward()` and `optimizer.step()`, so that they stand inside of the loop over batches.",
        case.place(passes[0].line),
        explains=("too-few-steps", "stopped-too-early", "rate-too-low", "underfits", "loss-does-not-move"),
    )


def _unused(batch: Batch) -> tuple[int, int]:
    """How many calls of networks on a tape do not lead to the loss, and how many do."""
    needed = {index for operation in batch.score.needed for index in operation.results}
    values = batch.tape.values
    calls = [call for call in batch.calls if any(values[index].tensor.requires_grad for index in call.outputs)]
    ends = [bool(needed.intersection(call.outputs)) for call in calls]
    return ends.count(False), ends.count(True)


def _varied(calls: list[Forward]) -> bool:
    rows = [f.rows for f in calls if f.rows is not None]
    return len({int(each[0]) for each in rows if len(each)}) > 1 or not rows
