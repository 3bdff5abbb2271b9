"""`predict.flip`: the answer for an image is the mean of the scores of it and of its mirror image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from chainrule import api
from chainrule.tasks import Run

SETTINGS: dict[str, Any] = {
    "train.steps": 12,
    "train.evaluate_every": 6,
    "model.spec": "CONV3-4 | RELU | POOL2 | FC-10",
    "data.limit": 200,
    "predict.flip": True,
    "loss.smoothing": 0.0,
    "optim.lr": 0.02,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.train("digits-cnn", out=tmp_path_factory.mktemp("flip") / "run", settings=SETTINGS)


def means(run: Run, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and classes of a part, by hand."""
    network, examples = run.model(), run.examples(part)
    index = torch.arange(len(examples))
    batch = examples.fetch(index, index)
    with torch.inference_mode():
        mirrored = torch.from_numpy(np.flip(batch.inputs.numpy(), 3).copy())
        return (network(batch.inputs) + network(mirrored)) / 2, batch.targets


def test_evaluation_and_every_line_of_metrics_use_both(run: Run) -> None:
    scores, targets = means(run, "valid")
    accuracy = float((scores.argmax(1) == targets).double().mean())
    loss = float(functional.cross_entropy(scores, targets))
    found = run.evaluate("valid")
    assert found["accuracy"] == pytest.approx(accuracy)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert run.result is not None
    assert run.result["valid"]["accuracy"] == pytest.approx(accuracy)
    best = [line for line in run.history if line.get("part") == "valid" and line["step"] == run.result["best_step"]]
    assert best[0]["loss"] == pytest.approx(loss, rel=1e-5)
    with torch.inference_mode():
        examples = run.examples("valid")
        index = torch.arange(len(examples))
        plain = float(functional.cross_entropy(run.model()(examples.fetch(index, index).inputs), targets))
    assert abs(plain - loss) > 1e-3


def test_prediction_answers_as_evaluation_does(run: Run, tmp_path: Path) -> None:
    scores, _ = means(run, "test")
    job = run.job()
    for place in range(3):
        pixels = job.images.pictures.read(job.parts["test"][place : place + 1])[0, 0]
        Image.fromarray(pixels.numpy()).save(tmp_path / "digit.png")
        (answer,) = run.predict([tmp_path / "digit.png"], top=10)
        wanted = torch.softmax(scores[place], 0)
        assert dict(answer.top) == pytest.approx({str(i): float(wanted[i]) for i in range(10)}, abs=1e-5)
