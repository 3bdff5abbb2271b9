"""Fashion-MNIST and CIFAR-10: what linear classifiers reach on pixels and on features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import chainrule
from chainrule.data import DATA
from chainrule.data.fetch import data_folder, no_downloads
from chainrule.ops import color_histogram, hog
from chainrule.optim.solvers import averaged_sgd, newton_cg

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(data_folder() is None, reason="CHAINRULE_DATA is not set"),
]


@pytest.fixture(autouse=True)
def _quiet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, and a cache that lasts for these tests only."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    with no_downloads():
        yield


@pytest.mark.slow
def test_fashion_mnist_on_pixels() -> None:
    data = DATA.resolve("fashion-mnist")()
    x = data.pictures.read(torch.arange(70_000)).flatten(1) / 255
    (x_train, y_train), (x_test, y_test) = ((x[part], data.labels[part]) for part in (data.train, data.test))
    softmax = newton_cg(x_train, y_train, l2=1e-4)
    assert softmax.converged
    assert softmax.objective <= 0.39605  # LogisticRegression has 0.4076 after its 100 iterations
    assert (softmax.scores(x_test).argmax(1) == y_test).float().mean() >= 0.84
    svm = averaged_sgd(x_train, y_train, l2=1e-4)
    assert (svm.scores(x_test).argmax(1) == y_test).float().mean() >= 0.835


def test_the_recipe_of_the_linear_svm_reaches_its_floor(tmp_path: Path) -> None:
    run = chainrule.train("fashion-svm", out=tmp_path / "run", report=False)
    assert run.result is not None
    assert run.result["test"]["accuracy"] >= 0.835


@pytest.mark.slow
def test_the_recipe_of_features_is_well_above_pixels(tmp_path: Path) -> None:
    found = {}
    for name, settings in (("features", {}), ("pixels", {"data.features": [], "penalty.l2": 0.01})):
        settings = {**settings, "data.limit": 20_000}
        run = chainrule.train("cifar10-features", out=tmp_path / name, settings=settings, report=False)
        assert run.result is not None
        found[name] = run.result["test"]["accuracy"]
    assert found["features"] >= found["pixels"] + 0.1


@pytest.mark.slow
def test_features_lift_a_linear_classifier_on_cifar10() -> None:
    data = DATA.resolve("cifar10-jpeg")()
    used, part = torch.cat([data.train[:20_000], data.test]), slice(20_000)
    images, labels, held = data.pictures.read(used), data.labels[used], slice(20_000, None)
    edges, right = hog(images), {}
    for name, x, l2 in (
        ("pixels", images.flatten(1) / 255, 1e-2),
        ("edges", edges, 1e-3),
        ("edges and colors", torch.cat([edges, color_histogram(images, bins=4, joint=True)], 1), 1e-3),
    ):
        x = (x - x[part].mean(0)) / (x[part].std(0) + 1e-6)
        found = newton_cg(x[part], labels[part], l2=l2, tolerance=1e-3)
        right[name] = (found.scores(x[held]).argmax(1) == labels[held]).float().mean().item()
    assert right["edges"] >= right["pixels"] + 0.08
    assert right["edges and colors"] >= right["edges"] + 0.02
