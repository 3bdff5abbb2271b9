"""`nn.RNN`, `nn.LSTM` and `nn.GRU` step by step, with their own weights: what their one fused operation hides."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.utils.rnn import PackedSequence

from chainrule.analysis._used import modules_of
from chainrule.nn.recurrent import unroll


def fused_in(function: Callable[..., Any]) -> list[nn.RNNBase]:
    """The fused recurrent layers that a function can be seen to use."""
    found = (part for module in modules_of(function).values() for part in module.modules())
    return [
        part
        for part in dict.fromkeys(found)
        if isinstance(part, nn.RNNBase) and type(part) in (nn.RNN, nn.LSTM, nn.GRU)
    ]


@contextmanager
def unrolled(layers: Sequence[nn.RNNBase]) -> Iterator[None]:
    """While the block runs, these layers step through time."""
    for layer in layers:
        vars(layer)["forward"] = functools.partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _forward(layer: nn.RNNBase, input: Any, hx: Any = None) -> Any:
    """What the layer's own `forward` gives; sequences of several lengths are left to it."""
    if isinstance(input, PackedSequence):
        return type(layer).forward(layer, input, hx)
    return unroll(layer, input, hx)
