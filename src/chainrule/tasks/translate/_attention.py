"""What a network looked at while it wrote each token of a translation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chainrule.data.tokenizers import END, START
from chainrule.nn.attention import AttentionDecoder, CrossAttention
from chainrule.tasks.translate._decode import Translated
from chainrule.tasks.translate._tokens import Tokens


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
    with torch.inference_mode():
        weights = _weights(model, given, model.encode(source))  # type: ignore[operator]
    if weights is None:
        return None
    return {
        "source": _pieces(tokens.source, source[0].tolist()),
        "output": _pieces(tokens.target, list(one.tokens)),
        "weights": [[round(value, 4) for value in row] for row in weights.tolist()],
    }


def _weights(model: nn.Module, given: Tensor, state: Any) -> Tensor | None:
    """(T, S): of a recurrent decoder, or of the last block of a transformer, the mean of its heads."""
    recurrent = [module for module in model.modules() if isinstance(module, AttentionDecoder)]
    if recurrent:
        return recurrent[-1].looks(given, state)[0]
    blocks = [module for module in model.modules() if isinstance(module, CrossAttention)]
    if not blocks:
        return None
    seen: list[Tensor] = []

    def watch(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen.append(blocks[-1].weights(*args, **kwargs))  # (1, heads, T, S)

    handle = blocks[-1].register_forward_hook(watch, with_kwargs=True)
    try:
        model(given, state)
    finally:
        handle.remove()
    return seen[0][0].mean(0) if seen else None


def _pieces(tokenizer: Any, tokens: list[int]) -> list[str]:
    """Each token as text; one that is no text alone as the vocabulary writes it."""
    found = []
    for token in tokens:
        text = "" if token == END else tokenizer.decode([token])
        written = tokenizer.vocabulary.tokens[token]
        found.append(written if not text.strip() or "\ufffd" in text else text)
    return found
