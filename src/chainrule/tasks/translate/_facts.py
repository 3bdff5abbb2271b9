"""What a run of a translator writes down for its report: plain data in `facts/`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.data.ragged import padding_share
from chainrule.metrics import bleu
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.translate._attention import looked_at
from chainrule.tasks.translate._decode import Translated, translate
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.translate._translation import Translation

EXAMPLES = 12
"""How many translations the report shows."""
DRAWN = 3
"""Of how many of them it shows what the network looked at."""
BEGINNING = 5
"""Pairs of the data that the report shows."""
RESULTS = ("loss", "perplexity", "accuracy", "exact", "bleu")
"""What the result of a run tells of a part, as far as it was measured."""


def evaluation_facts(job: Translation, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on a part: by the right translations, and by its own."""
    return _measured(job, task, model, part)[0]


def _measured(
    job: Translation, task: Task, model: nn.Module, part: str
) -> tuple[dict[str, Any], list[tuple[Translated, list[str]]]]:
    """The facts of a part, and its first sentences as the network translates them, with their references."""
    found = tally(task, model, part, batch=job.recipe.train.evaluate_batch)
    how = job.recipe.decode
    references = _references(job, part)
    texts = list(references)[: how.most]
    translated = translate(model, job.tokens, texts, how)
    pairs = [(one, references[one.source]) for one in translated]
    exact = sum(one.output in (reference.strip() for reference in right) for one, right in pairs)
    facts: dict[str, Any] = {
        "part": part,
        "count": len(job.parts[part]),
        "tokens": int(job.examples(part).target.lengths.sum()) - len(job.parts[part]),
        "loss": float(found["loss"].result()),
        "perplexity": math.exp(min(float(found["nats"].result()), 700.0)),
        "accuracy": float(found["accuracy"].result()),
        "exact": exact / len(pairs),
        "translated": len(pairs),
        "beam": how.beam,
        "unfinished": sum(not one.ended for one in translated),
    }
    if "bleu" in job.pairs.measures:
        score = bleu([one.output for one, _ in pairs], [right for _, right in pairs])
        facts |= {
            "bleu": score.score,
            "signature": score.signature,
            "precisions": list(score.precisions),
            "brevity": score.brevity,
        }
    return facts, pairs


def _references(job: Translation, part: str) -> dict[str, list[str]]:
    """Each sentence of a part with what may be said for it; of sets without alternatives the one translation."""
    found: dict[str, list[str]] = {}
    for source, target in zip(*job.texts(part)):
        if job.pairs.alternatives or source not in found:
            found.setdefault(source, []).append(target)
    return found


def write_data_facts(folder: RunFolder, job: Translation) -> None:
    """Write what the pairs are: parts, tokenizers, how they begin, what was cut, and how much of a step is padding."""
    facts, named = dict(job.pairs.facts), job.recipe.data.tokenizer
    for part in job.parts:
        job.examples(part)
    order = job.task().orders["train"]
    sizes = job.tokens.sizes
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": job.pairs.name,
            "parts": {part: len(indices) for part, indices in job.parts.items()},
            "units": "pairs",
            "tokenizer": {
                "name": named.name,
                **named.options,
                "tokens": sizes[0] if job.tokens.joint else list(sizes),
                "one vocabulary": job.tokens.joint,
            },
            "known": job.pairs.known_targets(job.parts),
            "empty": facts.get("empty"),
            "cut": sum(job.cut.values()),
            "padding": padding_share(
                job.examples("train").lengths, (order(step)[1] for step in range(order.per_epoch))
            ),
            "source": facts.get("source"),
            "licence": facts.get("licence"),
            "beginning": "\n".join(
                f"{job.pairs.source[i]}  →  {job.pairs.target[i]}" for i in job.parts["train"][:BEGINNING].tolist()
            ),
        },
    )


def write_final_facts(folder: RunFolder, job: Translation, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write translations.

    Returns:
        `{"valid": {"loss", "perplexity", "accuracy", "exact", "bleu"}, "test": the same}`; None for what was not
        measured.
    """
    model.eval()
    evaluation: dict[str, Mapping[str, Any]] = {}
    shown: list[tuple[Translated, list[str]]] = []
    part = "valid"
    for part in parts_to_measure(job.recipe, job.parts):
        evaluation[part], shown = _measured(job, task, model, part)
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("translations"):
        folder.write_json(folder.facts / "translations.json", translations(job, model, part, shown[:EXAMPLES]))
    return brief(evaluation, RESULTS)


def translations(
    job: Translation, model: nn.Module, part: str, shown: list[tuple[Translated, list[str]]]
) -> dict[str, Any]:
    """Return some sentences, what the network makes of them, and what is right; of the first what it looked at."""
    drawn = [looked_at(model, job.tokens, one) for one, _ in shown[:DRAWN]]
    return {
        "part": part,
        "beam": job.recipe.decode.beam,
        "examples": [
            {"source": one.source, "output": one.output, "references": right, "log_p": one.log_p}
            for one, right in shown
        ],
        "attention": [one for one in drawn if one is not None],
    }
