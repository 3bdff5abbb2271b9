"""Networks of papers: parameters as published, names as torchvision has them, values by another way to the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from chainrule.models import MODELS
from chainrule.nn import build

IMAGENET = (3, 224, 224)

PUBLISHED = [
    ("vgg", {"depth": 11}, 132_863_336),
    ("vgg", {"depth": 13}, 133_047_848),
    ("vgg", {"depth": 16}, 138_357_544),
    ("vgg", {"depth": 19}, 143_667_240),
    ("vgg", {"depth": 11, "batch_norm": True}, 132_868_840),
    ("vgg", {"depth": 13, "batch_norm": True}, 133_053_736),
    ("vgg", {"depth": 16, "batch_norm": True}, 138_365_992),
    ("vgg", {"depth": 19, "batch_norm": True}, 143_678_248),
    ("resnet", {"depth": 18}, 11_689_512),
    ("resnet", {"depth": 34}, 21_797_672),
    ("resnet", {"depth": 50}, 25_557_032),
    ("resnet", {"depth": 101}, 44_549_160),
    ("resnet", {"depth": 152}, 60_192_808),
    ("alexnet", {"version": "torchvision"}, 61_100_840),
    ("alexnet", {"version": "note"}, 60_965_224),
    ("alexnet", {"version": "note", "split": True}, 60_965_224),
    ("alexnet", {"version": "note", "split": False}, 62_378_344),
    ("squeezenet", {"version": 1.0}, 1_248_424),
    ("squeezenet", {"version": 1.1}, 1_235_496),
    ("densenet", {"depth": 121}, 7_978_856),
    ("densenet", {"depth": 161}, 28_681_000),
    ("densenet", {"depth": 169}, 14_149_480),
    ("densenet", {"depth": 201}, 20_013_928),
    ("mobilenet", {}, 4_231_976),
]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def on_meta(name: str, shape: tuple[int, ...], classes: int, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return MODELS.resolve(name)(shape, classes, **options)


@pytest.mark.parametrize(("name", "options", "parameters"), PUBLISHED, ids=lambda value: str(value))
def test_parameters_as_published(name: str, options: dict[str, Any], parameters: int) -> None:
    shape = (3, 227, 227) if options.get("version") == "note" else IMAGENET
    network = on_meta(name, shape, 1000, **options)
    assert count(network) == parameters
    assert network(torch.zeros(2, *shape, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
@pytest.mark.parametrize("shortcut", ["pad", "project", "none"])
def test_parameters_of_the_cifar_form(depth: int, millions: float, shortcut: str) -> None:
    n = (depth - 2) // 6
    stages = sum(2 * n * (9 * w * w + 2 * w) - (9 * w * w // 2 if w > 16 else 0) for w in (16, 32, 64))
    projections = sum(w * w // 2 + 2 * w for w in (32, 64)) if shortcut == "project" else 0
    wanted = (27 * 16 + 32) + stages + projections + 64 * 10 + 10
    assert count(on_meta("resnet_cifar", (3, 32, 32), 10, depth=depth, shortcut=shortcut)) == wanted
    if shortcut != "project":
        assert wanted / 1e6 == pytest.approx(millions, abs=0.05 if depth == 110 else 0.006)


@pytest.mark.parametrize(("depth", "growth", "millions"), [(100, 12, 0.8), (250, 24, 15.3), (190, 40, 25.6)])
def test_parameters_of_the_cifar_form_of_densenet(depth: int, growth: int, millions: float) -> None:
    """Huang et al. 2017, table 2, DenseNet-BC."""
    found = count(on_meta("densenet_cifar", (3, 32, 32), 10, depth=depth, growth=growth))
    assert round(found / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("depth", "dense"), [(20, {"depth": 22, "growth": 23, "compression": 0.6}), (56, {"depth": 58, "growth": 20})]
)
def test_plain_residual_and_dense_at_equal_parameters(depth: int, dense: dict[str, Any]) -> None:
    plain, residual = (
        count(on_meta("resnet_cifar", (3, 32, 32), 10, depth=depth, shortcut=shortcut)) for shortcut in ("none", "pad")
    )
    assert plain == residual
    assert count(on_meta("densenet_cifar", (3, 32, 32), 10, **dense)) == pytest.approx(residual, rel=0.01)


@pytest.mark.parametrize(("width", "millions"), [(1.0, 4.2), (0.75, 2.6), (0.5, 1.3), (0.25, 0.5)])
def test_parameters_of_thinner_mobilenets(width: float, millions: float) -> None:
    """Howard et al. 2017, table 6."""
    assert round(count(on_meta("mobilenet", IMAGENET, 1000, width=width)) / 1e6, 1) == millions


def test_parameters_of_googlenet() -> None:
    """Of the full width, without the auxiliary head: every block by hand, with a scale and a shift for each channel."""
    plans = [
        (192, 64, 96, 128, 16, 32, 32),
        (256, 128, 128, 192, 32, 96, 64),
        (480, 192, 96, 208, 16, 48, 64),
        (512, 160, 112, 224, 24, 64, 64),
        (512, 128, 128, 256, 24, 64, 64),
        (512, 112, 144, 288, 32, 64, 64),
        (528, 256, 160, 320, 32, 128, 128),
        (832, 256, 160, 320, 32, 128, 128),
        (832, 384, 192, 384, 48, 128, 128),
    ]
    wanted = 9 * 3 * 64 + 2 * 64 + 64 * 64 + 2 * 64 + 9 * 64 * 192 + 2 * 192
    for c, one, r3, three, r5, five, pooled in plans:
        wanted += c * (one + r3 + r5 + pooled) + 9 * r3 * three + 25 * r5 * five
        wanted += 2 * (one + r3 + three + r5 + five + pooled)
    assert count(on_meta("inception", IMAGENET, 1000, width=1.0, auxiliary=0.0)) == wanted + 1024 * 1000 + 1000


def alexnet_names() -> dict[str, tuple[int, ...]]:
    names: dict[str, tuple[int, ...]] = {}
    channels = 3
    for index, width, kernel in ((0, 64, 11), (3, 192, 5), (6, 384, 3), (8, 256, 3), (10, 256, 3)):
        names |= {f"features.{index}.weight": (width, channels, kernel, kernel), f"features.{index}.bias": (width,)}
        channels = width
    for index, (into, out) in {1: (9216, 4096), 4: (4096, 4096), 6: (4096, 1000)}.items():
        names |= {f"classifier.{index}.weight": (out, into), f"classifier.{index}.bias": (out,)}
    return names


def squeezenet_names(width: int, kernel: int, fires: dict[int, tuple[int, int, int]]) -> dict[str, tuple[int, ...]]:
    """Index -> channels, squeezed channels, channels of each half of the expansion."""
    names: dict[str, tuple[int, ...]] = {"features.0.weight": (width, 3, kernel, kernel), "features.0.bias": (width,)}
    for index, (channels, squeezed, expanded) in fires.items():
        for part, c, k, size in (
            ("squeeze", channels, squeezed, 1),
            ("expand1x1", squeezed, expanded, 1),
            ("expand3x3", squeezed, expanded, 3),
        ):
            at = f"features.{index}.{part}"
            names |= {f"{at}.weight": (k, c, size, size), f"{at}.bias": (k,)}
    return {**names, "classifier.1.weight": (1000, 512, 1, 1), "classifier.1.bias": (1000,)}


SQUEEZENET_1_0 = {
    3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192),
    9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256),
}  # fmt: skip
SQUEEZENET_1_1 = {
    3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192),
    10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256),
}  # fmt: skip


def densenet_names(growth: int, width: int, counts: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    def norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
        found = {f"{name}.{s}": (size,) for s in ("weight", "bias", "running_mean", "running_var")}
        return {**found, f"{name}.num_batches_tracked": ()}

    names: dict[str, tuple[int, ...]] = {"features.conv0.weight": (width, 3, 7, 7), **norm("features.norm0", width)}
    for block, count in enumerate(counts, 1):
        for layer in range(1, count + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            names |= {**norm(f"{at}.norm1", width), f"{at}.conv1.weight": (4 * growth, width, 1, 1)}
            names |= {**norm(f"{at}.norm2", 4 * growth), f"{at}.conv2.weight": (growth, 4 * growth, 3, 3)}
            width += growth
        if block < len(counts):
            at = f"features.transition{block}"
            names |= {**norm(f"{at}.norm", width), f"{at}.conv.weight": (width // 2, width, 1, 1)}
            width //= 2
    return {**names, **norm("features.norm5", width), "classifier.weight": (1000, width), "classifier.bias": (1000,)}


def vgg_names(groups: tuple[int, ...], batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """torchvision's names and shapes, by its rule: an index for each layer, also for those without parameters."""
    names: dict[str, tuple[int, ...]] = {}
    place, channels = 0, 3
    for convolutions, width in zip(groups, (64, 128, 256, 512, 512)):
        for _ in range(convolutions):
            names |= {f"features.{place}.weight": (width, channels, 3, 3), f"features.{place}.bias": (width,)}
            if batch_norm:
                place += 1
                names |= {f"features.{place}.{s}": (width,) for s in ("weight", "bias", "running_mean", "running_var")}
                names[f"features.{place}.num_batches_tracked"] = ()
            place, channels = place + 2, width
        place += 1
    for index, (into, out) in {0: (25088, 4096), 3: (4096, 4096), 6: (4096, 1000)}.items():
        names |= {f"classifier.{index}.weight": (out, into), f"classifier.{index}.bias": (out,)}
    return names


