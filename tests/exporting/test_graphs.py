"""Every registered network as a graph: it answers as the run does, or is refused with the reason."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.cli import main
from chainrule.core.errors import UsageError
from chainrule.exporting._compared import Agreement
from chainrule.exporting._graph import graph_of
from chainrule.exporting._onnx import opened
from chainrule.models import LANGUAGE_MODELS, MASKED_MODELS, MODELS, TEXT_MODELS
from chainrule.tasks import Run

FORMS = ("torch-export", "onnx")
SPEC = "CONV3-8 | BN | RELU | RES[CONV3-8 | BN] | RELU | POOL2 | DROPOUT0.3 | FC-3"
TRAIN = {"batch": 32, "threads": 1, "test": False, "look_every": None}
slow = pytest.mark.slow
pytestmark = pytest.mark.usefixtures("own_checks")  # a loop inside of a graph cannot hold them

PICTURES: list[Any] = [
    pytest.param("linear", (1, 8, 8), {}),
    pytest.param("mlp", (1, 9, 7), {"hidden": [20, 10], "dropout": 0.2, "batch_norm": True}, marks=slow),
    pytest.param("layers", (3, 16, 16), {"spec": SPEC}),
    pytest.param("lenet", (1, 28, 28), {}, marks=slow),
    pytest.param("cnn", (3, 33, 17), {"widths": [8, 12]}, marks=slow),
    pytest.param("alexnet", (3, 67, 67), {"head": "linear"}, marks=slow),
    pytest.param("vgg", (3, 32, 32), {"depth": 11, "batch_norm": True, "head": "linear"}, marks=slow),
    pytest.param("resnet", (1, 47, 33), {"depth": 18}, marks=slow),
    pytest.param("resnet_cifar", (3, 8, 8), {"depth": 8, "drop_path": 0.1}, marks=slow),
    pytest.param("squeezenet", (3, 32, 32), {}, marks=slow),
    pytest.param("densenet", (3, 33, 29), {}, marks=slow),
    pytest.param("densenet_cifar", (1, 9, 7), {"depth": 10}, marks=slow),
    pytest.param("inception", (3, 32, 32), {"width": 0.125}, marks=slow),
    pytest.param("mobilenet", (3, 32, 32), {"width": 0.25}, marks=slow),
    pytest.param("shared_trunk", (3, 8, 8), {"trunk": "CONV3-8 | BN | RELU | POOL2", "heads": 2}, marks=slow),
    pytest.param("vit", (3, 16, 16), {"patch": 4, "width": 16, "layers": 1, "num_heads": 2}),
    pytest.param("vit", (1, 28, 28), {"patch": 7, "layers": 1, "pool": "class", "positions": "grid"}, marks=slow),
]
ENCODER = {"width": 16, "layers": 1, "num_heads": 2}
TOKENS: list[Any] = [
    pytest.param("classify-text", "bag_of_words", {"weighting": "tf-idf"}),
    pytest.param("classify-text", "bag_of_words", {"weighting": "binary"}, marks=slow),
    pytest.param("classify-text", "text_average", {"embedding": 8, "hidden": [6]}, marks=slow),
    pytest.param("classify-text", "text_cnn", {"embedding": 8, "filters": 4}, marks=slow),
    pytest.param("classify-text", "text_transformer", {**ENCODER, "length": 300}, marks=slow),
    pytest.param("classify-text", "text_transformer", {**ENCODER, "read": "first", "positions": "sinusoidal"}),
    pytest.param("classify-text", "text_recurrent", {"cell": "lstm", "width": 6, "layers": 2, "read": "last"}),
    pytest.param("classify-text", "text_recurrent", {"cell": "gru", "width": 6, "read": "mean"}, marks=slow),
    pytest.param("classify-text", "text_recurrent", {"cell": "rnn", "width": 6, "read": "max"}, marks=slow),
    pytest.param("language", "recurrent", {"cell": "lstm", "width": 12, "tie": True}, marks=slow),
    pytest.param("language", "recurrent", {"cell": "gru", "width": 12, "layers": 1}),
    pytest.param("language", "recurrent", {"cell": "rnn", "width": 12}, marks=slow),
    pytest.param("language", "gpt", {**ENCODER, "positions": "rotary"}),
    pytest.param("language", "gpt", {**ENCODER, "positions": "learned", "length": 300}, marks=slow),
    pytest.param(
        "language",
        "gpt",
        {**ENCODER, "positions": "naive", "length": 300, "join": "concatenate", "tie": False},
        marks=slow,
    ),
    pytest.param("masked", "masked_transformer", {**ENCODER, "length": 300}),
]


def test_every_network_that_can_be_a_graph_is_tried() -> None:
    pictures = {name for name in MODELS if not MODELS.entry(name).card.get("fitted")}
    assert {case.values[0] for case in PICTURES} == pictures
    assert {case.values[1] for case in TOKENS} == {*TEXT_MODELS, *LANGUAGE_MODELS, *MASKED_MODELS}


@pytest.mark.parametrize(("name", "shape", "options"), PICTURES)
def test_a_network_of_pictures_answers_as_its_run(
    name: str,
    shape: Any,
    options: dict[str, Any],
    classifier: Any,
    pictures: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = classifier(shape, {"name": name, **options}, predict={"flip": name == "vit"})
    capfd.readouterr()
    for form in FORMS:
        found = chainrule.export(run.path, form, compare=pictures)
        compared = found.outcome.facts["compared"]
        assert found.outcome.agrees, compared
        assert compared["equal"] == 1
        assert compared["inputs"] == 4
        answers = graph(found.folder, form)
        for count in (1, 7):
            given = torch.randint(0, 256, (count, *shape[1:], shape[0]), dtype=torch.uint8)
            assert answers(given)["probabilities"].sum(1).tolist() == pytest.approx([1] * count)
    assert "".join(capfd.readouterr()) == ""  # exporters print much: none of it is for the reader


@pytest.mark.parametrize(("task", "name", "options"), TOKENS)
def test_a_network_of_tokens_answers_as_its_run(
    task: str, name: str, options: dict[str, Any], reader: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    run = reader(task, {"name": name, **options})
    model = run.model()
    capfd.readouterr()
    for form in FORMS:
        found = chainrule.export(run.path, form, count=40)
        assert found.outcome.agrees, found.outcome.facts
        assert found.outcome.facts["compared"]["difference"] < 1e-5
        answers = graph(found.folder, form)
        one = torch.tensor([[5]])
        longer = torch.tensor([[5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7], [6, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0]])
        for given in (one, longer):
            own = own_scores(task, model, given)
            assert torch.allclose(answers(given)["scores"], own, atol=1e-5)
    assert "".join(capfd.readouterr()) == ""


def own_scores(task: str, model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    from chainrule.data.masked_texts import Blanks

    with torch.inference_mode():
        if task == "masked":
            return model(Blanks(tokens, torch.arange(tokens.numel()))).unflatten(0, tokens.shape)
        return model(tokens, None)[0] if task == "language" else model(tokens)


def graph(folder: Path, form: str) -> Any:
    return opened(folder / "model.onnx") if form == "onnx" else torch.export.load(str(folder / "model.pt2")).module()


@pytest.mark.parametrize(
    ("sections", "what"),
    [
        (
            {"model": {"name": "knn", "k": 3}, "train": {"steps": 0, "threads": 1}},
            r"NearestNeighbors answers by a search in its training set.*Remedy: --to safetensors",
        ),
        ({"data": {"name": "digits", "features": [{"name": "hog", "cell": 4}]}}, r"given features \(hog\)"),
    ],
)
def test_what_is_no_graph_is_refused_and_nothing_is_left(sections: dict[str, Any], what: str, classifier: Any) -> None:
    sections = {"model": {"name": "linear"}, **sections}
    run = classifier((1, 8, 8), sections.pop("model"), **sections)
    before = sorted(run.path.iterdir())
    for form in FORMS:
        with pytest.raises(UsageError, match=what):
            chainrule.export(run.path, form)
    assert sorted(run.path.iterdir()) == before
    assert chainrule.export(run.path, "safetensors").outcome.agrees


def test_vectors_and_translators_are_refused_with_what_can_be_had(reader: Any, tmp_path: Path) -> None:
    run = reader("embed", {"name": "word_embedding", "dim": 8})
    data = {"name": "addition", "digits": 2, "count": 60, "validation": 0.2, "tokenizer": "characters"}
    sums = {"task": "translate", "data": data, "model": {"name": "seq2seq", "width": 8}, "train": {"steps": 1}}
    chainrule.train(sums, out=tmp_path / "sums", report=False)
    for form in FORMS:
        with pytest.raises(UsageError, match=r"vectors of words, and answers nothing.*--to safetensors"):
            chainrule.export(run.path, form)
        with pytest.raises(UsageError, match=r"token by token, which is no graph.*--to ctranslate2"):
            chainrule.export(tmp_path / "sums", form)
    assert chainrule.export(run.path, "safetensors").outcome.agrees
    assert chainrule.export(tmp_path / "sums", "safetensors").outcome.agrees


@pytest.mark.parametrize("form", FORMS)
def test_the_program_beside_it_answers_files_as_predict_does(
    form: str, classifier: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = classifier((3, 12, 16), {"name": "cnn", "widths": [4]}, train={"steps": 2, "ema": 0.5, "threads": 1})
    found = chainrule.export(run.path, form, compare=pictures)
    assert found.outcome.agrees
    files = [str(path) for path in sorted(pictures.iterdir())]
    monkeypatch.setattr("sys.argv", ["predict.py", *files])
    capsys.readouterr()
    runpy.run_path(str(found.folder / "predict.py"))
    said = re.findall(r"^  (\d\.\d+)  (.*)$", capsys.readouterr().out, re.MULTILINE)
    own = [pair for prediction in run.predict(files) for pair in prediction.top]
    assert [name for _, name in said] == [name for name, _ in own]
    assert [float(chance) for chance, _ in said] == pytest.approx([chance for _, chance in own], abs=1e-4)
    assert "torch" in (found.folder / "README.txt").read_text() or form == "onnx"


@pytest.mark.parametrize(
    ("task", "model", "text"),
    [
        ("classify-text", {"name": "bag_of_words"}, "the old cat sat"),
        ("masked", {"name": "masked_transformer", **ENCODER}, "the old [MASK] sat"),
        ("language", {"name": "gpt", **ENCODER}, "the old"),
    ],
)
def test_the_program_reads_texts(
    task: str,
    model: dict[str, Any],
    text: str,
    reader: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = reader(task, model)
    found = chainrule.export(run.path, "torch-export", count=0)
    assert found.outcome.said == (
        f"not compared: no {'pieces of text' if task == 'language' else 'texts'} were asked for",
    )
    monkeypatch.setattr("sys.argv", ["predict.py", text])
    capsys.readouterr()
    runpy.run_path(str(found.folder / "predict.py"))
    first, *told = capsys.readouterr().out.splitlines()
    assert first == text
    chances = [float(one.split()[0]) for one in told]
    assert chances == sorted(chances, reverse=True)
    if task != "language":
        own = [chance for _, chance in run.predict([text])[0].top]
        assert chances[0] >= own[0] - 1e-4  # of hidden words predict leaves special tokens out
        assert task == "masked" or chances == pytest.approx(own, abs=1e-4)


@pytest.mark.slow
def test_int8_tells_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["digits-cnn", "--train.steps", "60", "--train.threads", "1", "-q", "-o", str(tmp_path / "run")]
    assert main(["train", *words]) == 0
    capsys.readouterr()
    words = [str(tmp_path / "run"), "--to", "onnx", "--quantization", "int8", "--json"]
    assert main(["export", *words]) == 0
    told = json.loads(capsys.readouterr().out)["result"]
    small, valid = told["int8"], Run.open(tmp_path / "run").evaluate("valid")
    assert small["how"].startswith("static: scales of the numbers between layers from 256 pictures")
    assert small["bytes"][1] < 0.5 * small["bytes"][0]
    assert small["part"] == "valid"
    whole, rounded = small["right"]
    assert whole["accuracy"] == pytest.approx(valid["accuracy"])
    assert whole["loss"] == pytest.approx(Run.open(tmp_path / "run").result["valid"]["loss"], abs=2)  # type: ignore[index]
    assert abs(rounded["accuracy"] - whole["accuracy"]) < 0.1
    assert 1e-5 < small["agreement"]["difference"] < 0.5
    assert told["compared"]["difference"] < 1e-4
    assert (tmp_path / "run" / "onnx" / "model.int8.onnx").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("classify-text", {"name": "text_recurrent", "cell": "lstm", "width": 32}),
        ("language", {"name": "gpt", "width": 32, "layers": 1, "num_heads": 2}),
    ],
)
def test_int8_of_what_reads_tokens_is_dynamic(task: str, model: dict[str, Any], reader: Any) -> None:
    found = chainrule.export(reader(task, model).path, "onnx", quantization="int8")
    small = found.outcome.facts["int8"]
    assert small["how"].startswith("dynamic")
    assert small["bytes"][1] < small["bytes"][0]
    assert small["agreement"]["difference"] > 0
    assert found.outcome.agrees


def test_other_answers_end_with_a_status(
    classifier: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = classifier((1, 8, 8), {"name": "linear"})
    monkeypatch.setattr(Agreement, "ABSOLUTE", -1.0)
    for form in FORMS:
        assert main(["export", str(run.path), "--to", form, "--compare", str(pictures)]) == 9
        assert "do not use the folder" in capsys.readouterr().out


def test_data_that_are_gone_leave_it_uncompared(reader: Any, texts: Path) -> None:
    run = reader("classify-text", {"name": "bag_of_words"})
    recipe = (run.path / "recipe.yaml").read_text("utf-8")
    (run.path / "recipe.yaml").write_text(recipe.replace("animals.csv", "gone.csv"), "utf-8")
    found = chainrule.export(run.path, "onnx", quantization="int8")
    assert "the data of the run are not there" in found.outcome.said[0]
    assert any("accuracy was not measured" in one for one in found.outcome.said)


def test_a_network_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "net.py"
    program.write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, asks=False):\n"
        "        super().__init__()\n"
        "        self.asks, self.read, self.head = asks, nn.LSTM(8, 6, batch_first=True), nn.Linear(6, 10)\n"
        "    def forward(self, x):\n"
        "        if self.asks and x.mean() > 1e9:\n"
        "            return x\n"
        "        return self.head(self.read(x[:, 0])[0][:, -1])\n"
    )
    words = ["digits-mlp", "--model", f"{program}:Net", "--train.steps", "2", "--train.threads", "1", "-q"]
    for name, more, status in (("good", [], 0), ("asks", ["--model.asks", "true"], 2)):
        run = str(tmp_path / name)
        assert main(["train", *words, *more, "-o", run]) == 0
        for form in FORMS:
            capsys.readouterr()
            assert main(["export", run, "--to", form, "--model", f"{program}:Net", "--json"]) == status
            told = json.loads(capsys.readouterr().out)
            if status:
                assert "this network cannot become a graph for any batch" in told["error"]["message"]
                assert not (tmp_path / name / form).exists()
            else:
                assert told["result"]["compared"]["difference"] < 1e-5
        assert main(["export", run, "--to", "safetensors", "--model", f"{program}:Net"]) == 0
        assert "module=..." in (tmp_path / name / "safetensors" / "load.py").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--to", "torch-export", "--quantization", "int8"], r'torch-export has no option "quantization"'),
        (["--to", "safetensors", "--quantization", "int8"], r'safetensors has no option "quantization"'),
        (["--to", "onnx", "--quantization", "int7"], r'no quantization "int7".*"int8"'),
        (["--to", "safetensors", "--compare", "x.png"], r"answers nothing that could be compared.*leave --compare out"),
        (["--to", "onnx", "--compare", "nothing.png"], r"nothing.png\" cannot be read"),
    ],
)
def test_options_that_do_not_apply_are_named(
    words: list[str], what: str, classifier: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = classifier((1, 8, 8), {"name": "linear"})
    before = sorted(run.path.iterdir())
    capsys.readouterr()
    assert main(["export", str(run.path), *words, "--json"]) in (2, 3)
    assert re.search(what, json.loads(capsys.readouterr().out)["error"]["message"])
    assert sorted(run.path.iterdir()) == before


def test_without_the_packages_it_says_how_they_are_got(classifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = classifier((1, 8, 8), {"name": "linear"})
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r"onnx, onnxscript and onnxruntime.*Remedy: pip install 'chainrule\[onnx\]'"):
        chainrule.export(run.path, "onnx")
    assert not (run.path / "onnx").exists()


WITHOUT = """
import sys
sys.modules["chainrule"] = None
sys.path.insert(0, {folder!r})
from load import network, probabilities
print(probabilities(*{files!r}).tolist())
"""


@pytest.mark.parametrize(
    ("model", "alone"),
    [
        ({"name": "layers", "spec": "CONV3-8 | BN | RELU | POOL2 | FC-3"}, True),
        ({"name": "mlp", "hidden": [6]}, True),
        ({"name": "vit", "patch": 4, "width": 16, "layers": 1, "num_heads": 2}, False),
    ],
)
def test_weights_are_read_back_and_loaded_without_chainrule(
    model: dict[str, Any], alone: bool, classifier: Any, pictures: Path
) -> None:
    run = classifier((3, 12, 12), model, predict={"flip": True})
    found = chainrule.export(run.path, "safetensors")
    assert found.outcome.facts["loads_with"] == ("torch and safetensors" if alone else "chainrule")
    other = Run.open(found.folder).model().state_dict()
    assert all(torch.equal(value, other[name]) for name, value in run.model().state_dict().items())
    files = [str(path) for path in sorted(pictures.iterdir())]
    if alone:
        code = WITHOUT.format(folder=str(found.folder), files=files)
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        own = [[dict(one.top)[name] for name in run.classes] for one in run.predict(files)]
        assert torch.allclose(torch.tensor(json.loads(said)), torch.tensor(own), atol=1e-4)
    else:
        network = runpy.run_path(str(found.folder / "load.py"))["network"]
        assert network.state_dict().keys() == other.keys()


def test_tied_weights_are_named(reader: Any) -> None:
    from safetensors import safe_open

    run = reader("language", {"name": "gpt", **ENCODER, "tie": True})
    found = chainrule.export(run.path, "safetensors")
    assert found.outcome.facts["tied"] == {"head.weight": "embed.weight"}
    with safe_open(found.folder / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["tied"]) == {"head.weight": "embed.weight"}
        assert file.metadata()["format"] == "pt"
        assert len(file.metadata()["recipe_sha256"]) == 64
        assert torch.equal(file.get_tensor("head.weight"), file.get_tensor("embed.weight"))
    model = Run.open(found.folder).model()
    assert model.head.weight is model.embed.weight


@pytest.mark.parametrize("order", ["lanes", "windows"])
def test_no_token_has_a_piece_of_its_own(reader: Any, lines: Path, order: str) -> None:
    """Steps may be shorter than the text in front of what is measured, where a state is carried."""
    data = {"name": "text-file", "file": str(lines), "tokenizer": "characters", "length": 16, "order": order}
    data |= {"context": 40} if order == "lanes" else {}
    run = reader("language", {"name": "recurrent", "cell": "gru", "width": 12, "layers": 1}, data=data)
    examples = graph_of(run, run.model(), "a test").examples("valid")
    count = len(run.job().parts["valid"])
    assert len(examples) == -(-count // (40 if order == "lanes" else 4))
    targets = [examples(torch.tensor([index]))[1] for index in range(len(examples))]
    assert sum(int((target >= 0).sum()) for target in targets) == count


@slow
@pytest.mark.parametrize(
    ("model", "how"),
    [
        ({"name": "linear"}, "dynamic"),
        ({"name": "mlp", "hidden": [32]}, "dynamic"),
        ({"name": "cnn", "widths": [8, 12]}, "static"),
        ({"name": "resnet_cifar", "depth": 8}, "static"),
        ({"name": "densenet_cifar", "depth": 10}, "static"),
        ({"name": "vit", "patch": 4, "width": 32, "layers": 1, "num_heads": 2}, "dynamic"),
    ],
)
def test_int8_of_each_kind_of_picture_network(model: dict[str, Any], how: str, tmp_path: Path) -> None:
    recipe = {"data": {"name": "digits", "validation": 0.3}, "model": model, "optim": {"name": "adam", "lr": 0.01}}
    run = chainrule.train({**recipe, "train": {**TRAIN, "steps": 80}}, out=tmp_path / "run", report=False)
    found = chainrule.export(run.path, "onnx", quantization="int8")
    small = found.outcome.facts["int8"]
    assert small["how"].startswith(how)
    assert small["agreement"]["equal"] > 0.9
    assert small["agreement"]["difference"] > 0


@slow
@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("classify-text", {"name": "text_cnn", "embedding": 16, "filters": 8}),
        ("classify-text", {"name": "bag_of_words"}),
        ("classify-text", {"name": "text_recurrent", "cell": "gru", "width": 32}),
        ("masked", {"name": "masked_transformer", **ENCODER}),
        ("language", {"name": "recurrent", "cell": "rnn", "width": 32}),
    ],
)
def test_int8_of_each_kind_of_network_of_tokens(task: str, model: dict[str, Any], reader: Any) -> None:
    small = chainrule.export(reader(task, model).path, "onnx", quantization="int8").outcome.facts["int8"]
    assert small["agreement"]["equal"] > 0.5
    assert small["part"] == "valid"
