"""Blocks of transformers as torch's own layers, and torch's layers as blocks: the same weights, equal outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.errors import UsageError
from chainrule.nn.attention._block import CrossBlock, FeedForward, SelfBlock
from chainrule.nn.attention._multi_head import CrossAttention, SelfAttention
from chainrule.nn.attention._stack import Decoder, Encoder

_ENDS = ("weight", "bias")
SELF_NAMES: Mapping[str, str] = {
    "attention.project.weight": "self_attn.in_proj_weight",
    "attention.project.bias": "self_attn.in_proj_bias",
    **{f"attention.out.{end}": f"self_attn.out_proj.{end}" for end in _ENDS},
    **{f"feed_forward.0.{end}": f"linear1.{end}" for end in _ENDS},
    **{f"feed_forward.3.{end}": f"linear2.{end}" for end in _ENDS},
    **{f"norm{number}.{end}": f"norm{number}.{end}" for number in (1, 2) for end in _ENDS},
}
"""Name in a `SelfBlock` -> name in torch's `TransformerEncoderLayer`."""
CROSS_NAMES: Mapping[str, str] = {
    **SELF_NAMES,
    **{f"cross.out.{end}": f"multihead_attn.out_proj.{end}" for end in _ENDS},
    **{f"norm3.{end}": f"norm3.{end}" for end in _ENDS},
}
"""Name in a `CrossBlock` -> name in torch's `TransformerDecoderLayer`."""
CROSS_JOINED: Mapping[tuple[str, str], str] = {
    (f"cross.query.{end}", f"cross.remember.{end}"): f"multihead_attn.in_proj_{end}" for end in _ENDS
}
"""Names in a `CrossBlock` -> the one name in torch's layer where they stand under each other."""
ACTIVATIONS: Mapping[type[nn.Module], Any] = {nn.ReLU: functional.relu, nn.GELU: functional.gelu}

Ours = SelfBlock | CrossBlock | Encoder | Decoder
Theirs = nn.TransformerEncoderLayer | nn.TransformerDecoderLayer | nn.TransformerEncoder | nn.TransformerDecoder


@overload
def from_torch(module: nn.TransformerEncoderLayer) -> SelfBlock: ...
@overload
def from_torch(module: nn.TransformerDecoderLayer) -> CrossBlock: ...
@overload
def from_torch(module: nn.TransformerEncoder) -> Encoder: ...
@overload
def from_torch(module: nn.TransformerDecoder) -> Decoder: ...
@overload
def from_torch(module: nn.Transformer) -> tuple[Encoder, Decoder]: ...


def from_torch(module: nn.Module) -> Any:
    """Return a copy of one of torch's transformer layers or stacks, made of our parts.

    Ours take the batch first. A decoder of ours is causal by itself; torch's is where its caller gives the mask.

    Args:
        module: With biases, and relu or gelu between the two layers of its feed-forward networks.

    Returns:
        A block for a layer, `Encoder` or `Decoder` for a stack, both for `nn.Transformer`; in the same mode, of the
        same type, on the same device.

    Raises:
        UsageError: None of torch's transformers, or one that our parts cannot be.

    Example:
        >>> theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        >>> x = torch.randn(1, 5, 8)
        >>> torch.allclose(from_torch(theirs)(x)[0], theirs(x), atol=1e-6)
        True

    Source:
        LECTURES H8, H9.
    """
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return _block_of(module)
    if isinstance(module, nn.TransformerEncoder | nn.TransformerDecoder):
        return _stack_of(module)
    if isinstance(module, nn.Transformer):
        return from_torch(module.encoder), from_torch(module.decoder)
    raise UsageError(
        "this is none of torch's transformers", expected="a module such as nn.TransformerEncoder", got=type(module)
    )


@overload
def to_torch(module: SelfBlock) -> nn.TransformerEncoderLayer: ...
@overload
def to_torch(module: CrossBlock) -> nn.TransformerDecoderLayer: ...
@overload
def to_torch(module: Encoder) -> nn.TransformerEncoder: ...
@overload
def to_torch(module: Decoder) -> nn.TransformerDecoder: ...


def to_torch(module: Ours) -> Any:
    """Return a copy of a block or stack as torch's layers, which take the batch first.

    Where ours is causal by itself, torch's is asked for it, by `tgt_mask`.

    Args:
        module: With the order "pre" or "post", without rotated positions, over a memory of its own width.

    Raises:
        UsageError: torch has no layer like this.

    Example:
        >>> ours = Encoder(8, num_heads=2, depth=2).eval()
        >>> x = torch.randn(1, 5, 8)
        >>> torch.allclose(to_torch(ours)(x), ours(x), atol=1e-6)
        True

    Source:
        LECTURES H8, H9.
    """
    if isinstance(module, SelfBlock | CrossBlock):
        return _layer_of(module)
    layers = [_layer_of(block) for block in module.blocks]  # type: ignore[arg-type]
    kind: Any = nn.TransformerEncoder if isinstance(module, Encoder) else nn.TransformerDecoder
    extra = {"enable_nested_tensor": False} if isinstance(module, Encoder) else {}
    found = kind(layers[0], len(layers), norm=_norm_copy(module.norm), **extra)
    found.layers = nn.ModuleList(layers)
    return found.train(module.training)


