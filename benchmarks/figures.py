"""What the runs of each task are measured by: one table, which `recipes.py` fills and `recipes_page.py` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.api import Run

NEAREST = 3
"""How many words are told of each analogy."""
ANALOGIES = {
    "tinyshakespeare": ("king - man + woman", "brother - man + woman"),
    "multi30k-text": ("boy - man + woman", "dogs - dog + man"),
}
"""Data set -> sums of vectors of words that are asked for what is nearest, told as they come out."""


@dataclass(frozen=True)
class Figure:
    """A number that a run reaches.

    Args:
        name: What it is called.
        part: Of the data, on which it is measured.
        metric: What the result of a run calls it.
        written: The number as people read it.
        apart: A difference of two such numbers.
    """

    name: str
    part: str
    metric: str
    written: Callable[[float], str]
    apart: Callable[[float], str]


@dataclass(frozen=True)
class Measured:
    """What is measured of the runs of a task.

    Args:
        title: Of its section.
        about: How the figures are to be read.
        counted: What the examples of a part are.
        figures: The most important one first; a run has those of its parts and metrics.
        beside: What else is read from a run: name -> plain data.
        told: How that is told, a line each.
    """

    title: str
    about: str
    counted: str
    figures: Sequence[Figure]
    beside: Callable[[Run], dict[str, Any]] = lambda run: {}
    told: Callable[[Mapping[str, Any]], list[str]] = lambda beside: []


def percent(share: float) -> str:
    """A share."""
    return f"{100 * share:.2f} %"


def points(share: float) -> str:
    """A difference of shares."""
    return f"{100 * share:.2f} points"


def places(count: int) -> Callable[[float], str]:
    """A number with so many places."""
    return lambda value: f"{value:.{count}f}"


def signature(run: Run) -> dict[str, Any]:
    """How BLEU was computed, where it was."""
    evaluation = run.folder.read_json(run.folder.facts / "evaluation.json")
    found = {facts["signature"] for facts in evaluation.values() if "signature" in facts}
    return {"signature": found.pop()} if len(found) == 1 else {}


def bleu_of_int8(run: Run) -> dict[str, Any]:
    """BLEU of the test part by all bits of the weights and by 8, where a run has BLEU and the processor VNNI."""
    reached = (run.result or {}).get("test", {})
    if "bleu" not in reached:
        return {}
    try:
        return {"int8": {"float32": reached["bleu"], "int8": run.evaluate("test", int8=True)["bleu"]}}
    except UsageError:
        return {}


def analogies(run: Run) -> dict[str, Any]:
    """Which words are the nearest to sums of vectors."""
    asked = ANALOGIES.get(run.recipe.data.name, ())
    return {"analogies": {query: run.nearest(query, count=NEAREST) for query in asked}}


def told_signature(beside: Mapping[str, Any]) -> list[str]:
    """The line of it."""
    return [f"BLEU by SacreBLEU: {beside['signature']}"] if "signature" in beside else []


def told_translation(beside: Mapping[str, Any]) -> list[str]:
    """How BLEU was computed, and what weights of 8 bits change."""
    found = beside.get("int8")
    both = [f"test BLEU of the first seed {found['float32']:.2f}, with --int8 {found['int8']:.2f}"] if found else []
    return [*both, *told_signature(beside)]


def told_analogies(beside: Mapping[str, Any]) -> list[str]:
    """A line of each."""
    return [
        f"{query}: {', '.join(f'{word} {cosine:.2f}' for word, cosine in words)}"
        for query, words in beside.get("analogies", {}).items()
    ]


TEST_ACCURACY = Figure("test accuracy", "test", "accuracy", percent, points)
TASKS: dict[str, Measured] = {
    "classify": Measured(
        "Images into classes",
        "For the digits each seed also draws its own split; the other data sets have an official test part.",
        "test images",
        (TEST_ACCURACY,),
    ),
    "classify-text": Measured(
        "Texts into classes",
        "Each seed also draws its own split, stratified by class and source; `sentiment-bert` keeps that of the\n"
        "hidden words.",
        "test texts",
        (TEST_ACCURACY,),
    ),
    "language": Measured(
        "Language models",
        "Bits per character, -log2 p of what comes next; lower is better. Every character of a part counts once, with\n"
        "as many before it as the recipe's `data.context` says, or the state that they leave.",
        "test tokens",
        (
            Figure("test bits per character", "test", "bits", places(3), places(3)),
            Figure("validation bits per character", "valid", "bits", places(3), places(3)),
        ),
    ),
    "embed": Measured(
        "Vectors of words",
        "The mean loss of a pair of words and of the noise drawn against it, in nats; lower is better, but not to be\n"
        "compared between recipes of other pairs or noise. Nearest words, with cosines, as the first seed has them.",
        "validation tokens",
        (
            Figure("validation loss", "valid", "loss", places(3), places(3)),
            Figure("test loss", "test", "loss", places(3), places(3)),
        ),
        analogies,
        told_analogies,
    ),
    "masked": Measured(
        "Hidden words",
        "Of the words that are hidden, the share for which the right one is the most probable, and the perplexity.",
        "test texts",
        (
            Figure("test accuracy", "test", "accuracy", percent, points),
            Figure("test perplexity", "test", "perplexity", places(1), places(1)),
        ),
    ),
    "translate": Measured(
        "Translation",
        "BLEU of 0 to 100 of text as people write it, cased; higher is better. Exact: the share of the answers that\n"
        "are the reference, letter by letter. Decoded as the recipe's `decode` says.",
        "test pairs",
        (
            Figure("test BLEU", "test", "bleu", places(2), places(2)),
            Figure("test exact answers", "test", "exact", percent, points),
        ),
        lambda run: {**signature(run), **bleu_of_int8(run)},
        told_translation,
    ),
    "caption": Measured(
        "Captions",
        "BLEU-4 of 0 to 100 against all captions of each picture, in lower case; higher is better. That of the\n"
        "training pictures, as the first seed has it, says whether so few are learned by heart.",
        "test pictures",
        (Figure("test BLEU", "test", "bleu", places(2), places(2)),),
        lambda run: {**signature(run), "training BLEU": (run.result or {})["train"]["bleu"]},
        lambda beside: [f"training BLEU {beside['training BLEU']:.2f}", *told_signature(beside)],
    ),
}
"""Task of a recipe -> what is measured of its runs."""


def reached(found: Mapping[str, Any]) -> list[tuple[Figure, Mapping[str, Any]]]:
    """The figures that a result file has, each with its spread over the seeds.

    Example:
        >>> file = {"task": "language", "test": {"bits": {"mean": 2.0}}, "valid": {}}
        >>> [(figure.name, spread["mean"]) for figure, spread in reached(file)]
        [('test bits per character', 2.0)]
    """
    figures = TASKS[found["task"]].figures
    return [(one, found[one.part][one.metric]) for one in figures if one.metric in found[one.part]]
