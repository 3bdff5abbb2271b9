"""Features in recipes, for every classifier, from the command line to the report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import chainrule
from chainrule.cli import main
from chainrule.core.errors import CheckpointError, NotationError, RecipeError
from chainrule.data import FeatureExamples
from chainrule.models import MODELS
from chainrule.ops import hog, pixels
from chainrule.tasks import Classification, Run, open_recipe
from chainrule.tasks.images._processing import ImageProcessing

HOG = "[{name: hog, cell: 2}, pixels]"
WIDTH = 3 * 3 * 4 * 9 + 64
CLASSIFIERS = {
    "knn": ["digits-knn"],
    "softmax": ["digits-softmax", "--train.epochs", "2"],
    "svm": ["digits-svm", "--train.epochs", "2"],
    "mlp": ["digits-mlp", "--train.epochs", "2", "--augment.shift", "0"],
    "solved": ["digits-svm", "--optim.name", "averaged_sgd", "--train.steps", "0", "--optim.epochs", "20"],
}


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module", params=list(CLASSIFIERS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(request.param) / "run"
    words = ["train", *CLASSIFIERS[request.param], "--data.features", HOG, "--threads", "1", "-q", "-o", str(folder)]
    assert main(words) == 0
    return Run.open(folder)


def test_the_network_takes_the_features(run: Run) -> None:
    assert run.result is not None
    assert run.result["test"]["accuracy"] > 0.9
    assert run.examples("valid").fetch(torch.arange(3), torch.arange(3)).inputs.shape == (3, WIDTH)
    assert (run.processing["shape"], ImageProcessing.read(run.processing).input_shape) == ([1, 8, 8], (WIDTH,))
    assert run.processing["features"] == [
        {"name": "hog", "cell": 2, "bins": 9, "block": 2, "vote": "linear"},
        {"name": "pixels"},
    ]
    assert ImageProcessing.read(run.processing).normalization.mean.shape == (WIDTH,)


def test_evaluate_gives_what_training_wrote_down(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = outcome(capsys, "evaluate", str(run.path), "--part", "test", "--json")
    found = json.loads(out)["result"]
    assert status == 0
    assert run.result is not None
    assert found["accuracy"] == run.result["test"]["accuracy"]
    assert found["loss"] == pytest.approx(run.result["test"]["loss"], rel=1e-5)


def test_predict_answers_for_files_as_evaluation_does(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, model = run.job(), run.model()
    index = torch.arange(12)
    images = job.images.pictures.read(job.parts["test"][index])
    for number, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(tmp_path / f"{number:02}.png")
    status, out, _ = outcome(capsys, "predict", str(run.path), str(tmp_path), "--json")
    answers = json.loads(out)["result"]
    assert status == 0
    with torch.inference_mode():
        scores = model(job.examples("test").fetch(index, index).inputs)
    chances, classes = scores.float().softmax(1).max(1)
    assert [answer["class"] for answer in answers] == [str(k) for k in classes.tolist()]
    assert [answer["probability"] for answer in answers] == pytest.approx(chances.tolist(), abs=1e-4)


def test_the_report_shows_the_pictures_and_no_templates(run: Run) -> None:
    data = json.loads((run.path / "facts" / "data.json").read_text())
    assert data["shape"] == [1, 8, 8]
    assert len(data["samples"]) == 10
    assert data["features"] == {"numbers": WIDTH, "from": ["hog (cell 2, bins 9, block 2, vote linear)", "pixels"]}
    assert data["normalization"] == {"kind": "none" if run.recipe.model.name == "knn" else "each number"}
    mistakes = json.loads((run.path / "facts" / "evaluation.json").read_text())["test"]["mistakes"]
    assert mistakes
    assert all(mistake["picture"].startswith("data:image/png") for mistake in mistakes)
    assert ("neighbors" in mistakes[0]) == (run.recipe.model.name == "knn")
    assert not (run.path / "facts" / "weights.json").exists()
    report = main(["report", str(run.path), "-q"])
    page = (run.path / "report.html").read_text()
    assert report == 0
    assert "hog (cell 2, bins 9, block 2, vote linear)" in page


def test_a_finished_run_is_not_trained_again(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run.path / "model.safetensors").read_bytes()
    status, out, _ = outcome(capsys, "resume", str(run.path), "--json")
    assert (status, json.loads(out)["status"]) == (0, 0)
    assert (run.path / "model.safetensors").read_bytes() == before


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    settings = {
        "data.features": [{"name": "hog", "cell": 2}],
        "augment.shift": 0,
        "train.steps": 12,
        "train.keep_every": 3,
        "train.threads": 1,
    }
    whole = chainrule.train("digits-mlp", out=tmp_path / "whole", settings=settings)
    code = (
        "import os, chainrule\n"
        "def kill(seen):\n"
        "    if seen.step == 8:\n"
        "        os.kill(os.getpid(), 9)\n"
        f"chainrule.train('digits-mlp', out={str(tmp_path / 'cut')!r}, settings={settings!r}, observers=[kill])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = chainrule.resume(tmp_path / "cut")
    assert again.info["resumed"] == 1
    for name in ("model.safetensors", "metrics.jsonl", "layers.jsonl", "processing.json"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data.features": "pixels", "train.steps": 5, "train.batch": 32, "train.threads": 1}
    alone = chainrule.train("digits-softmax", out=tmp_path / "alone", settings=settings, report=False)
    helped = chainrule.train(
        "digits-softmax", out=tmp_path / "helped", settings={**settings, "train.workers": 1}, report=False
    )
    assert (alone.path / "model.safetensors").read_bytes() == (helped.path / "model.safetensors").read_bytes()


def test_they_are_computed_once_and_normalized_by_the_training_part() -> None:
    calls = []
    job = Classification(open_recipe("digits-softmax", {"data.features": [{"name": "hog", "cell": 2}, "pixels"]}))
    table = job._table("train")
    seen = type(table.features).__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(table.features), "__call__", lambda self, images: calls.append(1) or seen(self, images))
        task = job.task()
        for _ in range(3):
            part = task.examples["train"]
            assert isinstance(part, FeatureExamples)
            found = part.fetch(torch.arange(len(part)), torch.arange(len(part))).inputs
        assert calls == []
    images = job.images.pictures.read(job.parts["train"])
    raw = torch.cat([hog(images, cell=2), pixels(images)], 1).double().numpy()
    wide = raw.std(0) > 0.2 * raw.std(0).max()
    wanted = (raw - raw.mean(0)) / np.where(wide, raw.std(0), 1)
    np.testing.assert_allclose(found.numpy()[:, wide], wanted[:, wide], atol=2e-4)
    index = torch.tensor([4, 0])
    torch.testing.assert_close(job.inputs("train", index), found[index], atol=1e-4, rtol=1e-4)


def test_neighbors_on_pixels_are_those_without_features(tmp_path: Path) -> None:
    plain = chainrule.train("digits-knn", out=tmp_path / "plain", report=False)
    named = chainrule.train("digits-knn", out=tmp_path / "named", settings={"data.features": "pixels"}, report=False)
    assert named.result is not None
    assert plain.result is not None
    assert named.result["test"] == plain.result["test"]
    assert torch.equal(*(load_file(run.path / "model.safetensors")["points"] for run in (plain, named)))


def test_the_same_feature_in_two_sizes(tmp_path: Path) -> None:
    parts = [{"name": "hog", "cell": 2}, {"name": "hog", "cell": 4}]
    job = Classification(open_recipe("digits-softmax", {"data.features": parts}))
    assert job.input_shape == (3 * 3 * 36 + 36,)


SPATIAL = [name for name in MODELS if name not in ("layers", "linear", "mlp", "knn", "shared_trunk")]


@pytest.mark.parametrize("name", SPATIAL)
def test_a_network_for_images_says_that_it_takes_none(name: str) -> None:
    settings = {"model.name": name, "data.features": "pixels", "augment.shift": 0}
    with pytest.raises(RecipeError, match=r"takes images.*got inputs of shape \(64,\)"):
        Classification(open_recipe("digits-cnn", settings)).model()


def test_layers_that_work_on_images_say_so() -> None:
    with pytest.raises(NotationError, match="a vector of 64 reaches it"):
        Classification(open_recipe("digits-cnn", {"data.features": "pixels", "augment.shift": 0})).model()
    network = {"model.spec": "FC-20 | RELU | FC-10", "data.features": "pixels", "augment.shift": 0}
    assert Classification(open_recipe("digits-cnn", network)).model()(torch.zeros(2, 64)).shape == (2, 10)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.features", "hgo"], 'there is no feature "hgo". Remedy: did you mean "hog"?'),
        (["--data.features", "[{name: hog, cel: 2}]"], 'has no option "cel". Remedy: did you mean "cell"?'),
        (["--data.features", "[{name: hog, cell: much}]"], "data.features.cell: input should be a valid integer"),
        (["--data.features", "[{name: hog, cell: 0}]"], "hog: wrong cell: expected a whole number, at least 1"),
        (["--data.features", "[{name: hog, vote: none}]"], "data.features.vote: input should be 'linear' or 'hard'"),
        (["--data.features", "[{cell: 2}]"], "data.features.0.name is missing"),
        (["--data.features", "[pixels, pixels]"], "pixels is there twice, with the same options"),
        (["--data.features", "3"], "features are a list of names, with options or without, not 3"),
        (["--data.features", "hog"], "images of 8x8 have fewer cells than a block: expected at least 16x16"),
        (["--data.features", "color_histogram"], "C 3, and at least one pixel, got (1, 1, 8, 8)"),
        (["--data.features", "pixels", "--augment.flip", "0.5"], "got augment.flip: 0.5. Remedy: --augment.flip 0"),
        (["--data.features", "pixels", "--predict.flip", "true"], "got predict.flip: True"),
        (["--data.features", "pixels", "--model.name", "cnn"], "this network takes images"),
        (["--data.features", "pixels", "--init.first", "whiten"], "init.first whitens a convolution"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_made(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = outcome(capsys, "train", "digits-softmax", *words, "-o", str(tmp_path / "run"), "-q")
    assert status == 2, err
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": [{"name": "hog", "cel": 2}, {"name": "pixels"}]}, 'no option "cel"'),
        ({"features": [{"name": "none such"}]}, "none such"),
        ({"features": "hog"}, 'names as "features"'),
        ({"features": [{"name": 3}]}, 'names as "features"'),
        ({"normalization": {"kind": "each number", "mean": [0.0], "deviation": [0.0]}}, "each number"),
        ({"normalization": {"kind": "each number", "mean": [0.0, "a"], "deviation": [1.0, 1.0]}}, "each number"),
    ],
)
def test_a_damaged_run_says_so(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = chainrule.train(
        "digits-softmax", out=tmp_path / "run", settings={"data.features": "pixels", "train.steps": 1}, report=False
    )
    path = run.path / "processing.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(CheckpointError, match=message):
        Run.open(run.path).evaluate("valid")
