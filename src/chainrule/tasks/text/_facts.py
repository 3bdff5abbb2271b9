"""What a run that classifies texts writes down for its report: plain data in `facts/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.tasks.job._evaluation import METRICS, FullMeasure, counted, evaluation_of
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.job._scoring import per_example_loss
from chainrule.tasks.sequences._text_order import length_facts
from chainrule.tasks.text._telling import telling_words
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.text._classification import TextClassification

SHOWN = 400
"""Characters of a text that is written down."""


def evaluation_facts(job: TextClassification, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on a part: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""
    classes, index = list(job.prepared.classes), job.parts[part]
    measure = FullMeasure(per_example_loss(job.recipe), len(classes))
    found = tally(task, model, part, measure=measure, batch=job.recipe.train.evaluate_batch)
    facts = evaluation_of(
        found,
        part=part,
        count=len(index),
        classes=classes,
        picture=lambda number: None,
        source=lambda number: job.texts.texts[int(index[number])][:SHOWN],
    )
    return {**facts, "examples": "texts"}


def write_data_facts(folder: RunFolder, job: TextClassification) -> None:
    """Write what the texts are: parts, balance, tokenizer, lengths, padding, an example of each class."""
    facts, named, classes = dict(job.texts.facts), job.recipe.data.tokenizer, list(job.prepared.classes)
    labels, train = job.texts.labels, job.parts["train"]
    first = [
        int(train[labels[train] == label].min())
        for label in range(len(classes))
        if bool((labels[train] == label).any())
    ]
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": job.texts.name,
            "parts": {part: len(index) for part, index in job.parts.items()},
            "classes": classes,
            "counts": counted(labels, job.parts, len(classes)),
            "tokenizer": {"name": named.name, **named.options, "tokens": len(job.prepared.tokenizer.vocabulary)},
            "lengths": lengths_facts(job),
            "source": facts.get("source"),
            "licence": facts.get("licence"),
            "note": f"{facts['empty']:,} rows without text were passed over." if facts.get("empty") else None,
            "texts": [{"text": job.texts.texts[i][:SHOWN], "class": int(labels[i])} for i in first],
        },
    )


def lengths_facts(job: TextClassification) -> dict[str, Any]:
    """Return how long the texts are, how many were cut, and how much of the computing goes to padding."""
    whole, every = job.whole, job.parts.items()
    return {
        **length_facts(job.recipe.data, job.recipe.train, job.tokens.lengths, job.parts),
        "cut": {part: int((whole[index] > job.prepared.length).sum()) for part, index in every},
        "longest_whole": int(whole.max()),
    }


def write_final_facts(folder: RunFolder, job: TextClassification, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write all facts.

    Returns:
        `{"valid": {"loss", "accuracy"}, "test": the same}`; None for what was not measured.
    """
    parts = parts_to_measure(job.recipe, job.parts)
    evaluation = {part: evaluation_facts(job, task, model, part) for part in parts}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("list of telling words"):
        if (words := telling_words(model, job.prepared)) is not None:
            folder.write_json(folder.facts / "telling.json", words)
    return brief(evaluation, METRICS)
