"""What runs that read tokens share as graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data import Batch
from chainrule.data.lines import read_lines
from chainrule.data.ragged import Ragged
from chainrule.exporting._graph import Axis, Examples, in_groups
from chainrule.exporting._programs import Engine
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


class Fetched:
    """Examples of a part as a graph takes them, and their right answers.

    Args:
        given: The examples of the run.
        pair: `batch -> (inputs, right answers)`.
    """

    def __init__(self, given: Any, pair: Callable[[Batch], tuple[Tensor, Tensor]]) -> None:
        self.given, self.pair = given, pair

    def __len__(self) -> int:
        return len(self.given)

    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]:
        """Return inputs and right answers."""
        return self.pair(self.given.fetch(index, index))


def as_given(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a batch, where a graph takes them as the network does."""
    return batch.inputs, batch.targets


@dataclass(frozen=True, eq=False)
class TokenGraph:
    """See `Graph`. What runs that read tokens have in common; each task says the rest.

    Args:
        tokens: Of the run.
        unit: What one input is called.
        scores: `(network, tokens) -> scores (..., K)`.
        of_part: Part -> its examples.
        encode: A line of text -> tokens.
        told: `(engine, axis of the length) -> (program, what its README says of inputs and outputs)`.
        more: What is written beside the graph and the tokenizer.
    """

    tokens: Tokens
    unit: str
    scores: Callable[[nn.Module, Tensor], Tensor]
    of_part: Callable[[str], Examples]
    encode: Callable[[str], Tensor]
    told: Callable[[Engine, Axis], tuple[str, str]]
    more: Mapping[str, str] = field(default_factory=dict)
    input: str = "tokens"

    @property
    def axes(self) -> Mapping[int, Axis]:
        """Batch and length."""
        return self.tokens.axes

    def example(self) -> Int64[Tensor, "2 t"]:
        """Return two rows of tokens."""
        return self.tokens.example()

    def network(self, direction: Direction) -> nn.Module:
        """Return the graph as a module."""
        return TokenNetwork(self.tokens.held(direction), self.scores).eval()

    def answers(self, given: Int64[Tensor, "n t"]) -> Float[Tensor, "n ..."]:
        """Return the probabilities as the run's own network gives them."""
        return torch.softmax(self.scores(self.tokens.model, given).float(), dim=-1)

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""
        return list(self.tokens.job.parts)

    def examples(self, part: str) -> Examples:
        """Return the examples of a part."""
        return self.of_part(part)

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return the lines of a file as padded groups of tokens.

        Raises:
            DataError: It cannot be read, or no line has a token.
        """
        every = (self.encode(line) for line in read_lines(file, name="the texts to compare on"))
        rows = [row for row in every if len(row)][:count]
        if not rows:
            raise DataError(f"{shown(file)} holds no text", expected="a text a line")
        return in_groups(rows, padded)

    def beside(self) -> Mapping[str, str]:
        """Return the tokenizer, and what else there is."""
        return {"tokenizer.json": self.tokens.tokenizer.to_json(), **self.more}

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that answers with the graph, and what its README says."""
        return self.told(engine, self.axes[1])


def said(axis: Axis) -> str:
    """Return how long an axis may be, for a reader; nothing where it has no end.

    Example:
        >>> said(Axis("length", 512)), said(Axis("length"))
        (' up to 512', '')
    """
    return "" if axis.most is None else f" up to {axis.most}"


BEST = """for token in {place}.argsort()[::-1][:5]:
        print(f"{{{place}[token]:.4f}}  {{tokenizer.decode([int(token)])!r}}")"""
"""Lines of a program that tell the most probable tokens."""


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
