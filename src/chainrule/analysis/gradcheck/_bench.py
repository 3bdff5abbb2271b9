"""One point of a problem, made ready for measuring slopes: outputs, their weights, rounding, the claimed gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.analysis.gradcheck._problem import Array, Points, Problem
from chainrule.analysis.gradcheck._slope import DOUBLE, SINGLE, Line, Precision, Slope, agrees, measure

State = Literal["right", "wrong", "kink", "jump", "unclear"]


@dataclass(frozen=True)
class Spot:
    """A coordinate, or a direction (index None), as it was found."""

    index: int | None
    claimed: float
    slope: Slope
    state: State


class Bench:
    """A problem at one point.

    Args:
        problem: What is checked.
        moved: Where, of the variables that are not at their base.
        rng: For the weights of the outputs and the nudges that show the rounding noise.
    """

    def __init__(self, problem: Problem, moved: Points, rng: np.random.Generator) -> None:
        self.problem, self.evaluations = problem, 0
        self.start = 0  # the step that was fine enough for the last direction
        self.precision: Precision = SINGLE if problem.single else DOUBLE
        self.points = [self._rounded(moved.get(i, v.value)) for i, v in enumerate(problem.variables)]
        self.moved = {i: p for i, p in enumerate(self.points) if i in moved or problem.single}
        self.outputs = self.values({})
        self.upstream = weights(self.outputs, rng)
        self.claimed = problem.gradients(self.moved, self.upstream)
        self.noise = self._noise(rng)
        self.scales = [scales(point) for point in self.points]

    def values(self, changed: Points) -> list[Array]:
        """The outputs with some variables elsewhere than here."""
        self.evaluations += 1
        return self.problem.values({**self.moved, **changed})

    def gradient(self, i: int) -> Array:
        """What is claimed of a variable, zeros where there is none."""
        found = self.claimed[i]
        return np.zeros(self.points[i].shape) if found is None else found

    def floor(self, i: int) -> float:
        """Differences of the gradient up to this are none: what rounding leaves where terms cancel in it.

        A thousandth of the tolerance of its largest entry, or a hundred digits' ends of the largest of all gradients: a
        bias before a batch norm has a gradient of 0, and what is computed for it is what remains of the others.
        """
        largest = max((float(np.abs(g).max(initial=0.0)) for g in self.claimed if g is not None), default=0.0)
        own = float(np.abs(self.gradient(i)).max(initial=0.0))
        return 1e-3 * self.precision.tolerance * own + 100 * self.precision.eps * largest

    def coordinate(self, i: int, index: int) -> Spot:
        """Measure one entry of a variable."""
        claimed = float(self.gradient(i).reshape(-1)[index])

        def outputs(t: float) -> tuple[list[Array], float]:
            there = self.points[i].copy()
            here = there.reshape(-1)[index]
            there.reshape(-1)[index] = self._rounded(here + t)
            return self.values({i: there}), float(there.reshape(-1)[index] - here)

        scale, floor = float(self.scales[i].reshape(-1)[index]), self.floor(i)
        slope, _ = measure(self._line(outputs), claimed, scale=scale, floor=floor, precision=self.precision)
        return self._judged(index, claimed, slope, floor)

    def direction(self, group: Sequence[int], rng: np.random.Generator, among: NDArray[np.int64] | None = None) -> Spot:
        """Measure along one random direction of all entries of some variables, or of some entries of a single one."""
        along = {i: self.scales[i] * rng.choice([-1.0, 1.0], self.points[i].shape) for i in group}
        if among is not None:
            (only,) = along.values()
            rest = np.ones(only.size, dtype=bool)
            rest[among] = False
            only.reshape(-1)[rest] = 0.0
        claimed = float(sum((self.gradient(i) * d).sum() for i, d in along.items()))

        def outputs(t: float) -> tuple[list[Array], float]:
            return self.values({i: self._rounded(self.points[i] + t * d) for i, d in along.items()}), t

        floor = float(np.linalg.norm([self.floor(i) * np.linalg.norm(d) for i, d in along.items()]))
        slope, self.start = measure(
            self._line(outputs), claimed, scale=1.0, floor=floor, precision=self.precision, start=self.start
        )
        return self._judged(None, claimed, slope, floor)

    def _line(self, outputs: Callable[[float], tuple[list[Array], float]]) -> Line:
        return Line(outputs, self.outputs, self.upstream, self.noise)

    def _judged(self, index: int | None, claimed: float, slope: Slope, floor: float) -> Spot:
        state: State
        if slope.kind != "smooth":
            state = "unclear" if slope.kind == "not finite" else slope.kind
        else:
            state = "right" if agrees(claimed, slope, floor, self.precision) else "wrong"
        return Spot(index, claimed, slope, state)

    def _rounded(self, value: Array) -> Array:
        return np.asarray(value, dtype=np.float32).astype(np.float64) if self.problem.single else np.asarray(value)

    def _noise(self, rng: np.random.Generator) -> list[Array]:
        """How far outputs move when every input does by its last digits: what rounding may do to them."""
        eps = self.precision.eps
        noise = [np.asarray(eps * np.abs(output)) for output in self.outputs]
        for _ in range(2):
            nudged = {i: p * (1 + 2 * eps * rng.choice([-1.0, 1.0], p.shape)) for i, p in enumerate(self.points)}
            for n, near, here in zip(noise, self.values(nudged), self.outputs):
                if near.shape == here.shape:
                    np.maximum(n, np.abs(near - here), out=n, where=np.isfinite(near) & np.isfinite(here))
        return noise


def weights(outputs: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """The upstream gradient: 1 for a single number, else random weights between 0.5 and 1.5 of both signs."""
    if len(outputs) == 1 and outputs[0].size == 1:
        return [np.ones(outputs[0].shape)]
    return [rng.uniform(0.5, 1.5, o.shape) * rng.choice([-1.0, 1.0], o.shape) for o in outputs]


def scales(point: Array) -> Array:
    """What steps are parts of: an entry's own size, or that of its tensor where it is smaller; 1 where all is 0."""
    if not point.size:
        return np.ones(point.shape)
    usual = float(np.sqrt((point**2).mean()))
    return np.maximum(np.abs(point), usual) if usual > 0 else np.ones(point.shape)
