"""Hidden words, from the recipe to a classifier that begins with what they have taught."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.cli import main
from chainrule.core.errors import ChainruleError, DataError, RecipeError, UsageError
from chainrule.core.recipe import MaskedRecipe
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.sentences import Sentences
from chainrule.data.tokenizers import MASK
from chainrule.runtime.rng import keys
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.masked import MaskedWords
from chainrule.tasks.text import TextClassification

TWO = [("cat", "sat", "mat"), ("dog", "lay", "rug")]
ENCODER = {"width": 16, "layers": 1, "num_heads": 2}


def line(number: int) -> str:
    """A sentence in which each word of three says which the others are."""
    animal, did, where = TWO[number % 2]
    return f"the {('old', 'big', 'red')[number % 3]} {animal} {did} on the {where}"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(line(number) + ("\n" if number % 9 == 0 else "") for number in range(120)), "utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path, draw = tmp_path / "animals.csv", random.Random(0)
    rows = [f"{line(number)} {draw.randrange(10**6)},{TWO[number % 2][0]}" for number in range(90)]
    path.write_text("\n".join(["text,label", *rows]), "utf-8")
    return path


def recipe(file: Path, **changes: Any) -> dict[str, Any]:
    name = "text-file" if file.suffix == ".txt" else "text-table"
    base: dict[str, Any] = {
        "data": {"name": name, "file": str(file), "tokenizer": "words", "validation": 0.2, "hidden": 0.3},
        "model": {"name": "masked_transformer", **ENCODER},
        "optim": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 20, "batch": 16, "threads": 1, "look_every": None},
    }
    return {"task": "masked", **{name: {**section, **changes.get(name, {})} for name, section in base.items()}}


def fine(table: Path, run: Path, **changes: Any) -> dict[str, Any]:
    tokenizer = {"name": "stored", "file": str(run)}
    base: dict[str, Any] = {
        "data": {"name": "text-table", "file": str(table), "tokenizer": tokenizer, "validation": 0.2},
        "model": {"name": "text_transformer", "weights": f"{run}/model.safetensors", **ENCODER},
        "train": {"steps": 0, "threads": 1},
    }
    return {"task": "classify-text", **{name: {**section, **changes.get(name, {})} for name, section in base.items()}}


def job(file: Path, **changes: Any) -> MaskedWords:
    checked = open_recipe(recipe(file, **changes))
    assert isinstance(checked, MaskedRecipe)
    return MaskedWords(checked)


def quick(file: Path, out: Path, **changes: Any) -> Run:
    return chainrule.train(recipe(file, train={"epochs": 1}, **changes), out=out)


def test_it_learns_is_measured_and_fills_in(lines: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(lines), out=tmp_path / "run")
    assert run.result is not None
    assert set(run.result["test"]) == {"loss", "perplexity", "accuracy"}
    assert run.result["test"]["accuracy"] > 0.7
    opened = Run.open(run.path)
    measured = opened.evaluate("test")
    assert measured["accuracy"] == run.result["test"]["accuracy"]
    assert measured["perplexity"] == pytest.approx(math.exp(measured["loss"]))
    assert measured["words"] > measured["count"] == 24
    texts = ["the old [MASK] sat on the mat", "the big dog [MASK] on the [MASK]", "[MASK] old cat sat on the mat"]
    answers = opened.predict(texts, top=3)
    labels = [answer.label for answer in answers]
    assert [*labels[:2], labels[3]] == ["cat", "lay", "the"]
    assert labels[2] in ("mat", "rug")
    assert [answer.source for answer in answers] == [texts[0], texts[1], texts[1], texts[2]]
    assert all(len(answer.top) == 3 and answer.probability == answer.top[0][1] for answer in answers)
    (alone,) = opened.predict(texts[:1])
    assert alone.probability == pytest.approx(answers[0].probability, abs=1e-6)
    assert opened.predict([]) == []
    page = (run.path / "report.html").read_text("utf-8")
    assert "Hidden words" in page
    assert "[MASK]" in page
    assert "perplexity" in page
    told = json.loads((run.path / "facts" / "masked.json").read_text())
    first = told["examples"][0]
    assert first["text"].count("[MASK]") == len(first["words"]) == len(first["found"])
    filled = first["text"]
    for word in first["words"]:
        filled = filled.replace("[MASK]", word, 1)
    assert sum(a != b for a, b in zip(filled.split(), line(0).split())) <= 4
    assert not any(word in (MASK, "<unk>", "<pad>") for pairs in first["found"] for word, _ in pairs)


def test_the_choice_is_fixed_while_measuring_and_new_at_each_visit(lines: Path) -> None:
    made = job(lines)
    index = torch.arange(8)
    valid, train = made.examples("valid"), made.examples("train")
    assert torch.equal(valid.fetch(index, index).inputs.tokens, valid.fetch(index, index).inputs.tokens)
    visits = [train.fetch(index, keys(0, epoch, index, "example")).inputs.tokens for epoch in range(2)]
    assert not torch.equal(visits[0], visits[1])


def test_a_run_that_is_resumed_is_the_run_that_was_not_stopped(lines: Path, tmp_path: Path) -> None:
    plain = recipe(lines, model={"dropout": 0.2}, train={"epochs": 4, "keep_every": 4, "ema": 0.9})
    checked = open_recipe(plain)
    assert isinstance(checked, MaskedRecipe)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out in (whole, cut):
        begin_run(checked, out, name="lines")
    continue_run(whole, MaskedWords(checked))

    class Stop(Exception):
        pass

    def stop(seen: Any) -> None:
        if seen.step == 11:
            raise Stop

    with pytest.raises(Stop):
        continue_run(cut, MaskedWords(checked), observers=[stop])
    for late in cut.glob("checkpoints/step-*"):
        if int(late.name.split("-")[1]) > 8:
            shutil.rmtree(late)
    continue_run(cut, Run.open(cut).job())
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_parts_change_nothing_in_the_step(lines: Path, tmp_path: Path) -> None:
    runs = [
        chainrule.train(
            {
                **recipe(lines),
                "train": {"steps": 5, "batch": 16, "threads": 1, "parts": parts},
                "optim": {"name": "sgd"},
            },
            out=tmp_path / str(parts),
        )
        for parts in (1, 3)
    ]
    one, three = (dict(run.model().named_parameters()) for run in runs)
    for name, value in one.items():
        torch.testing.assert_close(value, three[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("tokenizer", ["characters", {"name": "bpe", "size": 300}])
def test_each_tokenizer_fills_in(tokenizer: Any, lines: Path, tmp_path: Path) -> None:
    run = quick(lines, tmp_path / "run", data={"tokenizer": tokenizer})
    (answer,) = run.predict(["the old [MASK] sat"])
    assert answer.label
    assert run.nearest("t", count=1)[0][0] != MASK


def test_long_texts_are_several_pieces_and_unknown_ones_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n".join(["sea " * 50, "sea ship", "x" * 100_000, *["ship sea"] * 20, "nothing known", "sea"]))
    made = job(
        path, data={"length": 8, "tokenizer": {"name": "words", "least": 2}, "validation": 0.1, "test_share": 0.001}
    )
    assert int(made.pieces.lengths.max()) == 8
    assert int((made.pieces.lengths[made.parts["train"]] == 8).sum()) == 6
    assert made.passed_over == 2


def test_train_predict_tune_evaluate_from_the_command_line(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str, status: int = 0) -> Any:
        assert main([*words, "--json"]) == status
        answer = json.loads(capsys.readouterr().out)
        return answer["result"] if status == 0 else answer["error"]

    monkeypatch.chdir(tmp_path)
    Path("first.yaml").write_text(json.dumps(recipe(table, data={"split_seed": 1}, train={"epochs": 2})))
    Path("second.yaml").write_text(
        json.dumps(fine(table, Path("runs/first"), data={"split_seed": 1}, train={"steps": 2}))
    )
    result = said("train", "first.yaml", "-o", "runs/first")
    assert set(result["valid"]) == {"loss", "perplexity", "accuracy"}
    assert said("evaluate", "runs/first")["words"] > 0
    Path("given.txt").write_text("the [MASK] cat sat\n\nthe dog [MASK] on [MASK] rug\n")
    answers = said("predict", "runs/first", "given.txt", "--text", "[MASK]", "-n", "2", "-o", "found.csv")
    assert [len(one["words"]) for one in answers] == [1, 1, 2]
    assert [one.get("line") for one in answers] == [None, 1, 3]
    assert all(len(words) == 2 for one in answers for words in one["words"])
    rows = Path("found.csv").read_text().splitlines()
    assert rows[0] == "source,line,text,mask,word,probability"
    assert len(rows) == 5
    assert main(["predict", "runs/first", "--text", "the [MASK] cat"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "the [MASK] cat"
    assert len(shown[1].split(",")) == 5

    assert main(["train", "second.yaml", "-o", "runs/second"]) == 0
    assert "the head as it was drawn" in capsys.readouterr().err
    tuned = Run.open("runs/second")
    assert tuned.info["parent"] == "runs/first"
    assert "goes on from runs/first" in Path("runs/second/report.html").read_text("utf-8")
    assert tuned.processing["tokenizer"] == Run.open("runs/first").processing["tokenizer"]
    shutil.rmtree("runs/first")  # a run is complete
    assert said("evaluate", "runs/second")["count"] > 0
    assert said("predict", "runs/second", "--text", "the old cat")[0]["class"] in ("cat", "dog")
    error = said("predict", "runs/second", "--text", "[MASK]", "--beam", "2", status=2)
    assert "classifies texts" in error["what"]


def test_the_encoder_is_that_of_the_run_and_learns_on(table: Path, tmp_path: Path) -> None:
    first = quick(table, tmp_path / "first").model().state_dict()
    seeds = [
        chainrule.train(fine(table, tmp_path / "first", train={"steps": 0, "seed": 0}), out=tmp_path / f"{name}")
        for name in ("one", "two")
    ]
    found, again = (run.model().state_dict() for run in seeds)
    shared = [name for name in found if name in first]
    assert set(found) - set(shared) == {"head.weight", "head.bias"}
    assert set(first) - set(shared) == {name for name in first if name.startswith(("transform.", "words."))}
    assert all(torch.equal(found[name], first[name]) for name in shared)
    assert all(torch.equal(found[name], again[name]) for name in found)
    trained = chainrule.train(fine(table, tmp_path / "first", train={"steps": 3}), out=tmp_path / "on")
    assert not torch.equal(trained.model().state_dict()["embed.weight"], first["embed.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"tokenizer": "words"}},
            "reads other tokens.*expected its tokenizer, of .*--data.tokenizer.name stored",
        ),
        ({"model": {"num_heads": 4}}, "another one: expected model.num_heads: 2, got 4"),
        ({"model": {"read": "first"}}, "another one: expected model.read: mean"),
        ({"model": {"layers": 2}}, "missing"),
        ({"model": {"width": 32}}, "unlike"),
        ({"data": {"split_seed": 5}}, "has read .* of the .* texts of the part .*--data.split_seed 0"),
        ({"data": {"tokenizer": {"name": "stored", "file": "nowhere"}}}, "cannot be read"),
    ],
)
def test_what_does_not_go_with_the_pretraining_is_named(
    changes: dict[str, Any], message: str, table: Path, tmp_path: Path
) -> None:
    begin_run(open_recipe(recipe(table)), tmp_path / "first", name="first")
    made = Run.open(tmp_path / "first").job()
    from chainrule.runtime.weights import write_weights

    write_weights(tmp_path / "first" / "model.safetensors", made.task().model().state_dict())
    with pytest.raises(ChainruleError, match=message):
        chainrule.train(fine(table, tmp_path / "first", **changes), out=tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_texts_that_cannot_be_filled_in(lines: Path, tmp_path: Path) -> None:
    run = quick(lines, tmp_path / "run", data={"length": 12})
    for texts, error, message in (
        (["the [MASK] sat", "the cat sat"], DataError, 'text 2 has no \\[MASK\\]: "the cat sat"'),
        ([""], DataError, "text 1 has no"),
        (["[MASK] qqq zzz"], DataError, "knows nothing of text 1"),
        (["[MASK]" + " sat" * 12], DataError, "text 1 is too long: expected at most 12 tokens.*got 13"),
        ([b"[MASK]"], UsageError, "text 1 is no text"),
    ):
        with pytest.raises(error, match=message):
            run.predict(texts)
    with pytest.raises(UsageError, match="not compiled"):
        run.predict(["[MASK]"], compile_it=True)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": {"masked": 0.9, "random": 0.2}}, RecipeError, "shares of one whole, not 0.9 and 0.2"),
        ({"data": {"hidden": 0.0}}, RecipeError, "data.hidden"),
        ({"data": {"order": "shuffled"}, "train": {"tokens": 64}}, RecipeError, "expected data.order: buckets"),
        ({"model": {"name": "text_transformer"}}, RecipeError, "is for the task classify-text.*masked_transformer"),
        ({"model": {"length": 4}}, RecipeError, "cannot take texts of up to 7 tokens.*longer than the table"),
        ({"data": {"tokenizer": {"name": "words", "least": 1000}}}, DataError, "no word that the tokenizer"),
    ],
)
def test_bad_recipes_are_named(
    changes: dict[str, Any], error: type[ChainruleError], message: str, lines: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        chainrule.train(recipe(lines, **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_of_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a word\n" + "\n \n" * 30)
    with pytest.raises(DataError, match="has no line with a word"):
        quick(tmp_path / "a.txt", tmp_path / "run")


def test_a_network_of_ones_own(lines: Path, tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        def __init__(self, vocabulary: int, width: int = 8) -> None:
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(vocabulary, width), torch.nn.Linear(width, vocabulary)

        def forward(self, blanks: Any) -> torch.Tensor:
            mean = self.embed(blanks.tokens).mean(1)
            return self.out(mean[blanks.places // blanks.tokens.shape[1]])

    plain = {**recipe(lines, train={"epochs": 1}), "model": {"name": "own", "width": 6}}
    run = chainrule.train(plain, out=tmp_path / "run", model=Own)
    assert run.predict(["the [MASK] cat"], module=run.own_module(Own))[0].label

    class Flat(Own):
        def forward(self, blanks: Any) -> torch.Tensor:
            return self.out(self.embed(blanks.tokens))

    with pytest.raises(RecipeError, match="a score of each word for each place"):
        chainrule.train(plain, out=tmp_path / "other", model=Flat)


def test_the_recipes_of_the_package_run_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{line(number)} {number % 7}" for number in range(80)]
    made = LabeledTexts("made up", texts, torch.arange(80) % 2, ("negative", "positive"), sources=torch.arange(80) % 3)
    small = {"train.steps": 2, "train.batch": 8, "train.threads": 1}
    first = open_recipe("sentiment-pretrained", small)
    assert isinstance(first, MaskedRecipe)
    data = first.data
    sentences = Sentences.of_labeled(made, validation=data.validation, test_share=data.test_share, seed=0)
    place = Path("runs/sentiment-pretrained")
    begin_run(first, place, name=place.name, data=sentences)
    continue_run(place, MaskedWords(first, texts=sentences))
    second = open_recipe("sentiment-bert", small)
    begun = begin_run(second, Path("runs/tuned"), name="sentiment-bert", data=made)
    assert isinstance(begun, TextClassification)
    continue_run(Path("runs/tuned"), begun)
    run = Run.open("runs/tuned")
    assert run.result is not None
    assert run.result["steps"] == 2
    assert run.info["parent"] == "runs/sentiment-pretrained"
    assert "<bdi>sentiment-bert</bdi>" in run.report().read_text(encoding="utf-8")
