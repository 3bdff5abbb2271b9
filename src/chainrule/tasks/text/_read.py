"""A text whose class is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.data.tokenizers import START
from chainrule.models.sequence._text_transformer import TextTransformer
from chainrule.tasks.explaining._reading import ANSWERS, Reading
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.text._predict import known_tokens
from chainrule.tasks.text._processing import TextProcessing

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def read_text(run: Run, model: nn.Module, text: str, at: int | None) -> Reading:
    """Return the text, and the score of the class that is the most probable.

    Args:
        run: Of a network that classifies texts.
        model: It.
        text: What it reads.
        at: None: there is one answer.

    Raises:
        UsageError: A token is asked about.
        DataError: The text is empty, or no token of it is known.

    Source:
        LECTURES G1 (many-to-one).
    """
    if at is not None:
        raise UsageError(
            "a network that classifies gives one answer for the whole text", got=f"--at {at}", remedy="leave --at out"
        )
    prepared = TextProcessing.read(run.processing)
    tokens = known_tokens(prepared, text, "the text")
    inputs = (tokens.unsqueeze(0),)
    first = isinstance(model, TextTransformer) and model.read == "first"  # it begins with a token of its own
    read = [START, *tokens.tolist()] if first else tokens.tolist()
    with torch.no_grad():
        best = int(model(*inputs)[0].argmax())

    def output(given: Any) -> Tensor:
        score: Tensor = given[0, best]
        return score

    def answers(given: Any) -> list[tuple[str, float]]:
        found = torch.softmax(given[0].detach().float(), dim=0).topk(min(ANSWERS, len(prepared.classes)))
        return [(prepared.classes[int(label)], float(p)) for p, label in zip(*found)]

    names = [token_text(prepared.tokenizer, token) for token in read]
    asked = f"score of the class {prepared.classes[best]!r}"
    return Reading(text, names, inputs, output, asked, 0 if first else None, answers)
