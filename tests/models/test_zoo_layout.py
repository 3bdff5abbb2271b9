"""The networks of the zoo: sizes of their maps, their first weights, their heads, and what they do while training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import chainrule
from chainrule.models import MODELS, Heads
from chainrule.nn import DropPath

IMAGENET = (3, 224, 224)


def made(name: str, shape: tuple[int, ...], classes: int = 10, **options: Any) -> Any:
    torch.manual_seed(0)
    return MODELS.resolve(name)(shape, classes, **options)


def on_meta(name: str, shape: tuple[int, ...], classes: int = 10, **options: Any) -> Any:
    with torch.device("meta"):
        return MODELS.resolve(name)(shape, classes, **options)


def maps(network: nn.Module, shape: tuple[int, ...], names: str) -> list[tuple[int, ...]]:
    """Sizes of what the named modules give for an image on the meta device."""
    found: list[tuple[int, ...]] = []
    for name in names.split():
        network.get_submodule(name).register_forward_hook(lambda m, i, output: found.append(tuple(output.shape[1:])))
    network(torch.zeros(2, *shape, device="meta"))
    return found


class TestSizes:
    def test_alexnet(self) -> None:
        pools = "features.3 features.7 features.14 avgpool"
        note = maps(on_meta("alexnet", (3, 227, 227)), (3, 227, 227), "features.0 " + pools)
        assert note == [(96, 55, 55), (96, 27, 27), (256, 13, 13), (256, 6, 6), (256, 6, 6)]
        theirs = on_meta("alexnet", IMAGENET, version="torchvision")
        pools = "features.0 features.2 features.5 features.12 avgpool"
        assert maps(theirs, IMAGENET, pools) == [
            (64, 55, 55), (64, 27, 27), (192, 13, 13), (256, 6, 6), (256, 6, 6)
        ]  # fmt: skip

    def test_squeezenet(self) -> None:
        """Iandola et al. 2016, table 1; its first convolution gives 111 where ours gives 109: it is padded there."""
        network = on_meta("squeezenet", IMAGENET, 1000)
        assert maps(network, IMAGENET, "features.0 features.2 features.6 features.11 features.12 classifier.1") == [
            (96, 109, 109), (96, 54, 54), (256, 27, 27), (512, 13, 13), (512, 13, 13), (1000, 13, 13)
        ]  # fmt: skip
        network = on_meta("squeezenet", IMAGENET, 1000, version=1.1)
        assert maps(network, IMAGENET, "features.0 features.2 features.5 features.8 features.12") == [
            (64, 111, 111), (64, 55, 55), (128, 27, 27), (256, 13, 13), (512, 13, 13)
        ]  # fmt: skip

    @pytest.mark.parametrize(("depth", "widths"), [(121, (256, 512, 1024)), (161, (384, 768, 2112))])
    def test_densenet(self, depth: int, widths: tuple[int, ...]) -> None:
        names = " ".join(f"features.{name}" for name in ("conv0", "pool0", "denseblock1", "denseblock2", "denseblock3"))
        found = maps(on_meta("densenet", IMAGENET, depth=depth), IMAGENET, names)
        assert [size[1:] for size in found] == [(112, 112), (56, 56), (56, 56), (28, 28), (14, 14)]
        assert tuple(size[0] for size in found[2:]) == widths

    def test_googlenet(self) -> None:
        network = on_meta("inception", IMAGENET, width=1.0, stem_stride=4).eval()
        blocks = "before.inception3a before.inception3b before.inception4a before.inception4d after.inception4e"
        assert maps(network, IMAGENET, f"stem {blocks} after.inception5b") == [
            (192, 28, 28), (256, 28, 28), (480, 28, 28), (512, 14, 14), (528, 14, 14), (832, 14, 14), (1024, 7, 7)
        ]  # fmt: skip

    @pytest.mark.parametrize(("stride", "size", "first"), [(2, 224, 112), (1, 32, 32), (1, 45, 45), (2, 45, 23)])
    def test_mobilenet(self, stride: int, size: int, first: int) -> None:
        sizes = [first]
        for _ in range(4):
            sizes.append(math.ceil(sizes[-1] / 2))
        names = "stem blocks.separable2 blocks.separable4 blocks.separable6 blocks.separable12"
        found = maps(on_meta("mobilenet", (3, size, size), stem_stride=stride), (3, size, size), names)
        assert found == [(c, s, s) for c, s in zip((32, 128, 256, 512, 1024), sizes)]


class TestFirstWeights:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("alexnet", {"head": "linear"}),
            ("alexnet", {"version": "torchvision", "head": "linear"}),
            ("densenet", {}),
            ("densenet_cifar", {"depth": 16}),
            ("inception", {}),
            ("mobilenet", {}),
        ],
    )
    def test_convolutions_have_variance_2_over_fan_in(self, name: str, options: dict[str, Any]) -> None:
        network = made(name, (3, 67, 67), **options)
        for place, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.in_channels // module.groups * math.prod(module.kernel_size)
                check_spread(module.weight, math.sqrt(2 / fan_in), place)
                assert module.bias is None or not module.bias.any(), place
            elif isinstance(module, nn.BatchNorm2d):
                assert (module.weight == 1).all(), place
                assert not module.bias.any(), place

    def test_fully_connected_layers_of_alexnet(self) -> None:
        network = made("alexnet", (3, 67, 67))
        for place, module in network.classifier.named_modules():
            if isinstance(module, nn.Linear):
                check_spread(module.weight, 0.01, place)
                assert not module.bias.any(), place

    @pytest.mark.parametrize("version", [1.0, 1.1])
    def test_squeezenet_is_uniform_but_for_its_last_layer(self, version: float) -> None:
        network = made("squeezenet", (3, 32, 32), 100, version=version)
        for place, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                last = place == "classifier.1"
                assert (module.bias == (2 if last else 0)).all(), place
                check_spread(module.weight, 0.01 if last else math.sqrt(2 / fan_in), place)
                largest = module.weight.abs().max().item()
                assert (largest > 0.03) if last else (largest <= math.sqrt(6 / fan_in)), place

    @pytest.mark.parametrize("name", ["alexnet", "squeezenet", "densenet_cifar", "inception", "mobilenet"])
    def test_the_first_loss_is_about_log_k(self, name: str) -> None:
        """LECTURES A5; what the scores of an untrained network add to it is small."""
        network = made(name, (3, 67, 67), **({"head": "linear"} if name == "alexnet" else {}))
        x, targets = torch.randn(20, 3, 67, 67), torch.arange(20) % 10
        with torch.no_grad():
            given = network.train()(x)
        scores = given.scores if isinstance(given, Heads) else given
        assert functional.cross_entropy(scores, targets).item() == pytest.approx(math.log(10), abs=0.45)


def check_spread(weight: torch.Tensor, deviation: float, place: str) -> None:
    """Mean and deviation within five standard errors of a normal distribution's."""
    n = weight.numel()
    assert abs(weight.mean().item()) < 5 * deviation / math.sqrt(n), place
    assert weight.std().item() == pytest.approx(deviation, abs=5 * deviation / math.sqrt(2 * n)), place


