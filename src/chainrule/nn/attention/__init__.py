"""Attention: scores, masks, heads, positions, and the blocks of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.nn.attention._attend import attend as attend
    from chainrule.nn.attention._attend import attention_weights as attention_weights
    from chainrule.nn.attention._attention import Attention as Attention
    from chainrule.nn.attention._block import CrossBlock as CrossBlock
    from chainrule.nn.attention._block import FeedForward as FeedForward
    from chainrule.nn.attention._block import SelfBlock as SelfBlock
    from chainrule.nn.attention._maps import ATTENTIONS as ATTENTIONS
    from chainrule.nn.attention._maps import TO_MEMORY as TO_MEMORY
    from chainrule.nn.attention._maps import AttentionMap as AttentionMap
    from chainrule.nn.attention._maps import attention_maps as attention_maps
    from chainrule.nn.attention._masks import causal_mask as causal_mask
    from chainrule.nn.attention._masks import padding_mask as padding_mask
    from chainrule.nn.attention._multi_head import CrossAttention as CrossAttention
    from chainrule.nn.attention._multi_head import SelfAttention as SelfAttention
    from chainrule.nn.attention._order import ORDERS as ORDERS
    from chainrule.nn.attention._positions import POSITIONS as POSITIONS
    from chainrule.nn.attention._positions import sinusoidal as sinusoidal
    from chainrule.nn.attention._recurrent_decoder import AttentionDecoder as AttentionDecoder
    from chainrule.nn.attention._rotary import rotary as rotary
    from chainrule.nn.attention._scores import SCORES as SCORES
    from chainrule.nn.attention._scores import AdditiveScore as AdditiveScore
    from chainrule.nn.attention._scores import BilinearScore as BilinearScore
    from chainrule.nn.attention._scores import DotScore as DotScore
    from chainrule.nn.attention._scores import ScaledDotScore as ScaledDotScore
    from chainrule.nn.attention._scores import make_score as make_score
    from chainrule.nn.attention._stack import Decoder as Decoder
    from chainrule.nn.attention._stack import Encoder as Encoder
    from chainrule.nn.attention._torch_layers import from_torch as from_torch
    from chainrule.nn.attention._torch_layers import to_torch as to_torch

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "ATTENTIONS": "_maps",
        "AdditiveScore": "_scores",
        "Attention": "_attention",
        "AttentionDecoder": "_recurrent_decoder",
        "AttentionMap": "_maps",
        "BilinearScore": "_scores",
        "CrossAttention": "_multi_head",
        "CrossBlock": "_block",
        "Decoder": "_stack",
        "DotScore": "_scores",
        "Encoder": "_stack",
        "FeedForward": "_block",
        "ORDERS": "_order",
        "POSITIONS": "_positions",
        "SCORES": "_scores",
        "ScaledDotScore": "_scores",
        "TO_MEMORY": "_maps",
        "SelfAttention": "_multi_head",
        "SelfBlock": "_block",
        "attend": "_attend",
        "attention_maps": "_maps",
        "attention_weights": "_attend",
        "causal_mask": "_masks",
        "from_torch": "_torch_layers",
        "make_score": "_scores",
        "padding_mask": "_masks",
        "rotary": "_rotary",
        "sinusoidal": "_positions",
        "to_torch": "_torch_layers",
    },
)
