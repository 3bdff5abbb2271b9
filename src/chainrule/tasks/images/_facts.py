"""What a run that classifies images writes down for its report: plain data in `facts/`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from chainrule.analysis import network_table
from chainrule.core.errors import DataError
from chainrule.core.folder import RunFolder
from chainrule.metrics import LeftOut
from chainrule.models import NearestNeighbors
from chainrule.tasks.images._answer import way_of
from chainrule.tasks.images._pictures import first_layer, picture_of
from chainrule.tasks.images._region_facts import write_projected_regions
from chainrule.tasks.job._evaluation import METRICS, FullMeasure, counted, evaluation_of
from chainrule.tasks.job._final import brief, left_out, parts_to_measure
from chainrule.tasks.job._scoring import per_example_loss
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks.images._classification import Classification

SHOWN_NEIGHBORS = 9
"""How many nearest training examples are drawn beside a mistake."""
SHOWN_CLASSES = 20
"""Of how many classes an example is drawn."""


def evaluation_facts(job: Classification, model: nn.Module, part: str, *, task: Task | None = None) -> dict[str, Any]:
    """Measure a network on a part: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""
    classes, indices = list(job.images.classes), job.parts[part]
    measure = FullMeasure(per_example_loss(job.recipe), len(classes), way_of(job.recipe))
    found = tally(task or job.task(), model, part, measure=measure, batch=job.recipe.train.evaluate_batch)
    left_out = found.get("skipped", LeftOut(()))
    assert isinstance(left_out, LeftOut)
    return evaluation_of(
        found,
        part=part,
        count=len(indices) - left_out.count,
        classes=classes,
        picture=lambda i: _picture(job, int(indices[i])),
        source=lambda i: _source(job, int(indices[i])),
        neighbors=partial(_neighbors, job, model, part) if isinstance(model, NearestNeighbors) else None,
    ) | ({"skipped": left_out.count, "left_out": list(left_out.names)} if left_out.count else {})


def write_final_facts(folder: RunFolder, job: Classification, task: Task, model: nn.Module) -> dict[str, Any]:
    """Measure the best weights on validation and (if the recipe says so) test part, and write all facts.

    Returns:
        `{"valid": {"loss", "accuracy", and "top5" of many classes}, "test": the same}`; None for what was not measured.
    """
    parts = parts_to_measure(job.recipe, job.parts)
    evaluation = {part: evaluation_facts(job, model, part, task=task) for part in parts}
    folder.write_json(folder.facts / "evaluation.json", evaluation)
    with left_out("network table"):
        folder.write_json(folder.facts / "network.json", network_table(model, job.input_shape))
    weights = first_layer(model, job.input_shape, list(job.images.classes))
    if weights is not None:
        folder.write_json(folder.facts / "weights.json", weights)
    write_projected_regions(folder, job, model)
    return brief(evaluation, (*METRICS, "skipped"))


def write_data_facts(folder: RunFolder, job: Classification) -> None:
    """Write what the data are: parts, balance, shape, normalization, augmentation, a few pictures."""
    labels, classes = job.images.labels, list(job.images.classes)
    shown = job.parts["train" if "train" in job.parts else next(iter(job.parts))]
    samples = [int(shown[labels[shown] == label][0]) for label in labels[shown].unique().tolist()[:SHOWN_CLASSES]]
    normalization, kind = job.normalization.to_json(), job.normalization.kind
    facts = dict(job.images.facts)
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": job.images.name,
            "parts": {part: len(index) for part, index in job.parts.items()},
            "classes": classes,
            "counts": counted(labels, job.parts, len(classes)),
            "shape": list(job.images.shape),
            "features": _of_features(job),
            "normalization": {"kind": kind} if job.features or kind == "pixel" else normalization,
            "augment": {key: value for key, value in job.recipe.augment.model_dump().items() if value},
            "source": facts.get("source"),
            "licence": facts.get("licence"),
            "note": facts.get("note"),
            "samples": [_picture(job, index) for index in samples],
        },
    )


def _of_features(job: Classification) -> dict[str, Any]:
    """Which features stand for a picture, and how many numbers they are."""
    if not job.features:
        return {}
    return {"numbers": job.input_shape[0], "from": [str(part) for part in job.features.parts]}


def _picture(job: Classification, index: int) -> str | None:
    """A picture for a page; None for one that cannot be read, where such are skipped."""
    try:
        return picture_of(job.images.pictures.read(torch.tensor([index]))[0])
    except DataError:
        if job.recipe.data.bad_examples == "error":
            raise
        return None


def _neighbors(job: Classification, model: NearestNeighbors, part: str, index: int) -> list[dict[str, Any]]:
    """The training examples that voted on an example, the nearest first."""
    near, chosen = model.neighbors(job.inputs(part, torch.tensor([index])))
    return [
        {
            "picture": _picture(job, int(job.parts["train"][i])),
            "class": int(model.labels[i]),
            "distance": distance,
        }
        for i, distance in zip(chosen[0].tolist()[:SHOWN_NEIGHBORS], near[0].tolist())
    ]


def _source(job: Classification, index: int) -> str | None:
    return job.images.pictures.where(index)
