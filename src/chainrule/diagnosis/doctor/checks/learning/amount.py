"""How much is done, and what for: steps, examples at a time, time beside the steps."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

import torch
from torch import nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._copies import copy_of
from chainrule.diagnosis.doctor._events import Backward, Forward, Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import learning_loops
from chainrule.diagnosis.doctor.checks.learning._loop import cycles, number, share
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot, Tried

FEW = 25
"""Steps below which a network has hardly begun, whatever it learns."""
ENOUGH = 160
"""Steps above which it is not asked."""
MORE = 80
"""Steps that a training is taken on for."""
STILL = 0.5
"""Twice the share of the first loss that must be left for more steps to be missed."""
FALLS = 0.3
"""Share of the loss by which it must fall when a training is taken on."""
AFTER_BREAK = 0.15
"""The same where somebody has written an end that came before."""
RUNS = 5
"""Runs through the recorded batches that it takes to see whether more steps help."""
ONWARD = 4.0
"""Seconds that a training is taken on for."""
ALONE = 8
"""Calls with one example each before one backward pass: a loop over a batch."""


@check("too-few-steps", "stopped-too-early", experiment=True)
def too_few_steps(case: Case) -> Iterator[Finding]:
    """A training that ends while the loss falls as fast as ever."""
    found = trials(case)
    losses = found.losses
    steps = len(found.moves) or (len(losses) if case.seen.by_hand else 0)  # by hand only the first are looked at
    if not case.seen.complete or not steps >= 3 or not all(map(math.isfinite, losses)) or not found.possible:
        return
    if found.learned or steps > ENOUGH or not found.affordable(RUNS) or not found.faithful:
        return
    if any(isinstance(m.optimizer, torch.optim.LBFGS) for m in found.moves):
        return
    onward = found.run(onward=True, passes=found.passes_in(ONWARD, MORE))
    now = found.start - found.whole
    if onward.steps < 3:
        return
    few = steps < FEW
    broken = None if few else _break(case)
    falls = AFTER_BREAK if broken else FALLS
    if onward.drop < falls * abs(found.whole) or found.whole < 0.25 * found.start:
        return
    rows = next((f.inputs.shape[0] for f in case.forwards if f.learning and f.inputs and f.inputs.shape), 0)
    examples = _examples(case)
    large = examples > 0 and rows >= 0.25 * examples
    yield Finding(
        "too-few-steps" if few else "stopped-too-early",
        f"The training ends after {steps} steps, and the loss still falls.",
        "fault" if few or broken else "note",
        0.85 if few else 0.8 if broken else 0.5,
        (
            Fact("steps", f"{steps} (usual: hundreds and more)"),
            Fact(
                "loss at first, and at the end", f"{number(found.start)}, {number(found.whole)} (fell by {number(now)})"
            ),
            Fact("examples in a step, and in all", f"{rows}, {examples or 'unknown'}"),
        ),
        "More patience, and a smaller improvement that counts as one."
        if broken
        else "Smaller batches: more steps for the same time."
        if large
        else "More epochs.",
        case.place(broken or (found.moves[0].line if found.moves else None)),
        Tried(f"{onward.steps} steps more", number(found.whole), number(onward.end), True),
        ("rate-too-low", "underfits", "loss-does-not-move"),
        Plot("loss", "step", "loss", {"loss": list(enumerate(losses))}),
    )


def _break(case: Case) -> Line | None:
    """Where the loop over epochs is left early, under a condition: an end that somebody wrote, and that came."""
    around = learning_loops(case)
    if len(around) < 2 or case.source.path is None:
        return None
    inside = {id(node) for node in ast.walk(around[-1])}
    branches = [node for node in ast.walk(around[0]) if isinstance(node, ast.If) and id(node) not in inside]
    found = [n for branch in branches for n in ast.walk(branch) if isinstance(n, ast.Break)]
    return (str(case.source.path), found[0].lineno) if found else None


def _examples(case: Case) -> int:
    """How many different examples were learned from."""
    rows = [f.rows for f in case.forwards if f.learning and f.rows is not None]
    return len(torch.unique(torch.cat(rows))) if rows else 0


HANDFUL = 10
"""Steps up to which, with a loss that is lowest at the end, no experiment is needed."""


@check("too-few-steps")
def handful_of_steps(case: Case) -> Iterator[Finding]:
    """A few steps on batches of a quarter of the data and more, and a loss that is lowest at the end."""
    losses, moves = case.losses, case.moves
    rows = next((f.inputs.shape[0] for f in case.forwards if f.learning and f.inputs and f.inputs.shape), 0)
    if not case.seen.complete or not 2 <= len(moves) <= HANDFUL or len(losses) != len(moves):
        return  # closures take many passes in a step
    if min(losses) < losses[-1] or losses[0] <= 0.0 or losses[-1] < STILL * losses[0] / 2:
        return
    if rows < _examples(case) / 4:
        return
    yield Finding(
        "too-few-steps",
        f"The training ends after {len(moves)} steps, and the loss still falls.",
        "fault",
        0.8,
        (
            Fact("steps", f"{len(moves)} (usual: hundreds and more)"),
            Fact("loss at first, and at the end", f"{number(losses[0])}, {number(losses[-1])}"),
            Fact("examples in a step, and in all", f"{rows}, {_examples(case)}"),
        ),
        "Smaller batches: more steps for the same time.",
        case.place(moves[0].line),
        explains=("rate-too-low", "underfits", "loss-does-not-move"),
    )


@check("one-example-at-a-time", experiment=True)
def one_at_a_time(case: Case) -> Iterator[Finding]:
    """A loop over the examples of a batch, each through the network alone."""
    seen = [[f for f in cycle.forwards if _one(f)] for cycle in cycles(case)]
    passes = [max(1, len(cycle.backwards)) for cycle in cycles(case)]
    alone = [len(found) >= ALONE * count for found, count in zip(seen, passes)]
    if len(seen) < 2 or share(alone) < 0.6:
        return
    calls = next(found for found, each in zip(seen, alone) if each)
    network, shapes = calls[0].module, {f.inputs.shape for f in calls if f.inputs}
    kept = [f for f in calls if f.given is not None and f.module is network]
    same, times = _together(network, kept) if len(shapes) == 1 and len(kept) > 1 else (None, None)
    if same is False:
        return  # alone they answer otherwise: each call goes on from the one before
    varied = len(shapes) > 1
    yield Finding(
        "one-example-at-a-time",
        "Each example of a batch goes through the network alone, in a loop.",
        "note" if varied else "fault",
        0.5 if varied else 0.9,
        (
            Fact("calls with one example for each backward pass", f"{len(calls)} (usual: one call of all)"),
            Fact("time of as many calls, against one call of all", f"{times:.1f} times" if times else "not measured"),
            Fact("answers in one call", "the same" if same else "not compared"),
        ),
        "Pad the examples to one length and call the network once."
        if varied
        else "Call the network once with the whole batch: `model(x[batch])`.",
        case.place(calls[0].line),
        explains=("data-loading-slow", "batch-norm-tiny-batch"),
    )


def _one(forward: Forward) -> bool:
    return forward.inputs is not None and len(forward.inputs.shape) > 1 and forward.inputs.shape[0] == 1


def _together(network: nn.Module, kept: list[Forward]) -> tuple[bool | None, float | None]:
    """Whether examples give the same together as alone, and how many times faster."""
    import time

    inputs = [f.given[0] for f in kept if f.given is not None]
    if not all(len(given) == 1 and isinstance(given[0], torch.Tensor) for given in inputs):
        return None, None
    with torch.no_grad():
        again = copy_of(network).eval()
        begun = time.perf_counter()
        alone = [again(given[0]) for given in inputs]
        middle = time.perf_counter()
        together = again(torch.cat([given[0] for given in inputs]))
        end = time.perf_counter()
    if not isinstance(together, torch.Tensor) or together.shape[0] != len(alone):
        return None, None
    same = torch.allclose(torch.cat(alone), together, rtol=1e-3, atol=1e-5)
    return same, (middle - begun) / max(end - middle, 1e-9)


@check("loss-oscillates")
def loss_oscillates(case: Case) -> Iterator[Finding]:
    """A loss that jumps up and down by more than it falls."""
    losses = [b.loss for b in case.seen.of(Backward)]
    if len(losses) < 60 or not all(map(math.isfinite, losses)) or len(case.optimizers) > 1:
        return
    half = losses[len(losses) // 2 :]
    level = median(half)
    jumps = [abs(a - b) for a, b in pairwise(half)]
    if level > 0 and median(jumps) > level and max(half) > 3 * abs(losses[0]):
        yield Finding(
            "loss-oscillates",
            "The loss jumps from step to step by more than its size.",
            "warning",
            0.5,
            (Fact("median loss, and median jump, in the second half", f"{number(level)}, {number(median(jumps))}"),),
            "A lower rate, or larger batches.",
        )
