"""Runs that write text as one graph: from tokens to the probabilities of the token after each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.recipe import LanguageRecipe
from chainrule.data.windows import Scored
from chainrule.exporting._graph import Axis, Examples
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._recurrent import Direction
from chainrule.exporting._text_graph import said
from chainrule.exporting._token_graph import TokenNetwork, Tokens
from chainrule.tasks.runs._run import Run


class NextTokens:
    """Pieces of the text as a graph takes them, each read anew, and the tokens that follow.

    Args:
        job: The data of the run.
        part: Of them.
    """

    def __init__(self, job: Any, part: str) -> None:
        place, data = job.parts[part], job.recipe.data
        length = max(1, data.length - data.context)
        self.given = Scored(job.tokens, place.start, place.stop, length=length, context=data.context)

    def __len__(self) -> int:
        return len(self.given)

    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]:
        """Return tokens (B, T) and those after each (B, T), negative where none is asked for."""
        batch = self.given.fetch(index, index)
        return batch.inputs, batch.targets


class LanguageGraph:
    """See `Graph`. A recurrent network begins with an empty state: the graph reads a text from its beginning.

    Args:
        run: Of the task language.
        model: Its network.
    """

    input, unit = "tokens", "piece of text"

    def __init__(self, run: Run, model: nn.Module) -> None:
        assert isinstance(run.recipe, LanguageRecipe)
        self.tokens, self.model, self.length = Tokens(run, model), model, run.recipe.data.length

    @property
    def axes(self) -> Mapping[int, Axis]:
        """Batch and length."""
        return self.tokens.axes

    def example(self) -> Int64[Tensor, "2 t"]:
        """Return two rows of tokens."""
        return self.tokens.example()

    def network(self, direction: Direction) -> nn.Module:
        """Return the graph as a module."""
        return TokenNetwork(self.tokens.held(direction), lambda network, tokens: network(tokens, None)[0]).eval()

    def answers(self, given: Int64[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
        """Return the probabilities of the token after each."""
        return torch.softmax(self.model(given, None)[0].float(), dim=2)

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""
        return list(self.tokens.job.parts)

    def examples(self, part: str) -> Examples:
        """Return the pieces of a part."""
        return NextTokens(self.tokens.job, part)

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return the lines of a file, each as long as the run's pieces at most."""
        return self.tokens.read(file, lambda text: self.tokens.tokenizer.encode(text)[: self.length], count)

    def beside(self) -> Mapping[str, str]:
        """Return the tokenizer."""
        return self.tokens.beside()

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that tells what may follow a text."""
        return text_program(engine, BEST.format(place="found[0, -1]"), length=self.axes[1].most), (
            f"Input: tokens, int64 (N, T), as tokenizer.json says; any N and T{said(self.axes[1])}.\n"
            "Output: scores and probabilities of the token after each, float32 (N, T, V). Every call reads a text\n"
            "from its beginning: no state goes in or out.\n"
        )


BEST = """for token in {place}.argsort()[::-1][:5]:
        print(f"{{{place}[token]:.4f}}  {{tokenizer.decode([int(token)])!r}}")"""
"""Lines that tell the most probable tokens."""
