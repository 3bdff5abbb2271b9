"""What a network looked at, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chainrule.nn.attention._multi_head import CrossAttention, SelfAttention
from chainrule.nn.attention._recurrent_decoder import AttentionDecoder

TO_MEMORY = (CrossAttention, AttentionDecoder)
"""Of what is written to what was read."""
ATTENTIONS = (SelfAttention, *TO_MEMORY)
"""What tells its weights: `weights` takes what `forward` takes and gives (B, heads, T, N)."""


class AttentionMap(NamedTuple):
    """What one call of an attention looked at.

    Args:
        name: Path of the attention in the network; empty of a network that is one.
        weights: What each query looked at in each head, (B, heads, T, N); the rows sum to 1.
    """

    name: str
    weights: Tensor


@contextmanager
def attention_maps(network: nn.Module) -> Iterator[list[AttentionMap]]:
    """While this lasts, every attention in a network also leaves the weights that it took, call by call.

    The fused kernel never holds them; here they are computed beside it, n^2 a head. What the network gives is the same.

    Args:
        network: Any, with `SelfAttention`, `CrossAttention` or `AttentionDecoder` in it.

    Yields:
        What was looked at, in the order of the calls; filled while the network is called.

    Example:
        >>> from chainrule.nn.attention import Encoder
        >>> encoder = Encoder(8, num_heads=2, depth=2)
        >>> with attention_maps(encoder) as found:
        ...     y = encoder(torch.randn(1, 5, 8))
        >>> {one.name: tuple(one.weights.shape) for one in found}
        {'blocks.0.attention': (1, 2, 5, 5), 'blocks.1.attention': (1, 2, 5, 5)}

    Source:
        LECTURES G8, H1: what is looked at, for each word.
    """
    found: list[AttentionMap] = []
    handles = [
        module.register_forward_pre_hook(_leave(name, found), with_kwargs=True)
        for name, module in network.named_modules()
        if isinstance(module, ATTENTIONS)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _leave(name: str, found: list[AttentionMap]) -> Any:
    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with torch.no_grad():
            found.append(AttentionMap(name, module.weights(*args, **kwargs)))

    return before
