"""How small an error the gradient check finds, and whether it ever accuses a right gradient.

    python benchmarks/gradcheck.py            # 1,000 slips and 300 right functions, about ten minutes on one core
    python benchmarks/gradcheck.py 40 40      # fewer, nothing is written

Slips: the backward functions of the book, each with one place of its source changed (`mutants.py`), at random inputs.
A slip that changes no number on three random inputs is none, one that raises is no gradient; both are counted and
replaced. What a slip is worth is its true relative error, against the backward function that it was made of. Right
functions with kinks stand at random points, near kinks (1e-12 to 1e-2) and on them (zeros, ties). And for the smallest
error: right gradients times 1 + e, as a whole and at one entry.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import measure
import numpy as np
from mutants import KINDS, mutants

from chainrule import formulas
from chainrule.analysis.gradcheck import check_gradient

Inputs = Callable[[np.random.Generator], Sequence[Any]]
GOAL = 1e-4
"""Errors from here on are to be found."""
ERRORS = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 5e-6, 2e-6, 1e-6, 1e-7]


class Pair(NamedTuple):
    """A forward and a backward function of the book, and inputs for them."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: Inputs


def _pair(name: str, inputs: Inputs, forward: str = "{}_forward", backward: str = "{}_backward") -> Pair:
    return Pair(name, getattr(formulas, forward.format(name)), getattr(formulas, backward.format(name)), inputs)


def _normal(*shapes: tuple[int, ...]) -> Inputs:
    return lambda rng: [rng.standard_normal(shape) for shape in shapes]


def _scores(rng: np.random.Generator) -> list[Any]:
    return [2 * rng.standard_normal((4, 3)), rng.integers(0, 3, 4)]


def _norm(x: tuple[int, ...], gamma: tuple[int, ...], *more: Any) -> Inputs:
    return lambda rng: [rng.standard_normal(x), rng.standard_normal(gamma), rng.standard_normal(gamma), *more]


def _test_norm(rng: np.random.Generator) -> list[Any]:
    return [*_norm((4, 3), (3,))(rng), rng.standard_normal(3), rng.uniform(0.5, 2, 3)]


PAIRS = [
    _pair("affine", _normal((4, 3), (3, 3), (3,))),
    *(_pair(name, _normal((3, 4))) for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "maxout")),
    _pair("conv", lambda rng: [*_normal((2, 2, 4, 4), (3, 2, 3, 3), (3,))(rng), 1, 1]),
    _pair("conv_transpose", _normal((2, 2, 3, 3), (2, 2, 2, 2), (2,))),
    *(_pair(name, _normal((2, 2, 4, 4))) for name in ("max_pool", "average_pool", "global_average_pool")),
    _pair("local_response_norm", lambda rng: [rng.standard_normal((2, 6, 2, 2)), 3, 2.0, 0.5, 0.75]),
    _pair("batch_norm_train", _norm((4, 3), (3,)), "{}"),
    _pair("batch_norm_test", _test_norm, "{}"),
    _pair("standardize", lambda rng: [rng.standard_normal((4, 3)), (0,)], "{}"),
    _pair("layer_norm", _norm((4, 3), (3,))),
    _pair("group_norm", _norm((2, 4, 2, 2), (4,), 2)),
    _pair("instance_norm", _norm((2, 3, 2, 3), (3,))),
    _pair("dropout", lambda rng: [rng.standard_normal((4, 5)), 0.4, np.random.default_rng(0)]),
    _pair("svm_loss", _scores, "{}"),
    _pair("softmax_loss", _scores, "{}"),
    _pair("smoothed_softmax_loss", lambda rng: [*_scores(rng), 0.1], "{}"),
    _pair("binary_cross_entropy", lambda rng: [rng.standard_normal(5), rng.uniform(0, 1, 5)], "{}"),
    _pair("mean_squared_error", _normal((4, 3), (4, 3)), "{}"),
    _pair("mean_loss", _normal((5,)), "{}"),
    *(_pair(name, _normal((3, 4)), "{}") for name in ("l2_penalty", "l1_penalty")),
    _pair("elastic_net_penalty", lambda rng: [rng.standard_normal((3, 4)), 0.3], "{}"),
]
"""Every forward and backward pair that the slips are made in."""
KINKED = {"relu", "leaky_relu", "maxout", "max_pool", "svm_loss", "l1_penalty", "elastic_net_penalty", "elu"}
"""Those with kinks, for the right ones."""


def gradients(pair: Pair, backward: Callable[..., Any], inputs: Sequence[Any], seed: int) -> list[np.ndarray]:
    """What a backward function gives for a random upstream gradient."""
    out, cache = pair.forward(*[value.copy() if isinstance(value, np.ndarray) else value for value in _fresh(inputs)])
    dout = np.random.default_rng(seed).standard_normal(np.shape(out))
    found = backward(dout if np.ndim(dout) else float(dout), cache)
    return [np.asarray(g, dtype=np.float64) for g in (found if isinstance(found, tuple) else (found,))]


def _fresh(inputs: Sequence[Any]) -> list[Any]:
    """The same inputs with random generators at their start."""
    return [np.random.default_rng(0) if isinstance(value, np.random.Generator) else value for value in inputs]


def true_error(pair: Pair, backward: Callable[..., Any], inputs: Sequence[Any], seed: int) -> float:
    """The largest relative error of a gradient, |a - b| / max(|a|, |b|) in norms; infinite for another shape."""
    worst = 0.0
    right, wrong = (gradients(pair, f, inputs, seed) for f in (pair.backward, backward))
    if [g.shape for g in right] != [g.shape for g in wrong]:
        return np.inf
    for a, b in zip(right, wrong):
        if not np.isfinite(b).all():
            return np.inf
        size = max(np.linalg.norm(a), np.linalg.norm(b))
        worst = max(worst, float(np.linalg.norm(a - b) / size) if size else 0.0)
    return worst


