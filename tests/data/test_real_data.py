"""The published sets, as CHAINRULE_DATA holds them."""

import numpy as np
import pytest
import torch

from chainrule.data import DATA, ImageExamples, Normalization, check_data, split
from chainrule.data.cifar10_jpeg import CONTENT_SHA256, content_digest, read_parts
from chainrule.data.fetch import data_folder, find, no_downloads, verify
from chainrule.data.known import KNOWN

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(data_folder() is None, reason="CHAINRULE_DATA is not set"),
]


@pytest.fixture(autouse=True)
def _quiet(tmp_path_factory, monkeypatch):
    """No network, and a cache that lasts for these tests only."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    with no_downloads():
        yield


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mean", "deviation"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)])
def test_mnist_and_its_like(name, mean, deviation) -> None:
    images = DATA.resolve(name)()
    assert images.shape == (1, 28, 28)
    assert (len(images.train), len(images.test)) == (60_000, 10_000)
    measured = Normalization.measure(images.pictures, images.train, "channel")
    assert float(measured.mean) == pytest.approx(mean, abs=5e-5)
    assert float(measured.deviation) == pytest.approx(deviation, abs=5e-5)
    report = check_data(images)
    assert report.good
    assert sum(report.parts["train"]) == 60_000
    if name == "fashion-mnist":
        assert set(report.parts["train"]) == {6000}
        assert set(report.parts["test"]) == {1000}
    pixels = images.pictures.read(torch.arange(70_000)).numpy().reshape(70_000, -1)
    assert 70_000 - len(np.unique(pixels, axis=0)) == sum(len(group) - 1 for group in report.duplicates)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_every_byte_is_the_published_one(name) -> None:
    for file in KNOWN[name].files:
        path = find(name, (f"{file.name}.gz", file.name))
        assert path is not None
        assert verify(path, file) is None


@pytest.mark.slow
def test_the_lossy_form_of_cifar10() -> None:
    images = DATA.resolve("cifar10-jpeg")()
    assert images.shape == (3, 32, 32)
    assert images.facts["lossy"] is True
    assert torch.bincount(images.labels[images.train]).tolist() == [5000] * 10
    assert torch.bincount(images.labels[images.test]).tolist() == [1000] * 10
    measured = Normalization.measure(images.pictures, images.train, "channel")
    assert measured.mean.flatten().tolist() == pytest.approx([0.4913, 0.4821, 0.4465], abs=1e-4)
    assert measured.deviation.flatten().tolist() == pytest.approx([0.2452, 0.2428, 0.2606], abs=1e-4)
    assert torch.equal(DATA.resolve("cifar10-jpeg")().pictures.tensor, images.pictures.tensor)  # from the cache
    path = find("cifar10-jpeg", ("cifar10_jpeg.npz",))
    assert content_digest(read_parts(path)) == CONTENT_SHA256


def test_the_official_test_part_is_untouched_and_training_is_normalized() -> None:
    images = DATA.resolve("fashion-mnist")()
    parts = split(images.labels, train=images.train, test=images.test, classes=images.classes, validation=0.1, seed=3)
    assert torch.equal(parts["test"], torch.arange(60_000, 70_000))
    assert {name: len(part) for name, part in parts.items()} == {"train": 54_000, "valid": 6000, "test": 10_000}
    assert set(torch.bincount(images.labels[parts["valid"]]).tolist()) == {600}
    normalization = Normalization.measure(images.pictures, parts["train"], "pixel")
    batch = ImageExamples(images, parts["train"], normalization).fetch(torch.arange(54_000), torch.arange(54_000))
    assert float(batch.inputs.mean(0).abs().max()) < 1e-5
    assert float(batch.inputs.std(0).max()) == pytest.approx(1, abs=1e-4)
