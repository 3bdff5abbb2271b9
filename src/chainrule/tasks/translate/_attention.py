"""What a network looked at while it wrote each token of a translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.data.tokenizers import START
from chainrule.nn.attention import TO_MEMORY, attention_maps
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.translate._decode import Translated, encoded
from chainrule.tasks.translate._tokens import Tokens


@dataclass(frozen=True)
class Written:
    """A translation as the network reads it again, all tokens at once (teacher forcing).

    Args:
        source: Tokens of the sentence.
        output: Tokens of the translation, one for each step.
        inputs: What the network is called with: the tokens before each of the translation, and the sentence's state.
    """

    source: list[str]
    output: list[str]
    inputs: tuple[Tensor, dict[str, Tensor]]


def written(model: nn.Module, tokens: Tokens, one: Translated) -> Written:
    """Return what a network is given to write a translation of its own again.

    Args:
        model: In evaluation mode.
        tokens: Tokenizers of its run.
        one: A translation of it, of at least one token.
    """
    source = tokens.sources([one.source])[0][0]
    return Written(
        [token_text(tokens.source, token) for token in source.tolist()],
        [token_text(tokens.target, token) for token in one.tokens],
        (torch.tensor([[START, *one.tokens[:-1]]]), encoded(model, source.unsqueeze(0))),
    )


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
    told = written(model, tokens, one)
    with torch.no_grad(), attention_maps(model) as found:
        model(*told.inputs)
    last = [seen.weights[0] for seen in found if isinstance(model.get_submodule(seen.name), TO_MEMORY)][-1:]
    if not last:
        return None
    return {
        "source": told.source,
        "output": told.output,
        "weights": [[round(value, 4) for value in row] for row in last[0].mean(0).tolist()],  # (heads, T, S)
    }
