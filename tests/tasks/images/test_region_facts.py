"""Decision regions of the recipes for nearest neighbors and linear classifiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import chainrule
from chainrule.models import knn
from chainrule.tasks.images import _region_facts
from chainrule.tasks.images._classification import Classification
from chainrule.tasks.images._region_facts import projected_regions
from chainrule.tasks.tables import open_recipe


def job_of(recipe: str, **settings: Any) -> Classification:
    return Classification(open_recipe(recipe, settings={key.replace("__", "."): v for key, v in settings.items()}))


def train_of(job: Classification) -> tuple[np.ndarray, np.ndarray]:
    index = torch.arange(len(job.parts["train"]))
    return job.inputs("train", index).flatten(1).double().numpy(), job.images.labels[job.parts["train"]].numpy()


def test_neighbors_are_fitted_to_the_two_components() -> None:
    job = job_of("digits-knn", data__limit=300, model__distance="l1")
    found = projected_regions(job, job.model())
    assert found is not None
    x, y = train_of(job)
    plane = PCA(2, svd_solver="full").fit(x)
    axes = plane.components_ * np.sign(plane.components_[np.arange(2), np.abs(plane.components_).argmax(1)])[:, None]
    points = (x - x.mean(0)) @ axes.T
    np.testing.assert_allclose(np.array(found["points"])[:, :2], points, atol=1e-4)
    assert [row[2] for row in found["points"]] == y.tolist()
    across, up = np.linspace(*found["x"], 120), np.linspace(*found["y"], 120)
    places = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)
    assert [panel["title"] for panel in found["panels"]] == ["k = 1", "k = 3", "k = 5"]
    for k, panel in zip((1, 3, 5), found["panels"]):
        peer = KNeighborsClassifier(k, p=1).fit(points, y)
        chances = np.sort(peer.predict_proba(places), 1)
        clear = chances[:, -1] > chances[:, -2]  # no tie of votes
        agree = np.array(panel["grid"]).ravel() == peer.predict(places)
        assert agree[clear].mean() > 0.998  # all but places on a border, by rounding
    rights = [panel["right"] for panel in found["panels"]]
    assert rights[0] == 1.0  # k = 1 makes no mistake on its training set
    assert rights[0] > rights[1] > rights[2]
    assert f"300 of 300 training examples, which hold {plane.explained_variance_ratio_.sum():.0%}" in found["caption"]


def test_a_linear_classifier_is_solved_again_with_its_loss_and_penalty() -> None:
    job = job_of("digits-softmax", data__limit=300, penalty__l2=0.01)
    found = projected_regions(job, job.model())
    assert found is not None
    points, y = np.array(found["points"])[:, :2], np.array(found["points"])[:, 2].astype(int)
    peer = LogisticRegression(C=1 / (2 * 0.01 * len(y)), tol=1e-6, max_iter=1000).fit(points, y)
    regions, planes = found["panels"]
    lines = np.array(planes["lines"])
    np.testing.assert_allclose(lines[:, :2], peer.coef_, atol=5e-3)
    across, up = np.linspace(*found["x"], 120), np.linspace(*found["y"], 120)
    scores = np.stack(np.meshgrid(across, up), -1) @ lines[:, :2].T + lines[:, 2]
    assert (scores.argmax(-1) == np.array(regions["grid"])).mean() > 0.999
    # The other losses are other classifiers.
    svm = projected_regions(job_of("digits-svm", data__limit=300), job.model())
    squared = projected_regions(job_of("digits-svm", data__limit=300, loss__power=2), job.model())
    assert svm is not None
    assert squared is not None
    assert svm["panels"][1]["lines"] != squared["panels"][1]["lines"] != lines.tolist()


def test_networks_of_other_kinds_and_losses_have_none() -> None:
    job = job_of("digits-mlp", data__limit=100)
    assert projected_regions(job, job.model()) is None
    job = job_of("digits-softmax", data__limit=100, loss__smoothing=0.1)
    assert projected_regions(job, job.model()) is None


def test_few_examples_have_fewer_panels() -> None:
    images = torch.randint(0, 256, (8, 1, 2, 2), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    from chainrule.data.arrays import from_arrays

    given = from_arrays(images, [0, 1] * 4, layout="NCHW")
    recipe = open_recipe("digits-knn", settings={"data.validation": 0.25, "data.test_share": 0.25, "model.k": 1})
    job = Classification(recipe, images=given)
    assert len(job.parts["train"]) == 4
    found = projected_regions(job, knn((1, 2, 2), 2, k=1))
    assert found is not None
    assert [panel["title"] for panel in found["panels"]] == ["k = 1", "k = 3"]


def test_work_and_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of("digits-knn")
    found = projected_regions(job, job.model())
    assert found is not None
    assert len(found["points"]) == 1000 < len(job.parts["train"])
    assert len(found["panels"][0]["grid"]) <= 200
    monkeypatch.setattr(_region_facts, "NUMBERS", 64 * 150)
    fewer = projected_regions(job, job.model())
    assert fewer is not None
    assert len(fewer["points"]) == 150
    assert fewer["caption"].count(f"150 of {len(job.parts['train']):,} training examples") == 1


@pytest.mark.parametrize(("recipe", "panels"), [("digits-knn", 3), ("digits-svm", 2)])
def test_the_report_shows_them(recipe: str, panels: int, tmp_path: Path) -> None:
    settings = {"data.limit": 150, "train.threads": 1} | ({"train.epochs": 1} if recipe == "digits-svm" else {})
    run = chainrule.train(recipe, out=tmp_path / "run", settings=settings)
    facts = json.loads((run.path / "facts" / "regions.json").read_text())
    assert len(facts["panels"]) == panels
    page = run.folder.report.read_text()
    section = page[page.index('id="regions"') :]
    section = section[: section.index("</section>")]
    assert section.count("<figure>") == panels
    assert "first two principal components of 150 of 150 training examples" in section
    assert section.count("point hole") == 4 * panels  # the classes 6 to 9
    lines = section.count("hyperplane c")  # of each class that has a line in the picture: the line and its arrow
    assert 8 <= lines <= 20 if recipe == "digits-svm" else lines == 0


def test_a_failure_costs_the_picture_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("linalg.eigh: it did not converge")

    monkeypatch.setattr(_region_facts, "principal_components", fail)
    run = chainrule.train("digits-knn", out=tmp_path / "run", settings={"data.limit": 100})
    assert run.info["status"] == "finished"
    assert not (run.path / "facts" / "regions.json").exists()
    assert "the report has no decision regions: linalg.eigh: it did not converge" in caplog.text
