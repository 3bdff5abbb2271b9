"""Every tensor of a problem, measured: all entries of small ones, directions and a sample of entries of large ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.analysis.gradcheck._bench import Bench, Spot
from chainrule.analysis.gradcheck._problem import Array, Problem

MOST = 20_000
"""Evaluations after which entries are sampled, however quick they are."""
DIRECTIONS = 3
SAMPLE = 24
RETESTED = 16
"""Kinks of one tensor that are looked at again beside them."""
MOVES = (1e-2, 1e-3, 1e-1)
"""How far beside, in parts of the scale."""


@dataclass
class Survey:
    """What was measured of one variable: entries, directions, and kinks looked at again beside them."""

    index: int
    size: int
    spots: list[Spot] = field(default_factory=list)
    directions: list[Spot] = field(default_factory=list)
    again: list[Spot] = field(default_factory=list)

    def with_state(self, *states: str) -> list[Spot]:
        """The entries that are so."""
        return [spot for spot in self.spots if spot.state in states]


def survey(problem: Problem, bench: Bench, rng: np.random.Generator, seconds: float) -> list[Survey]:
    """Measure all variables.

    Directions come first for all, so that a tensor is never left out where time is short; then entries, the largest of
    the claimed gradient and random ones.

    Args:
        problem: What is checked.
        bench: The same, at its base.
        rng: For directions and samples.
        seconds: About how long it may take.
    """
    began = time.monotonic()
    before = bench.evaluations
    bench.values({})
    allowed = min(MOST, int(seconds * (bench.evaluations - before) / max(time.monotonic() - began, 1e-6)))
    found = [Survey(i, point.size) for i, point in enumerate(bench.points)]
    usable = [s for s in found if s.size and bench.gradient(s.index).shape == bench.points[s.index].shape]
    claimed = [s for s in usable if bench.claimed[s.index] is not None]
    every = 2 * sum(s.size for s in claimed) <= allowed
    tries = DIRECTIONS if 4 * DIRECTIONS * len(usable) <= allowed else 1
    sample = max(1, min(SAMPLE, allowed // (2 * max(1, len(usable))) - tries))
    for k, one in enumerate(usable):
        if time.monotonic() - began > seconds / 2:
            _together(bench, usable[k:], rng)
            break
        if one not in claimed or not (every or one.size <= sample):
            one.directions = [bench.direction([one.index], rng) for _ in range(tries)]
    for one in claimed:
        late = time.monotonic() - began > seconds and not every
        limit = one.size if every else 0 if late else sample
        one.spots = [bench.coordinate(one.index, index) for index in chosen(bench.gradient(one.index), limit, rng)]
        if any(spot.state == "wrong" for spot in one.directions) and not one.with_state("wrong"):
            one.spots += _searched(bench, one.index, rng)
    _look_again(problem, bench, found, rng)
    return found


def _together(bench: Bench, rest: Sequence[Survey], rng: np.random.Generator) -> None:
    """One direction of several variables, where the time is too short for one each."""
    joint = bench.direction([one.index for one in rest], rng)
    if joint.state == "right":
        for one in rest:
            one.directions = [joint]


def _searched(bench: Bench, i: int, rng: np.random.Generator) -> list[Spot]:
    """An entry that is wrong, found by halves: whichever half has a wrong direction is halved again."""
    among = np.arange(bench.points[i].size)
    while len(among) > 1:
        halves = np.array_split(rng.permutation(among), 2)
        wrong = [half for half in halves if bench.direction([i], rng, half).state == "wrong"]
        if not wrong:
            return []
        among = wrong[0]
    spot = bench.coordinate(i, int(among[0]))
    return [spot] if spot.state == "wrong" else []


def chosen(claimed: Array, limit: int, rng: np.random.Generator) -> list[int]:
    """Entries to look at: all, or the largest of the claimed gradient and random ones.

    Example:
        >>> chosen(np.array([1.0, -5.0, 2.0]), 3, np.random.default_rng(0))
        [0, 1, 2]
    """
    if claimed.size <= limit:
        return list(range(claimed.size))
    if limit < 1:
        return []
    flat = np.abs(claimed.reshape(-1))
    largest = np.argpartition(flat, -max(1, limit // 3))[-max(1, limit // 3) :]
    others = rng.choice(claimed.size, limit, replace=False)
    return sorted({int(i) for i in largest} | {int(i) for i in others[: limit - len(largest)]})


def _look_again(problem: Problem, bench: Bench, found: Sequence[Survey], rng: np.random.Generator) -> None:
    """Measure kinks once more with everything moved a little, where the function should be smooth."""
    waiting = {s.index: _kinks(s) for s in found}
    for far in MOVES:
        waiting = {i: spots for i, spots in waiting.items() if spots}
        if not waiting:
            return
        moved = {
            i: point + far * bench.scales[i] * rng.standard_normal(point.shape) for i, point in enumerate(bench.points)
        }
        beside = Bench(problem, moved, rng)
        if any(not np.isfinite(output).all() for output in beside.outputs):
            continue
        for i, spots in waiting.items():
            claimed = beside.claimed[i]
            if claimed is None or claimed.shape != beside.points[i].shape:
                waiting[i] = []
                continue
            left = []
            for spot in spots:
                new = beside.direction([i], rng) if spot.index is None else beside.coordinate(i, spot.index)
                if new.state in ("right", "wrong"):
                    found[i].again.append(new)
                else:
                    left.append(spot)
            waiting[i] = left
        bench.evaluations += beside.evaluations


def _kinks(one: Survey) -> list[Spot]:
    every = [spot for spot in [*one.spots, *one.directions] if spot.state in ("kink", "jump", "unclear")]
    if len(every) <= RETESTED:
        return every
    return [every[k] for k in np.linspace(0, len(every) - 1, RETESTED).astype(int)]
