"""Gradients through time: dL/dh_t at each step, and the Jacobians between the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.analysis._tape import Tape
from chainrule.analysis.trace._depth import FAR
from chainrule.analysis.trace._gather import Gathered
from chainrule.analysis.trace._jacobians import jacobian
from chainrule.analysis.trace._loops import Loop, loops_of
from chainrule.analysis.trace._observe import Observer

WHOLE = 64
"""Numbers of a state of several examples whose Jacobian is formed as a whole; of a larger one, the first example's."""
LARGEST = 1024
"""Numbers of a state whose Jacobian is formed at all."""
EXACT = 256
"""Rows of a Jacobian whose singular values are found; of a larger one the largest is estimated."""
WORK = 2e10
"""Steps times the cube of the numbers of a state: more takes minutes."""


@dataclass(frozen=True)
class Recurrence:
    """A hidden state through time.

    Args:
        weights: The weights that every step uses.
        states: The names of the values that are the state, for each step.
        gradients: ||dL/dh_t|| for each step; None where nothing came back.
        steps: The largest singular value of dh_t/dh_{t-1}, from the second step on; empty if it was not found.
        products: That of dh_T/dh_t, for each step; empty likewise.
        words: What becomes of the gradient, and where.
        part: Of what the Jacobians are, if not of the whole state; or why there are none.
    """

    weights: str
    states: tuple[tuple[str, ...], ...]
    gradients: tuple[float | None, ...]
    steps: tuple[float, ...]
    products: tuple[float, ...]
    words: str
    part: str


def through_time(tape: Tape, observer: Observer, found: Gathered) -> list[Recurrence]:
    """Follow each hidden state of a call, while autograd's graph is still there.

    The product dh_T/dh_t = dh_T/dh_{T-1} ... dh_{t+1}/dh_t is formed from its last factor on. For a vanilla RNN a
    factor is diag(tanh') W_hh.

    Source:
        LECTURES C9.

    Departures:
        The sizes of Jacobians are their largest singular values, so a product may be smaller than its factors say.
    """
    return [_follow(loop, tape, observer, found) for loop in loops_of(tape)]


def _follow(loop: Loop, tape: Tape, observer: Observer, found: Gathered) -> Recurrence:
    names = tuple(tuple(observer.names.values[i] for i in state) for state in loop.states)
    gradients = tuple(_norm(state, found) for state in names)
    examples, size = _examples(loop, tape)
    part = _refused(loop, observer, size)
    steps: list[float] = []
    logs: list[float] = []
    if not part:
        part = ", ".join(_parts(examples, size))
        try:
            steps, logs = _chain(loop, observer, tape, examples)
        except RuntimeError as error:
            part = f"not found: {str(error).splitlines()[0]}"
    return Recurrence(
        weights=observer.names.values[loop.weights],
        states=names,
        gradients=gradients,
        steps=tuple(steps),
        products=tuple(_power(log) for log in logs),
        words=_words(logs, gradients),
        part=part,
    )


def _chain(loop: Loop, observer: Observer, tape: Tape, examples: int | None) -> tuple[list[float], list[float]]:
    """Sizes of the factors, and logarithms (of base 10) of the sizes of the products from each step to the last."""
    steps: list[float] = []
    logs: list[float] = [0.0]
    product: Tensor | None = None
    scale = 0.0  # the product is kept near 1, where no power of a small factor is lost
    for number in reversed(range(1, len(loop.states))):
        after, before = ([(observer.edges[i], tape.values[i]) for i in loop.states[n]] for n in (number, number - 1))
        factor = jacobian(after, before, examples)
        product = factor if product is None else product @ factor
        steps.append(_size(factor))
        size = _size(product)
        logs.append(scale + (math.log10(size) if size > 0 else -math.inf))
        if size > 0 and math.isfinite(size):
            product, scale = product / size, logs[-1]
    return steps[::-1], logs[::-1]


def _examples(loop: Loop, tape: Tape) -> tuple[int | None, int]:
    """How many examples the state has, where only the first is looked at, and the numbers of what is looked at."""
    values = [tape.values[i] for i in loop.states[0]]
    size = sum(value.tensor.numel() for value in values)
    counts = {value.shape[0] for value in values if len(value.shape) > 1}
    if size <= WHOLE or len(counts) != 1 or any(len(value.shape) < 2 for value in values):
        return None, size
    count = counts.pop()
    return (count, size // count) if count > 1 else (None, size)


def _refused(loop: Loop, observer: Observer, size: int) -> str:
    if any(i not in observer.edges for state in loop.states for i in state):
        return "not found: the state is detached between steps"
    if size > LARGEST:
        return f"not found: the state has {size:,} numbers, more than {LARGEST:,}"
    if len(loop.states) * size**3 > WORK:
        return f"not found: {len(loop.states):,} steps of {size:,} numbers would take minutes"
    return ""


def _parts(examples: int | None, size: int) -> list[str]:
    first = ["of the first example of the batch"] if examples else []
    return first + (["estimated by power iteration"] if size > EXACT else [])


def _norm(state: Sequence[str], found: Gathered) -> float | None:
    norms = [g.norm for name in state if (g := found.values[name].gradient) is not None]
    return math.hypot(*(norm or 0.0 for norm in norms)) if norms else None


def _size(matrix: Float[Tensor, "m n"]) -> float:
    """The largest singular value, of a large matrix its estimate from below; NaN where an entry is not finite."""
    if not bool(torch.isfinite(matrix).all()):
        return math.nan
    if not matrix.numel():
        return 0.0
    if len(matrix) <= EXACT:
        return float(torch.linalg.matrix_norm(matrix, ord=2))
    vector = matrix.T @ torch.ones(len(matrix), dtype=matrix.dtype, device=matrix.device)
    for _ in range(60):
        vector = matrix.T @ (matrix @ (vector / vector.norm().clamp_min(1e-300)))
    return float((matrix @ (vector / vector.norm().clamp_min(1e-300))).norm())


def _power(log: float) -> float:
    """10 to this power; what is too large for a float is infinite."""
    return math.inf if log > 308 else float(10.0**log)


def _words(logs: Sequence[float], gradients: Sequence[float | None]) -> str:
    """Whether it vanishes or explodes on its way from the last step to the first, and where."""
    if not logs:
        known = [g for g in gradients if g is not None]
        if len(known) < 2:
            return "no gradient goes from step to step"
        return f"the gradient at the first state is {known[0]:.2g}, at the last {known[-1]:.2g}"
    count, whole = len(logs), logs[0]
    if any(math.isnan(log) for log in logs):
        return "a Jacobian is not finite"
    far = math.log10(FAR)
    size = f"{_power(whole):.2g}" if abs(whole) < 300 or math.isinf(whole) else f"10^{whole:.0f}"
    pace = f"||dh_{count}/dh_1|| = {size}, {_power(whole / (count - 1)):.2g} a step"
    if whole < -far:
        return f"vanishes: {pace}; below 1/1000 from step {max(t for t in range(count) if logs[t] < -far) + 1} back"
    if whole > far:
        return f"explodes: {pace}; above 1000 from step {max(t for t in range(count) if logs[t] > far) + 1} back"
    return f"neither vanishes nor explodes: {pace}"
