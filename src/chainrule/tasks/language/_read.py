"""A text that a language model is asked to explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.recipe import LanguageRecipe
from chainrule.tasks.explaining._reading import ANSWERS, Reading
from chainrule.tasks.language._generate import known_tokens
from chainrule.tasks.sequences._tokenizer import stored_tokenizer, token_text

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def read_text(run: Run, model: nn.Module, text: str, at: int | None) -> Reading:
    """Return the text, and the score of a token: of the most probable next one, or of that at a place in the text.

    Args:
        run: Of a language model.
        model: It.
        text: What it reads.
        at: Which token is asked about, from 2, as the first has nothing before it; the next one where left out.

    Raises:
        UsageError: There is no such token.
        DataError: No token of the text is known.
    """
    assert isinstance(run.recipe, LanguageRecipe)
    tokenizer = stored_tokenizer(run.processing)
    tokens = known_tokens(tokenizer, text)
    if at is not None and not 2 <= at <= len(tokens):
        raise UsageError("there is no such token to ask about", expected=f"2 to {len(tokens)}", got=at)
    if run.recipe.data.order != "lanes" and len(tokens) > run.recipe.data.length:
        raise UsageError(
            "the network has not learned to read so much at once",
            expected=f"at most {run.recipe.data.length} tokens",
            got=len(tokens),
        )
    names = [token_text(tokenizer, int(token)) for token in tokens]
    place = len(tokens) if at is None else at - 1  # how many tokens stand before the one that is asked about

    def log_p(given: Any) -> Tensor:
        return torch.log_softmax(given[0][0, place - 1].float(), dim=0)

    def output(given: Any) -> Tensor:
        scores = log_p(given)
        return scores.max() if at is None else scores[tokens[place]]

    def answers(given: Any) -> list[tuple[str, float]]:
        best = log_p(given).detach().exp().topk(min(ANSWERS, given[0].shape[-1]))
        return [(token_text(tokenizer, int(token)), float(p)) for p, token in zip(*best)]

    asked = "log p of the most probable next token" if at is None else f"log p of token {at}, {names[place]!r}"
    return Reading(text, names, (tokens.unsqueeze(0),), output, asked, place - 1, answers)
