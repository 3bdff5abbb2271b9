"""`chainrule explain` of runs that write about pictures: where they looked, proved by the book's formulas; gates."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.analysis import record_gates
from chainrule.cli import main
from chainrule.data.tokenizers import START
from chainrule.formulas import additive_scores_forward, layer_norm_forward, scaled_scores_forward, softmax
from chainrule.models import EVERY_MODEL
from chainrule.nn.attention import ATTENTIONS
from chainrule.tasks.explaining._reading import READERS

GRID = 3
MODELS: dict[str, dict[str, Any]] = {
    "caption_attention": {"name": "caption_attention", "width": 12, "cell": "gru", "enters": "readout"},
    "caption_transformer": {"name": "caption_transformer", "width": 12, "num_heads": 2, "layers": 2},
    "caption_recurrent": {"name": "caption_recurrent", "width": 10, "cell": "lstm"},
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain") / "squares"
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(12):
        pixels = np.full((64, 76, 3), (20 * number, 90, 40), dtype=np.uint8)
        pixels[8:30, 10:40] = (230, 200 - 15 * number, 30)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        lines += [f"{number}.png#{k}\ta square on {('red', 'green')[number > 5]} ground\n" for k in range(2)]
    (folder / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(squares: Path) -> dict[str, chainrule.Run]:
    found = {}
    for name, model in MODELS.items():
        recipe = {
            "task": "caption",
            "data": {"name": "flickr8k", "folder": str(squares), "validation": 0.15, "test_share": 0.15},
            "encoder": {"name": "squeezenet", "size": 64, "classes": 10, "grid": GRID},
            "model": model,
            "optim": {"name": "adamw", "lr": 0.01},
            "train": {"steps": 12, "batch": 16, "evaluate_every": 0, "threads": 1, "test": False},
            "decode": {"beam": 2, "length": 6},
        }
        found[name] = chainrule.train(recipe, out=squares.parent / name, report=False)
    return found


@pytest.fixture
def picture(squares: Path) -> str:
    return str(squares / "images" / "3.png")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["explain", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def weights_of(run: chainrule.Run) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in run.model().decoder.state_dict().items()}


def given_to(run: chainrule.Run, picture: str) -> tuple[Any, torch.Tensor, torch.Tensor, np.ndarray]:
    """The network in float64, the tokens before each of the caption, the regions, and these as the decoder has them."""
    model, job = run.model().double(), run.job()
    prepared = job.processing_of_inputs  # type: ignore[attr-defined]
    (one,) = run.caption([picture])
    with torch.no_grad():
        regions = model.regions(prepared.inputs(prepared.pictures([picture])).double())
    tokens = torch.tensor([[START, *one.tokens[:-1]]])
    p = weights_of(run)
    scaled = ((regions - model.mean) / model.deviation)[0].numpy()
    return model, tokens, regions, layer_norm_forward(scaled, p["norm.weight"], p["norm.bias"])[0]


def test_a_recurrent_network_looks_as_the_formulas_say(
    runs: dict[str, chainrule.Run], picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["caption_attention"]
    found = answer(capsys, str(run.path), "--method", "attention", "--picture", picture)
    (one,) = run.caption([picture], best=2)
    assert (found["picture"], found["text"], found["grid"]) == (picture, one.output, [GRID, GRID])
    assert found["answers"][0] == [one.output, pytest.approx(np.exp(one.log_p), rel=1e-4)]
    assert len(found["tokens"]) == len(one.tokens)
    assert found["memory"][GRID] == "row 2 column 1"
    model, tokens, regions, seen = given_to(run, picture)
    p = weights_of(run)
    states: list[torch.Tensor] = []
    model.decoder.decoder.recurrent.register_forward_hook(lambda layer, given, output: states.append(output[0]))
    with torch.no_grad():
        model(tokens, model.encode(regions))
    h = torch.cat(states, 1)[0].numpy()  # (T, H): after each token
    score = [p[f"decoder.attention.score.{name}.weight"].T for name in ("of_query", "of_key", "weight")]
    wanted = softmax(additive_scores_forward(h, seen, score[0], score[1], score[2][:, 0])[0])
    (block,) = found["blocks"]
    (head,) = block["heads"]
    np.testing.assert_allclose(head["weights"], wanted, atol=2e-5)
    np.testing.assert_allclose(run.explain("attention", picture=picture).record[0].weights[0, 0], wanted, atol=1e-5)
    assert np.ptp(wanted) > 1e-4  # it does not look everywhere alike


def test_each_head_of_a_transformer_looks_as_the_formulas_say(
    runs: dict[str, chainrule.Run], picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["caption_transformer"]
    found = answer(capsys, str(run.path), "--method", "attention", "--picture", picture, "--at", "2")
    assert found["step"] == 2
    model, tokens, regions, seen = given_to(run, picture)
    queries: list[np.ndarray] = []
    for block in model.decoder.decoder.blocks:
        block.cross.query.register_forward_pre_hook(lambda part, given: queries.append(given[0][0].numpy()))
    with torch.no_grad():
        scores, _ = model(tokens, model.encode(regions))
    p = weights_of(run)
    assert len(found["blocks"]) == 2
    for number, block in enumerate(found["blocks"]):
        at = f"decoder.blocks.{number}.cross."
        q = queries[number] @ p[f"{at}query.weight"].T + p[f"{at}query.bias"]
        (name,) = (name for name in p if name.startswith(at) and name.endswith("weight") and len(p[name]) == 24)
        k = (seen @ p[name].T + p[name.replace("weight", "bias")])[:, :12]
        for number_of_head, head in enumerate(block["heads"]):
            mine = slice(6 * number_of_head, 6 * number_of_head + 6)
            wanted = softmax(scaled_scores_forward(q[:, mine], k[:, mine])[0])
            np.testing.assert_allclose(head["weights"], wanted, atol=2e-5)
            best = int(wanted[1].argmax())
            assert head["seen"][0][:2] == [best + 1, f"row {best // GRID + 1} column {best % GRID + 1}"]
    probabilities = softmax(scores[0].numpy())[1]
    assert found["answers"][0][1] == pytest.approx(float(probabilities.max()), rel=1e-4)


def test_terminal_page_and_picture(
    runs: dict[str, chainrule.Run], picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("caption_attention", "caption_transformer"):
        run = runs[name]
        words = ["explain", str(run.path), "--method", "attention", "--picture", picture]
        page, drawing, vector = (tmp_path / f"{name}.{kind}" for kind in ("html", "png", "svg"))
        found = answer(capsys, *words[1:])
        assert main([*words, "-o", str(page)]) == 0
        said = capsys.readouterr().out
        assert "looked at most" in said
        assert "row 2 column 1" in said
        text, count = page.read_text("utf-8"), len(found["tokens"])
        heads = sum(len(block["heads"]) for block in found["blocks"])
        assert text.count("data:image/png") == 1 + count + (heads * count if heads > 1 else 0)
        assert "Where it looked" in text
        assert "on the first" not in text  # regions have no first one
        assert main([*words, "-o", str(drawing)]) == main([*words, "-o", str(vector), "--theme", "dark"]) == 0
        assert drawing.read_bytes().startswith(b"\x89PNG")
        assert vector.read_bytes().startswith(b"<?xml")


def test_of_many_heads_the_page_draws_the_mean(
    runs: dict[str, chainrule.Run], picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = runs["caption_transformer"].explain("attention", picture=picture)
    monkeypatch.setattr("chainrule.draw.looked.MOST", 1)
    page = found.html()
    assert page.count("data:image/png") == 1 + 3 * len(found.facts["tokens"])  # the caption's, and the two blocks'
    assert "mean of 2 heads" in page


def test_gates_of_the_network_that_writes(
    runs: dict[str, chainrule.Run], picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, gates in (("caption_recurrent", "ifogch"), ("caption_attention", "zrnh")):
        run = runs[name]
        found = answer(capsys, str(run.path), "--method", "gates", "--picture", picture, "--at", "2")
        (layer,) = found["layers"]
        assert list(layer["values"]) == list(gates)
        count = len(found["tokens"])
        assert count > 2
        norms = layer["gradients"]["h"]["norms"]
        assert [norm > 0 for norm in norms] == [True] * 2 + [False] * (count - 2)  # what comes later has no part in it
        model, tokens, regions, _ = given_to(run, picture)
        with torch.no_grad():
            state = model.encode(regions)
        (record,) = record_gates(model, tokens, state)
        for gate, rows in layer["values"].items():
            wanted = record.values[gate][:, 0, layer["units"]].T.numpy()
            np.testing.assert_allclose(rows, wanted, atol=2e-5)
        page = tmp_path / f"{name}.html"
        assert main(["explain", str(run.path), "--method", "gates", "--picture", picture, "-o", str(page)]) == 0
        assert page.read_text("utf-8").count("data:image/png") == 1 + 2 * len(gates)  # the picture; light and dark


def test_the_picture_comes_from_standard_input(
    runs: dict[str, chainrule.Run], picture: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(picture).read_bytes())))
    found = answer(capsys, str(runs["caption_attention"].path), "--method", "attention", "--picture", "-")
    assert found["picture"] == "standard input"


def test_wrong_input_is_told_in_one_line(
    runs: dict[str, chainrule.Run], picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(picture).read_bytes()[:60])
    looks = "expected a run of caption_attention or caption_transformer, got caption_recurrent"
    for name, method, words, status, said in [
        ("caption_recurrent", "attention", ["--picture", picture], 2, looks),
        ("caption_recurrent", "attention", ["--picture", picture], 2, "--method gates"),
        ("caption_transformer", "gates", ["--picture", picture], 2, "--method attention"),
        ("caption_attention", "attention", [], 2, "there is no picture to explain"),
        ("caption_attention", "attention", ["--text", "a"], 2, "reads a picture, no text"),
        ("caption_attention", "attention", ["--picture", "nowhere.png"], 3, "nowhere.png"),
        ("caption_attention", "attention", ["--picture", str(broken)], 3, "broken.png"),
        ("caption_attention", "attention", ["--picture", str(tmp_path)], 3, tmp_path.name),
        ("caption_attention", "gates", ["--picture", picture, "--at", "99"], 2, "no such token of the caption"),
        ("caption_attention", "attention", ["--picture", "-", "--text", "-"], 2, "standard input holds one thing"),
        ("caption_attention", "gaze", ["--picture", picture], 2, "attention, gates"),
    ]:
        capsys.readouterr()
        assert main(["explain", str(runs[name].path), "--method", method, *words]) == status
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1


@pytest.mark.parametrize("task", READERS.names())
def test_the_networks_that_are_named_have_attention(task: str) -> None:
    for name in READERS.entry(task).card["looks"]:
        card = EVERY_MODEL.entry(name).card
        assert task in (card["task"], *card.get("also", ()))
        sizes = {"language": (9,), "masked": (9,)}.get(task, (9, 9))
        model = EVERY_MODEL.resolve(name)(*sizes)
        assert any(isinstance(part, ATTENTIONS) for part in model.modules())
