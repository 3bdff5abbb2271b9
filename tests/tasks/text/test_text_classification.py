"""Texts into classes, from the recipe to the answers."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.core.errors import ChainruleError, CheckpointError, DataError, RecipeError, UsageError
from chainrule.core.recipe import TextClassesRecipe
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.runs._begin import with_seed
from chainrule.tasks.text import TextClassification

WORDS = ["sea", "ship", "rain", "night", "the", "a", "of", "and", "old", "blue", "wind", "sail"]


def write_table(path: Path, count: int = 160) -> Path:
    """Texts that are good or bad by one word of theirs, which stands anywhere."""
    lines, draw = ["text,label"], random.Random(0)
    for number in range(count):
        label = ("bad", "good")[number % 2]
        length = 5 + number * 7 % 13
        words = draw.choices(WORDS, k=length)
        words[number % length] = {"bad": "gray", "good": "bright"}[label]
        lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "weather.csv")


def recipe(table: Path, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "data": {"name": "text-table", "file": str(table), "validation": 0.2},
        "model": {"name": "text_average", "embedding": 16},
        "optim": {"name": "adamw", "lr": 0.05},
        "train": {"epochs": 6, "batch": 16, "threads": 1},
    }
    found = {name: {**section, **changes.get(name, {})} for name, section in base.items()}
    if "name" in changes.get("model", {}):
        found["model"] = changes["model"]
    return {"task": "classify-text", **found}


def job(table: Path, **changes: Any) -> TextClassification:
    checked = open_recipe(recipe(table, **changes))
    assert isinstance(checked, TextClassesRecipe)
    return TextClassification(checked)


MODELS: list[dict[str, Any]] = [
    {"name": "bag_of_words", "weighting": "tf-idf"},
    {"name": "text_average", "embedding": 16},
    {"name": "text_recurrent", "width": 16, "read": "max"},
    {"name": "text_transformer", "width": 16, "layers": 1, "num_heads": 2},
    {"name": "text_cnn", "embedding": 16, "filters": 8, "dropout": 0.1},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_it_learns_is_measured_and_answers(model: dict[str, Any], table: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(table, model=model, optim={"lr": 0.02}), out=tmp_path / "run")
    assert run.result is not None
    assert run.result["test"]["accuracy"] > 0.9
    opened = Run.open(run.path)
    assert opened.classes == ["bad", "good"]
    measured = opened.evaluate("test")
    assert measured["accuracy"] == pytest.approx(run.result["test"]["accuracy"])
    assert measured["count"] == 32
    texts = ["the bright sea", "a gray gray night of rain and wind", "bright"]
    answers = opened.predict(texts)
    assert [answer.label for answer in answers] == ["good", "bad", "good"]
    assert [answer.source for answer in answers] == texts
    for text, together in zip(texts, answers):
        (alone,) = opened.predict([text])
        assert alone.probability == pytest.approx(together.probability, abs=1e-5)
        assert sum(chance for _, chance in alone.top) == pytest.approx(1.0)
    page = (run.path / "report.html").read_text()
    assert "Confusion matrix" in page
    assert "Lengths" in page
    assert ("Telling words" in page) == (model["name"] == "bag_of_words")


def test_facts_tell_lengths_padding_and_mistakes_in_words(table: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(table, train={"epochs": 1}, optim={"lr": 0.0}), out=tmp_path / "run")
    data = json.loads((run.path / "facts" / "data.json").read_text())
    lengths = data["lengths"]
    assert lengths["longest"] == 17
    assert sum(lengths["counts"]["train"]) == data["parts"]["train"] == 102
    assert 0 < lengths["padding"] < lengths["padding_shuffled"] < 1
    assert {one["class"] for one in data["texts"]} == {0, 1}
    evaluation = json.loads((run.path / "facts" / "evaluation.json").read_text())
    mistakes = evaluation["test"]["mistakes"]
    assert mistakes
    said = table.read_text().replace(",good", "").replace(",bad", "").splitlines()
    assert all(one["source"] in said for one in mistakes)
    assert mistakes[0]["source"] in (run.path / "report.html").read_text()


def test_long_texts_are_cut_and_counted(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", 60)
    with path.open("a") as file:
        file.write(f"\n{'x ' * 50_000},good\n{'y' * 100_000},bad")
    made = job(path, data={"length": 8})
    assert int(made.tokens.lengths.max()) == 8
    assert int(made.whole.max()) == 50_000
    run = chainrule.train(recipe(path, data={"length": 8}, train={"epochs": 1}), out=tmp_path / "run")
    lengths = json.loads((run.path / "facts" / "data.json").read_text())["lengths"]
    assert sum(lengths["cut"].values()) > 20
    assert lengths["longest_whole"] == 50_000
    assert "50,000" in (run.path / "report.html").read_text()
    (answer,) = Run.open(run.path).predict(["bright " * 10_000])
    assert answer.top


@pytest.mark.parametrize("tokenizer", ["words", "characters", {"name": "bpe", "size": 300}])
def test_each_tokenizer(tokenizer: Any, table: Path, tmp_path: Path) -> None:
    made = job(table, data={"tokenizer": tokenizer})
    text = made.texts.texts[0]
    assert made.prepared.tokenizer.decode(made.tokens[0].tolist()).replace(" ", "") == text.replace(" ", "")
    run = chainrule.train(recipe(table, data={"tokenizer": tokenizer}, train={"epochs": 1}), out=tmp_path / "run")
    assert Run.open(run.path).predict(["the sea"])[0].label in ("bad", "good")


def test_words_of_other_parts_are_not_known(table: Path) -> None:
    made = job(table)
    train = {word for i in made.parts["train"].tolist() for word in made.texts.texts[i].split()}
    assert set(made.prepared.tokenizer.vocabulary.tokens[4:]) == train


def test_the_order_and_its_budgets(table: Path) -> None:
    plain, buckets = job(table, data={"order": "shuffled"}), job(table, train={"batch": 16})
    assert plain.per_epoch == buckets.per_epoch == 7
    by_tokens = job(table, train={"tokens": 64, "parts": 2})
    for step in range(by_tokens.per_epoch):
        index = by_tokens.order(step)[1]
        batch = by_tokens.examples("train").fetch(index, index)
        assert batch.inputs.numel() <= 64
        assert len(batch) >= 2
    with pytest.raises(RecipeError, match="expected data.order: buckets, got data.order: shuffled"):
        job(table, data={"order": "shuffled"}, train={"tokens": 64})
    with pytest.raises(DataError, match="no room for its longest examples.*at least 17 tokens"):
        chainrule.train(recipe(table, train={"tokens": 10}))


def test_a_run_that_is_resumed_is_the_run_that_was_not_stopped(table: Path, tmp_path: Path) -> None:
    model = {"name": "text_recurrent", "width": 8, "dropout": 0.2}
    plain = recipe(table, model=model, train={"epochs": 3, "keep_every": 4, "ema": 0.9})
    checked = open_recipe(plain)
    assert isinstance(checked, TextClassesRecipe)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out in (whole, cut):
        begin_run(checked, out, name="weather")
    continue_run(whole, TextClassification(checked))

    class Stop(Exception):
        pass

    def stop(seen: Any) -> None:
        if seen.step == 11:
            raise Stop

    with pytest.raises(Stop):
        continue_run(cut, TextClassification(checked), observers=[stop])
    for late in cut.glob("checkpoints/step-*"):
        if int(late.name.split("-")[1]) > 8:
            shutil.rmtree(late)
    continue_run(cut, TextClassification(checked))
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_parts_change_nothing_in_the_step(table: Path, tmp_path: Path) -> None:
    runs = [
        chainrule.train(
            recipe(table, model={"name": "text_transformer", "width": 8, "layers": 1, "num_heads": 2})
            | {"train": {"steps": 6, "batch": 16, "threads": 1, "parts": parts}, "optim": {"name": "sgd", "lr": 0.1}},
            out=tmp_path / str(parts),
        )
        for parts in (1, 3)
    ]
    one, three = (dict(run.model().named_parameters()) for run in runs)
    for name, value in one.items():
        torch.testing.assert_close(value, three[name], atol=1e-5, rtol=1e-4, msg=name)


def test_texts_from_python(tmp_path: Path) -> None:
    texts = LabeledTexts("mine", ["yes it is", "no it is not"] * 20, torch.tensor([1, 0] * 20), ("no", "yes"))
    plain = {
        "task": "classify-text",
        "data": {"name": "text-table", "file": "mine.csv"},
        "model": {"name": "bag_of_words"},
        "train": {"epochs": 2, "batch": 8, "threads": 1},
    }
    checked = open_recipe(plain)
    with pytest.raises(DataError, match="training part has no different texts of .no., .yes."):
        begin_run(checked, tmp_path / "none", name="mine", data=texts)  # one text of each class
    varied = [f"{text} {number}" for number, text in enumerate(texts.texts)]
    texts = LabeledTexts("mine", varied, texts.labels, texts.classes)
    made = begin_run(checked, tmp_path / "run", name="mine", data=texts)
    continue_run(tmp_path / "run", made)
    assert Run.open(tmp_path / "run").model(made.network_of(made.recipe, made.processing())).training is False


@pytest.mark.parametrize("name", ["sentiment-average", "sentiment-bag", "sentiment-gru", "sentiment-transformer"])
def test_the_recipes_of_the_package_run_two_steps(name: str, tmp_path: Path) -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=1 + number % 9)) + f" {number}" for number in range(60)]
    made = LabeledTexts("made up", texts, torch.arange(60) % 2, ("negative", "positive"), sources=torch.arange(60) % 3)
    checked = open_recipe(name, {"train.steps": 2, "train.batch": 8, "train.threads": 1})
    begin_run(checked, tmp_path / "run", name=name, data=made)
    continue_run(tmp_path / "run", TextClassification(checked, texts=made))  # type: ignore[arg-type]
    run = Run.open(tmp_path / "run")
    assert run.result is not None
    assert run.result["steps"] == 2
    assert 0 <= run.result["test"]["accuracy"] <= 1
    assert f"<bdi>{name}</bdi>" in run.report().read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", [None, 3])
def test_repeats_split_anew_where_no_seed_of_the_split_is_given(seed: int | None, table: Path) -> None:
    checked = open_recipe(recipe(table, data={"split_seed": seed}))
    first, second = (TextClassification(with_seed(checked, seed)) for seed in (0, 1))  # type: ignore[arg-type]
    assert (sorted(first.parts["test"].tolist()) == sorted(second.parts["test"].tolist())) == (seed is not None)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": {"tokenizer": "wrods"}}, RecipeError, 'did you mean "words"'),
        ({"data": {"tokenizer": {"name": "words", "lowre": True}}}, RecipeError, 'did you mean "lower"'),
        ({"model": {"name": "gpt"}}, RecipeError, "gpt is for the task language.*text_recurrent"),
        ({"model": {"name": "linear"}}, RecipeError, "linear is for the task classify"),
        ({"data": {"name": "digits"}}, RecipeError, "digits is for the task classify"),
        (
            {"model": {"name": "text_transformer", "length": 10}},
            RecipeError,
            "cannot take texts of up to 17 tokens.*longer than the table",
        ),
        ({"data": {"limit": 1}}, DataError, "training part has no texts of"),
    ],
)
def test_bad_recipes_are_named(
    changes: dict[str, Any], error: type[ChainruleError], message: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        chainrule.train(recipe(table, **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_texts_that_cannot_be_answered(table: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(table, train={"epochs": 1}), out=tmp_path / "run")
    for texts, error, message in (
        (["the sea", " \n"], DataError, "text 2 is empty"),
        ([""], DataError, "text 1 is empty"),
        (["qqq zzz"], DataError, 'knows nothing of text 1: "qqq zzz".*vocabulary'),
        ([b"the sea"], UsageError, "text 1 is no text.*bytes"),
    ):
        with pytest.raises(error, match=message):
            run.predict(texts)
    assert run.predict([]) == []
    with pytest.raises(UsageError, match="not compiled"):
        run.predict(["the sea"], compile_it=True)
    with pytest.raises(UsageError, match="writes no text"):
        run.generate("a")
    (run.path / "processing.json").write_text(json.dumps({**run.processing, "classes": None}))
    with pytest.raises(CheckpointError, match='entries "classes" and "length"'):
        Run.open(run.path).predict(["the sea"])


def test_a_network_of_ones_own(table: Path, tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        def __init__(self, vocabulary: int, classes: int, width: int = 8) -> None:
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(vocabulary, width, padding_idx=0), torch.nn.Linear(width, classes)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.out(self.embed(tokens).sum(1))

    plain = {**recipe(table), "model": {"name": "own", "width": 12}}
    run = chainrule.train(plain, out=tmp_path / "run", model=Own)
    assert run.result is not None
    assert run.result["valid"]["accuracy"] > 0.8
    (answer,) = run.predict(["a bright night"], module=run.own_module(Own))
    assert answer.label == "good"

    class Flat(Own):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.out(self.embed(tokens))

    with pytest.raises(RecipeError, match="one score for each class"):
        chainrule.train(plain, out=tmp_path / "other", model=Flat)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=lambda model: model["name"])
def test_a_recipe_begins_with_the_weights_that_it_gives(model: dict[str, Any], table: Path, tmp_path: Path) -> None:
    first = chainrule.train(recipe(table, model=model, train={"epochs": 1}), out=tmp_path / "first")
    weights, given = first.model().state_dict(), {**model, "weights": str(first.path / "model.safetensors")}
    again = {**recipe(table, model=given), "train": {"steps": 0, "threads": 1}}
    found = chainrule.train(again, out=tmp_path / "again").model().state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())
    with pytest.raises(RecipeError, match="patches of images"):
        chainrule.train({**recipe(table, model=model), "init": {"first": "whiten"}}, out=tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()
