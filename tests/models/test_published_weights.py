"""Files of published weights: older names, missing counters, what does not fit, and the real SqueezeNet 1.0."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from chainrule.core.errors import WeightsError
from chainrule.data.fetch import data_folder
from chainrule.models import MODELS, load_published
from chainrule.runtime.weights import write_weights


def made(
    name: str, shape: tuple[int, ...] = (3, 32, 32), classes: int = 10, seed: int = 0, **options: Any
) -> nn.Module:
    torch.manual_seed(seed)
    return MODELS.resolve(name)(shape, classes, **options)


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    write_weights(path, tensors)
    return path


def with_drawn_buffers(network: nn.Module) -> nn.Module:
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
        else:
            buffer.fill_(len(name))
    return network


def equal(network: nn.Module, tensors: dict[str, Tensor]) -> bool:
    own = network.state_dict()
    return own.keys() == tensors.keys() and all(torch.equal(own[name], tensors[name]) for name in own)


def older(name: str) -> str:
    """A name as DenseNet's files have it: norm1 was norm.1 once, within the layers of its blocks."""
    if "denselayer" not in name:
        return name
    for part in ("norm", "conv"):
        for number in "12":
            name = name.replace(f".{part}{number}.", f".{part}.{number}.")
    return name


CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("alexnet", (3, 63, 63), {"version": "torchvision", "head": "linear"}),
    ("vgg", (3, 32, 32), {"depth": 11, "batch_norm": True, "head": "linear"}),
    ("resnet", (3, 32, 32), {"depth": 18}),
    ("squeezenet", (3, 32, 32), {}),
    ("densenet_cifar", (3, 32, 32), {"depth": 16}),
]


@pytest.mark.parametrize(("name", "shape", "options"), CASES, ids=[case[0] for case in CASES])
def test_a_file_is_loaded_whole(tmp_path: Path, name: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    network = with_drawn_buffers(made(name, shape, **options))
    path = saved(tmp_path / "w.safetensors", network.state_dict())
    other = made(name, shape, seed=1, **options)
    assert not equal(other, network.state_dict())
    matched = load_published(other, path)
    assert equal(other, network.state_dict())
    assert sorted(matched.loaded) == sorted(network.state_dict())
    assert [*matched.missing, *matched.extra, *matched.unlike] == []


def test_a_pth_archive_is_loaded_too(tmp_path: Path) -> None:
    network, other = made("squeezenet"), made("squeezenet", seed=1)
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, tmp_path / "w.pth")
    load_published(other, tmp_path / "w.pth", key="state_dict")
    assert equal(other, network.state_dict())


def test_older_names_and_missing_counters_of_densenet(tmp_path: Path) -> None:
    network = with_drawn_buffers(made("densenet", (3, 29, 29)))
    tensors = {older(name): value for name, value in network.state_dict().items() if not name.endswith("_tracked")}
    layers = 6 + 12 + 24 + 16
    assert len(tensors.keys() - network.state_dict().keys()) == 10 * layers  # two norms of four, two convolutions
    other = made("densenet", (3, 29, 29), seed=1)
    load_published(other, saved(tmp_path / "w.safetensors", tensors))
    for name, value in other.state_dict().items():
        assert torch.equal(value, torch.zeros_like(value) if name.endswith("_tracked") else network.state_dict()[name])


def test_counters_of_a_file_are_read_where_it_has_them(tmp_path: Path) -> None:
    network = with_drawn_buffers(made("densenet_cifar", depth=10))
    path = saved(tmp_path / "w.safetensors", {older(name): value for name, value in network.state_dict().items()})
    other = made("densenet_cifar", seed=1, depth=10)
    load_published(other, path)
    assert equal(other, network.state_dict())


def test_a_resnet_file_without_counters(tmp_path: Path) -> None:
    network = with_drawn_buffers(made("resnet", depth=18))
    tensors = {name: value for name, value in network.state_dict().items() if not name.endswith("_tracked")}
    other = made("resnet", seed=1, depth=18)
    load_published(other, saved(tmp_path / "w.safetensors", tensors))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(other.eval()(x), network.eval()(x))


def test_some_counters_but_not_all_is_an_error(tmp_path: Path) -> None:
    tensors = dict(made("resnet_cifar", depth=8).state_dict())
    del tensors["bn1.num_batches_tracked"]
    with pytest.raises(WeightsError, match='1 missing .*"bn1.num_batches_tracked"'):
        load_published(made("resnet_cifar", depth=8), saved(tmp_path / "w.safetensors", tensors))


