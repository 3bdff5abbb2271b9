"""What can be asked about something that a network wrote token by token: all of it, or one token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.data.tokenizers import Tokenizer
from chainrule.tasks.explaining._reading import ANSWERS
from chainrule.tasks.sequences._tokenizer import token_text


class Written(Protocol):
    """What a search found: the best text, its tokens with the end and their log p, and the next best texts."""

    @property
    def output(self) -> str: ...
    @property
    def tokens(self) -> Sequence[int]: ...
    @property
    def log_p(self) -> float: ...
    @property
    def others(self) -> Sequence[tuple[str, float]]: ...


@dataclass(frozen=True)
class Question:
    """What is asked about a text that a network wrote; the fields are those of a `Reading`."""

    output: Callable[[Any], Tensor]
    asked: str
    step: int | None
    answers: Callable[[Any], list[tuple[str, float]]]


def question_about(one: Written, tokenizer: Tokenizer, at: int | None, *, what: str) -> Question:
    """Return the question how probable a written text is, or one of its tokens by those before it.

    The network gives `(scores (1, T, V), state)` when it reads its own text again.

    Args:
        one: What was written.
        tokenizer: Of what is written.
        at: Which token is asked about, from 1; all of them where left out.
        what: What errors and titles call the text: "translation".

    Raises:
        UsageError: There is no such token.

    Source:
        LECTURES G6-G8, H5.
    """
    if at is not None and not 1 <= at <= len(one.tokens):
        raise UsageError(
            f"there is no such token of the {what} to ask about",
            expected=f"1 to {len(one.tokens)}",
            got=at,
            remedy=f"the {what} is {one.output!r}",
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
        return [(token_text(tokenizer, int(token)), float(p)) for p, token in zip(*best)]

    asked = f"log p of the {what}"
    if at is not None:
        asked = f"log p of token {at}, {token_text(tokenizer, one.tokens[at - 1])!r}, of the {what} {one.output!r}"
    return Question(output, asked, None if at is None else at - 1, answers)
