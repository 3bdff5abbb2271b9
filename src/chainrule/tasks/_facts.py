"""What a run writes down for its report: plain data in `facts/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.analysis import network_table
from chainrule.core.folder import RunFolder
from chainrule.core.store import write_file
from chainrule.data import Batch
from chainrule.draw.picture import filter_pictures, png_uri, template_pictures
from chainrule.metrics import Confusion, Mean, Mistakes, Tally, shares_right
from chainrule.models import NearestNeighbors
from chainrule.tasks._final import brief, left_out, parts_to_measure
from chainrule.tasks._region_facts import write_projected_regions
from chainrule.tasks._scoring import answer, per_example_loss
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

if TYPE_CHECKING:
    from chainrule.tasks._classify import Classification

MISTAKES = 24
"""How many of the worst mistakes are kept."""
SHOWN_NEIGHBORS = 9
"""How many nearest training examples are drawn beside a mistake."""
DENSE = 100
"""Of more classes only the counts that are not zero are written, and the figures of those classes that occur."""
SHOWN_CLASSES = 20
"""Of how many classes an example is drawn."""
METRICS = ("loss", "accuracy", "top5")
"""What the result of a run tells of a part, as far as it was measured."""
LARGE = 128
"""Pictures with a longer side are drawn smaller."""
FILTERS = 64
"""How many filters of the first layer are drawn."""


def evaluation_facts(job: Classification, model: nn.Module, part: str, *, task: Task | None = None) -> dict[str, Any]:
    """Measure a network on a part: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""
    classes, indices = list(job.images.classes), job.parts[part]
    measure = FullMeasure(per_example_loss(job.recipe), len(classes), answer(job.recipe))
    found = tally(task or job.task(), model, part, measure=measure, batch=job.recipe.train.evaluate_batch)
    return evaluation_of(
        found,
        part=part,
        count=len(indices),
        classes=classes,
        picture=lambda i: _picture(job, int(indices[i])),
        source=lambda i: _source(job, int(indices[i])),
        neighbors=partial(_neighbors, job, model, part) if isinstance(model, NearestNeighbors) else None,
    )


