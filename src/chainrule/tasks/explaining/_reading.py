"""How the task of a run reads a text that is to be explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

READERS = Registry(
    "task",
    [
        ("language", Entry("chainrule.tasks.language._read:read_text", "a text, and the token that follows")),
        ("classify-text", Entry("chainrule.tasks.text._read:read_text", "a text, and its class")),
        ("translate", Entry("chainrule.tasks.translate._read:read_text", "a sentence, and its translation")),
    ],
)
"""By the task of a run: `(run, network, text, at) -> Reading`."""
ANSWERS = 5
"""How many answers are told, the most probable ones."""
LONGEST = 1000
"""Tokens of a text that is explained."""


@dataclass(frozen=True)
class Reading:
    """A text as a network reads it, and what it is asked about it.

    Args:
        text: What was read.
        tokens: A token for each step: the one that is read, or the one that is written beside what was read.
        inputs: The arguments of the network: one text.
        output: `(what the network gives) -> one number`, whose gradient is looked at.
        asked: What that number is, in words.
        step: The step whose answer is asked about, from 0; None where all have a part in it alike.
        answers: `(what the network gives) -> [(answer, probability), ...]`, the most probable first.
        memory: Tokens of what was read before, which every step may look at; None where the steps look at each other.
    """

    text: str
    tokens: list[str]
    inputs: tuple[Any, ...]
    output: Callable[[Any], Tensor]
    asked: str
    step: int | None
    answers: Callable[[Any], list[tuple[str, float]]]
    memory: list[str] | None = None


def read_text(run: Run, model: nn.Module, text: str, at: int | None) -> Reading:
    """Return a text as the task of a run reads it.

    Raises:
        UsageError: The task reads no text, there is none, or it is too long.
        DataError: Nothing of it is known.
    """
    if run.recipe.task not in READERS:
        raise UsageError(
            f"{run.path} reads no text",
            expected="a run of the task " + ", ".join(READERS),
            got=f"one of the task {run.recipe.task}",
        )
    if not text:
        raise UsageError("there is no text to explain", remedy='give one: --text "..."')
    reading: Reading = READERS.resolve(run.recipe.task)(run, model, text, at)
    longest = max(len(reading.tokens), len(reading.memory or ()))
    if longest > LONGEST:
        raise UsageError(
            "the text is too long to be explained", expected=f"at most {LONGEST:,} tokens", got=f"{longest:,}"
        )
    return reading
