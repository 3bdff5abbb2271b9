"""GPT-2's published layout: the names and shapes that its weights have, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chainrule.core.errors import WeightsError
from chainrule.core.paths import shown
from chainrule.models.sequence._gpt import GPT
from chainrule.nn.attention._positions import LearnedPositions

WHOLE = {
    "wte.weight": "embed.weight",
    "wpe.weight": "positions.weight",
    "ln_f.weight": "norm.weight",
    "ln_f.bias": "norm.bias",
}
"""Name in GPT-2 -> name in `GPT`, outside of blocks."""
BLOCK = {
    "ln_1.weight": "norm1.weight",
    "ln_1.bias": "norm1.bias",
    "attn.c_attn.weight": "attention.project.weight",
    "attn.c_attn.bias": "attention.project.bias",
    "attn.c_proj.weight": "attention.out.weight",
    "attn.c_proj.bias": "attention.out.bias",
    "ln_2.weight": "norm2.weight",
    "ln_2.bias": "norm2.bias",
    "mlp.c_fc.weight": "feed_forward.0.weight",
    "mlp.c_fc.bias": "feed_forward.0.bias",
    "mlp.c_proj.weight": "feed_forward.3.weight",
    "mlp.c_proj.bias": "feed_forward.3.bias",
}
"""The same in block i: `h.i.` there, `blocks.i.` here."""
VOCABULARY, HEAD = 50_257, 64
"""Tokens of the published networks, and numbers of each of their heads; no tensor says how many heads there are."""
_PREFIX, _HEAD = "transformer.", "lm_head.weight"
_MASKS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # what older files keep of the causal mask: no weights


def is_gpt2(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether tensors have GPT-2's names.

    Example:
        >>> import torch
        >>> is_gpt2({"transformer.wte.weight": torch.zeros(2, 2)}), is_gpt2({"embed.weight": torch.zeros(2, 2)})
        (True, False)
    """
    return any(name.removeprefix(_PREFIX) == "wte.weight" for name in tensors)


def check_gpt2_form(model: GPT) -> None:
    """Check that a network computes with GPT-2's weights what GPT-2 does: names and shapes alone do not tell.

    The number of heads stands in no tensor. A network with the vocabulary of the published ones must have their heads
    of 64 numbers; of any other network in GPT-2's layout the heads are as its maker says.

    Raises:
        WeightsError: It computes something else.

    Example:
        >>> form = {"width": 4, "layers": 1, "num_heads": 2, "positions": "learned", "length": 8}
        >>> check_gpt2_form(GPT(9, activation="gelu-tanh", **form))
        >>> check_gpt2_form(GPT(9, activation="gelu", **form))
        Traceback (most recent call last):
        ...
        chainrule.core.errors.WeightsError: GPT-2 is another network: ...
    """
    block: Any = model.blocks[0]
    order, activation, positions = block.order, block.feed_forward[1], model.positions
    alike = model.join == "add" and order == "pre" and repr(activation) == "GELU(approximate='tanh')"
    if not (alike and isinstance(positions, LearnedPositions)):
        raise WeightsError(
            "GPT-2 is another network",
            expected="order pre, positions learned, join add, activation gelu-tanh",
            got=f"order {order}, positions {'rotary' if positions is None else type(positions).__name__}, "
            f"join {model.join}, activation {activation!r}",
        )
    dim, heads = model.head.in_features, block.attention.num_heads
    if model.embed.num_embeddings == VOCABULARY and dim != HEAD * heads:
        raise WeightsError(
            "GPT-2 has other heads",
            expected=f"heads of {HEAD} numbers" + (f": num_heads {dim // HEAD}" if dim % HEAD == 0 else ""),
            got=f"{heads} heads of {dim // heads}",
        )


def from_gpt2(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return GPT-2's weights by the names of `GPT`.

    A linear layer there keeps its matrix as (inputs, outputs), so that y = x W; here it is W'. Its networks are
    `GPT(50257, width=768, layers=12, num_heads=12, activation="gelu-tanh", positions="learned", length=1024)` (the
    smallest), order pre, tied.

    Args:
        tensors: As published, with "transformer." before each name or without; masks in older files are left out.

    Raises:
        WeightsError: A name that GPT-2 does not have, or scores with other weights than the embeddings'.

    Source:
        Radford et al. 2019, Language models are unsupervised multitask learners.
    """
    plain = {name.removeprefix(_PREFIX): value for name, value in tensors.items()}
    head = plain.pop(_HEAD, None)
    found: dict[str, Tensor] = {}
    for name, value in plain.items():
        if _MASKS.fullmatch(name):
            continue
        found[_ours(name)] = value.t().contiguous() if _turned(name) else value
    if "embed.weight" not in found:
        raise WeightsError("these are not GPT-2's weights", expected="a tensor wte.weight")
    if head is not None and not (head.shape == found["embed.weight"].shape and head.equal(found["embed.weight"])):
        raise WeightsError("the scores have weights of their own", expected=f"{_HEAD} equal to wte.weight, as in GPT-2")
    found["head.weight"] = found["embed.weight"]
    return found


def to_gpt2(model: GPT) -> dict[str, Tensor]:
    """Return the weights of a network by GPT-2's names, in its layout.

    Args:
        model: With order pre, learned positions that are added, gelu-tanh, and tied weights, as GPT-2 is.

    Raises:
        WeightsError: Another form, which GPT-2's names cannot say, or scores with weights of their own.

    Example:
        >>> form = {"positions": "learned", "length": 8, "activation": "gelu-tanh"}
        >>> sorted(to_gpt2(GPT(9, width=4, layers=1, num_heads=2, **form)))[0]
        'h.0.attn.c_attn.bias'
    """
    check_gpt2_form(model)
    if model.head.weight is not model.embed.weight:
        raise WeightsError("GPT-2 takes its scores with the embeddings' weights", expected="a network with tie: true")
    own = model.state_dict()
    names = {ours: theirs for theirs, ours in WHOLE.items()}
    for number in range(len(model.blocks)):
        names |= {f"blocks.{number}.{ours}": f"h.{number}.{theirs}" for theirs, ours in BLOCK.items()}
    del own["head.weight"]
    return {names[name]: value.t().contiguous() if _turned(names[name]) else value for name, value in own.items()}


def _ours(name: str) -> str:
    if name in WHOLE:
        return WHOLE[name]
    match = re.fullmatch(r"h\.(\d+)\.(.+)", name)
    if match is None or match[2] not in BLOCK:
        raise WeightsError(f"GPT-2 has no weights {shown(name)}", expected="names such as h.0.attn.c_attn.weight")
    return f"blocks.{match[1]}.{BLOCK[match[2]]}"


def _turned(name: str) -> bool:
    """Whether it is the matrix of a linear layer."""
    return name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
