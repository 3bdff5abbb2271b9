"""Bias and variance measured: sets of data, estimates with their intervals, trainings that are not done twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from chainrule.core.errors import RecipeError, UsageError
from chainrule.data.digits import digits
from chainrule.diagnosis import bias_variance
from chainrule.diagnosis._bias_variance import draw_sets, estimates

QUICK = {"train.epochs": 2, "data.limit": 300, "train.threads": 1}


def measure(out: Path, **changes):
    given = {"over": "penalty.l2", "values": [0.0, 0.3], "sets": 3, "settings": QUICK, "out": out}
    return bias_variance("digits-softmax", **{**given, **changes})


def test_disjoint_sets_hold_every_class_and_every_image_once() -> None:
    images, train = digits(), torch.arange(0, 1797, 2)
    sets = draw_sets(images, train, 8, "subsets", 0)
    together = torch.cat(sets)
    assert sorted(together.tolist()) == train.tolist()
    assert max(map(len, sets)) - min(map(len, sets)) <= 1
    for one in sets:
        counts = torch.bincount(images.labels[one], minlength=10)
        assert int(counts.min()) >= int(torch.bincount(images.labels[train]).min()) // 8
    again = draw_sets(images, train, 8, "subsets", 0)
    assert all(torch.equal(a, b) for a, b in zip(sets, again, strict=True))


def test_bootstrap_draws_as_many_with_replacement() -> None:
    sets = draw_sets(digits(), torch.arange(500), 4, "bootstrap", 1)
    assert [len(one) for one in sets] == [500] * 4
    assert all(280 < len(one.unique()) < 350 for one in sets)  # 1 - 1/e of them
    assert not torch.equal(sets[0], sets[1])


def test_too_many_sets_are_refused() -> None:
    with pytest.raises(UsageError, match="divided into 40 sets"):
        draw_sets(digits(), torch.arange(200), 40, "subsets", 0)


def test_intervals_cover_what_is_true_about_as_often_as_they_say() -> None:
    """f_D = y + (1, 0) + noise: bias^2 1, variance 2 * 0.09, in 200 measurements of 8 sets."""
    rng = np.random.default_rng(0)
    targets = np.tile([1.0, 0.0], (5, 1))
    inside = np.zeros(2)
    for _ in range(200):
        answers = targets + [1.0, 0.0] + 0.3 * rng.standard_normal((8, 1, 2))  # all examples move together
        found = estimates(answers + np.zeros((8, 5, 2)), targets)
        for place, (name, true) in enumerate((("bias_squared", 1.0), ("error", 1.18))):
            inside[place] += found[name]["low"] <= true <= found[name]["high"]
    assert np.all(inside / 200 > 0.85)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return measure(tmp_path_factory.mktemp("whole") / "out", command="chainrule bias-variance <me>")


def test_a_measurement_its_folder_and_its_page(measured: dict) -> None:
    found, folder = measured, Path(measured["folder"])
    assert [point["value"] for point in found["points"]] == [0.0, 0.3]
    for point in found["points"]:
        total = point["bias_squared"]["value"] + point["variance"]["value"]
        assert point["error"]["value"] == pytest.approx(total)
        assert 0 < point["variance"]["value"] < point["error"]["value"] < 1
        assert point["error"]["low"] < point["error"]["value"] < point["error"]["high"]
    plain, strong = found["points"]
    assert strong["bias_squared"]["value"] > plain["bias_squared"]["value"]
    assert strong["variance"]["value"] < plain["variance"]["value"]
    json.dumps(found, allow_nan=False)
    page = (folder / "report.html").read_text()
    assert "A8" in page
    assert "<me>" not in page.split("</head>")[1]
    sizes = {len(np.load(path)) for path in folder.glob("*/set-*/facts/probabilities.npy")}
    assert sizes == {found["measured_on"]}


def test_what_is_finished_is_not_done_again_and_a_stopped_one_is_gone_on_with(measured: dict, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    asked: list[str] = []

    def stop_in_the_fourth(title: str) -> list:
        asked.append(title)
        if len(asked) == 4:
            raise Stop
        return []

    with pytest.raises(Stop):
        measure(tmp_path / "out", observers=stop_in_the_fourth)
    again: list[str] = []
    found = measure(tmp_path / "out", observers=lambda title: again.append(title) or [])
    assert [title.split(" (")[0] for title in again] == ["l2-0.3 set 1", "l2-0.3 set 2", "l2-0.3 set 3"]
    assert len(asked) == 4
    assert found["points"] == measured["points"]
    assert found["points"][0]["error"]["value"] > 0
    nothing: list[str] = []
    assert measure(tmp_path / "out", observers=lambda title: nothing.append(title) or [])["points"] == found["points"]
    assert nothing == []


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        measure(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"values": []}, UsageError, "no value"),
        ({"values": [0.1, 0.1]}, UsageError, "twice"),
        ({"sets": 2}, UsageError, "at least 3 sets"),
        ({"sets": 300}, UsageError, "400 trainings"),
        ({"draw": "jackknife"}, UsageError, "subsets or bootstrap"),
        ({"values": [-1.0]}, RecipeError, "penalty.l2"),
        ({"over": "penalty.l3"}, RecipeError, "l3"),
        ({"over": "train.epochs", "values": [1.0, 2.0]}, UsageError, "is set and changes"),
        ({"sets": 100, "values": [0.0]}, UsageError, "cannot be divided"),
    ],
)
def test_what_cannot_be_measured_is_told_and_leaves_nothing(
    tmp_path: Path, changes: dict, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        measure(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()
