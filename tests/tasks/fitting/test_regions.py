"""Decision regions of data in the plane, and what else the report of one's own tensors shows."""

from __future__ import annotations

import json
import re
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
        assert regions["panels"][0]["grid"][90][30] == int(net(middle.float()).argmax())
    assert len(regions["panels"]) == 1  # the network is not linear
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


def line_classes(weight: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class of each place by a linear classifier, and how far the best score is from the second."""
    scores = weight[:, 0] * x[None, :, None] + weight[:, 1] * y[:, None, None] + bias  # (rows, columns, classes)
    ranked = np.sort(scores, axis=-1)
    return scores.argmax(-1), ranked[..., -1] - ranked[..., -2]


@pytest.mark.parametrize("classes", [2, 4, 9])
def test_fit_with_a_linear_module_draws_the_regions_that_are_known(tmp_path: Path, classes: int) -> None:
    rng = np.random.default_rng(classes)
    weight, bias = rng.normal(size=(classes, 2)), rng.normal(size=classes)
    x = rng.normal(size=(600, 2)) * [3.0, 0.2] + [100.0, -1.0]
    y = np.sort(rng.integers(0, classes, 600))  # in order: the sample must not be the first 500
    weight /= [3.0, 0.2]
    bias -= weight @ [100.0, -1.0]
    module = nn.Linear(2, classes)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight))
        module.bias.copy_(torch.from_numpy(bias))
    run = chainrule.fit(module, x, y, epochs=1, lr=0.0, out=tmp_path / "run")
    regions = facts(run.path, "regions")
    across, up = np.linspace(*regions["x"], 120), np.linspace(*regions["y"], 120)
    wanted, lead = line_classes(weight, bias, across, up)
    clear = lead > 1e-3  # of single precision: what is nearer to a border may fall to either side
    assert clear.mean() > 0.95
    first, second = regions["panels"]
    assert (np.array(first["grid"])[clear] == wanted[clear]).all()
    assert first["right"] == pytest.approx(float(((x @ weight.T + bias).argmax(1) == y).mean()), abs=0.01)
    np.testing.assert_allclose(second["lines"], np.column_stack([weight, bias]), rtol=1e-5)
    room = 0.08 * (x.max(0) - x.min(0))
    assert regions["x"] == pytest.approx([x[:, 0].min() - room[0], x[:, 0].max() + room[0]], rel=1e-5)
    assert regions["y"] == pytest.approx([x[:, 1].min() - room[1], x[:, 1].max() + room[1]], rel=1e-5)
    given = {(np.float32(a), np.float32(b)): k for (a, b), k in zip(x, y.tolist())}
    assert len(regions["points"]) == 500
    assert all(given[np.float32(a), np.float32(b)] == k for a, b, k in regions["points"])
    assert {k for *_, k in regions["points"]} == set(range(classes))
    size = (run.path / "facts" / "regions.json").stat().st_size
    assert size < 60_000
    # The evaluation is that of the same known classifier on the validation part.
    evaluation = facts(run.path, "evaluation")["valid"]
    held = [int(name[2:-1]) for name in (one["source"] for one in evaluation["mistakes"])]
    predicted = (x @ weight.T + bias).argmax(1)
    assert all(predicted[index] != y[index] for index in held)
    confusion = np.array(evaluation["confusion"])
    assert confusion.shape == (classes, classes)
    assert confusion.sum() == 60
    assert np.trace(confusion) / 60 == pytest.approx(evaluation["accuracy"])
    for k, row in enumerate(evaluation["per_class"]):
        assert row["count"] == confusion[k].sum()
        assert row["recall"] == pytest.approx(confusion[k, k] / max(confusion[k].sum(), 1))
        assert row["precision"] == pytest.approx(confusion[k, k] / max(confusion[:, k].sum(), 1))


def test_a_class_that_validation_lacks_is_there(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(80, 2, generator=generator)
    y = torch.zeros(80, dtype=torch.long)
    y[:40] = 1
    y[3] = 2  # one example alone
    run = chainrule.fit(nn.Linear(2, 3), x, y, epochs=1, out=tmp_path / "run")
    data, evaluation = facts(run.path, "data"), facts(run.path, "evaluation")["valid"]
    assert [a + b for a, b in zip(data["counts"]["train"], data["counts"]["valid"])] == [40, 39, 1]
    assert [row["count"] for row in evaluation["per_class"]] == data["counts"]["valid"]
    assert data["counts"]["valid"][2] == 0
    assert any(k == 2 for *_, k in facts(run.path, "regions")["points"])
    page = run.folder.report.read_text()
    assert re.search(r"<bdi>2</bdi></td><td[^>]*>0</td><td[^>]*>[^<]+</td><td[^>]*>–</td>", page)  # recall of none


class Watched(nn.Module):
    """Says how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Dropout(0.5)
        self.line = nn.Linear(2, 2)
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        assert not any(module.training for module in self.modules())
        assert x.isfinite().all()
        torch.rand(3)  # a network that draws
        self.sizes.append(len(x))
        return self.line(self.noise(x))


def test_in_groups_and_everything_as_it_was() -> None:
    model = Watched()
    model.line.eval()
    before = torch.get_rng_state()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    decision_regions(model, torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(50).long())
    assert sum(model.sizes) == 120 * 120 + 50  # all places, and the points themselves
    assert max(model.sizes) <= 4096
    assert [module.training for module in (model, model.noise, model.line)] == [True, True, False]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_largest_numbers_and_broken_points() -> None:
    most = torch.finfo(torch.float32).max
    points = torch.tensor([[most, 0.0], [-most, 1.0], [float("nan"), 0.0], [0.0, float("inf")]])
    found = decision_regions(Watched(), points, torch.tensor([0, 1, 1, 1]), size=8)
    assert found["x"] == [-most, most]
    assert found["y"] == pytest.approx([-0.08, 1.08])
    assert [k for *_, k in found["points"]] == [0, 1]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


class Picky(nn.Module):
    """Fails on places that its data do not have: on zeros, and far away."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if (x.abs().sum(1) == 0).any() or len(x) > 1000:
            raise ValueError("not here")
        return self.line(x)


def test_a_network_that_fails_off_its_data_keeps_its_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    run = chainrule.fit(Picky(), x, (x[:, 0] > 0).long(), epochs=2, out=tmp_path / "run")
    assert run.info["status"] == "finished"
    assert {path.name for path in (run.path / "facts").iterdir()} == {"data.json", "evaluation.json"}
    assert "no network table: the network fails outside its data: ValueError: not here" in caplog.text
    assert "no decision regions" in caplog.text


def test_a_network_that_does_not_fit_is_found_before_anything_is_made(tmp_path: Path) -> None:
    x, y = torch.zeros(20, 2), torch.arange(20) % 3
    for module, words in (
        (nn.Linear(2, 2), "one score for each class: expected (2, K) with K at least 3 for two examples, got (2, 2)"),
        (nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)), "got (2,)"),
        (nn.Linear(3, 3), "the network cannot take x, torch.float32 of shape (20, 2)"),
    ):
        module.train()
        with pytest.raises(UsageError, match=re.escape(words)):
            chainrule.fit(module, x, y, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        assert module.training


def test_an_interrupted_or_failing_fit_says_so(tmp_path: Path) -> None:
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    for error, status in ((KeyboardInterrupt, "interrupted"), (ZeroDivisionError, "failed")):

        def stop(seen: Any, error: type[BaseException] = error) -> None:
            raise error

        with pytest.raises(error):
            chainrule.fit(nn.Linear(2, 2), x, (x[:, 0] > 0).long(), out=tmp_path / status, observers=[stop])
        assert json.loads((tmp_path / status / "run.json").read_text())["status"] == status


def test_images_show_the_first_layer(tmp_path: Path) -> None:
    images = torch.rand(40, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    y = (images.mean((1, 2, 3)) > 0.5).long()
    linear = chainrule.fit(nn.Sequential(nn.Flatten(), nn.Linear(108, 2)), images, y, epochs=1, out=tmp_path / "a")
    weights = facts(linear.path, "weights")
    assert (weights["kind"], len(weights["pictures"]), weights["labels"]) == ("templates", 2, ["0", "1"])
    convolution = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 2))
    filters = facts(chainrule.fit(convolution, images, y, epochs=1, out=tmp_path / "b").path, "weights")
    assert (filters["kind"], len(filters["pictures"]), filters["layer"]) == ("filters", 5, "0")
