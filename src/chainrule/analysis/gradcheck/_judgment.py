"""From what was measured of a tensor to what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chainrule.analysis.gradcheck._bench import Bench, Spot
from chainrule.analysis.gradcheck._hints import hint, shape_hint
from chainrule.analysis.gradcheck._problem import Array, Problem
from chainrule.analysis.gradcheck._result import Entry, TensorCheck
from chainrule.analysis.gradcheck._slope import SURE
from chainrule.analysis.gradcheck._survey import Survey

LISTED = 8
"""Kinks whose places are listed."""


def judged(problem: Problem, bench: Bench, found: Sequence[Survey]) -> list[TensorCheck]:
    """Judge every tensor."""
    bent = _not_proportional(problem, bench)
    return [_tensor(problem, bench, one, bent[one.index]) for one in found]


def _tensor(problem: Problem, bench: Bench, one: Survey, bent: bool) -> TensorCheck:
    variable = problem.variables[one.index]
    name, shape = variable.name, variable.value.shape
    claimed = bench.claimed[one.index]
    if claimed is not None and claimed.shape != shape:
        return TensorCheck(name, shape, "wrong", hint=shape_hint(claimed, None, shape))
    if not one.size:
        return TensorCheck(name, shape, "empty")
    if claimed is None:
        return _without(bench, one, name, shape)
    if not np.isfinite(claimed).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(claimed))[0])
        return TensorCheck(name, shape, "wrong", hint=f"it is {claimed[at]} at {name}{list(at)}")
    every = [*one.spots, *one.directions, *one.again]
    kinks = one.with_state("kink", "jump")
    wrong = [spot for spot in every if spot.state == "wrong"]
    sure = [spot for spot in [*one.spots, *one.again] if spot.state in ("right", "wrong") and spot.index is not None]
    seen = TensorCheck(
        name,
        shape,
        "right",
        error=_error(bench, one),
        noticed=_noticed(bench, one.index, sure),
        worst=_worst([s for s in wrong if s.index is not None] or sure, shape, wrong=bool(wrong)),
        entries=len(one.spots),
        directions=len(one.directions),
        kinks=len(kinks),
        kinks_at=tuple(_index(spot.index, shape) for spot in kinks[:LISTED]),
    )
    if wrong:
        said = _hint(problem, bench, one) if any(s in one.spots for s in wrong) else ""
        if not said and not any(s.index is not None for s in wrong):
            said = "a random direction of all its entries shows it"
        return replace(seen, state="wrong", hint=said)
    if bent:
        return replace(seen, state="wrong", worst=None, hint="it does not grow with the upstream gradient (dout)")
    if any(spot.state == "right" for spot in every):
        return seen
    return replace(seen, state="kinks" if kinks else "unclear" if every else "skipped")


def _without(bench: Bench, one: Survey, name: str, shape: tuple[int, ...]) -> TensorCheck:
    """A tensor that has no gradient: that is right if the output does not depend on it."""
    for spot in one.directions:
        if spot.slope.kind == "smooth" and abs(spot.slope.value) > SURE * spot.slope.error + 1e-12 * _size(bench):
            said = "it has none, but the output depends on it: it is detached on the way (detach, data, item, NumPy?)"
            return TensorCheck(name, shape, "wrong", error=1.0, directions=len(one.directions), hint=said)
    return TensorCheck(name, shape, "unused", directions=len(one.directions))


def _size(bench: Bench) -> float:
    return float(sum(np.abs(u * o).sum() for u, o in zip(bench.upstream, bench.outputs)))


def _not_proportional(problem: Problem, bench: Bench) -> list[bool]:
    """Which gradients do not become -2 times as large when the upstream gradient does."""
    other = problem.gradients(bench.moved, [-2 * u for u in bench.upstream])
    bent = []
    for one, two in zip(bench.claimed, other):
        if one is None or two is None or one.shape != two.shape:
            bent.append(False)
            continue
        limit = (1e-3 if problem.single else 1e-8) * float(np.abs(one).max(initial=0.0))
        bent.append(bool(np.abs(two + 2 * one).max(initial=0.0) > 2 * limit))
    return bent


def _error(bench: Bench, one: Survey) -> float:
    """Relative error over what was looked at, in norms; what lies within the measurement's own error is none."""
    worst = 0.0
    for spots in (one.spots, one.again):
        sure = [s for s in spots if s.state in ("right", "wrong") and s.index is not None]
        a, n = np.array([s.claimed for s in sure]), np.array([s.slope.value for s in sure])
        size = max(float(np.linalg.norm(a)), float(np.linalg.norm(n)))
        if size > SURE * float(np.linalg.norm([s.slope.error for s in sure])):
            worst = max(worst, float(np.linalg.norm(a - n)) / size)
    along = float(np.linalg.norm(bench.gradient(one.index) * bench.scales[one.index]))
    for spot in [s for s in [*one.directions, *one.again] if s.index is None and s.state in ("right", "wrong")]:
        size = max(along, abs(spot.slope.value))
        worst = max(worst, abs(spot.claimed - spot.slope.value) / size if size else 0.0)
    return worst


def _noticed(bench: Bench, i: int, sure: Sequence[Spot]) -> float | None:
    """The smallest error of an entry that no measurement could have missed, as a share of the largest entry."""
    largest = float(np.abs(bench.gradient(i)).max(initial=0.0))
    if not sure or not largest:
        return None
    tolerance = bench.precision.tolerance
    needed = [tolerance * max(abs(s.claimed), abs(s.slope.value)) + SURE * s.slope.error for s in sure]
    return (max(needed) + bench.floor(i)) / largest


def _worst(spots: Sequence[Spot], shape: tuple[int, ...], *, wrong: bool) -> Entry | None:
    """The entry that is off most, absolutely where the gradient is wrong, so that it is one that matters."""
    spots = [s for s in spots if max(abs(s.claimed), abs(s.slope.value)) > SURE * s.slope.error]  # more than noise
    known = [Entry(_index(s.index, shape), s.claimed, s.slope.value) for s in spots if s.index is not None]
    if wrong:
        return max(known, key=lambda e: abs(e.analytic - e.numerical), default=None)
    largest = max((max(abs(e.analytic), abs(e.numerical)) for e in known), default=0.0)
    # of entries that are as good as zero the relative error says nothing
    known = [e for e in known if max(abs(e.analytic), abs(e.numerical)) > 1e-6 * largest] or known[:1]
    return max(known, key=lambda e: e.error, default=None)


def _index(flat: int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if flat is None else tuple(int(k) for k in np.unravel_index(flat, shape))


def _hint(problem: Problem, bench: Bench, one: Survey) -> str:
    point = bench.points[one.index]
    measured: Array = np.full(point.shape, np.nan)
    for spot in one.spots:
        if spot.index is not None and spot.state in ("right", "wrong"):
            measured.reshape(-1)[spot.index] = spot.slope.value
    return hint(bench.gradient(one.index), measured, point, _sizes(problem, bench))


def _sizes(problem: Problem, bench: Bench) -> dict[str, int]:
    """What a wrong factor may be made of."""
    named = [(v.name, v.value.shape) for v in problem.variables if not v.parameter]
    named += [("the output", output.shape) for output in bench.outputs]
    sizes = {f"axis {k} of {name}": n for name, shape in named for k, n in enumerate(shape)}
    return sizes | {f"the number of entries of {name}": int(np.prod(shape)) for name, shape in named}