def _block_of(layer: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) -> SelfBlock | CrossBlock:
    if layer.linear1.bias is None:
        raise UsageError("our blocks have biases, this layer has none", remedy="make it with bias=True")
    dim, hidden, share = layer.self_attn.embed_dim, layer.linear1.out_features, layer.self_attn.dropout
    feed = FeedForward(dim, hidden, activation=_activation_of(layer), dropout=layer.dropout.p)
    order, heads = "pre" if layer.norm_first else "post", layer.self_attn.num_heads
    cross = isinstance(layer, nn.TransformerDecoderLayer)
    attention = SelfAttention(dim, heads, causal=cross, dropout=share)
    own: SelfBlock | CrossBlock
    if cross:
        both = CrossAttention(dim, heads, dropout=share)
        own = CrossBlock(attention, both, feed, dim, order=order, dropout=layer.dropout1.p)
    else:
        own = SelfBlock(attention, feed, dim, order=order, dropout=layer.dropout1.p)
    _copy_eps(layer, own)
    given = layer.state_dict()
    names = CROSS_NAMES if cross else SELF_NAMES
    found: dict[str, Tensor] = {ours: given.pop(theirs) for ours, theirs in names.items()}
    for (query, remember), theirs in (CROSS_JOINED if cross else {}).items():
        found[query], found[remember] = given.pop(theirs).split([dim, 2 * dim])
    assert not given, f"names that no table has: {list(given)}"
    own.to(layer.linear1.weight).load_state_dict(found)
    return own.train(layer.training)


def _layer_of(block: SelfBlock | CrossBlock) -> nn.TransformerEncoderLayer | nn.TransformerDecoderLayer:
    attention, feed = block.attention, block.feed_forward
    if block.order not in ("pre", "post"):
        raise UsageError("torch's layers have two orders of norms", expected="pre or post", got=block.order)
    if attention.turn is not None:
        raise UsageError("torch's layers turn no queries and keys", expected="a block without rotary positions")
    if not isinstance(feed, FeedForward) or _kind_of(feed[1]) is None:
        raise UsageError("torch's layers have one kind of feed-forward network", expected="FeedForward, relu or gelu")
    dim, cross = attention.out.out_features, isinstance(block, CrossBlock)
    if isinstance(block, CrossBlock) and block.cross.remember.in_features != dim:
        width = block.cross.remember.in_features
        raise UsageError("torch's decoder has one width", expected=f"a memory of {dim} numbers", got=width)
    kind: Any = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    layer = kind(
        dim,
        attention.num_heads,
        feed[0].out_features,
        dropout=block.drop1.p,
        activation=ACTIVATIONS[_kind_of(feed[1]) or nn.ReLU],
        batch_first=True,
        norm_first=block.order == "pre",
    )
    layer.self_attn.dropout, layer.dropout.p = attention.drop.p, feed[2].p
    if isinstance(block, CrossBlock):
        layer.multihead_attn.dropout = block.cross.drop.p
    _copy_eps(block, layer)
    given = block.state_dict()
    names = CROSS_NAMES if cross else SELF_NAMES
    found = {theirs: given.pop(ours) for ours, theirs in names.items()}
    for (query, remember), theirs in (CROSS_JOINED if cross else {}).items():
        found[theirs] = torch.cat([given.pop(query), given.pop(remember)])
    assert not given, f"names that no table has: {list(given)}"
    layer.to(attention.out.weight).load_state_dict(found)
    return layer.train(block.training)


def _stack_of(stack: nn.TransformerEncoder | nn.TransformerDecoder) -> Encoder | Decoder:
    blocks = [_block_of(layer) for layer in stack.layers]
    first = blocks[0]
    kind: Any = Encoder if isinstance(stack, nn.TransformerEncoder) else Decoder
    dim, heads = first.attention.out.out_features, first.attention.num_heads
    with torch.device("meta"):  # what it draws is replaced at once
        own: Encoder | Decoder = kind(dim, num_heads=heads, depth=1, order=first.order)
    own.blocks, own.norm = nn.ModuleList(blocks), _norm_copy(stack.norm) or nn.Identity()
    return own.train(stack.training)


def _norm_copy(norm: nn.Module | None) -> nn.LayerNorm | None:
    """A copy of the norm after the last block; None where there is none."""
    if norm is None or isinstance(norm, nn.Identity):
        return None
    if not isinstance(norm, nn.LayerNorm):
        raise UsageError("the norm after the last block is another one", expected="nn.LayerNorm", got=type(norm))
    copy = nn.LayerNorm(norm.normalized_shape, eps=norm.eps).to(norm.weight)
    copy.load_state_dict(norm.state_dict())
    return copy


def _copy_eps(source: nn.Module, target: nn.Module) -> None:
    for name, norm in source.named_children():
        if isinstance(norm, nn.LayerNorm):
            other: Any = target.get_submodule(name)
            other.eps = norm.eps


def _kind_of(activation: Any) -> type[nn.Module] | None:
    """nn.ReLU or nn.GELU, as a module or as a function; None for any other, such as the approximation of gelu."""
    for kind, function in ACTIVATIONS.items():
        if activation is function or (
            type(activation) is kind and getattr(activation, "approximate", "none") == "none"
        ):
            return kind
    return None


def _activation_of(layer: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) -> type[nn.Module]:
    kind = _kind_of(layer.activation)
    if kind is None:
        raise UsageError("the activation is another one", expected="relu or gelu", got=layer.activation)
    return kind
