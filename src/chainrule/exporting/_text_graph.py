"""Runs that classify texts as one graph: from tokens to the probabilities of the classes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.exporting._graph import Axis, Examples
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._recurrent import Direction
from chainrule.exporting._token_graph import TokenNetwork, Tokens
from chainrule.tasks.runs._run import Run
from chainrule.tasks.text._processing import TextProcessing


class TextClasses:
    """Texts of a part as a graph takes them, and their classes.

    Args:
        job: The data of the run.
        part: Of them.
    """

    def __init__(self, job: Any, part: str) -> None:
        self.given = job.examples(part)

    def __len__(self) -> int:
        return len(self.given)

    def __call__(self, index: Int64[Tensor, " b"]) -> tuple[Tensor, Tensor]:
        """Return tokens (B, T) and classes (B,)."""
        batch = self.given.fetch(index, index)
        return batch.inputs, batch.targets


class TextGraph:
    """See `Graph`.

    Args:
        run: Of the task classify-text.
        model: Its network.
    """

    input, unit = "tokens", "text"

    def __init__(self, run: Run, model: nn.Module) -> None:
        self.tokens, self.model = Tokens(run, model), model
        self.prepared = TextProcessing.read(run.processing)

    @property
    def axes(self) -> Mapping[int, Axis]:
        """Batch and length."""
        return self.tokens.axes

    def example(self) -> Int64[Tensor, "2 t"]:
        """Return two rows of tokens."""
        return self.tokens.example()

    def network(self, direction: Direction) -> nn.Module:
        """Return the graph as a module."""
        return TokenNetwork(self.tokens.held(direction), lambda network, tokens: network(tokens)).eval()

    def answers(self, given: Int64[Tensor, "n t"]) -> Float[Tensor, "n k"]:
        """Return the probabilities as `Run.predict` computes them."""
        return torch.softmax(self.model(given).float(), dim=1)

    def parts(self) -> Sequence[str]:
        """Return the parts of the data."""
        return list(self.tokens.job.parts)

    def examples(self, part: str) -> Examples:
        """Return the texts of a part."""
        return TextClasses(self.tokens.job, part)

    def read(self, file: Path, count: int) -> Iterable[Tensor]:
        """Return the lines of a file."""
        return self.tokens.read(file, lambda text: self.prepared.tokens(text)[0], count)

    def beside(self) -> Mapping[str, str]:
        """Return the tokenizer and the names of the classes."""
        classes = json.dumps(list(self.prepared.classes), ensure_ascii=False, indent=1)
        return {**self.tokens.beside(), "classes.json": classes}

    def usage(self, engine: Engine) -> tuple[str, str]:
        """Return a program that classifies texts."""
        shown = "for name, chance in sorted(zip(CLASSES, found[0]), key=lambda pair: -pair[1])[:5]:\n"
        shown += '        print(f"{chance:.4f}  {name}")'
        return text_program(engine, shown, length=self.prepared.length, classes=True), (
            f"Input: tokens, int64 (N, T), each row followed by 0 up to the longest; any N and T{said(self.axes[1])}.\n"
            f"A text becomes tokens as tokenizer.json says; the run read the first {self.prepared.length} of each.\n"
            "Output: scores and probabilities, float32 (N, K); the names of the K classes stand in classes.json.\n"
        )


def said(axis: Axis) -> str:
    """Return how long an axis may be, for a reader; nothing where it has no end.

    Example:
        >>> said(Axis("length", 512)), said(Axis("length"))
        (' up to 512', '')
    """
    return "" if axis.most is None else f" up to {axis.most}"