def resnet_names(counts: tuple[int, ...], bottleneck: bool) -> dict[str, tuple[int, ...]]:
    def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
        found = {f"{name}.{s}": (width,) for s in ("weight", "bias", "running_mean", "running_var")}
        return {**found, f"{name}.num_batches_tracked": ()}

    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    channels = 64
    for stage, (blocks, width) in enumerate(zip(counts, (64, 128, 256, 512)), 1):
        for block in range(blocks):
            at, out = f"layer{stage}.{block}", width * (4 if bottleneck else 1)
            kernels = [(width, channels, 1), (width, width, 3), (out, width, 1)] if bottleneck else []
            for i, (k, c, f) in enumerate(kernels or [(width, channels, 3), (width, width, 3)], 1):
                names |= {f"{at}.conv{i}.weight": (k, c, f, f), **norm(f"{at}.bn{i}", k)}
            if block == 0 and channels != out:
                names |= {f"{at}.downsample.0.weight": (out, channels, 1, 1), **norm(f"{at}.downsample.1", out)}
            channels = out
    return {**names, "fc.weight": (1000, channels), "fc.bias": (1000,)}


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("vgg", {"depth": 11}, vgg_names((1, 1, 2, 2, 2), False)),
        ("vgg", {"depth": 13, "batch_norm": True}, vgg_names((2, 2, 2, 2, 2), True)),
        ("vgg", {"depth": 16}, vgg_names((2, 2, 3, 3, 3), False)),
        ("vgg", {"depth": 16, "batch_norm": True}, vgg_names((2, 2, 3, 3, 3), True)),
        ("vgg", {"depth": 19}, vgg_names((2, 2, 4, 4, 4), False)),
        ("resnet", {"depth": 18}, resnet_names((2, 2, 2, 2), False)),
        ("resnet", {"depth": 34}, resnet_names((3, 4, 6, 3), False)),
        ("resnet", {"depth": 50}, resnet_names((3, 4, 6, 3), True)),
        ("resnet", {"depth": 101}, resnet_names((3, 4, 23, 3), True)),
        ("resnet", {"depth": 152}, resnet_names((3, 8, 36, 3), True)),
        ("resnet", {"depth": 50, "drop_path": 0.2}, resnet_names((3, 4, 6, 3), True)),
        ("alexnet", {"version": "torchvision"}, alexnet_names()),
        ("squeezenet", {"version": 1.0}, squeezenet_names(96, 7, SQUEEZENET_1_0)),
        ("squeezenet", {"version": 1.1}, squeezenet_names(64, 3, SQUEEZENET_1_1)),
        ("densenet", {"depth": 121}, densenet_names(32, 64, (6, 12, 24, 16))),
        ("densenet", {"depth": 161}, densenet_names(48, 96, (6, 12, 36, 24))),
        ("densenet", {"depth": 169}, densenet_names(32, 64, (6, 12, 32, 32))),
        ("densenet", {"depth": 201}, densenet_names(32, 64, (6, 12, 48, 32))),
    ],
    ids=lambda value: str(value)[:30],
)
def test_names_and_shapes_are_torchvisions(name: str, options: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = {key: tuple(value.shape) for key, value in on_meta(name, IMAGENET, 1000, **options).state_dict().items()}
    assert list(found.items()) == list(wanted.items()), "the order too: optimizers number the parameters in it"


def test_vgg_is_what_the_notation_builds() -> None:
    torch.manual_seed(0)
    mine = MODELS.resolve("vgg")((3, 32, 32), 10, depth=16, head="linear").eval()
    groups = " | ".join(f"(CONV3-{w} | RELU)*{n} | POOL2" for n, w in zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)))
    theirs = build(f"INPUT 32x32x3 | {groups} | GAP | DROPOUT0.5 | FC-10").eval()
    assert [p.shape for p in mine.parameters()] == [p.shape for p in theirs.parameters()]
    with torch.no_grad():
        for a, b in zip(theirs.parameters(), mine.parameters()):
            a.copy_(b)
        x = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(mine(x), theirs(x))


