"""What a run of word vectors writes down for its report: plain data in `facts/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.analysis import principal_components
from chainrule.core.folder import RunFolder
from chainrule.data.embeddings import WordVectors
from chainrule.metrics import Mean
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.sequences._running_text import token_facts
from chainrule.tasks.sequences._vectors import vectors_of
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.embed._embed import Embedding

ON_THE_MAP = 150
"""How many frequent words the map shows."""
ASKED, NEAREST = 15, 6
"""Of how many words the nearest are told, and how many of them."""
LETTERS = 4
"""Words with fewer letters say little, however frequent they are."""


def evaluation_facts(job: Embedding, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on the pairs of a part, the same ones each time."""
    found = tally(task, model, part, batch=job.recipe.train.evaluate_batch)
    loss, ahead = found["loss"], found["accuracy"]
    assert isinstance(ahead, Mean)
    pairs = round(ahead.count)
    return {"part": part, "pairs": pairs, "loss": float(loss.result()), "accuracy": ahead.result()}


def write_data_facts(folder: RunFolder, job: Embedding) -> None:
    """Write what the text is: parts, tokenizer, how it begins."""
    facts = token_facts(job.text, job.characters, job.recipe.data.tokenizer, job.tokenizer)
    parts = {part: len(tokens) for part, tokens in job.parts.items()}
    folder.write_json(folder.facts / "data.json", {**facts, "parts": parts})


def write_final_facts(folder: RunFolder, job: Embedding, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write what words are near.

    Returns:
        `{"valid": {"loss", "accuracy"}, "test": the same}`; None for what was not measured.
    """
    parts = parts_to_measure(job.recipe, job.parts)
    evaluation = {part: evaluation_facts(job, task, model, part) for part in parts}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("map of words"):
        vectors = vectors_of(model, job.tokenizer.vocabulary)
        folder.write_json(folder.facts / "words.json", word_facts(vectors, job.counts[-len(vectors) :]))
    return brief(evaluation, ("loss", "accuracy"))


def word_facts(vectors: WordVectors, counts: Tensor) -> dict[str, Any]:
    """Return a map of frequent words in the plane, and which words are the nearest to some of them.

    Args:
        vectors: Of all words.
        counts: (words,) how often each occurs in the training part.

    Returns:
        `{"map": [{"word", "count", "x", "y"}], "variance": share of the two axes, "nearest": [{"word", "count",
        "words": [[word, cosine]]}]}`.

    Source:
        LECTURES G5.
    """
    ranked = [place for place in counts.argsort(descending=True, stable=True).tolist() if counts[place] > 0]
    telling = [place for place in ranked if vectors.words[place].isalpha() and len(vectors.words[place]) >= LETTERS]
    shown = telling[:ON_THE_MAP]
    points, share = _in_the_plane(vectors.vectors[shown])
    apart = max(1, len(shown) // ASKED)
    asked = shown[::apart][:ASKED] if len(vectors) > 1 else []
    return {
        "map": [
            {"word": vectors.words[place], "count": int(counts[place]), "x": x, "y": y}
            for place, (x, y) in zip(shown, points.tolist())
        ],
        "variance": share,
        "nearest": [
            {
                "word": vectors.words[place],
                "count": int(counts[place]),
                "words": [[word, cosine] for word, cosine in vectors.nearest(vectors.words[place], count=NEAREST)],
            }
            for place in asked
        ],
    }


def _in_the_plane(vectors: Tensor) -> tuple[Tensor, float]:
    """Vectors of length 1 as points of the plane in which they differ the most, and the share of the variance there."""
    if len(vectors) < 2:
        return torch.zeros(len(vectors), 2), 0.0
    directions = nn.functional.normalize(vectors.double(), dim=1)
    count = min(2, directions.shape[1])
    components = principal_components(directions, count)
    return nn.functional.pad(components.project(directions), (0, 2 - count)), components.share
