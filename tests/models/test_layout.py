"""Networks of papers: sizes of their maps, their cost, their first weights, their heads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import chainrule
from chainrule.analysis import network_table
from chainrule.core.errors import RecipeError
from chainrule.models import MODELS
from chainrule.models._pooled import PooledNet

IMAGENET = (3, 224, 224)


def made(name: str, shape: tuple[int, ...], classes: int = 10, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.resolve(name)(shape, classes, **options)


def on_meta(name: str, classes: int, shape: tuple[int, ...] = IMAGENET, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return MODELS.resolve(name)(shape, classes, **options)


def maps(network: nn.Module, shape: tuple[int, ...], kinds: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Sizes of what named modules, or all modules of a kind, give for an image on the meta device."""
    found: list[tuple[int, ...]] = []
    for name, module in network.named_modules():
        if name in kinds or type(module).__name__ in kinds:
            module.register_forward_hook(lambda module, inputs, output: found.append(tuple(output.shape[1:])))
    network(torch.zeros(2, *shape, device="meta"))
    return found


STAGES = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")


@pytest.mark.parametrize(("depth", "factor"), [(18, 1), (34, 1), (50, 4), (152, 4)])
def test_maps_of_resnet_are_those_of_table_1(depth: int, factor: int) -> None:
    stages = [(factor * w, s, s) for w, s in ((64, 56), (128, 28), (256, 14), (512, 7))]
    assert maps(on_meta("resnet", 1000, depth=depth), IMAGENET, STAGES) == [(64, 112, 112), (64, 56, 56), *stages]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 33, 30)])
def test_maps_of_the_cifar_form_are_halved_twice(shape: tuple[int, ...]) -> None:
    network = on_meta("resnet_cifar", 10, shape, depth=20)
    half = [math.ceil(size / 2) for size in shape[1:]]
    quarter = [math.ceil(size / 2) for size in half]
    assert maps(network, shape, STAGES[2:]) == [(16, *shape[1:]), (32, *half), (64, *quarter)]


def test_maps_of_vgg_are_halved_by_each_pooling() -> None:
    network = on_meta("vgg", 1000, depth=16)
    wanted = [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert maps(network, IMAGENET, ("MaxPool2d",)) == wanted


@pytest.mark.parametrize("name", ["conv1", "layer1.0.conv1", "layer2.0.conv1", "layer2.0.conv2", "layer4.0.conv1"])
def test_a_bottleneck_strides_in_its_3x3_convolution(name: str) -> None:
    convolution: Any = on_meta("resnet", 1000, depth=50).get_submodule(name)
    assert convolution.stride == ((2, 2) if name in ("conv1", "layer2.0.conv2") else (1, 1))


def test_depth_counts_the_layers_with_weights() -> None:
    cases = [("vgg", depth) for depth in (11, 13, 16, 19)]
    cases += [("resnet", depth) for depth in (18, 34, 50, 101, 152)]
    cases += [("resnet_cifar", depth) for depth in (8, 14, 20, 32, 44, 56, 110)]
    cases += [("densenet", depth) for depth in (121, 161, 169, 201)]
    cases += [("densenet_cifar", depth) for depth in (10, 40, 100)]
    for name, depth in cases:
        network = on_meta(name, 10, depth=depth)
        layers = [m for k, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and "downs" not in k]
        assert len(layers) == depth, (name, depth)


def test_cost_of_convolutions_and_heads() -> None:
    for name, depth, head, giga in (
        ("vgg", 16, 25088 * 4096 + 4096 * 4096 + 4096 * 1000, 15.47),
        ("resnet", 50, 2048 * 1000, 4.09),
        ("resnet", 18, 512 * 1000, 1.81),
    ):
        options = {"head": "linear"} if name == "vgg" else {}
        rows = network_table(made(name, (3, 64, 64), depth=depth, **options), (3, 64, 64))
        convolutions = sum(row["multiply_adds"] for row in rows if row["kind"] == "Conv2d")
        whole = convolutions * (224 / 64) ** 2  # convolutions scale with the area; the head does not
        assert (whole + head) / 1e9 == pytest.approx(giga, rel=0.003), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vgg", {"depth": 11, "head": "linear"}),
        ("vgg", {"depth": 11, "head": "linear", "batch_norm": True}),
        ("resnet", {"depth": 18}),
        ("resnet", {"depth": 50}),
        ("resnet_cifar", {"depth": 20, "shortcut": "project"}),
    ],
)
def test_first_weights_have_the_spread_of_their_source(name: str, options: dict[str, Any]) -> None:
    network = made(name, (3, 32, 32), **options)
    for place, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            check_normal(module.weight, math.sqrt(2 / fan_out), place)
            assert module.bias is None or not module.bias.any(), place
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight)), place
            assert not module.bias.any(), place
        elif isinstance(module, nn.Linear) and name == "vgg":
            check_normal(module.weight, 0.01, place)
            assert not module.bias.any(), place


