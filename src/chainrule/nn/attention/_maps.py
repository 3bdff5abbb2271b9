"""What a network looked at, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.nn.attention._multi_head import CrossAttention, SelfAttention


@contextmanager
def attention_maps(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """While this lasts, every attention in a network also leaves the weights that its last call took.

    The fused kernel never holds them; here they are computed beside it, n^2 a head. What the network gives is the same.

    Args:
        network: Any, with `SelfAttention` and `CrossAttention` in it.

    Yields:
        Path of the attention in the network -> (B, heads, T, N), the rows sum to 1; filled while the network is called.

    Example:
        >>> from chainrule.nn.attention import Encoder
        >>> encoder = Encoder(8, num_heads=2, depth=2)
        >>> with attention_maps(encoder) as found:
        ...     y = encoder(torch.randn(1, 5, 8))
        >>> {name: tuple(weights.shape) for name, weights in found.items()}
        {'blocks.0.attention': (1, 2, 5, 5), 'blocks.1.attention': (1, 2, 5, 5)}

    Source:
        LECTURES G8, H1: what is looked at, for each word.
    """
    found: dict[str, Tensor] = {}
    handles = [
        module.register_forward_pre_hook(_leave(name, found), with_kwargs=True)
        for name, module in network.named_modules()
        if isinstance(module, SelfAttention | CrossAttention)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _leave(name: str, found: dict[str, Tensor]) -> Any:
    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with torch.no_grad():
            found[name] = module.weights(*args, **kwargs)

    return before
