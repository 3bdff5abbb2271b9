"""Why a network says what it says: methods by name, and for each task how a text becomes an input."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.tasks._run import Run

METHODS = Registry(
    "method",
    [
        ("attention", Entry("chainrule.tasks._explain_attention:explain_attention", "what each token looks at")),
        ("gates", Entry("chainrule.tasks._explain_gates:explain_gates", "gates, states and gradients of each step")),
    ],
)
"""`(run, module, text=..., at=..., **options) -> Explanation`."""
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


@dataclass(frozen=True)
class Explanation:
    """What a method found.

    Args:
        method: Its name.
        facts: All that is told and drawn, as plain data.
        record: The same as tensors.
        shown: The summary for a terminal, for rich.
        html: Makes the page.
        picture: `(format, theme)`; makes a PNG or SVG file.
    """

    method: str
    facts: Mapping[str, Any]
    record: Any
    shown: Any
    html: Callable[[], str]
    picture: Callable[[Literal["png", "svg"], Literal["light", "dark"]], bytes]

    def __str__(self) -> str:
        """The terminal's text, 100 columns wide."""
        from rich.console import Console

        console = Console(width=100, no_color=True, highlight=False, markup=False, emoji=False)
        with console.capture() as shown:
            console.print(self.shown)
        return shown.get().rstrip("\n")

    def _repr_html_(self) -> str:
        uri = base64.b64encode(self.picture("png", "light")).decode("ascii")
        return f'<img alt="{self.method}" style="max-width:100%" src="data:image/png;base64,{uri}">'


def explain(run: Run, method: str, *, module: nn.Module | None = None, **options: Any) -> Explanation:
    """Return what a method says about a run; see `Run.explain`."""
    found: Explanation = METHODS.resolve(method)(run, run.model(module), **options)
    return found


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
