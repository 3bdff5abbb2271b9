"""How the task of a run reads a text or a picture that is to be explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import UInt8
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

_TASKS = "chainrule.tasks"
READERS = Registry(
    "task",
    [
        (
            "language",
            Entry(f"{_TASKS}.language._read:read_text", "a text, and the token that follows", {"looks": ("gpt",)}),
        ),
        (
            "classify-text",
            Entry(f"{_TASKS}.text._read:read_text", "a text, and its class", {"looks": ("text_transformer",)}),
        ),
        (
            "masked",
            Entry(f"{_TASKS}.masked._read:read_text", "a text, and a word of it", {"looks": ("masked_transformer",)}),
        ),
        (
            "translate",
            Entry(
                f"{_TASKS}.translate._read:read_text",
                "a sentence, and its translation",
                {"looks": ("attention", "transformer")},
            ),
        ),
        (
            "caption",
            Entry(
                f"{_TASKS}.caption._read:read_picture",
                "a picture, and its caption",
                {"looks": ("caption_attention", "caption_transformer"), "given": "picture"},
            ),
        ),
    ],
)
"""By the task of a run: `(run, network, text or picture, at) -> Reading`.

The card says which networks of the task have attention, `looks`, and what is `given`: a text, or a picture.
"""
ANSWERS = 5
"""How many answers are told, the most probable ones."""
LONGEST = 1000
"""Tokens of a text that is explained."""

Source = str | Path | bytes


@dataclass(frozen=True)
class Seen:
    """A picture that was read.

    Args:
        source: Its file.
        picture: As the network was given it, before it was normalized.
        grid: How many regions there are above and beside each other; they are the memory, row by row.
    """

    source: str
    picture: UInt8[Tensor, "3 h w"]
    grid: tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """A text as a network reads it, and what it is asked about it.

    Args:
        text: What was read, or what was written about a picture.
        tokens: A token for each step: the one that is read, or the one that is written beside what was read.
        inputs: The arguments of the network: one text.
        output: `(what the network gives) -> one number`, whose gradient is looked at.
        asked: What that number is, in words.
        step: The step whose answer is asked about, from 0; None where all have a part in it alike.
        answers: `(what the network gives) -> [(answer, probability), ...]`, the most probable first.
        memory: Tokens of what was read before, or names of regions, which every step may look at; None where the steps
            look at each other.
        seen: The picture that was read, if it was one.
    """

    text: str
    tokens: Sequence[str]
    inputs: tuple[Any, ...]
    output: Callable[[Any], Tensor]
    asked: str
    step: int | None
    answers: Callable[[Any], list[tuple[str, float]]]
    memory: Sequence[str] | None = None
    seen: Seen | None = None

    def facts(self, run: Run, method: str, answers: list[tuple[str, float]]) -> dict[str, Any]:
        """Return what every explanation tells, as plain data.

        Args:
            run: Whose network read.
            method: Of the explanation.
            answers: What the network gave.
        """
        return {
            "method": method,
            "name": run.info["name"],
            "text": self.text,
            "tokens": list(self.tokens),
            "asked": self.asked,
            "answers": answers,
            **({} if self.seen is None else {"picture": self.seen.source, "grid": list(self.seen.grid)}),
        }


def read(run: Run, model: nn.Module, *, text: str, picture: Source | None, at: int | None) -> Reading:
    """Return a text or a picture as the task of a run reads it.

    Args:
        run: Which task, and how it prepares what it reads.
        model: Its network.
        text: What is read; empty where a picture is.
        picture: A file, or what stands in it; None where a text is read.
        at: Which token is asked about, as the task says.

    Raises:
        UsageError: The task reads neither, or the other; there is nothing to read, or it is too long.
        DataError: Nothing of a text is known, or a picture cannot be read.
    """
    task = run.recipe.task
    if task not in READERS:
        raise UsageError(
            f"{run.path} reads no text and writes about no picture",
            expected="a run of the task " + ", ".join(READERS),
            got=f"one of the task {task}",
        )
    given: Source | None = text or None
    if READERS.entry(task).card.get("given") == "picture":
        if text:
            raise UsageError(f"a run of the task {task} reads a picture, no text", remedy="--picture FILE")
        if picture is None:
            raise UsageError("there is no picture to explain", remedy="give one: --picture FILE")
        given = picture
    elif picture is not None:
        raise UsageError(f"a run of the task {task} reads a text, no picture", remedy='--text "..."')
    if given is None:
        raise UsageError("there is no text to explain", remedy='give one: --text "..."')
    reading: Reading = READERS.resolve(task)(run, model, given, at)
    longest = max(len(reading.tokens), len(reading.memory or ()))
    if longest > LONGEST:
        raise UsageError(
            "the text is too long to be explained", expected=f"at most {LONGEST:,} tokens", got=f"{longest:,}"
        )
    return reading