def slips(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` slips, drawn by kind, then by function, then by place."""
    rng, tally, missed, errors = random.Random(seed), Counter(), [], []
    kinds: Counter[str] = Counter()
    below = {"count": 0, "found": 0}
    while tally["checked"] < count:
        pair, kind, number = rng.choice(PAIRS), rng.choice(KINDS), rng.randrange(1 << 30)
        mutant = next(mutants(pair.backward, kind, rng), None)
        if mutant is None:
            continue
        draws = [pair.inputs(np.random.default_rng(number + k)) for k in range(3)]
        try:
            worth = [true_error(pair, mutant.function, inputs, number) for inputs in draws]
        except Exception:
            tally["raise"] += 1
            continue
        if max(worth) < 1e-12:
            tally["change nothing"] += 1
            continue
        tally["checked"] += 1
        found = check_gradient((pair.forward, mutant.function), *_fresh(draws[0]), seed=number).right is False
        if worth[0] < GOAL:
            below["count"], below["found"] = below["count"] + 1, below["found"] + found
            continue
        kinds[kind] += 1
        errors.append((worth[0], found))
        if not found:
            missed.append({"function": pair.name, "kind": kind, "slip": mutant.text, "error": worth[0]})
    caught = [worth for worth, found in errors if found]
    return {
        "checked": tally["checked"],
        "change nothing, replaced": tally["change nothing"],
        "raise, replaced": tally["raise"],
        f"with an error of {GOAL:g} or more": len(errors),
        "of these found": len(caught),
        "share found": round(len(caught) / max(1, len(errors)), 5),
        "by kind": dict(sorted(kinds.items())),
        "smallest error among those found": min(caught, default=None),
        f"with an error below {GOAL:g}": below,
        "missed": missed,
    }


def right_ones(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` right functions with kinks at random points, near kinks and on them; none is to be accused."""
    pairs = [pair for pair in PAIRS if pair.name in KINKED]
    tally, accused, unclear, kinks = Counter(), [], [], 0
    for number in range(count):
        rng = np.random.default_rng(seed + number)
        pair, place = pairs[number % len(pairs)], ("random", "near", "on")[number // len(pairs) % 3]
        x, *rest = pair.inputs(rng)
        found = check_gradient(
            (pair.forward, pair.backward), _placed(pair.name, x, rest, place, rng), *rest, seed=number
        )
        tally[place] += 1
        kinks += sum(tensor.kinks for tensor in found.tensors)
        if found.right is not True:
            (accused if found.right is False else unclear).append(f"{pair.name}, {place}, {number}: {found.verdict}")
    return {"checked": dict(tally), "kinks met": kinks, "accused": accused, "not clear": unclear}


def _placed(name: str, x: np.ndarray, rest: Sequence[Any], place: str, rng: np.random.Generator) -> np.ndarray:
    """Inputs at random, near their kinks, or on them: for max the candidates are equal, for the hinge at its margin."""
    if place == "random":
        return x
    off = rng.choice([-1.0, 1.0], x.shape) * 10 ** rng.uniform(-12, -2, x.shape) if place == "near" else 0.0
    base = np.zeros(x.shape)
    if name in ("max_pool", "maxout"):
        base = rng.integers(-1, 2, x.shape).astype(np.float64)  # many ties
    elif name == "svm_loss":
        base = np.ones(x.shape) + rng.integers(0, 2, x.shape)
        base[np.arange(len(x)), rest[0]] = 2.0  # others at 1 stand on the margin
    some = rng.random(x.shape) < 0.7
    return np.where(some, base + off, x)


def smallest(repeats: int) -> dict[str, Any]:
    """From which error on every right gradient times 1 + e is found, as a whole tensor and at its largest entry."""
    found: dict[str, dict[str, float]] = {"whole tensor": {}, "one entry": {}}
    for error in ERRORS:
        caught: Counter[str] = Counter()
        pairs = [pair for pair in PAIRS for _ in range(repeats)]
        for number, pair in enumerate(pairs):
            inputs = pair.inputs(np.random.default_rng(number))
            for place in found:
                slip = _scaled(pair.backward, error, whole=place == "whole tensor")
                caught[place] += check_gradient((pair.forward, slip), *_fresh(inputs), seed=number).right is False
        for place, shares in found.items():
            shares[f"{error:.0e}"] = round(caught[place] / len(pairs), 4)
    return found


def _scaled(backward: Callable[..., Any], error: float, *, whole: bool) -> Callable[..., Any]:
    def slip(dout: Any, cache: Any) -> Any:
        returned = backward(dout, cache)
        first, *others = returned if isinstance(returned, tuple) else (returned,)
        first = np.array(first, dtype=np.float64)
        if whole:
            first = first * (1 + error)
        else:
            first.reshape(-1)[np.abs(first).argmax()] *= 1 + error
        return (first, *others) if others else first

    return slip


def main() -> None:
    """Run all three and write `results/gradcheck.json`."""
    words = measure.begin()
    warnings.simplefilter("ignore")  # of NumPy, about what slips do
    np.seterr(all="ignore")
    counts = [int(word) for word in words] or [1000, 300]
    began = time.monotonic()
    facts = {"slips": slips(counts[0]), "right functions with kinks": right_ones(counts[1])}
    facts["share found by error"] = smallest(2 if len(words) == 0 else 1)
    facts["seconds"] = round(time.monotonic() - began, 1)
    facts["command"] = "python benchmarks/gradcheck.py"
    if words:
        print(facts)
        sys.exit()
    measure.write("gradcheck", facts)


if __name__ == "__main__":
    main()
