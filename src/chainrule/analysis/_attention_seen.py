"""What the attentions of a network look at: the weights behind the fused kernel."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from chainrule.analysis._as_it_was import as_it_was
from chainrule.core.errors import UsageError
from chainrule.nn.attention import ATTENTIONS, AttentionMap, attention_maps


def record_attention(network: nn.Module, *inputs: Any, **options: Any) -> list[AttentionMap]:
    """Call a network once and return what each of its attentions looked at, in the order of the calls.

    Nothing of the network changes; `attention_maps` is for calls of one's own.

    Args:
        network: Any that holds `SelfAttention`, `CrossAttention` or `AttentionDecoder`.
        inputs: Its arguments.
        options: Its keyword arguments.

    Raises:
        UsageError: There is no attention, or none was called.

    Example:
        >>> from chainrule.nn.attention import SelfAttention
        >>> (record,) = record_attention(SelfAttention(4, 2, causal=True), torch.zeros(1, 3, 4))
        >>> record.weights[0, 0].tolist()[:2]
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]

    Source:
        LECTURES G8, H1-H5.
    """
    names = [name for name, part in network.named_modules() if isinstance(part, ATTENTIONS)]
    if not names:
        kinds = [kind.__name__ for kind in ATTENTIONS]
        raise UsageError(
            "the network has no attention",
            expected=f"{', '.join(kinds[:-1])} or {kinds[-1]}",
            got=type(network).__name__,
        )
    with torch.no_grad(), as_it_was(network), attention_maps(network) as found:
        network(*inputs, **options)
    if not found:
        raise UsageError("the network did not call its attentions", got=", ".join(names))
    return found
