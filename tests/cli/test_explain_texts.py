"""`chainrule explain` of runs that classify texts, and of runs that translate."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.analysis import record_gates
from chainrule.cli import main
from chainrule.data.tokenizers import START

WORDS = ["sea", "ship", "rain", "night", "the", "old"]


def classifier(folder: Path, model: dict[str, Any]) -> chainrule.Run:
    draw = random.Random(0)
    lines = [
        f"{' '.join(draw.choices(WORDS, k=5))} {('gray', 'bright')[n % 2]},{('bad', 'good')[n % 2]}" for n in range(60)
    ]
    (folder / "weather.csv").write_text("\n".join(["text,label", *lines]))
    recipe = {
        "task": "classify-text",
        "data": {"name": "text-table", "file": str(folder / "weather.csv"), "validation": 0.2},
        "model": model,
        "train": {"steps": 2, "batch": 8, "threads": 1, "test": False},
    }
    return chainrule.train(recipe, out=folder / "run", report=False)


def translator(folder: Path, model: dict[str, Any]) -> chainrule.Run:
    adjectives, nouns = (("red", "rouge"), ("old", "vieux"), ("big", "grand")), (("cat", "chat"), ("dog", "chien"))
    words = itertools.product(adjectives, nouns)
    pairs = [(f"a {a[0]} {b[0]} {n}", f"un {a[1]} {b[1]} {n}") for a, b in words for n in range(4)]
    for name, side in zip(("a.en", "a.fr"), zip(*pairs)):
        (folder / name).write_text("".join(f"{line}\n" for line in side))
    recipe = {
        "task": "translate",
        "data": {
            "name": "parallel-files",
            "source": str(folder / "a.en"),
            "target": str(folder / "a.fr"),
            "tokenizer": "words",
            "joint": False,
            "validation": 0.15,
            "test_share": 0.15,
        },
        "model": model,
        "optim": {"name": "adamw", "lr": 0.02},
        "train": {"steps": 20, "batch": 8, "threads": 1, "test": False, "evaluate_every": 0},
        "decode": {"beam": 3, "length": 6},
    }
    return chainrule.train(recipe, out=folder / "run", report=False)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["explain", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def check_files(run: chainrule.Run, method: str, folder: Path, maps: int) -> None:
    page, picture = folder / "page.html", folder / "picture.png"
    words = ["explain", str(run.path), "--method", method, "--text", "the old ship"]
    assert main([*words, "-o", str(page)]) == 0
    assert page.read_text().count("data:image/png") == 2 * maps  # light and dark
    assert main([*words, "-o", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("read", ["last", "mean", "max"])
def test_gates_of_a_classifier_are_those_behind_its_class(
    read: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = classifier(tmp_path, {"name": "text_recurrent", "cell": "lstm", "width": 6, "read": read})
    text = "the old ship bright"
    found = answer(capsys, str(run.path), "--method", "gates", "--text", text)
    assert found["tokens"] == text.split()
    (predicted,) = run.predict([text])
    assert found["asked"] == f"score of the class {predicted.label!r}"
    assert found["answers"] == [[label, pytest.approx(p, abs=1e-5)] for label, p in predicted.top]
    model, job = run.model(), run.job()
    tokens, best = job.prepared.tokens(text)[0].unsqueeze(0), job.prepared.classes.index(predicted.label)
    records = record_gates(model, tokens, output=lambda given: given[0, best])
    assert [layer["backward"] for layer in found["layers"]] == [False, True]
    for layer, record in zip(found["layers"], records):
        for name in "hc":
            norms = torch.tensor(layer["gradients"][name]["norms"])
            torch.testing.assert_close(norms, record.gradients[name][:, 0])
            assert bool((norms > 0).all())
        assert layer["gates"]["f"]["mean"] == pytest.approx(float(record.values["f"].mean()), rel=1e-5)
    check_files(run, "gates", tmp_path, maps=2 * 6)


@pytest.mark.parametrize("read", ["mean", "first"])
def test_attention_of_a_classifier(read: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = classifier(tmp_path, {"name": "text_transformer", "width": 8, "layers": 2, "num_heads": 2, "read": read})
    found = answer(capsys, str(run.path), "--method", "attention", "--text", "the old ship bright")
    words = ["the", "old", "ship", "bright"]
    assert found["tokens"] == (["<s>", *words] if read == "first" else words)
    assert found["step"] == (1 if read == "first" else None)
    assert len(found["blocks"]) == 2
    for block in found["blocks"]:
        for head in block["heads"]:
            weights = torch.tensor(head["weights"])
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=1e-3, rtol=0)
            asked = weights[0] if read == "first" else weights.mean(0)  # what the class is read from
            assert head["seen"][0][2] == pytest.approx(float(asked.max()), abs=1e-4)
            assert head["seen"][0][1] == found["tokens"][head["seen"][0][0] - 1]
    check_files(run, "attention", tmp_path, maps=2 * 2 + (read == "first"))  # and one of what is asked about
    capsys.readouterr()
    assert main(["explain", str(run.path), "--method", "attention", "--text", "the old ship bright"]) == 0
    assert ("token 1 looks at" if read == "first" else "looks at most") in capsys.readouterr().out


NETWORKS = {
    "attention": {"name": "attention", "width": 8},
    "transformer": {"name": "transformer", "width": 8, "num_heads": 2, "layers": 2, "hidden": 8},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_attention_of_a_translator_is_over_the_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = translator(tmp_path, NETWORKS[name])
    text = "a red cat sees"
    said = run.translate([text], best=3)[0]
    found = answer(capsys, str(run.path), "--method", "attention", "--text", text)
    assert found["memory"] == ["a", "red", "cat", "<unk>", "</s>"]  # what it does not know it does not see
    assert len(found["tokens"]) == len(said.tokens)
    assert [one for one, _ in found["answers"]] == [said.output, *(other for other, _ in said.others)]
    blocks = ["decoder"] if name == "attention" else [f"decoder.blocks.{n}.cross" for n in range(2)]
    assert [block["name"] for block in found["blocks"]] == blocks
    model: Any = run.model()
    source = run.job().tokens.sources([text])[0][0].unsqueeze(0)
    given = torch.tensor([[START, *said.tokens[:-1]]])
    if name == "attention":
        wanted = model.decoder.weights(given, model.encode(source))[0]
    else:
        seen: list[Any] = []
        last = model.decoder.blocks[1].cross
        last.register_forward_pre_hook(lambda part, args, kwargs: seen.append((args, kwargs)), with_kwargs=True)
        model(given, model.encode(source))
        wanted = last.weights(*seen[0][0], **seen[0][1])[0]
    weights = torch.tensor([head["weights"] for head in found["blocks"][-1]["heads"]])
    torch.testing.assert_close(weights, wanted.detach(), atol=1e-4, rtol=0)
    assert all(head["back"] is None for head in found["blocks"][0]["heads"])  # there is no way back in another text
    one = answer(capsys, str(run.path), "--method", "attention", "--text", text, "--at", "2")
    assert one["step"] == 2
    scores = torch.softmax(model(given, model.encode(source))[0][0, 1], 0)
    assert one["answers"][0][1] == pytest.approx(float(scores.detach().max()), rel=1e-4)
    check_files(run, "attention", tmp_path, maps=1 if name == "attention" else 4)


def test_gates_of_the_network_that_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = translator(tmp_path, {"name": "seq2seq", "width": 8})
    found = answer(capsys, str(run.path), "--method", "gates", "--text", "a red cat", "--at", "2")
    (layer,) = found["layers"]
    assert list(layer["values"]) == ["z", "r", "n", "h"]
    norms = layer["gradients"]["h"]["norms"]
    assert len(norms) == len(found["tokens"]) > 2
    assert [norm > 0 for norm in norms] == [True] * 2 + [False] * (len(norms) - 2)  # what comes later has no part in it
    check_files(run, "gates", tmp_path, maps=4)


def test_what_cannot_be_explained_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tmp_path / name for name in ("bag", "classes", "plain", "transformer")]
    for folder in folders:
        folder.mkdir()
    runs = [
        classifier(folders[0], {"name": "bag_of_words"}),
        classifier(folders[1], {"name": "text_recurrent", "width": 4}),
        translator(folders[2], {"name": "seq2seq", "width": 8}),
        translator(folders[3], NETWORKS["transformer"]),
    ]
    bag, classes, plain, transformer = runs
    for run, method, text, more, status, message in [
        (bag, "gates", "the old", [], 2, "no recurrent layer"),
        (bag, "attention", "the old", [], 2, "no attention"),
        (classes, "attention", "the old", [], 2, "no attention"),
        (classes, "gates", "the old", ["--at", "2"], 2, "one answer for the whole text"),
        (classes, "gates", "Ж", [], 3, "knows nothing of the text"),
        (classes, "gates", " ", [], 3, "the text is empty"),
        (plain, "attention", "a red", [], 2, "no attention"),
        (plain, "gates", "a red", ["--at", "99"], 2, "no such token of the translation"),
        (plain, "gates", "Ж", [], 3, "knows nothing of the text"),
        (transformer, "gates", "a red", [], 2, "no recurrent layer"),
        (transformer, "attention", "", [], 2, "is no argument"),
        (transformer, "attention", "a red", ["--at", "0"], 2, "no such token of the translation"),
    ]:
        capsys.readouterr()
        assert main(["explain", str(run.path), "--method", method, "--text", text, *more]) == status
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1
