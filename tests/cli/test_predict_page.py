"""`chainrule predict`: the nearest training examples of a prediction, told and drawn."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.cli import main
from chainrule.draw.predictions import predictions_html
from chainrule.models import NearestNeighbors

SETTINGS = {"data.limit": 200, "model.k": 3, "train.threads": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    return chainrule.train("digits-knn", out=tmp_path_factory.mktemp("knn") / "run", settings=SETTINGS, report=False)


def digit(run: chainrule.Run, part: str, number: int, path: Path) -> tuple[Path, int]:
    """A digit as a file, and its class."""
    job = run.job()
    index = int(job.parts[part][number])
    Image.fromarray(job.images.pictures.read(torch.tensor([index]))[0, 0].numpy()).save(path)
    return path, int(job.images.labels[index])


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["predict", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_a_training_example_is_nearest_to_itself(
    run: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, label = digit(run, "train", 11, tmp_path / "a.png")
    (found,) = answer(capsys, str(run.path), str(picture))
    near = found["neighbors"]
    assert near[0] == {"index": 11, "class": str(label), "distance": 0.0, "votes": True, "source": None}
    assert [one["votes"] for one in near] == [True, True, True, False, False]
    assert [one["distance"] for one in near] == sorted(one["distance"] for one in near)
    votes = [one["class"] for one in near[:3]]
    assert found["class"] == max(votes, key=lambda name: (votes.count(name), -votes.index(name)))


def test_neighbors_are_those_of_all_pixels(
    run: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, _ = digit(run, "test", 5, tmp_path / "a.png")
    (found,) = answer(capsys, str(run.path), str(picture))
    job = run.job()
    train = job.images.pictures.read(job.parts["train"]).flatten(1).double().numpy()
    apart = np.linalg.norm(train - np.asarray(Image.open(picture), dtype=float).ravel(), axis=1)
    order = np.argsort(apart, kind="stable")[:5]
    assert [one["index"] for one in found["neighbors"]] == order.tolist()
    np.testing.assert_allclose([one["distance"] for one in found["neighbors"]], apart[order])
    assert main(["predict", str(run.path), str(picture)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\n    nearest: \d [\d.]+, .*  \(the first 3 vote\)\n", said)


def test_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(level - 30, level + 30, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    settings = {"data.folder": str(tmp_path / "data"), "data.name": "folder", "data.size": 8, "model.k": 1}
    run = chainrule.train("digits-knn", out=tmp_path / "run", settings=settings, report=False)
    sources = run.job().images.pictures.paths
    wanted = sources[int(run.job().parts["train"][2])]
    (found,) = answer(capsys, str(run.path), wanted)
    assert found["neighbors"][0]["source"] == wanted
    page = tmp_path / "page.html"
    assert main(["predict", str(run.path), wanted, "-o", str(page)]) == 0
    assert f": {wanted}" in page.read_text()
    capsys.readouterr()
    # Without the data, and with other data, classes and distances are told all the same.
    shutil.copy(wanted, tmp_path / "kept.png")
    shutil.move(tmp_path / "data" / "dark" / "0.png", tmp_path / "data" / "light" / "moved.png")
    (other,) = answer(capsys, str(run.path), str(tmp_path / "kept.png"))
    shutil.move(tmp_path / "data" / "light" / "moved.png", tmp_path / "data" / "dark" / "0.png")
    for file in (tmp_path / "data").rglob("*.png"):
        file.write_bytes(b"damaged")
    (damaged,) = answer(capsys, str(run.path), str(tmp_path / "kept.png"))
    shutil.rmtree(tmp_path / "data")
    (gone,) = answer(capsys, str(run.path), str(tmp_path / "kept.png"))
    for one in (other, damaged, gone):
        assert one["neighbors"][0] == {**found["neighbors"][0], "source": None}
    assert main(["predict", str(run.path), str(tmp_path / "kept.png"), "-o", str(page)]) == 0
    assert "told without files and pictures of the data" in capsys.readouterr().err
    assert page.read_text().count('class="votes right"') == 1
    assert page.read_text().count("data:image/png") == 6  # the run has the pixels: the picture and five neighbors


def test_the_page(run: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(digit(run, "test", number, tmp_path / f"{number}.png")[0]) for number in range(3)]
    page = tmp_path / "page.html"
    assert main(["predict", str(run.path), *pictures, "-n", "4", "-o", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"page  {page}"
    text = page.read_text()
    assert text.count("data:image/png") == 3 * (1 + 5)
    assert text.count('class="bar"') == 3 * 4
    assert len(re.findall(r'<li class="votes', text)) == 9
    assert "3 pictures" in text
    answers = answer(capsys, str(run.path), *pictures, "-o", str(page))
    assert [one["source"] for one in answers] == pictures


def test_other_networks_have_bars_and_no_neighbors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"data.limit": 60, "train.epochs": 1, "train.threads": 1}
    run = chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    picture, _ = digit(run, "test", 0, tmp_path / "a.png")
    (found,) = answer(capsys, str(run.path), str(picture), "-o", str(tmp_path / "page.html"))
    assert "neighbors" not in found
    text = (tmp_path / "page.html").read_text()
    assert (text.count("data:image/png"), text.count('class="bar"')) == (1, 5)
    assert "nearest" not in text


@pytest.mark.parametrize("out", ["a.png", "page", "folder.html"])
def test_the_page_goes_nowhere_else(
    run: chainrule.Run, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, _ = digit(run, "test", 0, tmp_path / "a.png")
    before = picture.read_bytes()
    (tmp_path / "folder.html").mkdir()
    assert main(["predict", str(run.path), str(picture), "-o", str(tmp_path / out)]) == 2
    assert "expected a file ending in .html" in capsys.readouterr().err
    assert picture.read_bytes() == before
    assert not (tmp_path / "page").exists()


def test_a_folder_that_is_not_there(run: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, _ = digit(run, "test", 0, tmp_path / "a.png")
    assert main(["predict", str(run.path), str(picture), "-o", str(tmp_path / "no" / "page.html")]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_neighbors_of_features_are_drawn_as_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {**SETTINGS, "data.features": [{"name": "hog", "cell": 4, "block": 1}]}
    run = chainrule.train("digits-knn", out=tmp_path / "run", settings=settings, report=False)
    picture, label = digit(run, "train", 4, tmp_path / "a.png")
    (found,) = answer(capsys, str(run.path), str(picture), "-o", str(tmp_path / "page.html"))
    assert found["neighbors"][0]["distance"] == pytest.approx(0, abs=1e-5)
    assert found["neighbors"][0]["class"] == str(label)
    model = run.model()
    assert isinstance(model, NearestNeighbors)
    assert model.points.shape[1] == 36
    assert (tmp_path / "page.html").read_text().count("data:image/png") == 6


def test_hostile_names_stand_as_text() -> None:
    bad = '"><script>alert(1)</script>'
    near = {"index": 1, "label": bad, "distance": 1.0, "votes": True, "source": bad, "picture": "https://x/a.png"}
    one = {"source": bad, "label": bad, "probability": 1.0, "top": [(bad, 1.0)], "picture": bad, "neighbors": [near]}
    page = predictions_html(bad, [one], count=900)
    assert "<script>alert" not in page
    assert "https://x" not in page
    assert "The first 1 of 900 pictures are drawn." in page
