"""Image classification as the lectures put it (A1): fit images and labels, predict images, evaluate on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.tasks import Classification


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    out = tmp_path_factory.mktemp("a1") / "run"
    return chainrule.train("digits-softmax", out=out, settings={"train.epochs": 8}, report=False)


def held_out(run: chainrule.Run, folder: Path) -> tuple[list[Path], list[str]]:
    """Every image of the test part as a file, and the names of their classes."""
    job = Classification(run.recipe)
    index = job.parts["test"]
    files = []
    for place, image in zip(index.tolist(), job.images.pictures.read(index)):
        files.append(folder / f"{place}.png")
        Image.fromarray(image[0].numpy()).save(files[-1])
    return files, [job.images.classes[label] for label in job.images.labels[index].tolist()]


def test_what_is_predicted_from_files_is_what_was_evaluated(run: chainrule.Run, tmp_path: Path) -> None:
    files, truth = held_out(run, tmp_path)
    predictions = chainrule.predict(run.path, files)
    right = np.mean([found.label == name for found, name in zip(predictions, truth)])
    assert run.result is not None
    assert right == pytest.approx(run.result["test"]["accuracy"], abs=1e-12)
    assert chainrule.evaluate(run.path, part="test")["accuracy"] == run.result["test"]["accuracy"]
    for found in predictions:
        assert found.label == found.top[0][0]
        assert found.probability == found.top[0][1] > 0
        shares = [share for _, share in found.top]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1 + 1e-6


def test_fit_learns_what_scikit_learn_learns(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 5, generator=generator)
    y = (x @ torch.randn(5, 3, generator=generator)).argmax(1)
    module = torch.nn.Linear(5, 3)
    run = chainrule.fit(module, x, y, epochs=60, lr=0.05, out=tmp_path / "run")
    theirs = LogisticRegression(C=1e4, max_iter=1000).fit(x.numpy(), y.numpy())
    ours = module(x).argmax(1).numpy()
    assert run.result is not None
    assert (ours == theirs.predict(x.numpy())).mean() > 0.96
    assert (ours == y.numpy()).mean() > 0.95
