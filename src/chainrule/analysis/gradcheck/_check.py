"""The gradient check: a problem is made of what was given, measured, and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chainrule.analysis.gradcheck._arrays import PairProblem
from chainrule.analysis.gradcheck._bench import Bench
from chainrule.analysis.gradcheck._judgment import judged
from chainrule.analysis.gradcheck._problem import Array, Problem
from chainrule.analysis.gradcheck._result import GradientCheck, TensorCheck
from chainrule.analysis.gradcheck._survey import survey
from chainrule.analysis.gradcheck._torch import TorchProblem
from chainrule.core.errors import UsageError

Checked = Callable[..., Any] | nn.Module | type | tuple[Callable[..., Any], Callable[..., Any]]


def check_gradient(function: Checked, *inputs: Any, seed: int = 0, seconds: float = 30.0) -> GradientCheck:
    """Compare a function's own gradient with centred differences of its values.

    The outputs are weighed with random numbers, L = sum <u, outputs> (u = 1 for a single number), and every entry of
    dL/dx is compared with (L(x + t) - L(x - t)) / 2t, in float64, with steps fine enough for the error of the
    difference itself to be known. Where the slopes to the left and to the right differ, the function has a kink (ReLU,
    max pooling, hinge): that is counted, and the gradient is judged beside it. Of large tensors random directions of
    all entries and a sample of single entries are looked at.

    The random generators of torch, NumPy and Python, those among the inputs, a module's buffers and its attributes are
    the same at each call, and as before when it returns. A module is copied, never changed.

    Args:
        function: A function of tensors, a `torch.autograd.Function`, a module (its parameters are checked too), or a
            pair (forward, backward) with `out, cache = forward(*inputs)` and `dx, ... = backward(dout, cache)`.
        inputs: What it is called with, batch first; what has no fraction (classes, indices) stays as it is. Tensors
            and, for a pair, NumPy arrays; their shapes may be small.
        seed: Of everything that is drawn.
        seconds: About how long it may take; where the time is short, fewer entries are looked at, and the result says
            how many.

    Returns:
        The verdict in words, and error, worst entry and kinks of each tensor.

    Raises:
        UsageError: There is nothing to differentiate, or a pair has another form.

    Example:
        >>> x, w = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0], [4.0]])
        >>> print(check_gradient(lambda x, w: (x @ w).relu(), x, w))
        The gradient is right: 2 tensors, 4 entries, relative error at most 0.0e+00.
        >>> class Double(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        ...
        ...     @staticmethod
        ...     def backward(ctx, dout):
        ...         return dout
        >>> check_gradient(Double, x).right
        False

    Source:
        LECTURES C3; Richardson's extrapolation; the random direction is that of JAX's `check_grads`.
    """
    began = time.monotonic()
    problem = _problem(function, inputs, seed)
    rng = np.random.default_rng(seed)
    bench = Bench(problem, {}, rng)
    _require(bench)
    again = problem.values(bench.moved)
    if (apart := _apart(bench.outputs, again)) > 1e-9 and not problem.single:
        said = f"two calls with the same inputs and the same random state differ by {apart:.1e}"
        verdict = f"This cannot be checked: {said}. Let its randomness come from torch, NumPy or an input."
        return GradientCheck(None, verdict, (), tuple(problem.told.lines), "float64", 2, time.monotonic() - began)
    if not problem.single and _rounds(bench):
        problem.single = True
        problem.told.say("it rounds to float32 somewhere inside, so it is checked roughly")
        bench = Bench(problem, {}, rng)
    for noise, one, other in zip(bench.noise, bench.outputs, again):
        np.maximum(noise, 4 * np.abs(one - other), out=noise)
    found = survey(problem, bench, rng, seconds)
    tensors = judged(problem, bench, found)
    right, verdict = _verdict(tensors)
    return GradientCheck(
        right,
        verdict,
        tuple(tensors),
        tuple(problem.told.lines),
        "float32" if problem.single else "float64",
        bench.evaluations,
        time.monotonic() - began,
    )


def _problem(function: Checked, inputs: Sequence[Any], seed: int) -> Problem:
    if isinstance(function, tuple):
        forward, backward = function
        return PairProblem(forward, backward, inputs, seed=seed)
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        function = function.apply
    if isinstance(function, type) and issubclass(function, nn.Module):
        raise UsageError(
            f"{function.__name__} is a class", expected="a module", remedy=f"give {function.__name__}(...)"
        )
    if not callable(function):
        raise UsageError(f"{type(function).__name__} cannot be called", expected="a function, a module or a pair")
    return TorchProblem(function, inputs, seed=seed)


def _require(bench: Bench) -> None:
    if any(not np.isfinite(output).all() for output in bench.outputs):
        raise UsageError("the output has NaN or infinity in it", expected="finite numbers", remedy="give other inputs")


def _apart(one: Sequence[Array], other: Sequence[Array]) -> float:
    """The largest relative difference of two results."""
    if [a.shape for a in one] != [b.shape for b in other]:
        return np.inf
    return max((float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-300)) for a, b in zip(one, other) if a.size),
               default=0.0)  # fmt: skip


def _rounds(bench: Bench) -> bool:
    """Whether the outputs follow the inputs in steps of float32: nudges of 1e-10 do not do 1e-5 of those of 1e-5."""
    outputs = []
    for size in (1e-10, 1e-5):
        signs = np.random.default_rng(0)
        nudged = {i: p * (1 + size * signs.choice([-1.0, 1.0], p.shape)) for i, p in enumerate(bench.points)}
        outputs.append(np.concatenate([o.reshape(-1) for o in bench.values(nudged)] or [np.zeros(0)]))
    base = np.concatenate([o.reshape(-1) for o in bench.outputs] or [np.zeros(0)])
    if any(o.shape != base.shape for o in outputs):
        return False
    small, large = np.abs(outputs[0] - base), np.abs(outputs[1] - base)
    moved = large > 5e-8 * np.abs(base)
    moved &= large > 0
    if not moved.any():
        return False
    ratio = small[moved] * 1e5 / large[moved]
    return bool(((ratio > 0.1) & (ratio < 10)).mean() < 0.5)


def _verdict(tensors: Sequence[TensorCheck]) -> tuple[bool | None, str]:
    """The answer, and the line that says it."""
    wrong = [t for t in tensors if t.state == "wrong"]
    if wrong:
        first = max(wrong, key=lambda t: 0.0 if t.error is None else t.error)
        parts = [first.hint] if first.hint else []
        if first.worst is not None:
            entry = first.worst
            parts.append(f"relative error {entry.error:.2g} at {first.place()}: "
                         f"analytic {entry.analytic:.6g}, numerical {entry.numerical:.6g}")  # fmt: skip
        others = [t.name for t in wrong if t is not first]
        rest = f" Wrong too: {', '.join(others[:6])}{', ...' if len(others) > 6 else ''}." if others else ""
        return False, f"The gradient of {first.name} is wrong: {'; '.join(parts)}.{rest}"
    unclear = [t.name for t in tensors if t.state == "unclear"]
    if unclear:
        return None, f"It is not clear whether the gradient of {', '.join(unclear[:6])} is right: values too noisy."
    looked = [t for t in tensors if t.state == "right"]
    kinks = sum(t.kinks for t in tensors)
    said = f" {kinks} kink{'s' * (kinks != 1)} met, which {'are' if kinks != 1 else 'is'} no error." if kinks else ""
    if not looked and kinks:
        return None, "There is a kink wherever it was looked at: nothing could be compared."
    if not looked:
        return True, "There is nothing to compare: no entry has a gradient."
    skipped = sum(t.state == "skipped" for t in tensors)
    said += f" There was no time for {skipped} tensors." if skipped else ""
    largest = max(t.error or 0.0 for t in looked)
    entries = sum(t.entries for t in looked)
    size = f"{len(looked)} tensor{'s' * (len(looked) != 1)}, {entries:,} entr{'ies' if entries != 1 else 'y'}"
    directions = sum(t.directions for t in looked)
    size += f" and {directions} directions" if directions else ""
    return True, f"The gradient is right: {size}, relative error at most {largest:.1e}.{said}"
