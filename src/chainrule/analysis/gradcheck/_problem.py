"""What is checked, whatever it is made of: variables, outputs as a function of them, and the claimed gradient."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from chainrule.core.errors import UsageError

Array = NDArray[np.float64]
Points = Mapping[int, Array]
"""Variable -> its value, of those that are elsewhere than at the base."""


@dataclass(frozen=True)
class Variable:
    """A tensor that the gradient is taken of.

    Args:
        name: As the user's code calls it.
        value: Where it is checked.
        parameter: Whether it belongs to a module, and is not an input.
    """

    name: str
    value: Array
    parameter: bool = False


@dataclass
class Notes:
    """Things to say, each once, in order."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Say it, unless it was said."""
        if line not in self.lines:
            self.lines.append(line)


class Problem(Protocol):
    """A function and its gradient. Every call starts from the same state and leaves none behind."""

    single: bool  # whether it computes in float32

    @property
    def variables(self) -> Sequence[Variable]:
        """What the gradient is taken of."""

    @property
    def told(self) -> Notes:
        """What was noticed that a reader should know."""

    def values(self, moved: Points) -> list[Array]:
        """The outputs that are numbers with a fraction, with some variables moved."""

    def gradients(self, moved: Points, upstream: Sequence[Array]) -> list[Array | None]:
        """The gradient of sum <upstream, outputs> that is claimed, for each variable; None where there is none.

        Its shape is the user's: it may be another than the variable's.
        """


@contextmanager
def frozen(sources: Sequence[Any], seed: int) -> Iterator[None]:
    """Start all generators from the same state, also those among the inputs, and put them back afterwards."""
    own = [(source, _state(source)) for source in [torch.default_generator, *_cuda(), *sources]]
    before = np.random.get_state(), random.getstate()
    for source in [torch.default_generator, *_cuda()]:
        source.manual_seed(seed)  # torch.manual_seed takes longer than most functions that are checked
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])
        for source, state in own:
            _restore(source, state)


def _cuda() -> tuple[torch.Generator, ...]:
    """The generators of graphics cards, if any has been used."""
    return tuple(torch.cuda.default_generators) if torch.cuda.is_initialized() else ()


def generators(values: Sequence[Any]) -> list[Any]:
    """The random generators among some values."""
    return [v for v in values if isinstance(v, torch.Generator | np.random.Generator | np.random.RandomState)]


def _state(source: Any) -> Any:
    if isinstance(source, torch.Generator):
        return source.get_state()
    return source.bit_generator.state if isinstance(source, np.random.Generator) else source.get_state()


def _restore(source: Any, state: Any) -> None:
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    else:
        source.set_state(state)


def as_array(value: Any, name: str) -> Array:
    """A value as float64, refused where differences of it would say nothing.

    Raises:
        UsageError: It is complex, or has a NaN or an infinity.
    """
    if np.iscomplexobj(value):
        raise UsageError(f"{name} is complex", expected="real numbers", remedy="split it into its two parts")
    array = np.array(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise UsageError(f"{name} has NaN or infinity in it", expected="finite numbers", remedy="give other inputs")
    return array
