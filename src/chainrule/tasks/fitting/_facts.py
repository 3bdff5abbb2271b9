"""What a training on a person's own tensors writes down for its report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis import network_table, region_panels
from chainrule.core.errors import RecipeError
from chainrule.core.folder import RunFolder
from chainrule.tasks.images._pictures import first_layer, picture_of
from chainrule.tasks.images._region_facts import line_panel, write_regions
from chainrule.tasks.images._solve import linear_layer
from chainrule.tasks.job._evaluation import FullMeasure, counted, evaluation_of
from chainrule.tasks.job._final import left_out
from chainrule.training.evaluate import tally
from chainrule.training.task import Task

Loss = Callable[[Tensor, Any], Tensor]
SHOWN = 20
"""At most so many examples are drawn."""


def write_fit_facts(
    folder: RunFolder,
    task: Task,
    model: nn.Module,
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    parts: dict[str, Tensor],
    loss: Loss,
) -> None:
    """Write the data, the network and, of a classifier, the evaluation and the pictures of its weights or regions.

    Args:
        folder: The run.
        task: What was learned.
        model: Inputs -> a score for each class, or values.
        network: What is drawn: the same, or what gives the one score of which `model` makes two.
        inputs: All x.
        targets: All y.
        parts: Name of a part -> its positions in them.
        loss: Of each example.
    """
    classes = None if targets.is_floating_point() else [str(k) for k in range(int(targets.max()) + 1)]
    _write_data(folder, inputs, targets, parts, classes)
    if inputs.is_floating_point():  # the table runs the network on zeros, which are no indices
        with left_out("network table"):
            folder.write_json(folder.facts / "network.json", network_table(network, tuple(inputs.shape[1:])))
    if classes is None:
        return
    names = _names(model, inputs, classes)
    found = tally(task, model, "valid", measure=FullMeasure(loss, len(names)))
    index = parts["valid"]
    evaluation = evaluation_of(
        found,
        part="valid",
        count=len(index),
        classes=names,
        picture=lambda i: picture_of(inputs[index[i]]),
        source=lambda i: f"x[{int(index[i])}]",
    )
    folder.write_json(folder.facts / "evaluation.json", {"valid": evaluation})
    if inputs.ndim == 4 and (weights := first_layer(network, tuple(inputs.shape[1:]), names)):
        folder.write_json(folder.facts / "weights.json", weights)
    if inputs.ndim == 2 and inputs.shape[1] == 2 and inputs.is_floating_point():
        with left_out("decision regions"):
            regions = region_panels({"": model}, inputs, targets)
            if (linear := _linear_layer(network)) is not None and len(linear.weight) > 1:
                regions["panels"][0]["title"] = "The largest score"
                regions["panels"].append(line_panel(linear.weight, linear.bias))
            write_regions(folder, {**regions, "classes": names})


def _linear_layer(network: nn.Module) -> nn.Linear | None:
    """The one layer of a linear classifier; None for another network."""
    try:
        return linear_layer(network, "a picture of hyperplanes")
    except RecipeError:
        return None


def _names(model: nn.Module, inputs: Tensor, classes: list[str]) -> list[str]:
    """One name for each score of the network, which may know classes that do not occur."""
    model.eval()
    with torch.inference_mode():
        scores = model(inputs[:1])
    return [*classes, *(str(k) for k in range(len(classes), scores.shape[1]))]


def _write_data(
    folder: RunFolder, inputs: Tensor, targets: Tensor, parts: dict[str, Tensor], classes: list[str] | None
) -> None:
    pictures = [picture_of(inputs[int(i)]) for i in parts["train"][:SHOWN]] if inputs.ndim == 4 else []
    folder.write_json(
        folder.facts / "data.json",
        {
            "name": "tensors",
            "parts": {part: len(index) for part, index in parts.items()},
            "shape": list(inputs.shape[1:]),
            "classes": classes or [],
            "counts": counted(targets, parts, len(classes)) if classes else {},
            "samples": [picture for picture in pictures if picture is not None],
        },
    )
