"""`chainrule explain` of runs that fill in words: what the hidden place looks at, proved by the book's formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule.cli import main
from chainrule.core.errors import UsageError
from chainrule.formulas import gelu_forward, layer_norm_forward, scaled_scores_forward, softmax

TEXT = "the old [MASK] sat on the mat"
WORDS = ["the", "old", "[MASK]", "sat", "on", "the", "mat"]
HEADS = 2


def trained(folder: Path, **model: Any) -> chainrule.Run:
    animals = (("cat", "sat", "mat"), ("dog", "lay", "rug"))
    lines = [f"the {('old', 'big')[n % 2]} {a} {b} on the {c}" for n in range(20) for a, b, c in animals]
    (folder / "lines.txt").write_text("\n".join(lines), "utf-8")
    recipe = {
        "task": "masked",
        "data": {"name": "text-file", "file": str(folder / "lines.txt"), "tokenizer": "words", "hidden": 0.3},
        "model": {
            "name": "masked_transformer",
            "width": 8,
            "layers": 2,
            "num_heads": HEADS,
            "activation": "gelu-tanh",
            **model,
        },
        "optim": {"name": "adamw", "lr": 0.02},
        "train": {"steps": 12, "batch": 16, "threads": 1, "test": False, "look_every": None},
    }
    return chainrule.train(recipe, out=folder / "run", report=False)


@pytest.fixture(scope="module", params=["mean", "first"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    return trained(tmp_path_factory.mktemp(request.param), read=request.param)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["explain", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def by_the_book(run: chainrule.Run, tokens: list[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """The weights of each block, (heads, T, T), and what the tokens have become, (T, D), in float64."""
    p = {name: value.double().numpy() for name, value in run.model().state_dict().items()}
    (table,) = (value for name, value in p.items() if name.startswith("positions"))
    x, maps = p["embed.weight"][tokens] + table[: len(tokens)], []
    for number in range(2):
        at = f"encoder.blocks.{number}."

        def norm(values: np.ndarray, name: str, at: str = at) -> np.ndarray:
            return layer_norm_forward(values, p[f"{at}{name}.weight"], p[f"{at}{name}.bias"])[0]

        def affine(values: np.ndarray, name: str, at: str = at) -> np.ndarray:
            return values @ p[f"{at}{name}.weight"].T + p[f"{at}{name}.bias"]

        every = affine(norm(x, "norm1"), "attention.project").reshape(len(tokens), 3, HEADS, -1)
        q, k, v = every.transpose(1, 2, 0, 3)  # (heads, T, D / heads) each
        a = np.stack([softmax(scaled_scores_forward(q[head], k[head])[0]) for head in range(HEADS)])
        maps.append(a)
        x = x + affine((a @ v).transpose(1, 0, 2).reshape(len(tokens), -1), "attention.out")
        x = x + affine(gelu_forward(affine(norm(x, "norm2"), "feed_forward.0"))[0], "feed_forward.3")
    return maps, layer_norm_forward(x, p["encoder.norm.weight"], p["encoder.norm.bias"])[0]


def test_each_head_looks_as_the_formulas_say(run: chainrule.Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, str(run.path), "--method", "attention", "--text", TEXT)
    first = run.recipe.model.options.get("read") == "first"
    assert found["tokens"] == (["<s>", *WORDS] if first else WORDS)
    assert found["step"] == found["tokens"].index("[MASK]") + 1
    vocabulary = run.job().tokenizer.vocabulary  # type: ignore[attr-defined]
    tokens = [vocabulary.mask if word == "[MASK]" else vocabulary.tokens.index(word) for word in found["tokens"]]
    maps, after = by_the_book(run, tokens)
    explained = run.explain("attention", text=TEXT)
    assert len(found["blocks"]) == len(explained.record) == 2
    for block, record, wanted in zip(found["blocks"], explained.record, maps):
        np.testing.assert_allclose(record.weights[0].numpy(), wanted, atol=2e-6)
        for head, weights in zip(block["heads"], wanted, strict=True):
            np.testing.assert_allclose(head["weights"], weights, atol=1e-5)  # written with five digits
            asked = weights[found["step"] - 1]
            best = np.argsort(-asked)[:3]
            assert [place - 1 for place, _, _ in head["seen"]] == best.tolist()
            np.testing.assert_allclose([weight for _, _, weight in head["seen"]], asked[best], atol=2e-6)
            assert [word for _, word, _ in head["seen"]] == [found["tokens"][place] for place in best]
    p = {name: value.double().numpy() for name, value in run.model().state_dict().items()}
    h = gelu_forward(after[found["step"] - 1] @ p["transform.0.weight"].T + p["transform.0.bias"])[0]
    h = layer_norm_forward(h[None], p["transform.2.weight"], p["transform.2.bias"])[0]
    probabilities = softmax(h @ p["words.weight"].T + p["words.bias"])[0]
    ordinary = sorted(((float(probabilities[i]), vocabulary.tokens[i]) for i in vocabulary.ordinary), reverse=True)
    assert [word for word, _ in found["answers"]] == [word for _, word in ordinary[:5]]
    assert [p for _, p in found["answers"]] == pytest.approx([p for p, _ in ordinary[:5]], abs=1e-6)


def test_the_answers_are_those_of_predict(run: chainrule.Run, capsys: pytest.CaptureFixture[str]) -> None:
    text = "the [MASK] cat [MASK] on the mat"
    one, two = run.predict([text])
    for at, predicted in ((None, one), (1, one), (2, two)):
        found = answer(
            capsys, str(run.path), "--method", "attention", "--text", text, *([] if at is None else ["--at", str(at)])
        )
        assert found["answers"] == [[word, pytest.approx(p, abs=1e-5)] for word, p in predicted.top]
        assert found["asked"].startswith(f"log p of the most probable word at [MASK] number {at or 1}, token ")
        assert found["tokens"][found["step"] - 1] == "[MASK]"


def test_terminal_page_and_picture(run: chainrule.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", str(run.path), "--method", "attention", "--text", TEXT]
    assert main(words) == 0
    said = capsys.readouterr().out
    step = answer(capsys, *words[1:])["step"]
    assert f"token {step} looks at" in said
    assert said.startswith("asked          log p of the most probable word at [MASK], token")
    page, picture = tmp_path / "page.html", tmp_path / "picture.png"
    assert main([*words, "-o", str(page)]) == 0
    text = page.read_text("utf-8")
    assert text.count("data:image/png") == 2 * (2 * HEADS + 1)  # light and dark: each head, and the hidden place alone
    assert f"Token {step}, [MASK]" in text
    assert main([*words, "-o", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--text", "the old cat"], 3, "the text has no [MASK]"),
        (["--text", "Ж [MASK] Ж"], 3, "knows nothing of the text"),
        (["--text", "the [MASK] " * 300], 3, "the text is too long"),
        (["--text", TEXT, "--at", "2"], 2, "no such [MASK] to ask about: expected 1 to 1"),
        (["--text", TEXT, "--at", "0"], 2, "no such [MASK] to ask about"),
        (["--picture", "a.png"], 2, "reads a text, no picture"),
        ([], 2, "no text to explain"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    run: chainrule.Run, words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run.path), "--method", "attention", *words]) == status
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_gates_are_not_those_of_attention(run: chainrule.Run) -> None:
    with pytest.raises(UsageError, match=r"no recurrent layer.*--method attention"):
        run.explain("gates", text=TEXT)
