"""What a network looked at while it wrote each token of a translation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chainrule.data.tokenizers import END, START
from chainrule.nn.attention import Attention, CrossAttention
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
    layers = [module for module in model.modules() if isinstance(module, (Attention, CrossAttention))]
    if not layers:
        return None
    seen: list[Tensor] = []
    with torch.inference_mode():
        state = model.encode(source)  # type: ignore[operator]
        handle = layers[-1].register_forward_hook(
            lambda module, args, kwargs, output: seen.append(_weights(module, args, kwargs, output)), with_kwargs=True
        )
        try:
            model(given, state)
        finally:
            handle.remove()
    if not seen:
        return None
    weights = torch.cat(seen, dim=1)[0]  # (T, S)
    return {
        "source": _pieces(tokens.source, source[0].tolist()),
        "output": _pieces(tokens.target, list(one.tokens)),
        "weights": [[round(value, 4) for value in row] for row in weights.tolist()],
    }


def _weights(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Tensor:
    """(1, T, S) of one call."""
    if isinstance(module, CrossAttention):
        return module.weights(*args, **kwargs).mean(1)
    found: Tensor = output.weights
    return found


def _pieces(tokenizer: Any, tokens: list[int]) -> list[str]:
    """Each token as text; one that is no text alone as the vocabulary writes it."""
    found = []
    for token in tokens:
        text = "" if token == END else tokenizer.decode([token])
        written = tokenizer.vocabulary.tokens[token]
        found.append(written if not text.strip() or "\ufffd" in text else text)
    return found
