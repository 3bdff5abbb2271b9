"""A translating transformer in CTranslate2's layout: the names and shapes that its weights have there, and ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from chainrule.core.errors import UsageError
from chainrule.data.tokenizers import END, START, UNKNOWN
from chainrule.models.sequence._encoder_decoder import EncoderDecoder
from chainrule.models.sequence._placed import ACTIVATIONS
from chainrule.nn.attention._positions import LearnedPositions
from chainrule.tasks.translate._tokens import Tokens

WHOLE = {
    "embed_source": "encoder/embeddings_0",
    "encoder.norm": "encoder/layer_norm",
    "embed_target": "decoder/embeddings",
    "decoder.norm": "decoder/layer_norm",
    "head": "decoder/projection",
}
"""Part of `EncoderDecoder` -> its name in CTranslate2, outside of blocks; the order "post" has no last norms."""
ENCODER = {
    "norm1": "self_attention/layer_norm",
    "attention.project": "self_attention/linear_0",
    "attention.out": "self_attention/linear_1",
    "norm2": "ffn/layer_norm",
    "feed_forward.0": "ffn/linear_0",
    "feed_forward.3": "ffn/linear_1",
}
"""The same in block i of the encoder: `encoder.blocks.i.` here, `encoder/layer_i/` there."""
DECODER = {
    "norm1": "self_attention/layer_norm",
    "attention.project": "self_attention/linear_0",
    "attention.out": "self_attention/linear_1",
    "norm2": "attention/layer_norm",
    "cross.query": "attention/linear_0",
    "cross.remember": "attention/linear_1",
    "cross.out": "attention/linear_2",
    "norm3": "ffn/layer_norm",
    "feed_forward.0": "ffn/linear_0",
    "feed_forward.3": "ffn/linear_1",
}
"""The same in block i of the decoder."""
NORM = {"weight": "gamma", "bias": "beta"}
"""What the parameters of a layer normalization are called there; others keep their names."""
KINDS = {"relu": "RELU", "gelu": "GELU", "gelu-tanh": "GELUTanh"}
"""Name of an activation here -> in `ctranslate2.specs.common_spec.Activation`."""
_POSITIONS = ("source_positions", "target_positions")


def ctranslate2_spec(package: Any, model: nn.Module, tokens: Tokens, *, places: int) -> Any:
    """Return a network with its vocabularies as CTranslate2's specification of a transformer.

    What is concatenated there is added here, each part with zeros where the other stands. Positions that are computed
    become a table.

    Args:
        package: The module `ctranslate2`.
        model: An `EncoderDecoder` of the order pre or post.
        tokens: Both vocabularies.
        places: Positions of the tables that are computed; a learned one has its own length.

    Raises:
        UsageError: CTranslate2 has no such network; says what and why.
    """
    checked = _checked(model)
    spec = _empty(package, checked)
    weights = ctranslate2_weights(checked, places=places)
    index: Any = package.specs.model_spec.index_spec
    for name, value in weights.items():
        owner, _, attribute = name.rpartition("/")
        setattr(index(spec, owner), attribute, _array(value))
    spec.encoder.scale_embeddings = spec.decoder.scale_embeddings = float(checked.factor)
    for tokenizer, register in (
        (tokens.source, spec.register_source_vocabulary),
        (tokens.target, spec.register_target_vocabulary),
    ):
        register(list(tokenizer.vocabulary.tokens))
    special, config = tokens.target.vocabulary.tokens, spec.config
    config.unk_token, config.eos_token = special[UNKNOWN], special[END]
    config.bos_token = config.decoder_start_token = special[START]
    config.add_source_bos, config.add_source_eos = False, True
    config.layer_norm_epsilon = _first(checked).norm1.eps
    spec.validate()
    return spec


def ctranslate2_weights(model: EncoderDecoder, *, places: int) -> dict[str, Tensor]:
    """Return the weights of a network by CTranslate2's names.

    Args:
        model: Of the order pre or post.
        places: Positions of the tables that are computed.

    Example:
        >>> model = EncoderDecoder(20, 30, width=16, num_heads=2, layers=1)
        >>> found = ctranslate2_weights(model, places=10)
        >>> sorted(found)[0], found["encoder/position_encodings/encodings"].shape
        ('decoder/embeddings/weight', torch.Size([10, 16]))
    """
    parts = dict(WHOLE)
    for side, stack, names in (("encoder", model.encoder, ENCODER), ("decoder", model.decoder, DECODER)):
        for number in range(len(stack.blocks)):
            parts |= {f"{side}.blocks.{number}.{ours}": f"{side}/layer_{number}/{name}" for ours, name in names.items()}
    found: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        part, _, last = name.rpartition(".")
        if part in _POSITIONS:
            continue
        norm = isinstance(model.get_submodule(part), nn.LayerNorm)
        found[f"{parts[part]}/{NORM[last] if norm else last}"] = value
    for side, part, table in (
        ("encoder", "embed_source", model.source_positions),
        ("decoder", "embed_target", model.target_positions),
    ):
        if table is None:
            continue
        positions: Tensor = table(0, len(table.weight) if isinstance(table, LearnedPositions) else places)  # (P, E)
        if model.join == "concatenate":
            name = f"{WHOLE[part]}/weight"
            before, after = found[name].shape[1], positions.shape[1]
            found[name], positions = pad(found[name], (0, after)), pad(positions, (before, 0))
        found[f"{side}/position_encodings/encodings"] = positions
    return found


def _checked(model: nn.Module) -> EncoderDecoder:
    """The network, where CTranslate2 has one like it."""
    if type(model) is not EncoderDecoder:
        raise UsageError(
            "ctranslate2 runs translating transformers alone",
            expected="a run of the model transformer",
            got=f"a network {type(model).__name__}",
        )
    order = _first(model).order
    if order not in ("pre", "post"):
        raise UsageError(
            "ctranslate2 normalizes before or after a residual block, not inside of it",
            expected="the order pre or post",
            got=f"order {order}",
            remedy="train with --model.order pre",
        )
    return model


def _first(model: EncoderDecoder) -> Any:
    return model.encoder.blocks[0]


def _empty(package: Any, model: EncoderDecoder) -> Any:
    """The specification of a network of this form, without weights."""
    specs, block = package.specs.transformer_spec, _first(model)
    (kind,) = (KINDS[name] for name, make in ACTIVATIONS.items() if repr(make()) == repr(block.feed_forward[1]))
    form: dict[str, Any] = {
        "pre_norm": block.order == "pre",
        "activation": package.specs.common_spec.Activation[kind],
    }
    if block.attention.turn is not None:
        form |= {"rotary_dim": 0, "rotary_interleave": False}  # all numbers of a head, by halves
    heads = block.attention.num_heads
    return specs.TransformerSpec(
        specs.TransformerEncoderSpec(len(model.encoder.blocks), heads, **form),
        specs.TransformerDecoderSpec(len(model.decoder.blocks), heads, **form),
    )


def _array(value: Tensor) -> Any:
    """A copy: what is quantized there is changed in place."""
    return np.array(value.detach().to(torch.float32).numpy())
