"""Decision regions for the report of nearest neighbors and of linear classifiers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.analysis import hyperplanes, principal_components, region_panels
from chainrule.analysis.regions import Classifier
from chainrule.core.errors import ChainruleError, RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.log import warn
from chainrule.core.recipe import ImageRecipe
from chainrule.core.store import write_file
from chainrule.models import NearestNeighbors, knn
from chainrule.optim.solvers import LinearSolution, averaged_sgd, newton_cg
from chainrule.tasks.images._solve import LOSSES, linear_layer
from chainrule.tasks.tables import TABLES, all_options

if TYPE_CHECKING:
    from chainrule.tasks.images._classification import Classification

EXAMPLES = 1000
"""At most so many training examples are projected, fitted to and drawn."""
NUMBERS = 2**24
"""Fewer where these would be more numbers in all, but at least 100."""
NEIGHBORS = (1, 3, 5)
PLANE = ("first principal component", "second principal component")


def write_regions(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Write `facts/regions.json`, on one line: with a line for each number it is three times as long."""
    write_file(folder.facts / "regions.json", (json.dumps(facts, separators=(",", ":")) + "\n").encode())


def write_projected_regions(folder: RunFolder, job: Classification, model: nn.Module) -> None:
    """Write the regions of a recipe's classifier over its training part, if it is one that has such a picture.

    Of a few training examples the first two principal components are taken, and a classifier of the same kind is fitted
    again to these two numbers. A failure costs the picture, not the run.
    """
    try:
        facts = projected_regions(job, model)
    except (ChainruleError, RuntimeError) as error:  # the second from linear algebra on extreme numbers
        warn(f"the report has no decision regions: {error}")
        return
    if facts is not None:
        write_regions(folder, facts)


def projected_regions(job: Classification, model: nn.Module) -> dict[str, Any] | None:
    """Return what is drawn; None for a classifier that is neither of neighbors nor linear, or has no training part."""
    neighbors = isinstance(model, NearestNeighbors)
    loss = None if neighbors else _linear_loss(job.recipe, model)
    if "train" not in job.parts or not (neighbors or loss) or math.prod(job.input_shape) < 2:
        return None
    count = len(job.parts["train"])
    index = torch.linspace(0, count - 1, min(count, EXAMPLES, max(NUMBERS // math.prod(job.input_shape), 100)))
    index = index.round().long()
    targets, classes = job.images.labels[job.parts["train"][index]], len(job.images.classes)
    points, told = _in_the_plane(job.inputs("train", index).flatten(1), f"{len(index):,} of {count:,}")
    panels: dict[str, Classifier]
    lines: list[dict[str, Any]] = []
    if isinstance(model, NearestNeighbors):
        panels = _neighbor_panels(points, targets, classes, model)
    else:
        found = _solved(points, targets, classes, str(loss), job.recipe.penalty.l2)
        panels, lines = {"The largest score": found.scores}, [line_panel(found.weights, found.bias)]
    facts = region_panels(panels, points, targets, most_points=EXAMPLES)
    return {**facts, "panels": facts["panels"] + lines, "classes": list(job.images.classes), **told}


def _in_the_plane(examples: Tensor, shown: str) -> tuple[Float[Tensor, "n 2"], dict[str, Any]]:
    """The examples as points, and what is said of them."""
    again = "classifiers of the kind of this run are fitted to these two numbers alone"
    if examples.shape[1] == 2:
        return examples, {"axes": ["first number", "second number"], "caption": f"{shown} training examples; {again}."}
    components = principal_components(examples)
    caption = (
        f"The plane of the first two principal components of {shown} training examples, which hold"
        f" {components.share:.0%} of their variance; {again}, so they err more than the run does."
    )
    return components.project(examples).float(), {"axes": list(PLANE), "caption": caption}


def line_panel(weights: Tensor, bias: Tensor) -> dict[str, Any]:
    """The panel of a linear classifier of the plane that shows its hyperplanes."""
    return {"title": "Hyperplanes", "lines": hyperplanes(weights, bias)}


def _neighbor_panels(points: Tensor, targets: Tensor, classes: int, model: NearestNeighbors) -> dict[str, Classifier]:
    panels: dict[str, Classifier] = {}
    for k in NEIGHBORS:
        if k <= len(points):
            again = knn((2,), classes, k=k, distance=model.distance)
            assert isinstance(again, NearestNeighbors)
            again.fit((points, targets), (points, targets))
            panels[f"k = {k}"] = again
    return panels


def _linear_loss(recipe: ImageRecipe, model: nn.Module) -> str | None:
    """The solvers' word for the loss of a linear classifier; None for another network, or another loss."""
    try:
        linear_layer(model, "a picture of hyperplanes")
    except RecipeError:
        return None
    chosen = tuple(sorted(all_options(TABLES["loss"], recipe.loss, "loss").items()))
    return LOSSES.get((recipe.loss.name, chosen))


def _solved(points: Tensor, targets: Tensor, classes: int, loss: str, l2: float) -> LinearSolution:
    if loss == "hinge":
        return averaged_sgd(points, targets, classes=classes, loss="hinge", l2=l2)
    return newton_cg(points, targets, classes=classes, loss="softmax" if loss == "softmax" else "squared_hinge", l2=l2)