def test_a_network_of_ones_own_is_loaded_by_its_names(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    path = saved(tmp_path / "w.safetensors", {"weight": torch.ones(3, 2), "bias": torch.zeros(3)})
    load_published(layer, path)
    assert layer.weight.sum() == 6


def misfit(network: nn.Module, tensors: dict[str, Tensor], tmp_path: Path) -> str:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_published(network, saved(tmp_path / "some.safetensors", tensors))
    assert equal(network, before), "nothing may be loaded"
    message = str(caught.value)
    assert "\n" not in message
    assert "some.safetensors" in message
    return message


class TestMisfits:
    def test_of_another_architecture(self, tmp_path: Path) -> None:
        tensors = dict(made("squeezenet", version=1.1).state_dict())
        message = misfit(made("vgg", depth=11, head="linear"), tensors, tmp_path)
        assert '14 missing ("features.11.bias", ' in message  # features.0 and classifier.1 are names of both
        assert "48 additional (" in message
        assert '1 unlike ("classifier.1.weight", expected (10, 512) of float32, got (10, 512, 1, 1)' in message
        assert message.count('"') < 60, "the first few names, and counts"

    def test_of_another_depth(self, tmp_path: Path) -> None:
        tensors = dict(made("resnet", depth=34).state_dict())
        message = misfit(made("resnet", depth=18), tensors, tmp_path)
        assert "96 additional (" in message  # eight blocks of two convolutions and two norms of five
        assert '"layer1.2.bn1.bias"' in message
        assert "missing" not in message

    def test_of_another_number_of_classes_or_channels(self, tmp_path: Path) -> None:
        tensors = dict(made("squeezenet", classes=1000).state_dict())
        message = misfit(made("squeezenet", (1, 32, 32)), tensors, tmp_path)
        assert "are for 1,000 classes and images of 3 channels" in message
        assert "expected 10 classes and images of 1 channel" in message
        for name in ("features.0.weight", "classifier.1.weight", "classifier.1.bias"):
            assert f'"{name}" {tuple(tensors[name].shape)}' in message
        assert "take data with 1,000 classes" in message
        assert "--data.channels 3" in message

    def test_of_another_number_of_channels_alone(self, tmp_path: Path) -> None:
        message = misfit(made("resnet", (1, 32, 32), depth=18), made("resnet", depth=18).state_dict(), tmp_path)
        assert "are for images of 3 channels: expected images of 1 channel" in message
        assert "classes" not in message

    def test_of_another_number_of_classes_with_two_heads(self, tmp_path: Path) -> None:
        message = misfit(made("inception"), made("inception", classes=7).state_dict(), tmp_path)
        assert "are for 7 classes: expected 10 classes" in message
        assert message.count(" (7,") == 4, "weight and bias of both heads"

    @pytest.mark.parametrize(
        ("name", "options", "other"),
        [("cnn", {"widths": (8, 16)}, {"widths": (8, 12)}), ("mlp", {"hidden": (9,)}, {"hidden": (8,)})],
    )
    def test_of_another_width_is_no_matter_of_classes(
        self, tmp_path: Path, name: str, options: dict[str, Any], other: dict[str, Any]
    ) -> None:
        message = misfit(made(name, **options), made(name, **other).state_dict(), tmp_path)
        assert " unlike (" in message
        assert "take data" not in message

    def test_of_other_vectors(self, tmp_path: Path) -> None:
        message = misfit(made("linear"), made("linear", (3, 8, 8)).state_dict(), tmp_path)
        assert "1 unlike (" in message
        assert "channel" not in message

    def test_under_an_older_and_the_new_name(self, tmp_path: Path) -> None:
        tensors = dict(made("densenet_cifar", depth=10).state_dict())
        name = "features.denseblock1.denselayer1.conv1.weight"
        tensors[older(name)] = tensors[name].clone()
        assert f'"{name}" twice' in misfit(made("densenet_cifar", depth=10), tensors, tmp_path)

    def test_older_names_are_those_of_densenet_alone(self, tmp_path: Path) -> None:
        tensors = {older(name): value for name, value in made("densenet_cifar", depth=10).state_dict().items()}
        tensors["features.denseblock1.denselayer1.norm.3.weight"] = torch.ones(1)
        message = misfit(made("densenet_cifar", depth=10), tensors, tmp_path)
        assert "1 additional" in message
        assert "norm.3.weight" in message

    def test_a_missing_or_damaged_file(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="there is no weights file"):
            load_published(made("squeezenet"), tmp_path / "none.safetensors")
        (tmp_path / "w.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      more")
        with pytest.raises(WeightsError, match="no whole safetensors file"):
            load_published(made("squeezenet"), tmp_path / "w.safetensors")


def central(image: Image.Image, resize: int, size: int) -> Image.Image:
    """The short side resized, the middle cut out."""
    factor = resize / min(image.size)
    image = image.convert("RGB").resize([round(side * factor) for side in image.size], Image.Resampling.BILINEAR)
    left, top = ((side - size) // 2 for side in image.size)
    return image.crop((left, top, left + size, top + size))


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_squeezenet_1_0_classifies_photographs() -> None:
    folder: Any = data_folder()
    card = MODELS.entry("squeezenet").card
    weights = card["weights"][0]
    path = folder / "squeezenet1_0" / weights["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == weights["sha256"]
    images = card["images"]
    shape = (3, images["size"], images["size"])
    network = MODELS.resolve("squeezenet")(shape, weights["classes"], **weights["options"]).eval()
    assert len(load_published(network, path).loaded) == 52
    mean, deviation = (torch.tensor(images[key])[:, None, None] for key in ("mean", "deviation"))
    labels = json.loads((folder / "imagenet_samples" / "labels.json").read_text())
    labels = labels["images"] if isinstance(labels, dict) else labels
    pictures = []
    with zipfile.ZipFile(folder / "imagenet_samples" / "images.zip") as archive:
        for label in labels:
            image = central(Image.open(io.BytesIO(archive.read(label["file"]))), images["resize"], images["size"])
            pictures.append((torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - mean) / deviation)
    with torch.inference_mode():
        ranked = network(torch.stack(pictures)).topk(5).indices
    truth = torch.tensor([label["index"] for label in labels])[:, None]
    assert len(truth) == 40
    assert int((ranked[:, :1] == truth).sum()) == 31
    assert int((ranked == truth).sum()) == 36
