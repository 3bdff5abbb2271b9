"""What cards say is measured: parameters, multiply-adds, the least input; and what the papers' tables say beside it."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chainrule.analysis import network_table
from chainrule.core.errors import UsageError
from chainrule.models import MODELS
from chainrule.models._inception import BLOCKS, inception_block

NETWORKS = [name for name in MODELS if not MODELS.entry(name).card.get("fitted")]
FORMS = [(name, form) for name in NETWORKS for form in MODELS.entry(name).card["forms"]]


def on_meta(name: str, shape: Any, classes: int, options: dict[str, Any]) -> nn.Module:
    with torch.device("meta"):
        return MODELS.resolve(name)(tuple(shape), classes, **options)


def label(value: Any) -> str:
    return value if isinstance(value, str) else "-".join(map(str, value["options"].values()))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), FORMS, ids=label)
def test_parameters_and_multiply_adds_are_measured(name: str, form: dict[str, Any]) -> None:
    network = on_meta(name, form["input"], form["classes"], form["options"])
    with torch.device("meta"):
        rows = network_table(network, tuple(form["input"]))
    assert sum(p.numel() for p in network.parameters()) == form["parameters"]
    assert sum(row["multiply_adds"] or 0 for row in rows) == form["multiply_adds"]
    assert rows[-1]["output"][0] == form["classes"]


@pytest.mark.parametrize(
    ("name", "options", "giga"),
    [
        # torchvision's table of models, column GFLOPS
        ("alexnet", {"version": "torchvision"}, 0.71),
        ("vgg", {"depth": 11}, 7.61),
        ("vgg", {"depth": 16, "batch_norm": True}, 15.47),
        ("vgg", {"depth": 19}, 19.63),
        ("resnet", {"depth": 18}, 1.81),
        ("resnet", {"depth": 50}, 4.09),
        ("resnet", {"depth": 152}, 11.51),
        ("squeezenet", {"version": 1.0}, 0.82),
        ("squeezenet", {"version": 1.1}, 0.35),
        ("densenet", {"depth": 121}, 2.83),
        ("densenet", {"depth": 161}, 7.73),
        ("densenet", {"depth": 169}, 3.36),
        ("densenet", {"depth": 201}, 4.29),
        ("vit", {"patch": 16, "width": 768, "layers": 12, "num_heads": 12, "pool": "class"}, 17.56),
        ("vit", {"patch": 16, "width": 1024, "layers": 24, "num_heads": 16, "pool": "class"}, 61.55),
        # Howard et al. 2017, table 6
        ("mobilenet", {"width": 1.0}, 0.569),
        ("mobilenet", {"width": 0.75}, 0.325),
        ("mobilenet", {"width": 0.5}, 0.149),
        ("mobilenet", {"width": 0.25}, 0.041),
    ],
)
def test_multiply_adds_as_published(name: str, options: dict[str, Any], giga: float) -> None:
    found = [form for form in MODELS.entry(name).card["forms"] if form["options"] == options]
    assert len(found) == 1
    assert found[0]["multiply_adds"] / 1e9 == pytest.approx(giga, abs=0.006 if name != "mobilenet" else 0.0006)


@pytest.mark.parametrize(
    ("block", "channels", "millions", "size"),
    [
        ("3a", 192, 128, 28),
        ("3b", 256, 304, 28),
        ("4a", 480, 73, 14),
        ("4b", 512, 88, 14),
        ("4c", 512, 100, 14),
        ("4d", 512, 119, 14),
        ("4e", 528, 170, 14),
        ("5a", 832, 51, 7),  # the table says 54, which its own channels do not give
        ("5b", 832, 71, 7),
    ],
)
def test_blocks_at_width_1_are_those_of_googlenet(block: str, channels: int, millions: int, size: int) -> None:
    """Szegedy et al. 2015, table 1, column "ops"."""
    with torch.device("meta"):
        made = inception_block(channels, BLOCKS[block])
    weights = sum(m.weight.numel() for m in made.modules() if isinstance(m, nn.Conv2d))
    assert weights * size * size / 1e6 == pytest.approx(millions, abs=0.7)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_least_input_is_enough_and_one_pixel_less_is_not(name: str) -> None:
    card = MODELS.entry(name).card
    options = card["forms"][0]["options"] if name in ("layers", "shared_trunk") else {}
    network = on_meta(name, card["least"], 10, options).eval()
    assert network(torch.zeros(2, *card["least"], device="meta")).shape == (2, 10)
    if name not in ("linear", "mlp"):  # these take any vector
        channels, high, wide = card["least"]
        for less in ((channels, high - 1, wide), (channels, high, wide - 1)):
            with pytest.raises(UsageError) as caught:
                on_meta(name, less, 10, options)
            assert "\n" not in str(caught.value) or name in ("layers", "shared_trunk")


@pytest.mark.parametrize("name", MODELS.names())
def test_cards_are_plain_and_whole(name: str) -> None:
    card = MODELS.entry(name).card
    assert json.loads(json.dumps(card)) == card
    assert {"source", "least", "forms"} <= set(card)
    assert card["source"].startswith("LECTURES ")
    assert ("paper" in card) == (name in NETWORKS and name not in ("layers", "shared_trunk", "linear", "mlp", "cnn"))
    assert set(card) <= {"source", "least", "forms", "paper", "fitted", "images", "weights", "maps", "heads"}
    assert card["forms"]
    for form in card["forms"]:
        assert set(form) == {"options", "input", "classes", "parameters", "multiply_adds"}
    for weights in card.get("weights", ()):
        assert set(weights) == {
            "name", "file", "bytes", "sha256", "license", "origin", "options", "classes",
        }  # fmt: skip
        assert len(bytes.fromhex(weights["sha256"])) == 32
        assert weights["options"] in [form["options"] for form in card["forms"]]
        assert "images" in card
    names = [weights["name"] for weights in card.get("weights", ())]
    assert len(set(names)) == len(names)
    if "images" in card:
        images = card["images"]
        assert set(images) == {"size", "resize", "mean", "deviation"}
        assert [len(images[key]) for key in ("mean", "deviation")] == [3, 3]
        assert all(0 < value < 1 for key in ("mean", "deviation") for value in images[key])
        assert images["resize"] >= images["size"] >= max(card["least"][1:])


def test_cards_need_no_torch() -> None:
    path = str(Path(str(importlib.import_module("chainrule").__file__)).parents[1])
    code = "import sys, chainrule.models as m; assert m.MODELS.entry('resnet').card; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_resnet_cifar_at_its_size_by_hand() -> None:
    """Multiply-adds of ResNet-20: a 3x3 convolution from c to k channels on s x s places takes 9 c k s^2."""
    stem = 9 * 3 * 16 * 32**2
    stages = sum(9 * s * s * (6 * w * w - (w * w // 2 if w > 16 else 0)) for w, s in ((16, 32), (32, 16), (64, 8)))
    found = MODELS.entry("resnet_cifar").card["forms"][0]
    assert found["multiply_adds"] == stem + stages + 64 * 10
    assert math.isclose(found["multiply_adds"], 41e6, rel_tol=0.02)
