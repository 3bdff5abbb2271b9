"""What the attentions of a network look at: the weights behind the fused kernel."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis._as_it_was import as_it_was
from chainrule.core.errors import UsageError
from chainrule.nn.attention import CrossAttention, SelfAttention


@dataclass(frozen=True)
class AttentionRecord:
    """One call of an attention.

    Args:
        name: Which module of the network.
        weights: What each query looks at in each head, (B, heads, M, N); rows sum to 1.
    """

    name: str
    weights: Tensor


def record_attention(network: nn.Module, *inputs: Any, **options: Any) -> list[AttentionRecord]:
    """Call a network once and return what each of its attentions looked at, in the order of the calls.

    Args:
        network: Any that holds `SelfAttention` or `CrossAttention`.
        inputs: Its arguments.
        options: Its keyword arguments.

    Raises:
        UsageError: There is no attention, or none was called.

    Example:
        >>> (record,) = record_attention(SelfAttention(4, 2, causal=True), torch.zeros(1, 3, 4))
        >>> record.weights[0, 0].tolist()[:2]
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]

    Source:
        LECTURES H1-H5.
    """
    parts = {name: part for name, part in network.named_modules() if isinstance(part, (SelfAttention, CrossAttention))}
    if not parts:
        raise UsageError(
            "the network has no attention", expected="SelfAttention or CrossAttention", got=type(network).__name__
        )
    found: list[AttentionRecord] = []

    def look(name: str) -> Any:
        def before(part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found.append(AttentionRecord(name or "attention", part.weights(*args, **kwargs)))

        return before

    with torch.no_grad(), as_it_was(network), ExitStack() as hooks:
        for name, part in parts.items():
            handle = part.register_forward_pre_hook(look(name), with_kwargs=True)
            hooks.callback(handle.remove)
        network(*inputs, **options)
    if not found:
        raise UsageError("the network did not call its attentions", got=", ".join(parts))
    return found
