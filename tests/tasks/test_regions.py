"""Decision regions of data in the plane, and what else the report of one's own tensors shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chainrule
from chainrule.analysis import decision_regions
from chainrule.core.errors import UsageError


class Sectors(nn.Module):
    """The class is the sector of the angle: known at every place."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        angle = torch.arange(classes) * (2 * torch.pi / classes)
        self.ways = nn.Parameter(torch.stack([angle.cos(), angle.sin()], 1))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x) @ self.ways.T


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_each_place_has_the_class_that_is_known(classes: int) -> None:
    torch.manual_seed(0)
    model = Sectors(classes)
    points = torch.randn(700, 2) * torch.tensor([1.0, 30.0]) + torch.tensor([0.0, 5.0])
    state = torch.get_rng_state()
    found = decision_regions(model, points, torch.zeros(700, dtype=torch.long), size=50)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert model.dropout.training
    x, y = np.linspace(*found["x"], 50), np.linspace(*found["y"], 50)
    wanted = np.array([[round(np.arctan2(b, a) / (2 * np.pi / classes)) % classes for a in x] for b in y])
    assert (np.array(found["grid"]) == wanted).mean() > 0.99  # all but places on a border, by rounding
    assert found["x"][0] < float(points[:, 0].min()) < float(points[:, 0].max()) < found["x"][1]
    assert found["y"][0] < float(points[:, 1].min()) < float(points[:, 1].max()) < found["y"][1]
    assert len(found["points"]) == 500


def test_points_on_a_line_and_one_point_have_a_plane_around_them() -> None:
    model = Sectors(2)
    for points in (torch.tensor([[1.0, 7.0], [2.0, 7.0]]), torch.zeros(1, 2), torch.tensor([[1e8, 0.0]])):
        found = decision_regions(model, points, torch.zeros(len(points), dtype=torch.long), size=3)
        assert found["x"][0] < found["x"][1]
        assert found["y"][0] < found["y"][1]
        assert len(found["points"]) == len(points)
    with pytest.raises(UsageError, match="points of the plane"):
        decision_regions(model, torch.full((2, 2), float("nan")), torch.zeros(2, dtype=torch.long))


def facts(folder: Path, name: str) -> Any:
    return json.loads((folder / "facts" / f"{name}.json").read_text())


def test_fit_in_the_plane_draws_its_regions(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=generator)
    y = (x[:, 0] * x[:, 1] > 0).long() + (x[:, 0] > 1.5).long()
    net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
    run = chainrule.fit(net, x, y, epochs=40, lr=0.02, out=tmp_path / "run")
    regions = facts(run.path, "regions")
    with torch.no_grad():
        middle = torch.tensor([[np.linspace(*regions["x"], 120)[30], np.linspace(*regions["y"], 120)[90]]])
        assert regions["grid"][90][30] == int(net(middle.float()).argmax())
    assert regions["classes"] == ["0", "1", "2"]
    assert len(regions["points"]) == 300
    page = run.folder.report.read_text()
    assert "Decision regions" in page
    evaluation = facts(run.path, "evaluation")["valid"]
    assert np.sum(evaluation["confusion"]) == evaluation["count"] == 30
    assert run.result is not None
    assert evaluation["accuracy"] == pytest.approx(run.result["valid"]["accuracy"])
    assert facts(run.path, "data")["parts"] == {"train": 270, "valid": 30}
    assert [row["kind"] for row in facts(run.path, "network")] == ["Linear", "ReLU", "Linear"]
    for heading in ("Confusion matrix", "Network", "Data"):
        assert heading in page


def test_what_does_not_apply_is_left_out(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 2, generator=generator)
    line = chainrule.fit(nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)), x, x.sum(1), epochs=2, out=tmp_path / "line")
    assert {path.name for path in (line.path / "facts").iterdir()} == {"data.json", "network.json"}
    words = torch.randint(0, 9, (60, 4), generator=generator)
    net = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 5))
    tokens = chainrule.fit(net, words, words[:, 0] % 2, epochs=2, out=tmp_path / "tokens")
    assert {path.name for path in (tokens.path / "facts").iterdir()} == {"data.json", "evaluation.json"}
    assert len(facts(tokens.path, "evaluation")["valid"]["classes"]) == 5  # scores that no example asks for
    images = torch.rand(40, 3, 6, 6, generator=generator)
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 2))
    pictured = chainrule.fit(net, images, (images.mean((1, 2, 3)) > 0.5).long(), epochs=1, out=tmp_path / "images")
    assert len(facts(pictured.path, "data")["samples"]) == 20
    assert all(one["picture"] for one in facts(pictured.path, "evaluation")["valid"]["mistakes"])
