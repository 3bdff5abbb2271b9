"""A sentence whose translation is explained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.recipe import TranslateRecipe
from chainrule.tasks.explaining._reading import ANSWERS, Reading
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.translate._attention import written
from chainrule.tasks.translate._decode import translate
from chainrule.tasks.translate._tokens import Tokens

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def read_text(run: Run, model: nn.Module, text: str, at: int | None) -> Reading:
    """Return a sentence with its translation, and the score of the translation, or of one of its tokens.

    A step of the network writes a token, and is named by it: it reads the one before, and the sentence is its memory.

    Args:
        run: Of a translator.
        model: Its network.
        text: The sentence.
        at: Which token of the translation is asked about, from 1; all of them where left out.

    Raises:
        UsageError: There is no such token.
        DataError: The text is empty, or no token of it is known.

    Source:
        LECTURES G6-G8, H5.
    """
    assert isinstance(run.recipe, TranslateRecipe)
    tokens, how = Tokens.stored(run.recipe, run.processing), run.recipe.decode
    (one,) = translate(model, tokens, [text], how, best=min(how.beam, ANSWERS))
    told = written(model, tokens, one)
    if at is not None and not 1 <= at <= len(one.tokens):
        raise UsageError(
            "there is no such token of the translation to ask about",
            expected=f"1 to {len(one.tokens)}",
            got=at,
            remedy=f"the translation is {one.output!r}",
        )
    places, answer = torch.arange(len(one.tokens)), torch.tensor(one.tokens)

    def log_p(given: Any) -> Tensor:
        return torch.log_softmax(given[0][0].float(), dim=1)  # (T, V)

    def output(given: Any) -> Tensor:
        each = log_p(given)[places, answer]  # (T,)
        return each.sum() if at is None else each[at - 1]

    def answers(given: Any) -> list[tuple[str, float]]:
        if at is None:
            return [(said, math.exp(value)) for said, value in ((one.output, one.log_p), *one.others)]
        best = log_p(given).detach()[at - 1].exp().topk(min(ANSWERS, given[0].shape[-1]))
        return [(token_text(tokens.target, int(token)), float(p)) for p, token in zip(*best)]

    asked = "log p of the translation"
    if at is not None:
        asked = f"log p of token {at}, {told.output[at - 1]!r}, of the translation {one.output!r}"
    step = None if at is None else at - 1
    return Reading(text, told.output, told.inputs, output, asked, step, answers, memory=told.source)