def check_normal(weight: torch.Tensor, deviation: float, place: str) -> None:
    """Mean, deviation and tails within five standard errors of a normal distribution's."""
    n = weight.numel()
    assert abs(weight.mean().item()) < 5 * deviation / math.sqrt(n), place
    assert weight.std().item() == pytest.approx(deviation, abs=5 * deviation / math.sqrt(2 * n)), place
    beyond = (weight.abs() > 2 * deviation).float().mean().item()  # 4.55 % of a normal, none of a uniform distribution
    assert beyond == pytest.approx(0.0455, abs=5 * math.sqrt(0.0455 / n)), place


def test_heads_of_vgg_and_their_dropout() -> None:
    for dropout in (0.5, 0.2):
        original: Any = on_meta("vgg", 10, depth=11, dropout=dropout).get_submodule("classifier")
        linear: Any = on_meta("vgg", 10, depth=11, dropout=dropout, head="linear").get_submodule("classifier")
        kinds = [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
        assert [type(layer) for layer in original] == kinds
        assert [layer.p for layer in (*original, *linear) if isinstance(layer, nn.Dropout)] == [dropout] * 3
    default: Any = on_meta("vgg", 10, depth=11).get_submodule("classifier.2")
    assert default.p == 0.5


def test_features_are_averaged_to_a_fixed_size_and_flattened_channel_by_channel() -> None:
    torch.manual_seed(0)
    features, classifier = nn.Conv2d(3, 2, 1), nn.Linear(2 * 7 * 7, 5)
    x = torch.randn(4, 3, 14, 21)
    volume = torch.einsum("nchw,kc->nkhw", x, features.weight[:, :, 0, 0]) + features.bias[:, None, None]
    means = volume.reshape(4, 2, 7, 2, 7, 3).mean(dim=(3, 5))  # each of the 7x7 cells is 2x3 pixels
    wanted = functional.linear(means.reshape(4, -1), classifier.weight, classifier.bias)
    torch.testing.assert_close(PooledNet(features, classifier, 7)(x), wanted)


@pytest.mark.parametrize("shortcut", ["pad", "project", "none"])
def test_a_recipe_trains_it_on_images_of_8x8(tmp_path: Path, shortcut: str) -> None:
    model = {"model.name": "resnet_cifar", "model.depth": 8, "model.shortcut": shortcut}
    settings = {**model, "train.steps": 2, "train.threads": 1, "train.test": False}
    run = chainrule.train("digits-cnn", out=tmp_path / "run", settings=settings, report=False)
    assert run.model().get_submodule("layer3.0.conv2").weight.shape == (64, 64, 3, 3)
    assert math.isfinite(run.history[-1]["loss"])


@pytest.mark.parametrize("option", [{"zero_init_residual": True}, {"drop_path": 0.2}])
def test_a_plain_network_takes_no_option_of_shortcuts(option: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"{next(iter(option))} would cut.*choose shortcut: pad"):
        on_meta("resnet_cifar", 10, depth=8, shortcut="none", **option)
    with pytest.raises(RecipeError, match="no such shortcut: expected pad, project or none, got skip"):
        on_meta("resnet_cifar", 10, depth=8, shortcut="skip")


def test_a_plain_network_has_the_weights_of_the_residual_one() -> None:
    plain, residual = (made("resnet_cifar", (3, 8, 8), depth=14, shortcut=shortcut) for shortcut in ("none", "pad"))
    plain.load_state_dict(residual.state_dict(), strict=True)