def norm(x: torch.Tensor, layer: nn.BatchNorm2d) -> torch.Tensor:
    return functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)


@pytest.mark.parametrize(("name", "options"), [("resnet", {"depth": 50}), ("resnet_cifar", {"depth": 20})])
def test_a_block_is_the_sum_of_its_body_and_its_shortcut(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    block: Any = MODELS.resolve(name)((3, 32, 32), 10, **options).get_submodule("layer2.0").eval()
    x = torch.randn(2, block.conv1.in_channels, 9, 7)
    y = functional.relu(
        norm(
            functional.conv2d(x, block.conv1.weight, stride=block.conv1.stride, padding=block.conv1.padding), block.bn1
        )
    )
    if name == "resnet":
        y = functional.relu(norm(functional.conv2d(y, block.conv2.weight, stride=2, padding=1), block.bn2))
        y = norm(functional.conv2d(y, block.conv3.weight), block.bn3)
        shortcut = norm(functional.conv2d(x, block.downsample[0].weight, stride=2), block.downsample[1])
    else:
        y = norm(functional.conv2d(y, block.conv2.weight, padding=1), block.bn2)
        shortcut = torch.cat([x[:, :, ::2, ::2], torch.zeros(2, 16, 5, 4)], dim=1)
    torch.testing.assert_close(block(x), functional.relu(y + shortcut))


@pytest.mark.parametrize(
    ("name", "options"), [("resnet", {"depth": 18}), ("resnet", {"depth": 50}), ("resnet_cifar", {})]
)
def test_blocks_can_start_as_the_identity(name: str, options: dict[str, Any]) -> None:
    network = MODELS.resolve(name)((3, 32, 32), 10, zero_init_residual=True, **options).eval()
    block: Any = network.get_submodule("layer1.1")
    x = torch.randn(2, block.conv1.in_channels, 8, 8).relu()
    assert torch.equal(block(x), x)
