"""What runs that read tokens share as graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.lines import read_lines
from chainrule.data.ragged import Ragged
from chainrule.exporting._graph import Axis, in_groups
from chainrule.exporting._recurrent import Direction, PaddedReader, with_graph_layers
from chainrule.models.sequence._text_encoder import TextEncoder
from chainrule.models.sequence._text_recurrent import TextRecurrent
from chainrule.nn.attention._positions import LearnedPositions, SinusoidalPositions
from chainrule.tasks.runs._run import Run
from chainrule.tasks.sequences._tokenizer import stored_tokenizer

WIDE = 8
"""Tokens of each row of an example that means nothing."""


class TokenNetwork(nn.Module):
    """Network and softmax: scores and probabilities from tokens.

    Args:
        network: In evaluation mode, its recurrent layers as graphs hold them.
        scores: `(network, tokens) -> scores (..., K)`.
    """

    def __init__(self, network: nn.Module, scores: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.scores = network, scores

    def forward(self, tokens: Int64[Tensor, "n t"]) -> dict[str, Tensor]:
        """Return scores and probabilities."""
        scores = self.scores(self.network, tokens).float()
        return {"scores": scores, "probabilities": torch.softmax(scores, dim=-1)}


class Tokens:
    """A run that reads tokens: its tokenizer, its data, and how long a text may be.

    Args:
        run: Of a task with one tokenizer.
        model: Its network.
    """

    def __init__(self, run: Run, model: nn.Module) -> None:
        self.run, self.model = run, model
        self.tokenizer = stored_tokenizer(run.processing)

    @cached_property
    def job(self) -> Any:
        """The data of the run."""
        return self.run.job()

    @property
    def axes(self) -> Mapping[int, Axis]:
        """Batch and length; a table of positions limits that."""
        tables = [table for part in self.model.modules() if (table := _places(part)) is not None]
        started = any(isinstance(part, TextEncoder) and part.read == "first" for part in self.model.modules())
        return {0: Axis("batch"), 1: Axis("length", min(tables) - started if tables else None)}

    def example(self) -> Int64[Tensor, "2 t"]:
        """Return two rows of tokens."""
        most = self.axes[1].most
        length = WIDE if most is None else min(WIDE, most)
        return torch.randint(1, len(self.tokenizer.vocabulary), (2, length))

    def held(self, direction: Direction) -> nn.Module:
        """Return the network as a graph holds it."""
        held = with_graph_layers(self.model, direction)
        return PaddedReader(held) if type(held) is TextRecurrent else held

    def read(self, file: Path, encode: Callable[[str], Tensor], count: int) -> Iterable[Tensor]:
        """Return the lines of a file as padded groups of tokens.

        Raises:
            DataError: It cannot be read, or no line has a token.
        """
        every = (encode(line) for line in read_lines(file, name="the texts to compare on"))
        rows = [row for row in every if len(row)][:count]
        if not rows:
            raise DataError(f"{shown(file)} holds no text", expected="a text a line")
        return in_groups(rows, padded)

    def beside(self) -> dict[str, str]:
        """Return the tokenizer."""
        return {"tokenizer.json": self.tokenizer.to_json()}


def padded(rows: Sequence[Int64[Tensor, " _"]]) -> Int64[Tensor, "b t"]:
    """Return rows of tokens as one tensor, 0 where a row has ended.

    Example:
        >>> padded([torch.tensor([5, 6]), torch.tensor([7])]).tolist()
        [[5, 6], [7, 0]]
    """
    found: Tensor = Ragged(rows).padded(torch.arange(len(rows))).tokens
    return found


def _places(part: nn.Module) -> int | None:
    """How many positions a part has, where they end."""
    if isinstance(part, LearnedPositions):
        return len(part.weight)
    return len(part.table) if isinstance(part, SinusoidalPositions) else None  # type: ignore[arg-type]
