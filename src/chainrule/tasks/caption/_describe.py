"""Captions that a trained network writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.sections import Decode
from chainrule.data.tokenizers import START, Tokenizer
from chainrule.decoding import beam_search
from chainrule.decoding._beam import Watch
from chainrule.tasks.translate._decode import GROUP, beam_of, encoded


@dataclass(frozen=True)
class Captioned:
    """A picture and what a network writes about it.

    Args:
        source: The picture: its file.
        output: The caption.
        log_p: Logarithm of the probability of its tokens.
        ended: Whether the network ended it; else it is as long as it may be.
        tokens: Of the caption, with the end.
        others: Further captions with their log p, the best first.
    """

    source: str
    output: str
    log_p: float = 0.0
    ended: bool = True
    tokens: tuple[int, ...] = ()
    others: tuple[tuple[str, float], ...] = ()


def describe(
    model: nn.Module,
    tokenizer: Tokenizer,
    regions: Float[Tensor, "n r e"],
    names: Sequence[str],
    how: Decode,
    *,
    best: int = 1,
    watch: Watch | None = None,
) -> list[Captioned]:
    """Return the captions of pictures; several are computed together, which changes nothing.

    Args:
        model: In evaluation mode; `encode(regions) -> state`, `(tokens, state) -> (scores, state)`.
        tokenizer: Of its run.
        regions: What the encoder saw of each picture.
        names: Of the pictures.
        how: Beam, exponent of the length and so on.
        best: Captions of each.
        watch: Called with each candidate of the search; for one picture.

    Source:
        LECTURES G7, G8.
    """
    found = []
    for begin in range(0, len(names), GROUP):
        group = regions[begin : begin + GROUP]
        hypotheses = beam_search(
            model,
            torch.full((len(group), 1), START),
            beam_of(how, best),
            state=encoded(model, group),
            watch=watch,
        )
        for name, (first, *others) in zip(names[begin : begin + GROUP], hypotheses):
            found.append(
                Captioned(
                    name,
                    tokenizer.decode(first.tokens).strip(),
                    first.log_p,
                    first.ended,
                    first.tokens,
                    tuple((tokenizer.decode(one.tokens).strip(), one.log_p) for one in others),
                )
            )
    return found
