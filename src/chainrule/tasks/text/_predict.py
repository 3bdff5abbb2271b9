"""What a trained network says of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import UNKNOWN
from chainrule.tasks.job._prediction import Prediction
from chainrule.tasks.text._processing import TextProcessing

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

PLACES = 2**14
"""Tokens of a group, padding included."""


def predict_texts(
    run: Run,
    sources: Iterable[str | Path | bytes],
    *,
    top: int = 5,
    module: nn.Module | None = None,
    compile_it: bool = False,
    names: Sequence[str] = (),
) -> list[Prediction]:
    """Classify texts with a run's network; see `Run.predict`. The `source` of an answer is the text.

    Args:
        run: Whose network.
        sources: Texts.
        top: How many classes to tell of each.
        module: For a run of one's own network.
        compile_it: Texts are of different lengths: nothing is compiled.
        names: What errors call each text; "text 1" and so on when left out.

    Raises:
        DataError: A text is empty, or the network knows nothing of it; says which.
        UsageError: A source is no text, or the network is to be compiled.
    """
    if compile_it:
        raise UsageError("a network that reads texts is not compiled", remedy="leave --compile out")
    texts = list(sources)
    prepared = TextProcessing.read(run.processing)
    tokens = Ragged(
        known_tokens(prepared, text, names[place] if names else f"text {place + 1}") for place, text in enumerate(texts)
    )
    model, chances = run.model(module), torch.empty(len(texts), len(prepared.classes))
    for group in _groups(tokens.lengths):
        with torch.inference_mode():
            chances[group] = torch.softmax(model(tokens.padded(group).tokens).float(), dim=1)
    best = torch.topk(chances, max(1, min(top, len(prepared.classes))), dim=1)
    found = []
    for text, values, places in zip(texts, best.values.tolist(), best.indices.tolist()):
        ranked = [(prepared.classes[place], value) for value, place in zip(values, places)]
        found.append(Prediction(str(text), ranked[0][0], ranked[0][1], ranked))
    return found


def known_tokens(prepared: TextProcessing, text: str | Path | bytes, name: str) -> Int64[Tensor, " t"]:
    """Return the tokens of a text, some of which the network knows.

    Args:
        prepared: Of its run.
        text: What is read.
        name: What errors call it.

    Raises:
        DataError: It is empty, or the network knows nothing of it.
        UsageError: It is no text.
    """
    if not isinstance(text, str):
        raise UsageError(f"{name} is no text", expected="a string", got=type(text).__name__)
    tokens, _ = prepared.tokens(text)
    if not len(tokens):
        raise DataError(f"{name} is empty", expected="at least one word", got=repr(text[:40]))
    if not bool((tokens != UNKNOWN).any()):
        raise DataError(
            f"the network knows nothing of {name}: {shown(text[:60])}",
            expected="at least one token of its vocabulary",
            remedy="leave it out; the network has learned from other words",
        )
    return tokens


def _groups(lengths: Tensor) -> Iterable[Tensor]:
    """Texts of like length together, so many that a group has `PLACES` places."""
    order = torch.argsort(lengths, descending=True, stable=True)
    begin = 0
    while begin < len(order):
        count = max(1, PLACES // int(lengths[order[begin]]))
        yield order[begin : begin + count]
        begin += count
