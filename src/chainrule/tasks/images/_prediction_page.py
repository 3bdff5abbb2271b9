"""What the page of some predictions is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.data import open_image
from chainrule.data.images import fitted
from chainrule.draw.predictions import predictions_html
from chainrule.models import NearestNeighbors
from chainrule.tasks.images._neighbors import TrainingSet
from chainrule.tasks.images._pictures import picture_of
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.job._prediction import Prediction
from chainrule.tasks.runs._run import Run

MOST = 200
"""So many pictures are drawn."""
NEAREST = 12


def prediction_page(run: Run, sources: Sequence[str | Path | bytes], answers: Sequence[Prediction]) -> str:
    """Return the page of the answers to some pictures: each as the network was given it, and what stands behind it.

    Args:
        run: Whose network answered.
        sources: The pictures, as they were given to `run.predict`.
        answers: What it said.

    Raises:
        DataError: A picture cannot be read any more.
    """
    processing = ImageProcessing.read(run.processing)
    shape, resize = processing.shape, processing.resize
    known: TrainingSet | None = None
    if any(answer.neighbors for answer in answers[:MOST]):
        model = run.model()
        assert isinstance(model, NearestNeighbors)
        known = TrainingSet(model, run.classes, run.job)
    facts: list[dict[str, Any]] = []
    for source, answer in list(zip(sources, answers))[:MOST]:
        picture = fitted(open_image(source), shape, resize=resize)
        near = []
        for one in answer.neighbors[:NEAREST]:
            seen = None if known is None else known.picture(one.index, shape)
            near.append({**vars(one), "picture": None if seen is None else picture_of(seen)})
        facts.append({**vars(answer), "picture": picture_of(picture), "neighbors": near})
    return predictions_html(run.info["name"], facts, count=len(answers))
