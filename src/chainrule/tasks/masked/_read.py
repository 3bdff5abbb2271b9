"""A text with hidden words that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.data.masked_texts import Blanks
from chainrule.data.tokenizers import START
from chainrule.models.sequence._text_encoder import TextEncoder
from chainrule.tasks.explaining._reading import ANSWERS, Reading
from chainrule.tasks.masked._predict import HIDDEN, hidden_tokens, longest_text, mask_of, most_probable
from chainrule.tasks.sequences._tokenizer import stored_tokenizer, token_text

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def read_text(run: Run, model: nn.Module, text: str, at: int | None) -> Reading:
    """Return a text with hidden words, and the score of the most probable word at one of them.

    Args:
        run: Of a network that fills in words.
        model: It.
        text: With `[MASK]` at each hidden word.
        at: Which `[MASK]` is asked about, from 1; the first where left out.

    Raises:
        UsageError: There is no such `[MASK]`.
        DataError: The text has no `[MASK]`, is too long, or no token of it is known.

    Source:
        LECTURES H9. Devlin et al. 2018, BERT, 3.1.
    """
    tokenizer = stored_tokenizer(run.processing)
    tokens, mask = hidden_tokens(tokenizer, longest_text(run), text, "the text"), mask_of(tokenizer)
    hidden = tokens.eq(mask).nonzero().squeeze(1).tolist()
    number = 1 if at is None else at
    if not 1 <= number <= len(hidden):
        raise UsageError(f"there is no such {HIDDEN} to ask about", expected=f"1 to {len(hidden)}", got=at)
    place = hidden[number - 1]
    ordinary = torch.tensor(tokenizer.vocabulary.ordinary)

    def output(given: Any) -> Tensor:
        return torch.log_softmax(given[0].float(), dim=0)[ordinary].max()

    def answers(given: Any) -> list[tuple[str, float]]:
        return most_probable(given.detach(), tokenizer, ANSWERS)[0]

    names = [HIDDEN if token == mask else token_text(tokenizer, token) for token in tokens.tolist()]
    if isinstance(model, TextEncoder) and model.read == "first":  # it begins with a token of its own
        names, place = [token_text(tokenizer, START), *names], place + 1
    which = f" number {number}" if len(hidden) > 1 else ""
    inputs = (Blanks(tokens.unsqueeze(0), torch.tensor([hidden[number - 1]])),)
    asked = f"log p of the most probable word at {HIDDEN}{which}, token {place + 1}"
    return Reading(text, names, inputs, output, asked, place, answers)
