"""Sentences that a trained network translates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.sections import Decode
from chainrule.data.tokenizers import END, PADDING, START, UNKNOWN
from chainrule.decoding import Beam, beam_search
from chainrule.decoding._beam import Watch
from chainrule.nn import packed_weights
from chainrule.tasks.translate._tokens import Tokens

GROUP = 32
"""Sentences that are translated at once."""
NEVER = (PADDING, UNKNOWN, START)
"""Tokens that no translation holds."""


@dataclass(frozen=True)
class Translated:
    """A sentence and what a network makes of it.

    Args:
        source: The sentence.
        output: Its translation; empty where the sentence is.
        log_p: Logarithm of the probability of its tokens.
        ended: Whether the network ended it; else it is as long as it may be.
        unknown: Tokens of the sentence that the network does not know.
        cut: Whether the sentence was longer than the network reads.
        tokens: Of the translation, with the end.
        others: Further translations with their log p, the best first.
    """

    source: str
    output: str
    log_p: float = 0.0
    ended: bool = True
    unknown: int = 0
    cut: bool = False
    tokens: tuple[int, ...] = ()
    others: tuple[tuple[str, float], ...] = ()


def beam_of(how: Decode, best: int = 1) -> Beam:
    """Return how the search goes that a recipe asks for.

    Args:
        how: Section of the recipe.
        best: Translations of a sentence.
    """
    return Beam(
        size=max(how.beam, best),
        steps=how.length,
        end=END,
        alpha=how.length_exponent,
        best=best,
        no_repeat=how.no_repeat,
        forbidden=NEVER,
    )


def translate(
    model: nn.Module,
    tokens: Tokens,
    texts: Sequence[str],
    how: Decode,
    *,
    best: int = 1,
    watch: Watch | None = None,
) -> list[Translated]:
    """Return the translations of sentences; sentences of like length are computed together, which changes nothing.

    Args:
        model: In evaluation mode.
        tokens: Tokenizers of its run.
        texts: The sentences.
        how: Beam, exponent of the length and so on.
        best: Translations of each.
        watch: Called with each candidate of the search; for one sentence.

    Raises:
        DataError: There are sentences, and the network knows nothing of any of them.

    Source:
        LECTURES G6, G7.
    """
    sources, lengths = tokens.sources(texts)
    unknown = [int((sources[number] == UNKNOWN).sum()) for number in range(len(texts))]
    if texts and all(missed >= len(sources[number]) - 1 for number, missed in enumerate(unknown)):
        said = texts[0].strip()
        raise DataError(
            "the network knows nothing of the text" if said else "the text is empty",
            expected="at least one token of its vocabulary",
            got=repr(said[:40]),
        )
    search, model = beam_of(how, best), packed_weights(model)
    found: dict[int, Translated] = {
        number: Translated(text, "") for number, text in enumerate(texts) if not lengths[number]
    }
    order = sorted((number for number in range(len(texts)) if lengths[number]), key=lambda number: lengths[number])
    for begin in range(0, len(order), GROUP):
        group = torch.tensor(order[begin : begin + GROUP])
        hypotheses = beam_search(
            model,
            torch.full((len(group), 1), START),
            search,
            state=encoded(model, sources.padded(group).tokens),
            watch=watch,
        )
        for number, several in zip(group.tolist(), hypotheses):
            first, *others = several
            found[number] = Translated(
                texts[number],
                tokens.target.decode(first.tokens).strip(),
                first.log_p,
                first.ended,
                unknown[number],
                lengths[number] > tokens.length,
                first.tokens,
                tuple((tokens.target.decode(one.tokens).strip(), one.log_p) for one in others),
            )
    return [found[number] for number in range(len(texts))]


def encoded(model: nn.Module, source: Tensor) -> dict[str, Tensor]:
    """Return the state that reading sentences leaves."""
    with torch.no_grad():
        state: dict[str, Tensor] = model.encode(source)  # type: ignore[operator]
    return state
