"""`chainrule explain`: what gates and attention did with a text, told and drawn."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.analysis import record_gates
from chainrule.cli import main
from chainrule.core.errors import UsageError

TEXT = "the cat sat on the mat, and the dog lay by the door.\n"


def train(folder: Path, model: dict[str, Any], order: str) -> chainrule.Run:
    (folder / "cat.txt").write_text(TEXT * 60)
    recipe = {
        "task": "language",
        "data": {"name": "text-file", "file": str(folder / "cat.txt"), "order": order, "length": 32, "context": 8},
        "model": model,
        "optim": {"name": "adamw", "lr": 0.01},
        "train": {"steps": 3, "batch": 4, "threads": 1},
        "generate": {"length": 5},
    }
    return chainrule.train(recipe, out=folder / "run", report=False)


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    return train(tmp_path_factory.mktemp("lstm"), {"name": "recurrent", "width": 12, "layers": 2}, "lanes")


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    model = {"name": "gpt", "width": 16, "layers": 2, "num_heads": 2}
    return train(tmp_path_factory.mktemp("gpt"), model, "windows")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["explain", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_gates_are_those_of_the_network(lstm: chainrule.Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, str(lstm.path), "--method", "gates", "--text", "the cat", "--units", "5")
    assert found["tokens"] == list("the cat")
    assert [layer["name"] for layer in found["layers"]] == ["recurrent layer 1", "recurrent layer 2"]
    model, job = lstm.model(), lstm.job()
    tokens = job.tokenizer.encode("the cat").unsqueeze(0)
    scores, _ = model(tokens)
    probabilities = torch.softmax(scores[0, -1], 0)
    assert found["answers"][0][1] == pytest.approx(float(probabilities.detach().max()), rel=1e-5)
    records = record_gates(model, tokens, output=lambda given: torch.log_softmax(given[0][0, -1], 0).max())
    for layer, record in zip(found["layers"], records):
        assert len(set(layer["units"])) == 5
        spread = record.values["h"][:, 0].std(0, correction=0)
        assert set(layer["units"]) == set(spread.topk(5).indices.tolist())
        for name in "ifogch":
            wanted = record.values[name][:, 0, layer["units"]].T
            torch.testing.assert_close(torch.tensor(layer["values"][name]), wanted)
        assert layer["gates"]["f"]["mean"] == pytest.approx(float(record.values["f"].mean()), rel=1e-5)
        for name in "hc":
            norms = torch.tensor(layer["gradients"][name]["norms"])
            torch.testing.assert_close(norms, record.gradients[name][:, 0])
    again = chainrule.explain(lstm.path, "gates", text="the cat")
    assert again.facts["layers"][0]["count"] == 12
    assert "forget gate" in str(again)
    assert again._repr_html_().startswith('<img alt="gates"')
    torch.testing.assert_close(again.record[0].values["f"], records[0].values["f"])


def test_a_token_within_the_text_is_asked_about(lstm: chainrule.Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, str(lstm.path), "--method", "gates", "--text", "the cat", "--at", "4")
    assert found["asked"] == "log p of token 4, ' '"
    norms = found["layers"][0]["gradients"]["h"]["norms"]
    assert [norm > 0 for norm in norms] == [True] * 3 + [False] * 4  # what comes later has no part in it


def test_what_is_printed_and_drawn(
    lstm: chainrule.Run, gpt: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, method, told in ((lstm, "gates", "forget gate"), (gpt, "attention", "looks back")):
        page, picture, drawing = (tmp_path / f"{method}.{kind}" for kind in ("html", "png", "svg"))
        words = ["explain", str(run.path), "--method", method, "--text", "the cat sat"]
        assert main([*words, "-o", str(page)]) == 0
        said = capsys.readouterr().out
        assert told in said
        assert said.rstrip().endswith(f"page  {page}")
        text = page.read_text()
        maps = 2 * 6 if method == "gates" else 2 * 2 + 1  # and that of the token that is asked about
        assert text.count("data:image/png") == 2 * maps  # light and dark
        assert text.count("<script") == 2 + maps + (method == "gates")
        assert not re.search(r"(src|href)=.https?:", text)
        assert main([*words, "-o", str(picture), "--theme", "dark"]) == 0
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert main([*words, "-o", str(drawing)]) == 0
        assert "<svg" in drawing.read_text()[:500]
        capsys.readouterr()


def test_attention_is_that_of_the_network(gpt: chainrule.Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, str(gpt.path), "--method", "attention", "--text", "the cat", "--at", "5")
    assert [block["name"][:8] for block in found["blocks"]] == ["blocks.0", "blocks.1"]
    model = gpt.model()
    tokens = gpt.job().tokenizer.encode("the cat").unsqueeze(0)
    seen: list[torch.Tensor] = []
    handle = model.blocks[0].register_forward_pre_hook(lambda part, args: seen.append(args[0]))
    model(tokens)
    handle.remove()
    for head in found["blocks"][0]["heads"]:
        weights = torch.tensor(head["weights"])
        torch.testing.assert_close(weights.sum(1), torch.ones(7), atol=1e-3, rtol=0)
        assert not bool(weights.triu(1).any())
        assert head["first"] == pytest.approx(float(weights[:, 0].mean()), abs=1e-4)
        places = torch.arange(7.0)
        assert head["back"] == pytest.approx(float((weights * (places[:, None] - places)).sum(1).mean()), abs=1e-3)
        assert head["seen"][0][0] == int(weights[3].argmax()) + 1  # token 5 is said after token 4
        assert 1 <= head["spread"] <= 7


def test_gates_of_an_rnn_and_a_gru(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cell, names in (("rnn", ["h"]), ("gru", ["z", "r", "n", "h"])):
        folder = tmp_path / cell
        folder.mkdir()
        run = train(folder, {"name": "recurrent", "cell": cell, "width": 6, "layers": 1}, "lanes")
        found = answer(capsys, str(run.path), "--method", "gates", "--text", "the", "-o", str(folder / "page.html"))
        assert list(found["layers"][0]["values"]) == names
        assert list(found["layers"][0]["gates"]) == names[:2] * (cell == "gru")
        assert main(["explain", str(run.path), "--method", "gates", "--text", "t"]) == 0  # one token has no way back
        assert "no gradient goes from token to token" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--method", "gate", "--text", "a"], 2, "gates"),
        (["--method", "gates"], 2, "no text to explain"),
        (["--method", "gates", "--text", "ЖЖ"], 3, "at least one token"),
        (["--method", "gates", "--text", "the", "--at", "1"], 2, "expected 2 to 3"),
        (["--method", "gates", "--text", "the", "--at", "4"], 2, "expected 2 to 3"),
        (["--method", "gates", "--text", "the", "--units", "0"], 2, "at least 1"),
        (["--method", "attention", "--text", "the"], 2, "no attention"),
        (["--method", "attention", "--text", "the", "--units", "3"], 2, "--method gates"),
        (["--method", "gates", "--text", "the", "-o", "a.pdf"], 2, "ends in .html, .png or .svg"),
        (["--method", "gates", "--text", "the", "--theme", "dark"], 2, "--theme is that of a picture"),
        (["--method", "gates", "--text", "cat " * 300], 2, "at most 1,000 tokens"),
    ],
)
def test_mistakes_are_told_in_one_line(
    lstm: chainrule.Run, words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(lstm.path), *words]) == status
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_other_networks_and_tasks(gpt: chainrule.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recurrent layer"):
        gpt.explain("gates", text="the")
    with pytest.raises(UsageError, match="not learned to read so much"):
        gpt.explain("attention", text="the cat sat on the mat and the dog")
    settings = {"data.limit": 60, "train.epochs": 1, "train.threads": 1}
    images = chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    with pytest.raises(UsageError, match="reads no text"):
        images.explain("gates", text="the")


def test_text_comes_from_standard_input(
    lstm: chainrule.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"the dog")))
    assert answer(capsys, str(lstm.path), "--method", "gates", "--text", "-")["text"] == "the dog"


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embed, self.read = nn.Embedding(vocabulary, 6), nn.GRU(6, 7, batch_first=True)
        self.head = nn.Linear(7, vocabulary)

    def forward(self, tokens, state=None):
        outputs, last = self.read(self.embed(tokens), None if not state else state["h"].transpose(0, 1).contiguous())
        return self.head(outputs), {"h": last.transpose(0, 1)}
"""


def test_a_network_of_ones_own_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "cat.txt").write_text(TEXT * 40)
    own = ["--model", f"{tmp_path / 'net.py'}:Net"]
    words = ["train", "shakespeare-lstm", *own, "--data.name", "text-file", "--data.file", str(tmp_path / "cat.txt")]
    words += ["--train.steps", "2", "--train.batch", "4", "--data.length", "8", "--train.threads", "1"]
    assert main([*words, "--no-progress", "-o", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    words = [str(tmp_path / "run"), "--method", "gates", "--text", "the cat"]
    found = answer(capsys, *words, *own)
    assert found["layers"][0]["name"] == "read"
    assert found["layers"][0]["count"] == 7
    assert main(["generate", str(tmp_path / "run"), "--prompt", "the", "-n", "3", *own]) == 0
    assert main(["evaluate", str(tmp_path / "run"), *own]) == 0
    assert main(["words", str(tmp_path / "run"), "c", "-n", "2", *own]) == 0
    capsys.readouterr()
    assert main(["explain", *words]) == 4
    assert "--model FILE.py:NAME" in capsys.readouterr().err
