"""What a run of a language model writes down for its report: plain data in `facts/`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.decoding import Sampling
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.language._generate import generate
from chainrule.tasks.sequences._running_text import token_facts
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.language._language import Language

SAMPLES = 3
"""How many texts the report shows."""
PROMPT = 40
"""Characters of the validation part that a sample begins with, where the recipe says nothing."""


def evaluation_facts(job: Language, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on a part: loss, bits a character, perplexity, accuracy; each token counts once."""
    found = tally(task, model, part, measure=job.measure(part), batch=job.recipe.train.evaluate_batch)
    loss = float(found["loss"].result())
    begin, end = job.characters[part]
    return {
        "part": part,
        "count": len(job.parts[part]),
        "characters": end - begin,
        "loss": loss,
        "bits": float(found["bits"].result()),
        "perplexity": math.exp(min(loss, 700.0)),
        "accuracy": float(found["accuracy"].result()),
    }


def write_data_facts(folder: RunFolder, job: Language) -> None:
    """Write what the text is: parts, tokenizer, how it begins."""
    facts = token_facts(job.text, job.characters, job.recipe.data.tokenizer, job.tokenizer)
    parts = {part: len(place) for part, place in job.parts.items()}
    folder.write_json(folder.facts / "data.json", {**facts, "parts": parts})


def write_final_facts(folder: RunFolder, job: Language, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write samples.

    Returns:
        `{"valid": {"loss", "bits", "perplexity", "accuracy"}, "test": the same}`; None for what was not measured.
    """
    parts = parts_to_measure(job.recipe, job.parts)
    evaluation = {part: evaluation_facts(job, task, model, part) for part in parts}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("samples"):
        folder.write_json(folder.facts / "samples.json", samples(job, model))
    return brief(evaluation, ("loss", "bits", "perplexity", "accuracy"))


def samples(job: Language, model: nn.Module) -> dict[str, Any]:
    """Return a few texts that the network writes."""
    how = job.recipe.generate
    begin, end = job.characters["valid"]
    prompt = how.prompt or job.text.text[begin : min(end, begin + PROMPT)]
    drawn = Sampling(how.temperature, how.top_k, how.top_p)
    seed, reach = job.recipe.train.seed, None if job.carries else job.recipe.data.length
    model.eval()
    return {
        "prompt": prompt,
        "temperature": how.temperature,
        "texts": [
            "".join(generate(model, job.tokenizer, prompt, how.length, drawn, seed=seed + number, reach=reach))
            for number in range(SAMPLES)
        ],
    }
