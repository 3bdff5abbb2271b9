"""`timm:NAME`, with a module in timm's place, and names behind prefixes in general."""

from __future__ import annotations

import math
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import chainrule
from chainrule.core.errors import RecipeError, UsageError
from chainrule.core.registry import Entry, Registry
from chainrule.models import MODELS
from chainrule.tasks.tables import check_options, open_recipe


def create_model(model_name: str, pretrained: bool = True, in_chans: int = 3, num_classes: int = 1000) -> Any:
    assert pretrained is False, "weights would be fetched"
    if model_name == "broken":
        raise RuntimeError("no such thing\nreally")
    if model_name == "number":
        return 3
    return nn.Sequential(nn.Conv2d(in_chans, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    known = ["tiny_net", "broken", "number"]
    module: Any = types.ModuleType("timm")
    module.create_model, module.list_models, module.is_model = create_model, lambda: known, lambda name: name in known
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


@pytest.mark.usefixtures("timm")
class TestTimm:
    def test_its_networks_take_channels_and_classes(self) -> None:
        network = MODELS.resolve("timm:tiny_net")((2, 8, 9), 7)
        assert network(torch.zeros(3, 2, 8, 9)).shape == (3, 7)

    def test_a_recipe_names_one(self, tmp_path: Path) -> None:
        recipe = open_recipe("digits-cnn", {"model.name": "timm:tiny_net"})
        check_options(recipe)
        settings = {"model.name": "timm:tiny_net", "train.steps": 2, "train.threads": 1, "train.test": False}
        run = chainrule.train("digits-cnn", out=tmp_path / "run", settings=settings, report=False)
        assert math.isfinite(run.history[-1]["loss"])
        again = chainrule.Run.open(run.path)
        assert again.model().get_submodule("0").weight.shape == (4, 1, 3, 3)

    def test_it_has_no_options(self) -> None:
        recipe = open_recipe("digits-cnn", {"model.name": "timm:tiny_net", "model.depth": 3})
        with pytest.raises(RecipeError, match='has no option "depth"'):
            check_options(recipe)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("timm:tiny_nte", 'timm has no network "tiny_nte".*did you mean "tiny_net"'),
            ("timm:hf-hub:someone/net", 'no network "hf-hub:someone/net"'),
            ("timm:local-dir:/tmp", "no network"),
            ("timm:number", "is no network: got int"),
            ("timm:broken", 'timm cannot build "broken": RuntimeError: no such thing really'),
        ],
    )
    def test_what_cannot_be_built_is_said(self, name: str, message: str) -> None:
        with pytest.raises(RecipeError, match=message) as caught:
            MODELS.resolve(name)((3, 8, 8), 10)
        assert "\n" not in str(caught.value)

    def test_names_that_fetch_are_refused_whatever_timm_says(self, timm: Any) -> None:
        timm.is_model = lambda name: True
        for name in ("hf-hub:someone/net", "hf_hub:a", "local-dir:b", "a/b"):
            with pytest.raises(RecipeError, match="timm has no network"):
                MODELS.resolve(f"timm:{name}")

    def test_vectors_are_refused(self) -> None:
        with pytest.raises(RecipeError, match="takes images"):
            MODELS.resolve("timm:tiny_net")((64,), 10)


def test_without_timm_it_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RecipeError, match=r"need the package timm.*pip install timm") as caught:
        chainrule.train("digits-cnn", out=tmp_path / "run", settings={"model.name": "timm:resnet18"})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_nothing_of_timm_is_imported_to_list_or_check_names() -> None:
    assert "timm:resnet18" in MODELS
    assert not [name for name in MODELS if name.startswith("timm")]
    assert open_recipe("digits-cnn", {"model.name": "timm:anything"}).model.name == "timm:anything"
    assert "timm" not in sys.modules


class TestPrefixes:
    table = Registry(
        "part", [("plain", Entry("math:sqrt")), ("get:own", Entry("math:floor"))],
        prefixes=[("get:", Entry("operator:attrgetter", "an attribute"))],
    )  # fmt: skip

    def test_whole_names_go_first(self) -> None:
        assert self.table.resolve("get:own")(2.5) == 2
        assert self.table.resolve("get:real")(2 + 3j) == 2.0
        assert self.table.entry("get:real").about == "an attribute"

    @pytest.mark.parametrize("name", ["get:", "get", "plane", "", "GET:real", None, 3])
    def test_other_names_are_none(self, name: Any) -> None:
        assert name not in self.table

    def test_the_error_lists_the_prefix(self) -> None:
        with pytest.raises(UsageError, match='no part "plane".*did you mean "plain".*get:NAME'):
            self.table.resolve("plane")
        with pytest.raises(UsageError, match='no part "get:"'):
            self.table.entry("get:")

    def test_names_behind_a_prefix_are_known_and_not_listed(self) -> None:
        assert self.table.names() == ["get:own", "plain"]
        assert "get:real" in self.table
        assert "get:" not in self.table
        assert "x:real" not in self.table