class TestDropout:
    @pytest.mark.parametrize("share", [0.5, 0.2])
    def test_where_it_stands(self, share: float) -> None:
        linear, dropout, relu = nn.Linear, nn.Dropout, nn.ReLU
        original = on_meta("alexnet", (3, 67, 67), dropout=share).classifier
        assert [type(layer) for layer in original] == [dropout, linear, relu, dropout, linear, relu, linear]
        assert [layer.p for layer in original if isinstance(layer, dropout)] == [share] * 2
        small = on_meta("alexnet", (3, 67, 67), dropout=share, head="linear").classifier
        assert [type(layer) for layer in small] == [dropout, linear]
        assert small[0].p == share
        squeezed = on_meta("squeezenet", (3, 32, 32), dropout=share).classifier
        assert [type(layer) for layer in squeezed] == [dropout, nn.Conv2d, relu, nn.AdaptiveAvgPool2d]
        assert squeezed[0].p == share
        assert on_meta("inception", (3, 32, 32), dropout=share).dropout.p == share

    def test_as_published_when_left_out(self) -> None:
        assert on_meta("alexnet", (3, 67, 67)).classifier[3].p == 0.5
        assert on_meta("squeezenet", (3, 32, 32)).classifier[0].p == 0.5
        network = on_meta("inception", (3, 32, 32))
        assert network.dropout.p == 0.4
        assert [m.p for m in network.auxiliary if isinstance(m, nn.Dropout)] == [0.7]


class TestAuxiliaryHead:
    def test_both_heads_while_training_and_one_afterwards(self) -> None:
        network = made("inception", (3, 32, 32), width=0.125)
        x = torch.randn(4, 3, 32, 32)
        heads = network(x)
        assert isinstance(heads, Heads)
        assert isinstance(heads, tuple)
        assert [part.shape for part in (heads.scores, heads.auxiliary)] == [(4, 10), (4, 10)]
        assert not torch.equal(heads.scores, heads.auxiliary)
        assert isinstance(network.eval()(x), torch.Tensor)
        assert heads.weight == 0.3
        assert made("inception", (3, 32, 32), width=0.125, auxiliary=1.5)(x).weight == 1.5

    def test_without_it_there_are_plain_scores_and_fewer_weights(self) -> None:
        network = made("inception", (3, 32, 32), width=0.125, auxiliary=0.0)
        assert isinstance(network(torch.randn(4, 3, 32, 32)), torch.Tensor)
        assert isinstance(network.train()(torch.randn(2, 3, 32, 32)), torch.Tensor)
        names = set(made("inception", (3, 32, 32), width=0.125).state_dict()) - set(network.state_dict())
        assert names
        assert all(name.startswith("auxiliary.") for name in names)

    def test_its_gradient_reaches_the_blocks_before_it_and_no_others(self) -> None:
        network = made("inception", (3, 32, 32), width=0.125)
        network(torch.randn(4, 3, 32, 32)).auxiliary.square().sum().backward()
        for name, parameter in network.named_parameters():
            reached = name.startswith(("stem.", "before.", "auxiliary."))
            assert (parameter.grad is not None and bool(parameter.grad.any())) == reached, name


