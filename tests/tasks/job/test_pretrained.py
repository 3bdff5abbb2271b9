"""Recipes that begin with given weights: through the command line, on photographs of many classes and on one's own."""

from __future__ import annotations

import io
import json
import re
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.cli import main
from chainrule.core.errors import CheckpointError, RecipeError, WeightsError
from chainrule.core.recipe import ImageRecipe
from chainrule.models import MODELS, load_published
from chainrule.models._cards import CARDS
from chainrule.runtime.weights import read_weights, write_weights
from chainrule.tasks import Classification, Run, begin_run, open_recipe

CLASSES = 120
QUICK = ["--data.size", "32", "--data.resize", "36", "--train.threads", "1"]


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (38, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def network(classes: int = CLASSES, seed: int = 0, channels: int = 3, **options: Any) -> torch.nn.Module:
    torch.manual_seed(seed)
    return MODELS.resolve("squeezenet")((channels, 32, 32), classes, **options).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs of 120 classes and weights of a SqueezeNet that was only drawn, as data folders hold them."""
    root = tmp_path_factory.mktemp("data é")
    for name in ("imagenet_samples", "imagenet_labels", "squeezenet1_0"):
        (root / name).mkdir()
    index = {str(i): [f"n{i:08}", f"thing {i}", ""] for i in range(CLASSES)}
    (root / "imagenet_labels" / "imagenet_class_index.json").write_text(json.dumps(index))
    labels = [{"file": f"{i}.jpg", "index": 9 * i, "wnid": f"n{9 * i:08}"} for i in range(12)]
    (root / "imagenet_samples" / "labels.json").write_text(json.dumps(labels))
    with zipfile.ZipFile(root / "imagenet_samples" / "images.zip", "w") as archive:
        for i, row in enumerate(labels):
            archive.writestr(str(row["file"]), picture(i))
    write_weights(root / "squeezenet1_0" / "squeezenet1_0.safetensors", network().state_dict())
    return root


@pytest.fixture(autouse=True)
def places(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (folder / "squeezenet1_0" / "squeezenet1_0.safetensors").read_bytes()
    made = {"bytes": len(content), "sha256": sha256(content).hexdigest(), "classes": CLASSES}
    for name, value in made.items():
        monkeypatch.setitem(CARDS["squeezenet"]["weights"][0], name, value)
    monkeypatch.setenv("CHAINRULE_DATA", str(folder))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pets")
    for number in range(24):
        path = root / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(number))
    return root


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    assert main([*words, "--json"]) == status
    answer = json.loads(capsys.readouterr().out)
    return answer["result"] if status == 0 else answer["error"]


class TestNothingIsTrained:
    def test_train_evaluate_predict(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        result = said(capsys, "train", "imagenet-squeezenet", "-o", "run", *QUICK)
        assert result["valid"] is None
        assert result["steps"] == 0
        assert set(result["test"]) == {"loss", "accuracy", "top5"}
        (tmp_path / "a.png").write_bytes(picture(3))
        facts = said(capsys, "evaluate", "run")
        assert (facts["part"], facts["count"]) == ("test", 12)
        assert {name: facts[name] for name in result["test"]} == result["test"]
        answers = said(capsys, "predict", "run", "a.png")
        # The same by hand: the shorter side to 36, the middle 32x32, mean and deviation of the card.
        whole = Image.open(io.BytesIO(picture(3))).convert("RGB").resize((round(50 * 36 / 38), 36), Image.BILINEAR)
        left, top = (whole.width - 32) // 2, (whole.height - 32) // 2
        pixels = torch.from_numpy(np.array(whole.crop((left, top, left + 32, top + 32)))).permute(2, 0, 1) / 255
        card = MODELS.entry("squeezenet").card["images"]
        mean, deviation = (torch.tensor(card[key])[:, None, None] for key in ("mean", "deviation"))
        with torch.inference_mode():
            chances = network()(((pixels - mean) / deviation)[None]).softmax(1)[0]
        best = chances.topk(5)
        assert [name for name, _ in answers[0]["top"]] == [f"thing {i}" for i in best.indices.tolist()]
        assert [chance for _, chance in answers[0]["top"]] == pytest.approx(best.values.tolist(), rel=1e-4)

    def test_the_folder_is_complete(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        recipe = open_recipe("imagenet-squeezenet", {"data.size": 32, "data.resize": 36, "train.threads": 1})
        begin_run(recipe, tmp_path / "run", name="x")
        opened = Run.open(tmp_path / "run")
        assert opened.processing["resize"] == 36
        assert opened.processing["normalization"]["kind"] == "card"
        (folder / "squeezenet1_0").rename(folder / "elsewhere")
        try:
            run = chainrule.resume(tmp_path / "run")
        finally:
            (folder / "elsewhere").rename(folder / "squeezenet1_0")
        assert run.result is not None
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
        own = run.model().state_dict()
        assert all(torch.equal(value, own[name]) for name, value in network().state_dict().items())
        assert len(run.predict([picture(0)])[0].top) == 5

    def test_the_report_lists_what_occurs(self, tmp_path: Path) -> None:
        main(["train", "imagenet-squeezenet", "-o", "run", "-q", *QUICK])
        facts = json.loads((tmp_path / "run" / "facts" / "evaluation.json").read_text())["test"]
        assert facts["confusion"]["size"] == CLASSES
        assert sum(count for _, _, count in facts["confusion"]["counts"]) == 12
        assert 12 <= len(facts["per_class"]) <= 24
        page = (tmp_path / "run" / "report.html").read_text()
        assert "120 classes are too many for a map" in page
        assert f"120 classes, of which {len(facts['per_class'])} have examples here or were predicted" in page
        assert "12 of 120 classes have examples." in page
        assert "top-5 " in page
        assert "non-commercial" in page

    def test_the_text_of_evaluate(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["train", "imagenet-squeezenet", "-o", "run", "-q", *QUICK])
        capsys.readouterr()
        assert main(["evaluate", "run", "--part", "test"]) == 0
        text = capsys.readouterr().out
        assert text.startswith("test: accuracy 0.")
        assert ", top-5 0." in text
        assert len(text.splitlines()) < 20, "a terminal holds no 120 x 120 matrix"
        assert main(["evaluate", "run", "--part", "valid"]) == 3
        assert "Remedy: --part test" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("settings", "status", "message"),
        [
            (["--train.steps", "3"], 3, "has no training part, on which a network learns"),
            (["--train.epochs", "1"], 3, "has no training part, on which a network learns"),
            (["--model.name", "resnet"], 3, "has no training part, on which a network learns"),
            (["--data.normalize", "channel"], 3, "on which its mean and deviation are measured"),
            (["--model.name", "knn", "--data.normalize", "none"], 3, "on which the model is fitted"),
            (["--model.name", "cnn"], 2, "the card of cnn has no mean and deviation"),
            (["--model.version", "1.1"], 2, "expected model.version: 1.0, got 1.1"),
            (["--model.weights", "squeezenet1_1"], 2, 'did you mean "squeezenet1_0"'),
            (["--model.weights", "none.pth"], 4, 'there is no weights file "none.pth"'),
            (["--init.scheme", "he"], 2, "init draws weights that model.weights would replace"),
            (["--data.resize", "16"], 2, "resize is what the shorter side is scaled to"),
            (["--data.size", "16"], 2, "its published form takes 224x224x3: --data.size 224"),
        ],
    )
    def test_bad_input_makes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: list[str], status: int, message: str
    ) -> None:
        quick = [word for pair in zip(QUICK[::2], QUICK[1::2]) if pair[0] not in settings for word in pair]
        assert main(["train", "imagenet-squeezenet", "-o", "run", *quick, *settings]) == status
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error
        assert not (tmp_path / "run").exists()

    def test_published_weights_are_those_bytes(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content = bytearray((folder / "squeezenet1_0" / "squeezenet1_0.safetensors").read_bytes())
        content[-1] ^= 1
        (tmp_path / "cache" / "squeezenet1_0").mkdir(parents=True)
        path = tmp_path / "cache" / "squeezenet1_0" / "squeezenet1_0.safetensors"
        for name in ("imagenet_samples", "imagenet_labels"):
            (tmp_path / name).symlink_to(folder / name)
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
        for damaged, message in (
            (content, "are damaged: .*its content is not the published one"),
            (content[:-9], "its content has only"),
            (None, f"are not there: expected squeezenet1_0.safetensors .* at .*{path.parent.name}"),
        ):
            path.unlink(missing_ok=True)
            if damaged is not None:
                path.write_bytes(damaged)
            error = said(capsys, "train", "imagenet-squeezenet", "-o", "run", *QUICK, status=4)
            assert re.search(message, error["message"]), error["message"]
            assert not (tmp_path / "run").exists()


class TestTraining:
    def test_fine_tuning_of_all_layers_resumes_equal(self, pets: Path, tmp_path: Path) -> None:
        weights = tmp_path / "Gewichte für Häuser.safetensors"
        write_weights(weights, network(classes=2, seed=4).state_dict())
        settings = {
            "data.name": "folder", "data.folder": str(pets), "data.size": 32, "data.resize": 36,
            "data.normalize": "card", "model.name": "squeezenet", "model.weights": str(weights), "train.steps": 4,
            "train.threads": 1, "train.batch": 8, "train.keep_every": 1,
        }  # fmt: skip
        run = chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
        assert run.recipe.data.normalize == "card"
        moved = read_weights(run.folder.model)
        given = read_weights(weights)
        assert all(not torch.equal(moved[name], given[name]) for name in given if name.endswith("weight"))
        begin_run(open_recipe("digits-softmax", settings), tmp_path / "two", name="digits-softmax")
        weights.unlink()
        chainrule.resume(tmp_path / "two")
        assert (tmp_path / "two" / "model.safetensors").read_bytes() == run.folder.model.read_bytes()
        assert chainrule.evaluate(tmp_path / "two", part="test")["accuracy"] == run.result["test"]["accuracy"]  # type: ignore[index]

    def test_step_0_is_the_weights_with_an_average_too(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        torch.manual_seed(3)
        model = MODELS.resolve("mlp")((1, 8, 8), 10, hidden=(128, 128), dropout=0.1)
        torch.save({"state_dict": model.state_dict(), "epoch": 3}, path)
        settings = {"model.weights": str(path), "model.weights_key": "state_dict", "train.steps": 0, "train.ema": 0.9}
        without = {key: value for key, value in settings.items() if key != "model.weights_key"}
        with pytest.raises(WeightsError, match=r'"state_dict" may be meant: --model.weights_key "state_dict"'):
            chainrule.train("digits-mlp", out=tmp_path / "run", settings=without)
        run = chainrule.train("digits-mlp", out=tmp_path / "run", settings=settings, report=False)
        assert all(torch.equal(value, run.model().state_dict()[name]) for name, value in model.state_dict().items())

    def test_the_card_prepares_the_images_unless_the_recipe_does(self, pets: Path) -> None:
        base = {"data.name": "folder", "data.folder": str(pets), "model.name": "squeezenet"}
        plain = open_recipe({"data": {"name": "digits"}, "model": {"name": "mlp"}, "train": {"steps": 1}}, base)
        assert (plain.data.normalize, plain.data.options) == ("channel", {"folder": str(pets)})
        source = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "train": {"steps": 1}}
        given = open_recipe(source, {**base, "model.weights": "x.pth"})
        assert (given.data.normalize, given.data.options["size"], given.data.options["resize"]) == ("card", 224, 256)
        assert open_recipe(given) == given
        assert open_recipe(json.loads(json.dumps(given.to_data()))) == given
        own = open_recipe(source, {**base, "model.weights": "x.pth", "data.size": 64, "data.normalize": "pixel"})
        assert (own.data.normalize, own.data.options) == ("pixel", {"folder": str(pets), "size": 64})
        fixed = open_recipe(source, {"data.name": "cifar10", "model.name": "vgg", "model.weights": "x.pth"})
        assert (fixed.data.normalize, fixed.data.options) == ("card", {})
        made = ImageRecipe(
            data={"name": "folder", "folder": "x"}, model={"name": "resnet", "weights": "x.pth"}, train={"steps": 0}
        )
        assert open_recipe(made).data.normalize == "card"

    def test_another_model_has_none_of_the_weights(self) -> None:
        found = open_recipe("imagenet-squeezenet", {"model.name": "resnet"})
        assert found.model.weights is None

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"model.name": "knn", "model.weights": "x.pth", "train.steps": 0}, "knn has none to load"),
            ({"model.weights_key": "state_dict"}, "weights_key .*needs model.weights"),
            ({"data.normalize": "card"}, "the card of mlp has no mean and deviation"),
            ({"model.weights": "imagenet"}, "no published weights .*none are known by name"),
        ],
    )
    def test_what_does_not_go_together(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(RecipeError, match=message):
            Classification(open_recipe("digits-mlp", settings))

    def test_other_classes_and_channels(self, pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["train", "digits-softmax", "-o", "run", "--data.folder", str(pets), "--model.name", "squeezenet"]
        words += ["--model.weights", "squeezenet1_0", "--train.steps", "1", "--data.size", "32"]
        error = said(capsys, *words, status=4)["message"]
        assert "are for 120 classes: expected 2 classes" in error
        assert '"classifier.1.weight" (120, 512, 1, 1), "classifier.1.bias" (120,)' in error
        assert "take data with 120 classes" in error
        error = said(capsys, *words, "--data.channels", "1", status=2)["message"]
        assert 'the weights "squeezenet1_0" take color images: expected 3 channels, got 1' in error
        assert "--data.channels 3" in error
        assert not (tmp_path / "run").exists()

    def test_of_another_architecture(self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = folder / "squeezenet1_0" / "squeezenet1_0.safetensors"
        words = ["train", "digits-mlp", "-o", "run", "--model.weights", str(path), "--train.steps", "1"]
        error = said(capsys, *words, status=4)["message"]
        assert "52 additional (" in error
        assert "missing (" in error
        assert not (tmp_path / "run").exists()

    def test_poisoned_and_cut_files(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        class Poison:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        torch.save({"weight": Poison()}, tmp_path / "bad.pth")
        whole = tmp_path / "whole.safetensors"
        write_weights(whole, MODELS.resolve("linear")((1, 8, 8), 10).state_dict())
        (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-3])
        (tmp_path / "folder.pth").mkdir()
        for name in ("bad.pth", "cut.safetensors", "folder.pth"):
            words = ["train", "digits-softmax", "-o", "run", "--model.weights", name, "--train.steps", "1"]
            error = said(capsys, *words, status=4)["message"]
            assert name in error
            assert "\n" not in error
        assert not (tmp_path / "ran").exists()
        assert not (tmp_path / "run").exists()

    def test_ones_own_network_takes_a_path(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "net.py").write_text(
            "from torch import nn\ndef Net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
        )
        tensors = {"1.weight": torch.full((10, 64), 0.5), "1.bias": torch.arange(10.0)}
        write_weights(tmp_path / "w.safetensors", tensors)
        words = ["train", "digits-softmax", "-o", "run", "--model", "net.py:Net", "--train.steps", "0"]
        said(capsys, *words, "--model.weights", "w.safetensors")
        assert all(torch.equal(value, tensors[name]) for name, value in read_weights("run/model.safetensors").items())


def test_a_damaged_resize_is_refused(tmp_path: Path) -> None:
    chainrule.train("digits-softmax", out=tmp_path / "run", settings={"train.steps": 1}, report=False)
    path = tmp_path / "run" / "processing.json"
    whole = json.loads(path.read_text())
    assert whole["resize"] is None
    for resize in (7, 10**9, "8", 8.5, True, [8]):
        path.write_text(json.dumps({**whole, "resize": resize}))
        with pytest.raises(CheckpointError, match='as "resize"'):
            Run.open(tmp_path / "run").predict([picture(0)])
    del whole["resize"]  # as runs of before have it
    path.write_text(json.dumps(whole))
    assert len(Run.open(tmp_path / "run").predict([picture(0)])) == 1


def test_load_published_leaves_a_misfit_alone(folder: Path) -> None:
    model = network(classes=7, seed=9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match="are for 120 classes"):
        load_published(model, folder / "squeezenet1_0" / "squeezenet1_0.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