def evaluation_of(
    found: Mapping[str, Tally],
    *,
    part: str,
    count: int,
    classes: list[str],
    picture: Callable[[int], str | None],
    source: Callable[[int], str | None],
    neighbors: Callable[[int], list[dict[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Return the facts of a full evaluation from its tallies.

    Args:
        found: From `FullMeasure`.
        part: Which part was measured.
        count: Its examples.
        classes: Names of all classes.
        picture: Position in the part -> picture of that example.
        source: Position in the part -> where that example comes from.
        neighbors: Position in the part -> what the nearest training examples are.
    """
    confusion, mistakes = found["confusion"], found["mistakes"]
    assert isinstance(confusion, Confusion)
    assert isinstance(mistakes, Mistakes)
    return {
        "part": part,
        "count": count,
        "loss": float(found["loss"].result()),
        **{name: float(found[name].result()) for name in METRICS if name != "loss" and name in found},
        "classes": classes,
        "confusion": _counts(confusion),
        "per_class": [
            {"name": name, **row}
            for name, row, seen in zip(classes, confusion.per_class(), confusion.seen())
            if seen or len(classes) <= DENSE
        ],
        "mistakes": [
            {
                **record,
                "picture": picture(record["index"]),
                "source": source(record["index"]),
                **({"neighbors": neighbors(record["index"])} if neighbors else {}),
            }
            for record in mistakes.records()
        ],
    }


def _counts(confusion: Confusion) -> list[list[int]] | dict[str, Any]:
    """The matrix, or of many classes `{"size": K, "counts": [[truth, predicted, count], ...]}` of what is not zero."""
    if len(confusion.matrix) <= DENSE:
        return confusion.matrix.tolist()
    places = confusion.matrix.nonzero()
    counts = torch.cat([places, confusion.matrix[places[:, 0], places[:, 1], None]], dim=1)  # (n, 3)
    return {"size": len(confusion.matrix), "counts": counts.tolist()}


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
    return brief(evaluation, METRICS)


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


def write_report(folder: RunFolder, *others: RunFolder) -> Any:
    """Write `report.html` into the first folder and return its path."""
    from chainrule.draw.report import report_html  # jinja2 is loaded when a page is written

    page = report_html([folder.path, *(other.path for other in others)] if others else folder.path)
    write_file(folder.report, page.encode())
    return folder.report


def counted(labels: Tensor, parts: Mapping[str, Tensor], classes: int) -> dict[str, list[int]]:
    """Part -> how often each class occurs in it."""
    return {part: torch.bincount(labels[index], minlength=classes).tolist() for part, index in parts.items()}


class FullMeasure:
    """`(model, batch) -> all tallies of a full evaluation` in one pass.

    Args:
        loss: `(scores, targets) -> one loss an example`.
        classes: How many.
        scores: `(network, inputs) -> scores`; the network's own when left out.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Any], Tensor],
        classes: int,
        scores: Callable[[nn.Module, Tensor], Tensor] = lambda model, inputs: model(inputs),
    ) -> None:
        self.loss, self.classes, self.scores = loss, classes, scores

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = self.scores(model, batch.inputs)
        losses = self.loss(scores, batch.targets)
        return {
            "loss": Mean.of(losses),
            **shares_right(scores, batch.targets),
            "confusion": Confusion.of(scores, batch.targets, classes=self.classes),
            "mistakes": Mistakes.of(scores, batch.targets, batch.index, losses, count=MISTAKES),
        }


def _picture(job: Classification, index: int) -> str | None:
    return picture_of(job.images.pictures.read(torch.tensor([index]))[0])


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


def picture_of(values: Tensor) -> str | None:
    """An image (C, H, W) as a data URI, floats stretched over their own range; None for what is no image."""
    if values.ndim != 3 or values.shape[0] not in (1, 3) or not values.numel():
        return None
    if values.dtype != torch.uint8:
        low, high = values.min(), values.max()
        values = (values.float() - low) / (high - low).float().clamp_min(1e-12)
    side = max(values.shape[1:])
    if side > LARGE:  # a report with dozens of photographs would have many megabytes
        small = functional.avg_pool2d(values.float(), -(-side // LARGE), ceil_mode=True)
        values = small.round().to(torch.uint8) if values.dtype == torch.uint8 else small
    return png_uri(values.numpy(), scale=max(1, 56 // side) if side < 56 else 1)


def _source(job: Classification, index: int) -> str | None:
    paths = getattr(job.images.pictures, "paths", None)
    return None if paths is None else paths[index]


def first_layer(model: nn.Module, shape: tuple[int, ...], classes: list[str]) -> dict[str, Any] | None:
    """The first layer's weights as pictures: templates of a linear classifier, or filters of a convolution."""
    if len(shape) != 3:
        return None
    channels, height, width = shape
    for name, module in model.named_modules():
        weight: Tensor | None = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d) and weight is not None and min(weight.shape[2:]) > 1:
            pictures = filter_pictures(weight.detach()[:FILTERS].contiguous().numpy())
            return {
                "layer": name,
                "kind": "filters",
                "pictures": [png_uri(p, scale=_scale(p)) for p in pictures],
                "labels": None,
            }
        if isinstance(module, nn.Linear) and weight is not None:
            if weight.shape[1] != channels * height * width or channels not in (1, 3):
                return None
            shaped = weight.detach()[:FILTERS].reshape(-1, channels, height, width).numpy()
            labels = classes if len(weight) == len(classes) else None
            pictures = template_pictures(shaped)
            return {
                "layer": name,
                "kind": "templates",
                "pictures": [png_uri(p, scale=_scale(p)) for p in pictures],
                "labels": labels,
            }
    return None


def _scale(picture: Any) -> int:
    return max(1, 64 // int(picture.shape[-1]))