class TestStochasticDepth:
    @pytest.mark.parametrize(
        ("name", "options", "blocks"),
        [("resnet", {"depth": 18}, 8), ("resnet", {"depth": 50}, 16), ("resnet_cifar", {"depth": 20}, 9)],
    )
    def test_blocks_are_dropped_with_p_l_and_nothing_else_changes(
        self, name: str, options: dict[str, Any], blocks: int
    ) -> None:
        """Huang et al. 2016: p_l = l / L p_max."""
        network = on_meta(name, (3, 32, 32), drop_path=0.4, **options)
        found = [module.p for module in network.modules() if isinstance(module, DropPath)]
        assert found == pytest.approx([0.4 * place / blocks for place in range(1, blocks + 1)])
        plain = on_meta(name, (3, 32, 32), **options)
        assert not [module for module in plain.modules() if isinstance(module, DropPath)]
        assert list(plain.state_dict()) == list(network.state_dict())

    def test_the_same_seed_and_weights_give_the_same_scores_afterwards(self) -> None:
        x = torch.randn(4, 3, 16, 16)
        plain, dropping = (made("resnet_cifar", (3, 16, 16), depth=8, drop_path=p).eval() for p in (0.0, 0.9))
        assert torch.equal(plain(x), dropping(x))
        dropping.train()
        first, second = dropping(x), dropping(x)
        assert not torch.equal(first, second)

    @pytest.mark.parametrize("name", ["resnet", "resnet_cifar"])
    def test_a_dropped_body_leaves_the_shortcut(self, name: str) -> None:
        options = {"depth": 50} if name == "resnet" else {"depth": 8}
        network = made(name, (3, 32, 32), drop_path=0.5, **options)
        block = network.layer3[-1 if name == "resnet" else 0]
        x = torch.randn(400, block.conv1.in_channels, 2, 2)
        p = block.drop_path.p
        network.eval()
        block.drop_path.train()
        with torch.no_grad():
            body = block.body(x)
            shortcut = x if block.downsample is None else block.downsample(x)
            out = block(x)
        dropped = (out == shortcut.relu()).flatten(1).all(dim=1)
        assert dropped.float().mean().item() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 400))
        wanted = (shortcut + body / (1 - p)).relu()
        torch.testing.assert_close(out[~dropped], wanted[~dropped], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "densenet_cifar", "depth": 10, "growth": 4},
        {"name": "resnet_cifar", "depth": 8, "drop_path": 0.3},
        {"name": "inception", "width": 0.125, "auxiliary": 0.0},
    ],
    ids=lambda model: model["name"],
)
def test_a_recipe_trains_it_on_images_of_8x8(tmp_path: Path, model: dict[str, Any]) -> None:
    settings = {f"model.{key}": value for key, value in model.items()}
    settings |= {"train.steps": 2, "train.threads": 1, "train.test": False}
    run = chainrule.train("digits-cnn", out=tmp_path / "run", settings=settings, report=False)
    assert math.isfinite(run.history[-1]["loss"])


@pytest.mark.parametrize("seed", range(4))
def test_the_last_relu_of_squeezenet_is_not_silenced(seed: int) -> None:
    torch.manual_seed(seed)
    network: Any = MODELS.resolve("squeezenet")((3, 21, 21), 3, dropout=0.0)
    x, targets = torch.randn(6, 3, 21, 21), torch.arange(6) % 3
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(60):
        loss = functional.cross_entropy(network(x), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


@pytest.mark.parametrize(
    ("name", "shape", "options", "rate"),
    [
        ("alexnet", (3, 67, 67), {"head": "linear"}, 0.01),
        ("alexnet", (3, 63, 63), {"version": "torchvision", "head": "linear"}, 0.01),
        ("squeezenet", (3, 21, 21), {}, 0.003),
        ("densenet_cifar", (3, 8, 8), {"depth": 10}, 0.1),
        ("inception", (3, 16, 16), {"width": 0.125, "dropout": 0.0}, 0.05),
        ("mobilenet", (3, 16, 16), {"width": 0.25, "stem_stride": 1}, 0.1),
    ],
)
def test_it_learns_a_few_images_by_heart(
    name: str, shape: tuple[int, ...], options: dict[str, Any], rate: float
) -> None:
    if name in ("alexnet", "squeezenet"):
        options = {**options, "dropout": 0.0}
    network = made(name, shape, 3, **options)
    x, targets = torch.randn(6, *shape), torch.arange(6) % 3
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    loss = math.inf
    for _ in range(120):
        given = network(x)
        heads = [(given.scores, 1.0), (given.auxiliary, given.weight)] if isinstance(given, Heads) else [(given, 1.0)]
        losses = [weight * functional.cross_entropy(scores, targets) for scores, weight in heads]
        loss = losses[0].item()
        if loss < 0.1:
            break
        optimizer.zero_grad()
        sum(losses[1:], losses[0]).backward()
        optimizer.step()
    assert loss < 0.1
