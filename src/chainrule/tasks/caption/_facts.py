"""What a run that writes captions keeps for its report: plain data in `facts/`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from chainrule.core.folder import RunFolder
from chainrule.data.ragged import padding_share
from chainrule.draw.looked import lit_words
from chainrule.metrics import bleu
from chainrule.tasks.caption._describe import Captioned, describe
from chainrule.tasks.caption._looked import looked_at
from chainrule.tasks.images._pictures import picture_of
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.caption._captioning import Captioning
    from chainrule.tasks.caption._processing import CaptionProcessing

EXAMPLES = 12
"""How many pictures of a part the report shows."""
DRAWN = 2
"""Of how many of them it shows where the network looked."""
SAMPLES = 20
"""Training pictures that the report shows of the data."""
RESULTS = ("loss", "perplexity", "accuracy", "exact", "bleu")
"""What the result of a run tells of a part."""


def evaluation_facts(job: Captioning, task: Task, model: nn.Module, part: str) -> dict[str, Any]:
    """Measure a network on a part: by what people wrote, and by what it writes itself."""
    return _measured(job, task, model, part)[0]


def _measured(job: Captioning, task: Task, model: nn.Module, part: str) -> tuple[dict[str, Any], list[Captioned]]:
    """The facts of a part, and what the network writes about its first pictures."""
    found = tally(task, model, part, batch=job.recipe.train.evaluate_batch)
    how, prepared = job.recipe.decode, job.processing_of_inputs
    index = job.parts[part][: how.most]
    names = [job.images.paths[number] for number in index.tolist()]
    captioned = describe(model, prepared.tokenizer, job.regions[index], names, how)
    references = [list(job.images.captions[number]) for number in index.tolist()]
    exact = sum(one.output in map(prepared.as_written, right) for one, right in zip(captioned, references))
    score = bleu([one.output for one in captioned], references, lower=True)
    facts = {
        "part": part,
        "count": len(job.parts[part]),
        "captions": len(job.examples(part)),
        "tokens": int(job.examples(part).lengths.sum()) - len(job.examples(part)),
        "loss": float(found["loss"].result()),
        "perplexity": math.exp(min(float(found["nats"].result()), 700.0)),
        "accuracy": float(found["accuracy"].result()),
        "exact": exact / len(captioned),
        "pictures": len(captioned),
        "beam": how.beam,
        "unfinished": sum(not one.ended for one in captioned),
        "bleu": score.score,
        "orders": list(score.orders),
        "signature": score.signature,
        "precisions": list(score.precisions),
        "brevity": score.brevity,
    }
    return facts, captioned


def write_data_facts(folder: RunFolder, job: Captioning) -> None:
    """Write what the pictures and captions are: parts, tokenizer, encoder, what was cut, some of them."""
    facts, named, encoder = dict(job.images.facts), job.recipe.data.tokenizer, job.recipe.encoder
    for part in job.parts:
        job.examples(part)
    order = job.task().orders["train"]
    prepared = job.processing_of_inputs
    shown = job.parts["train"][:SAMPLES]
    features, height, width = prepared.regions
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": job.images.name,
            "parts": {part: len(index) for part, index in job.parts.items()},
            "units": "pictures",
            "shape": [3, prepared.size, prepared.size],
            "captions": {part: len(job.examples(part)) for part in job.parts},
            "tokenizer": {"name": named.name, **named.options, "tokens": len(prepared.tokenizer.vocabulary)},
            "features": {
                "encoder": encoder.name,
                "weights": encoder.weights or "drawn, not trained",
                "regions": f"{height}x{width}",
                "numbers": features,
            },
            "normalization": {"kind": prepared.normalization.kind},
            "cut": sum(job.cut.values()),
            "padding": padding_share(
                job.examples("train").lengths, (order(step)[1] for step in range(order.per_epoch))
            ),
            "source": facts.get("source"),
            "licence": facts.get("licence"),
            "note": facts.get("note"),
            "samples": [picture_of(picture) for picture in job.pictures.read(shown)],
            "beginning": "\n".join(caption for number in shown.tolist() for caption in job.images.captions[number]),
        },
    )


def write_final_facts(folder: RunFolder, job: Captioning, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation, training and (if the recipe says so) test part, and write captions.

    Returns:
        `{"valid": {"loss", "perplexity", "accuracy", "exact", "bleu"}, "test": the same, "train": the same}`; None for
        what was not measured.
    """
    model.eval()
    evaluation: dict[str, Mapping[str, Any]] = {}
    shown: list[dict[str, Any]] = []
    for part in [*reversed(parts_to_measure(job.recipe, job.parts)), "train"]:
        evaluation[part], captioned = _measured(job, task, model, part)
        with left_out("captions"):
            shown.append({"part": part, "examples": _examples(job, model, part, captioned[:EXAMPLES])})
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    folder.write_json(folder.facts / "captions.json", {"beam": job.recipe.decode.beam, "parts": shown})
    return brief(evaluation, RESULTS)


def _examples(job: Captioning, model: nn.Module, part: str, captioned: Sequence[Captioned]) -> list[dict[str, Any]]:
    """Pictures of a part with what the network wrote; of the first ones where it looked."""
    index = job.parts[part][: len(captioned)]
    pictures, found = job.pictures.read(index), []
    for place, (number, one) in enumerate(zip(index.tolist(), captioned)):
        regions = job.regions[number : number + 1] if place < DRAWN else None
        shown = captioned_facts(model, job.processing_of_inputs, one, pictures[place], regions)
        found.append({**shown, "references": list(job.images.captions[number])})
    return found


def captioned_facts(
    model: nn.Module, prepared: CaptionProcessing, one: Captioned, picture: Tensor, regions: Tensor | None
) -> dict[str, Any]:
    """Return a picture with what was written about it, as plain data.

    Args:
        model: What wrote it.
        prepared: How the picture was prepared.
        one: What was written.
        picture: (3, H, W), as the network was given it.
        regions: (1, R, E) of it, where it is to be shown where the network looked.
    """
    facts = {"picture": picture_of(picture), "source": one.source, "output": one.output, "log_p": one.log_p}
    looked = None
    if regions is not None:
        looked = looked_at(model, prepared.tokenizer, regions, one.tokens, prepared.regions)
    if looked is None:
        return facts
    words, weights = looked
    return {**facts, "looked": lit_words(picture.numpy(), words, weights.double().numpy())}
