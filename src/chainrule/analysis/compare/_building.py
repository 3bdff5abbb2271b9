"""What the tables of formulas are built with: a pair of the book's functions, and words for their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.analysis.compare._formula import Argument, Values

X = Argument("x", ("input", "inputs", "data", "a", "X", "inp", "features", "images", "z", "h", "u"))
EPS = Argument("eps", ("epsilon", "e", "tol"), standard=1e-5, array=False)
LR = Argument("lr", ("learning_rate", "eta", "alpha", "step_size", "rate", "base_lr", "lr0", "step"), 0.1, array=False)
NORM_WORDS = (("gamma", ("scale", "g", "weight", "w")), ("beta", ("shift", "offset", "bias", "b")))
GAMMA, BETA = (Argument(name, words) for name, words in NORM_WORDS)

Results = Callable[[Values], Mapping[str, Any]]


def forward_of(function: Callable[..., Any], names: str, outputs: str = "out") -> Results:
    """The outputs of one of the book's forward functions, called with the numbers of these names."""

    def forward(v: Values) -> Mapping[str, Any]:
        result = function(*(getattr(v, name) for name in names.split()))
        return dict(zip(outputs.split(), result))  # the cache, at the end, is left out

    return forward


def backward_of(
    forward: Callable[..., Any], backward: Callable[..., Any], names: str, gradients: str, upstream: str = "dout"
) -> Results:
    """The gradients of one of the book's pairs."""

    def results(v: Values) -> Mapping[str, Any]:
        cache = forward(*(getattr(v, name) for name in names.split()))[-1]
        found = backward(*(getattr(v, name) for name in upstream.split()), cache)
        return dict(zip(gradients.split(), found if isinstance(found, tuple) else (found,)))

    return results


def away(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal numbers, none nearer to 0 than 0.05: kinks are not met by accident."""
    x = rng.standard_normal(shape)
    return np.where(np.abs(x) < 0.05, 0.3, x)


def distinct(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers that all differ by at least 0.1, in random order, of both signs."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2 + 0.25) * 0.1
