"""Where in the picture a network looked while it wrote each token."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.data.tokenizers import START, Tokenizer
from chainrule.nn.attention import TO_MEMORY, attention_maps
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.translate._decode import encoded


def looked_at(
    model: nn.Module,
    tokenizer: Tokenizer,
    regions: Float[Tensor, "1 r e"],
    tokens: tuple[int, ...],
    shape: tuple[int, int, int],
) -> tuple[list[str], Float[Tensor, "t h w"]] | None:
    """Return the tokens of a caption, and for each the weights of the regions; of a transformer the last block's.

    Args:
        model: In evaluation mode.
        tokenizer: Of its run.
        regions: Of one picture.
        tokens: What was written about it.
        shape: Numbers of a region, regions above and beside each other.

    Returns:
        None for a network that has no attention to regions, and where nothing was written.

    Source:
        LECTURES G8, H1, H5; the weights of several heads are averaged.
    """
    if not tokens:
        return None
    given = torch.tensor([[START, *tokens[:-1]]])
    with torch.no_grad(), attention_maps(model) as found:
        model(given, encoded(model, regions))
    last = [seen.weights[0] for seen in found if isinstance(model.get_submodule(seen.name), TO_MEMORY)][-1:]
    if not last:
        return None
    return [token_text(tokenizer, token) for token in tokens], last[0].mean(0).unflatten(1, shape[1:])  # (heads, T, R)
