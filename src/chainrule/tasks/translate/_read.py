"""A sentence whose translation is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from chainrule.core.recipe import TranslateRecipe
from chainrule.tasks.explaining._reading import ANSWERS, Reading
from chainrule.tasks.explaining._written import question_about
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
    question = question_about(one, tokens.target, at, what="translation")
    return Reading(
        text, told.output, told.inputs, question.output, question.asked, question.step, question.answers, told.source
    )
