"""What a network looked at while it wrote each token of a translation."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from chainrule.data.tokenizers import START
from chainrule.nn.attention import AttentionDecoder, CrossAttention, attention_maps
from chainrule.tasks._tokenizer import token_text
from chainrule.tasks.translate._decode import Translated
from chainrule.tasks.translate._tokens import Tokens

TO_THE_SOURCE = (CrossAttention, AttentionDecoder)
"""Attentions of what is written to what was read."""


def looked_at(model: nn.Module, tokens: Tokens, one: Translated) -> dict[str, Any] | None:
    """Return the weights of the last attention to the sentence, by token, the mean of its heads.

    Args:
        model: In evaluation mode.
        tokens: Tokenizers of its run.
        one: A translation of it.

    Returns:
        `{"source": [...], "output": [...], "weights": [[...], ...]}`, a row for each token of the translation; None
        for a network that has no such attention, and where nothing was translated.

    Source:
        LECTURES G8, H1, H5.
    """
    if not one.tokens:
        return None
    source = tokens.sources([one.source])[0][0].unsqueeze(0)
    given = torch.tensor([[START, *one.tokens[:-1]]])
    with torch.inference_mode(), attention_maps(model) as found:
        model(given, model.encode(source))  # type: ignore[operator]
    last = [seen.weights[0] for seen in found if isinstance(model.get_submodule(seen.name), TO_THE_SOURCE)][-1:]
    if not last:
        return None
    return {
        "source": [token_text(tokens.source, token) for token in source[0].tolist()],
        "output": [token_text(tokens.target, token) for token in one.tokens],
        "weights": [[round(value, 4) for value in row] for row in last[0].mean(0).tolist()],  # (heads, T, S)
    }
