"""Runs that fill in hidden words as one graph: from tokens to the probabilities of the token at each place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.data.masked_texts import Blanks
from chainrule.data.windows import IGNORED
from chainrule.exporting._graph import Axis, Examples
from chainrule.exporting._language_graph import BEST
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._recurrent import Direction
from chainrule.exporting._text_graph import said
from chainrule.exporting._token_graph import TokenNetwork, Tokens
from chainrule.tasks.masked._predict import HIDDEN, hidden_tokens, longest_text, mask_of
from chainrule.tasks.runs._run import Run


class HiddenTokens:
    """Texts of a part as a graph takes them, some of their words hidden, and these words.

    Args:
        job: The data of the run.
        part: Of them.
    """

    def __init__(self, job: Any, part: str) -> None:
        self.given = job.examples(part)

    def __len__(self) -> int:
        return len(self.given)

    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]:
        """Return tokens (B, T) and the hidden ones (B, T), negative at all other places."""
        batch = self.given.fetch(index, index)
        blanks = batch.inputs
        targets = torch.full((blanks.tokens.numel(),), IGNORED).index_copy(0, blanks.places, batch.targets)
        return blanks.tokens, targets.view(blanks.tokens.shape)


class MaskedGraph:
    """See `Graph`. All places are answered, not those alone that are hidden.

    Args:
        run: Of the task masked.
        model: Its network.
    """

    input, unit = "tokens", "text"

    def __init__(self, run: Run, model: nn.Module) -> None:
        self.tokens, self.model, self.length = Tokens(run, model), model, longest_text(run)
        self.mask = mask_of(self.tokens.tokenizer)

    @property
    def axes(self) -> Mapping[int, Axis]:
        """Batch and length."""
        return self.tokens.axes

    def example(self) -> Int64[Tensor, "2 t"]:
        """Return two rows of tokens."""
        return self.tokens.example()

    def network(self, direction: Direction) -> nn.Module:
        """Return the graph as a module."""
        return TokenNetwork(self.tokens.held(direction), every_place).eval()

    def answers(self, given: Int64[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
        """Return the probabilities of the token at each place."""
        return torch.softmax(every_place(self.model, given).float(), dim=2)

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""
        return list(self.tokens.job.parts)

    def examples(self, part: str) -> Examples:
        """Return the texts of a part."""
        return HiddenTokens(self.tokens.job, part)

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return the lines of a file, each with at least one hidden word."""
        tokenizer = self.tokens.tokenizer
        return self.tokens.read(
            file,
            lambda text: hidden_tokens(tokenizer, self.length, text, "a line") if text else torch.zeros(0).long(),
            count,
        )

    def beside(self) -> Mapping[str, str]:
        """Return the tokenizer."""
        return self.tokens.beside()

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that fills in the first hidden word of a text."""
        shown = f"place = given[0].tolist().index({self.mask})\n    "
        program = text_program(
            engine, shown + BEST.format(place="found[0, place]"), length=self.length, hidden=(HIDDEN, self.mask)
        )
        return program, (
            f"Input: tokens, int64 (N, T), each row followed by 0; any N and T{said(self.axes[1])}. A hidden word is "
            f"the token {self.mask}.\n"
            "Output: scores and probabilities of the token at each place, float32 (N, T, V).\n"
        )


def every_place(network: nn.Module, tokens: Int64[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
    """Return the scores of all places, of which a network that fills in words computes those that it is asked for."""
    scores: Tensor = network(Blanks(tokens, torch.arange(tokens.numel())))
    return scores.unflatten(0, tokens.shape)
