"""What a run that learns hidden words writes down for its report: plain data in `facts/`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.masked._predict import HIDDEN, most_probable
from chainrule.tasks.sequences._text_order import length_facts
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.masked._masked import MaskedWords

EXAMPLES = 12
"""How many texts with hidden words the report shows."""
GUESSES = 3
"""How many words for each of them."""
BEGINNING = 5
"""Texts of the data that the report shows."""
SHOWN = 300
"""Characters of each."""
RESULTS = ("loss", "perplexity", "accuracy")
"""What the result of a run tells of a part."""


def evaluation_facts(job: MaskedWords, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on a part: always the same words of it are hidden."""
    found = tally(task, model, part, batch=job.recipe.train.evaluate_batch)
    return {
        "part": part,
        "count": len(job.parts[part]),
        "words": _asked(job, part),
        "loss": float(found["loss"].result()),
        "perplexity": math.exp(min(float(found["nats"].result()), 700.0)),
        "accuracy": float(found["accuracy"].result()),
    }


def _asked(job: MaskedWords, part: str) -> int:
    """How many words of a part the network is asked for while it is measured."""
    examples, group = job.examples(part), job.recipe.train.evaluate_batch
    groups = torch.arange(len(examples)).split(group)
    return sum(len(examples.fetch(index, index).targets) for index in groups)


def write_data_facts(folder: RunFolder, job: MaskedWords) -> None:
    """Write what the texts are: parts, tokenizer, lengths, padding, how they begin."""
    facts, named = dict(job.texts.facts), job.recipe.data.tokenizer
    train = job.texts.parts["train"][:BEGINNING].tolist()
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": job.texts.name,
            "parts": {part: len(index) for part, index in job.texts.parts.items()},
            "units": "texts",
            "tokenizer": {"name": named.name, **named.options, "tokens": len(job.tokenizer.vocabulary)},
            "lengths": length_facts(job.recipe.data, job.recipe.train, job.pieces.lengths, job.parts),
            "empty": facts.get("empty"),
            "source": facts.get("source"),
            "licence": facts.get("licence"),
            "note": f"{job.passed_over:,} texts without a known word were passed over." if job.passed_over else None,
            "beginning": "\n".join(job.texts.texts[number][:SHOWN] for number in train),
        },
    )


def write_final_facts(folder: RunFolder, job: MaskedWords, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write what they fill in.

    Returns:
        `{"valid": {"loss", "perplexity", "accuracy"}, "test": the same}`; None for what was not measured.
    """
    parts = parts_to_measure(job.recipe, job.parts)
    evaluation = {part: evaluation_facts(job, task, model, part) for part in parts}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("examples of hidden words"):
        folder.write_json(folder.facts / "masked.json", filled_in(job, model, parts[-1] if parts else "train"))
    return brief(evaluation, RESULTS)


def filled_in(job: MaskedWords, model: nn.Module, part: str) -> dict[str, Any]:
    """Return some texts with hidden words, what stood there, and what the network takes for it.

    Only words that became a mask are told: of the others nobody sees that they are asked for.
    """
    examples, tokenizer = job.examples(part), job.tokenizer
    count = len(examples)
    index = torch.arange(EXAMPLES * 4) * max(1, count // (EXAMPLES * 4))
    index = index[index < count].unique()
    batch = examples.fetch(index, index)
    masked = batch.inputs.tokens.flatten()[batch.inputs.places] == tokenizer.vocabulary.mask
    row = batch.inputs.places // batch.inputs.tokens.shape[1]
    model.eval()
    with torch.inference_mode():
        found = most_probable(model(batch.inputs), tokenizer, GUESSES)
    told = []
    for number in row[masked].unique().tolist()[:EXAMPLES]:
        here = ((row == number) & masked).nonzero().squeeze(1).tolist()
        tokens = batch.inputs.tokens[number][: int(examples.lengths[index[number]])].tolist()
        told.append(
            {
                "text": _written(job, tokens),
                "words": [tokenizer.decode([int(batch.targets[place])]).strip() for place in here],
                "found": [[list(pair) for pair in found[place]] for place in here],
            }
        )
    return {"part": part, "examples": told}


def _written(job: MaskedWords, tokens: list[int]) -> str:
    """Tokens as text, with `[MASK]` where a word is hidden."""
    mask = job.tokenizer.vocabulary.mask
    pieces: list[list[int]] = [[]]
    for token in tokens:
        if token == mask:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return f" {HIDDEN} ".join(job.tokenizer.decode(piece).strip() for piece in pieces).strip()
