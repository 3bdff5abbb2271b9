"""A network as it answers quickly: norms folded, operations fused, channels last; compiled where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import prod
from typing import TypeVar

import torch
from torch import Tensor, nn

from chainrule.core.log import warn
from chainrule.nn import fold_batch_norms
from chainrule.runtime.compiled import compiled
from chainrule.runtime.fused import fused

AT_ONCE = 8 * 3 * 224 * 224
"""Numbers in the inputs of a group: eight pictures of 224x224, whose layers take about 200 MB in ResNet-50."""
MOST_AT_ONCE = 256

Item = TypeVar("Item")


class Predictor(nn.Module):
    """Inputs -> what the network gives for them, faster, and equal up to rounding.

    The first group is computed by the network itself: getting ready takes about as long as twenty pictures of 224x224
    save. From the second one on what is faster is used, if it agrees with the network on an example of that group.

    Args:
        model: In evaluation mode.
        compile_it: Whether to compile the folded network for groups of the first one's size. A smaller group after
            that is filled up, so that nothing is compiled twice.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).eval()
        >>> x = torch.randn(5, 1, 4, 4)
        >>> with torch.inference_mode():
        ...     torch.allclose(Predictor(model)(x), model(x), atol=1e-5)
        True

    Source:
        LECTURES C6 (at test time). docs/speed.md says what it brings.
    """

    def __init__(self, model: nn.Module, *, compile_it: bool = False) -> None:
        super().__init__()
        self.model, self.compile_it = model, compile_it
        self.first = 0  # examples in the first group
        self.full = 0  # examples in the groups that `run` is made for
        self.run: Callable[[Tensor], Tensor] | None = None
        self.run_others: Callable[[Tensor], Tensor] | None = None  # groups of other sizes; they are filled up if None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the network gives; call it in inference mode."""
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if self.run is None:
            self._get_ready(inputs)
        if self.run is None:
            scores: Tensor = self.model(inputs)
            return scores
        missing = self.full - len(inputs)
        if missing == 0:
            return self.run(inputs)
        if missing < 0 or self.run_others is not None:
            return (self.run_others or self.run)(inputs)
        filled = torch.cat([inputs, inputs[:1].expand(missing, *inputs.shape[1:])])
        return self.run(filled)[: len(inputs)]

    def _get_ready(self, inputs: Tensor) -> None:
        """Choose what computes groups of this size and others: at the first one if it is to be compiled.

        Else at the second one, unless it is smaller, and so the last.
        """
        if not self.compile_it and (self.first == 0 or len(inputs) < self.first):
            self.first = max(self.first, len(inputs))
            return
        folded = fold_batch_norms(self.model)
        if folded is not self.model and not self._agrees(folded, inputs[:1], "with its batch norms folded"):
            folded = self.model
        if self.compile_it:
            program = compiled(folded, inputs)
            if program is not None and self._agrees(program, inputs, "compiled"):
                self.run, self.full = program, len(inputs)
                return
            self.compile_it, self.first = False, len(inputs)  # which was said
            return
        quick = fused(folded, inputs)
        agrees = quick is not None and self._agrees(quick, inputs, "with fused operations")
        self.run, self.run_others, self.full = quick if agrees else folded, folded, len(inputs)

    def _agrees(self, program: Callable[[Tensor], Tensor], inputs: Tensor, how: str) -> bool:
        """Whether the first example's answer is the network's own."""
        own = self.model(inputs[:1].clone())
        room = 1e-3 * float(own.abs().nan_to_num(0.0).max())
        try:
            quick = program(inputs.clone())[:1]
            agrees = own.shape == quick.shape and torch.allclose(own, quick, rtol=1e-3, atol=room, equal_nan=True)
        except RuntimeError:  # an operation that does not take what this network gives it
            agrees = False
        if not agrees:
            warn(f"{type(self.model).__name__} answers otherwise {how}, and is used without that")
        return agrees


def at_once(shape: tuple[int, ...]) -> int:
    """How many examples of a shape make a group.

    Example:
        >>> at_once((3, 224, 224)), at_once((1, 28, 28)), at_once((3, 4000, 4000))
        (8, 256, 1)
    """
    return max(1, min(MOST_AT_ONCE, AT_ONCE // prod(shape)))


def in_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of so many items, the last one shorter.

    Example:
        >>> list(in_groups("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
