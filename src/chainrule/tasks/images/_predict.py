"""What a trained network says of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from chainrule.core.recipe import ImageRecipe
from chainrule.models import Ensemble, NearestNeighbors
from chainrule.tasks.images._answer import class_probabilities
from chainrule.tasks.images._fast_network import Predictor, at_once, in_groups
from chainrule.tasks.images._neighbors import TrainingSet
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.job._prediction import Prediction

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def predict_pictures(
    run: Run,
    sources: Iterable[str | Path | bytes],
    *,
    top: int = 5,
    module: nn.Module | None = None,
    compile_it: bool = False,
) -> list[Prediction]:
    """Classify picture files with a run's network; see `Run.predict`."""
    assert isinstance(run.recipe, ImageRecipe)
    processing = ImageProcessing.read(run.processing)
    classes = processing.classes
    probabilities, found = class_probabilities(run.recipe), []
    model = run.model(module)
    network = _fast(model, compile_it).eval()
    known = TrainingSet(model, classes, run.job) if isinstance(model, NearestNeighbors) else None
    for group in in_groups(sources, at_once(processing.shape)):
        inputs = processing.inputs(group)
        with torch.inference_mode():
            every = probabilities(network, inputs)
            near = known.nearest(inputs) if known else [[] for _ in group]
        for source, chances, neighbors in zip(group, every, near):
            best = torch.topk(chances, min(top, len(classes)))
            ranked = [(classes[i], float(p)) for p, i in zip(best.values.tolist(), best.indices.tolist())]
            name = "standard input" if isinstance(source, bytes) else str(source)
            found.append(Prediction(name, ranked[0][0], ranked[0][1], ranked, neighbors))
    return found


def _fast(model: nn.Module, compile_it: bool) -> nn.Module:
    """The network, or each of those that answer together, as it answers quickly."""
    if isinstance(model, Ensemble):
        return Ensemble([Predictor(member, compile_it=compile_it) for member in model.members], model.combine)
    return Predictor(model, compile_it=compile_it)
