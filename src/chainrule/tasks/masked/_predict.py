"""What a trained network fills in where a word of a text is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import CheckpointError, DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data.masked_texts import Blanks
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import UNKNOWN, Tokenizer
from chainrule.tasks.job._prediction import Prediction
from chainrule.tasks.sequences._tokenizer import stored_tokenizer

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

HIDDEN = "[MASK]"
"""How a text says that a word is hidden."""
TOGETHER = 64
"""Texts of a group."""


def fill_masks(
    run: Run,
    sources: Iterable[str | Path | bytes],
    *,
    top: int = 5,
    module: nn.Module | None = None,
    compile_it: bool = False,
    names: Sequence[str] = (),
) -> list[Prediction]:
    """Return the most probable words at each `[MASK]` of some texts; see `Run.predict`.

    Args:
        run: Whose network.
        sources: Texts, each with at least one `[MASK]`.
        top: How many words to tell of each.
        module: For a run of one's own network.
        compile_it: Texts are of different lengths: nothing is compiled.
        names: What errors call each text; "text 1" and so on when left out.

    Returns:
        An answer for each `[MASK]`, in their order; its `source` is the text.

    Raises:
        DataError: A text has no `[MASK]`, is too long, or the network knows nothing of it; says which.
        UsageError: A source is no text, or the network is to be compiled.
    """
    if compile_it:
        raise UsageError("a network that reads texts is not compiled", remedy="leave --compile out")
    texts = list(sources)
    if not texts:
        return []
    tokenizer, length = stored_tokenizer(run.processing), longest_text(run)
    rows = [
        hidden_tokens(tokenizer, length, text, names[place] if names else f"text {place + 1}")
        for place, text in enumerate(texts)
    ]
    model, tokens = run.model(module), Ragged(rows)
    order = torch.argsort(tokens.lengths, stable=True)
    found: dict[int, list[Prediction]] = {}
    for group in order.split(TOGETHER):
        padded = tokens.padded(group).tokens
        hidden = padded.eq(mask_of(tokenizer))
        with torch.inference_mode():
            scores = model(Blanks(padded, hidden.flatten().nonzero().squeeze(1)))
        ranked = iter(most_probable(scores, tokenizer, top))
        for number, count in zip(group.tolist(), hidden.sum(1).tolist()):
            words = [next(ranked) for _ in range(count)]
            found[number] = [Prediction(str(texts[number]), *pairs[0], pairs) for pairs in words]
    return [answer for number in range(len(texts)) for answer in found[number]]


def most_probable(scores: Float[Tensor, "p v"], tokenizer: Tokenizer, count: int) -> list[list[tuple[str, float]]]:
    """Return the most probable words of each row with their probabilities, best first; never special ones.

    Args:
        scores: Of all tokens.
        tokenizer: What the tokens are.
        count: How many words of each row.
    """
    words = torch.tensor(tokenizer.vocabulary.ordinary)
    chances = torch.softmax(scores.float(), dim=1)[:, words]
    best = torch.topk(chances, max(1, min(count, len(words))), dim=1)
    return [
        [(tokenizer.decode([token]).strip() or tokenizer.vocabulary.tokens[token], value) for token, value in pairs]
        for pairs in (list(zip(row.tolist(), values.tolist())) for row, values in zip(words[best.indices], best.values))
    ]


def mask_of(tokenizer: Tokenizer) -> int:
    """Return the token that stands for a hidden word.

    Raises:
        CheckpointError: There is none.
    """
    mask = tokenizer.vocabulary.mask
    if mask is None:
        raise CheckpointError("the tokenizer of the run is damaged", expected="a mask among its tokens")
    return mask


def longest_text(run: Run) -> int:
    """Return how many tokens of a text the network of a run reads at most.

    Raises:
        CheckpointError: The run does not say.
    """
    length = run.processing.get("length")
    if not isinstance(length, int) or length < 1:
        raise CheckpointError("the processing.json of the run is damaged", expected='an entry "length"')
    return length


def hidden_tokens(tokenizer: Tokenizer, length: int, text: str | Path | bytes, name: str) -> Int64[Tensor, " n"]:
    """Return a text as tokens, with the mask at each `[MASK]`.

    Args:
        tokenizer: With a mask.
        length: How many tokens there may be.
        text: With at least one `[MASK]`.
        name: What errors call it.

    Raises:
        DataError: It has no `[MASK]`, is too long, or the network knows nothing of it.
        UsageError: It is no text.
    """
    if not isinstance(text, str):
        raise UsageError(f"{name} is no text", expected="a string", got=type(text).__name__)
    pieces = text.split(HIDDEN)
    if len(pieces) == 1:
        raise DataError(
            f"{name} has no {HIDDEN}: {shown(text[:60])}",
            expected=f"a text in which {HIDDEN} stands for a word",
            remedy=f'such as "the {HIDDEN} sat on the mat"',
        )
    tokens = tokenizer.encode_around(pieces)
    if len(tokens) > length:
        raise DataError(
            f"{name} is too long", expected=f"at most {length:,} tokens, as it was learned", got=f"{len(tokens):,}"
        )
    others = tokens[tokens != tokenizer.vocabulary.mask]
    if len(others) and not bool((others != UNKNOWN).any()):
        raise DataError(
            f"the network knows nothing of {name}: {shown(text[:60])}",
            expected="at least one token of its vocabulary",
            remedy="it has learned from other words",
        )
    return tokens
