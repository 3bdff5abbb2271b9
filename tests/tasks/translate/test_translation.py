"""A translator from its recipe to the sentences that it translates."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import chainrule
from chainrule.core.errors import ChainruleError, CheckpointError, DataError, RecipeError, UsageError, WeightsError
from chainrule.data.pairs import Pairs
from chainrule.recipes import recipe_names
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.translate import Translation, translate

WORDS = {"red": "rouge", "big": "grand", "old": "vieux", "cat": "chat", "dog": "chien", "sees": "voit", "a": "un"}


def sentences() -> list[tuple[str, str]]:
    """Sentences of a language whose words follow those of the other one by one."""
    nouns = [*itertools.product(["a"], ["red", "big", "old"], ["cat", "dog"]), ("a", "cat"), ("a", "dog")]
    every = [(*first, "sees", *second) for first in nouns for second in nouns]
    random.Random(0).shuffle(every)
    return [(" ".join(words), " ".join(WORDS[word] for word in words)) for words in every]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    made = sentences()
    for name, side in (("a.en", 0), ("a.fr", 1)):
        (tmp_path / name).write_text("".join(pair[side] + "\n" for pair in made), encoding="utf-8")
    return {"source": str(tmp_path / "a.en"), "target": str(tmp_path / "a.fr")}


MODELS = {
    "attention": {"name": "attention", "width": 32, "enters": "readout"},
    "seq2seq": {"name": "seq2seq", "width": 48},
    "transformer": {
        "name": "transformer",
        "width": 32,
        "num_heads": 2,
        "layers": 1,
        "hidden": 64,
        "dropout": 0.0,
        "positions": "learned",
        "length": 24,
    },
}


def recipe(files: dict[str, str], **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "data": {
            "name": "parallel-files",
            **files,
            "tokenizer": "words",
            "joint": False,
            "validation": 0.15,
            "test_share": 0.15,
        },
        "model": MODELS["attention"],
        "optim": {"name": "adamw", "lr": 0.01},
        "train": {"steps": 60, "batch": 16, "evaluate_every": 30, "keep_every": 20, "threads": 1},
        "decode": {"beam": 2, "length": 20},
    }
    merged = {name: {**base[name], **changes.pop(name, {})} for name in base}
    return {"task": "translate", **merged, **changes}


LEARNED = {"attention": (50, 0.02, 80, 1.5), "seq2seq": (60, 0.02, 50, 2), "transformer": (80, 0.01, 25, 3)}
"""Steps, rate, and what is reached at least: BLEU and perplexity."""


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_is_measured_and_translates(name: str, files: dict[str, str], tmp_path: Path) -> None:
    steps, rate, least, most = LEARNED[name]
    plain = recipe(files, train={"steps": steps, "evaluate_every": 0}, optim={"lr": rate})
    plain["model"] = MODELS[name]
    run = chainrule.train(plain, out=tmp_path / "run")
    assert run.result is not None
    test = run.result["test"]
    assert test["bleu"] > least
    assert 1 <= test["perplexity"] < most  # knowing nothing is 11
    opened = Run.open(run.path)
    again = opened.evaluate("test")
    assert {key: again[key] for key in ("exact", "bleu")} == pytest.approx(
        {key: test[key] for key in ("exact", "bleu")}
    )
    assert again["signature"].startswith("nrefs:1|case:mixed")
    valid = opened.job()
    assert isinstance(valid, Translation)
    sources, targets = valid.texts("test")
    found = [one.output for one in opened.translate(sources)]
    assert sum(map(str.__eq__, found, targets)) / len(targets) == pytest.approx(test["exact"])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    for said in ("Translations", "Test BLEU", "nrefs:1", "padding of a step"):
        assert said in page
    assert ("What it looked at" in page) == (name != "seq2seq")
    assert "Confusion" not in page
    facts = json.loads((run.path / "facts" / "translations.json").read_text())
    assert facts["part"] == "test"
    for one in facts["attention"]:
        assert len(one["weights"]) == len(one["output"])
        assert all(sum(row) == pytest.approx(1, abs=0.01) for row in one["weights"])


def test_sentences_together_are_translated_as_they_are_alone(files: dict[str, str], tmp_path: Path) -> None:
    run = chainrule.train(recipe(files, train={"steps": 5}), out=tmp_path / "run", report=False)
    texts = ["a red cat sees a dog", "", "a dog sees a cat", "a cat sees", "dog zebra", "a"]
    together = run.translate(texts, best=2)
    assert [one.source for one in together] == texts
    assert together[1].output == ""
    assert together[4].unknown == 1
    for text, one in zip(texts, together):
        if text:
            (alone,) = run.translate([text], best=2)
            assert alone.output == one.output
            assert alone.log_p == pytest.approx(one.log_p, abs=1e-4)
            assert len(one.others) == 1
    assert run.translate(["a"], beam=1)[0].log_p <= 0
    with pytest.raises(DataError, match="knows nothing of the text"):
        run.translate(["zebra lion", "?"])
    with pytest.raises(DataError, match="the text is empty"):
        run.translate(["  "])
    with pytest.raises(UsageError, match="a run of the task translate"):
        list(run.generate("a"))


def test_long_sentences_are_cut_and_counted(files: dict[str, str], tmp_path: Path) -> None:
    Path(files["source"]).write_text("".join(f"{source} {'x' * 100_000}\n" for source, _ in sentences()))
    run = chainrule.train(recipe(files, data={"length": 4}, train={"steps": 1}), out=tmp_path / "run")
    facts = json.loads((run.path / "facts" / "data.json").read_text())
    assert set(facts["known"]) == {"valid", "test"}
    assert facts["cut"] >= len(sentences())  # all sources, and most translations
    assert run.translate(["a red cat sees a dog"])[0].cut
    assert "cut, as they were too long" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("tokenizer", ["characters", "words", {"name": "bpe", "size": 280}])
@pytest.mark.parametrize("joint", [True, False])
def test_the_tokenizers_are_in_the_run(tokenizer: Any, joint: bool, files: dict[str, str], tmp_path: Path) -> None:
    plain = recipe(files, data={"tokenizer": tokenizer, "joint": joint}, train={"steps": 1, "test": False})
    run = chainrule.train(plain, out=tmp_path / "run", report=False)
    said = run.translate(["a red cat"])[0]
    for file in files.values():
        Path(file).unlink()
    opened = Run.open(run.path)
    assert len(opened.processing["tokenizers"]) == (1 if joint else 2)
    assert opened.translate(["a red cat"])[0] == said
    damaged = {**opened.processing, "tokenizers": "none"}
    (run.path / "processing.json").write_text(json.dumps(damaged))
    with pytest.raises(CheckpointError, match="one or two tokenizers"):
        Run.open(run.path).translate(["a"])
    (run.path / "processing.json").write_text(json.dumps({**damaged, "tokenizers": ["{}"]}))
    with pytest.raises(CheckpointError, match="cannot be read"):
        Run.open(run.path).translate(["a"])


@pytest.mark.parametrize(("teaching", "name"), [("inverse_sigmoid", "attention"), ("linear", "transformer")])
def test_a_training_that_was_interrupted_goes_on_as_if_nothing_was(
    teaching: str, name: str, files: dict[str, str], tmp_path: Path
) -> None:
    plain = recipe(files, train={"steps": 8, "keep_every": 4, "evaluate_every": 4, "test": False, "tokens": 90})
    plain |= {"model": MODELS[name], "teaching": {"name": teaching}}
    made = open_recipe(plain)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    continue_run(whole, begin_run(made, whole, name="it"))
    shutil.copytree(whole, cut)
    for step in sorted((cut / "checkpoints").iterdir())[2:]:
        if step.is_dir():
            shutil.rmtree(step)
    continue_run(cut, Run.open(cut).job())  # type: ignore[arg-type]
    first, second = (torch.tensor(_losses(path)) for path in (whole, cut))
    assert torch.equal(first, second)
    one, other = Run.open(whole).model().state_dict(), Run.open(cut).model().state_dict()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def _losses(path: Path) -> list[float]:
    return [line["loss"] for line in Run.open(path).history if "loss" in line]


class Own(nn.Module):
    """The token after the last one read is scored from it alone."""

    def __init__(self, source: int, target: int, *, width: int = 8) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(target, width), nn.Linear(width, target)
        self.source = nn.Embedding(source, width)

    def encode(self, source: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": self.source(source).mean(1)}

    def forward(self, tokens: torch.Tensor, state: Any) -> Any:
        return self.head(self.embed(tokens) + state["sum"].unsqueeze(1)), state


def test_a_network_of_one_s_own_is_trained(files: dict[str, str], tmp_path: Path) -> None:
    plain = recipe(files, train={"steps": 3}, teaching={"name": "linear", "begin": 0.5})
    plain["model"] = {"name": "own", "width": 6}
    run = chainrule.train(plain, out=tmp_path / "run", model=Own, report=False)
    sizes = [len(json.loads(text)["tokens"]) for text in run.processing["tokenizers"]]
    assert run.translate(["a cat"], module=Own(sizes[0], sizes[1], width=6))[0].source == "a cat"

    class NoState(Own):
        def forward(self, tokens: torch.Tensor, state: Any) -> Any:
            return super().forward(tokens, state)[0]

    class Fixed(Own):
        def forward(self, tokens: torch.Tensor, state: Any) -> Any:
            return super().forward(tokens, state)[0], {"count": torch.tensor(3)}

    class Blind(nn.Module):
        def __init__(self, source: int, target: int, *, width: int = 8) -> None:
            super().__init__()

    for network, said in ((NoState, "a score for each"), (Fixed, "taken apart by sentence"), (Blind, "cannot take")):
        with pytest.raises(RecipeError, match=said):
            chainrule.train(plain, out=tmp_path / "bad", model=network, report=False)
        assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data.tokenizer": "word"}, "words"),
        ({"model.name": "recurrent"}, "for the task language"),
        ({"data.name": "tinyshakespeare"}, "for the task language"),
        ({"teaching.name": "exponentiall"}, "exponential"),
        ({"teaching.name": "linear", "teaching.k": 3}, "has no option"),
        ({"decode.beam": 0}, "decode.beam"),
        ({"train.tokens": 2}, "no room for its longest"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_before_anything_is_made(
    settings: dict[str, Any], said: str, files: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ChainruleError, match=said):
        chainrule.train(recipe(files), settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_alternatives_are_references_of_one_sentence(tmp_path: Path) -> None:
    texts = [f"say {n}" for n in range(20)]
    said = [f"{verb} {n}" for verb in ("dis", "dire") for n in range(20)]
    pairs = Pairs("made", texts * 2, said, alternatives=True)
    made = open_recipe(recipe({}, train={"steps": 1}) | {"data": {"name": "addition", "tokenizer": "words"}})
    job = Translation(made, pairs=pairs)  # type: ignore[arg-type]
    facts = job.evaluate(job.model().eval(), "test")
    assert facts["count"] == 2 * facts["translated"] == 4
    assert facts["signature"].startswith("nrefs:2")


def test_translations_keep_to_what_is_asked_of_the_search(files: dict[str, str]) -> None:
    made = open_recipe(recipe(files))
    job: Any = Translation(made)  # type: ignore[arg-type]
    torch.manual_seed(0)
    network = job.model().eval()
    how = made.decode.model_copy(update={"no_repeat": 1, "beam": 3, "length": 9})  # type: ignore[attr-defined]
    for one in translate(network, job.tokens, job.texts("valid")[0], how):
        assert len(set(one.tokens)) == len(one.tokens) <= 9
        assert not {0, 1, 2} & set(one.tokens)


class Counted:
    """A tokenizer that counts what it is asked for."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.vocabulary, self.encoded = tokenizer, tokenizer.vocabulary, list[str]()

    def encode(self, text: str) -> torch.Tensor:
        self.encoded.append(text)
        return self.tokenizer.encode(text)  # type: ignore[no-any-return]


def test_each_sentence_is_tokenized_once(files: dict[str, str]) -> None:
    made = open_recipe(recipe(files))
    job: Any = Translation(made)  # type: ignore[arg-type]
    source = Counted(job.tokens.source)
    texts = job.texts("valid")[0][:3]
    translate(job.model().eval(), replace(job.tokens, source=source), texts, made.decode)  # type: ignore[attr-defined]
    assert source.encoded == texts


SHIPPED = [name for name in recipe_names() if open_recipe(name).task == "translate"]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_recipe_of_the_package_runs_two_steps(name: str, files: dict[str, str], tmp_path: Path) -> None:
    settings: dict[str, Any] = {"train.steps": 2, "train.threads": 1, "decode.length": 4, "decode.most": 3}
    if open_recipe(name).data.name == "addition":
        settings |= {"data.count": 200, "model.width": 16, "data.validation": 0.1}
    else:
        settings |= {"data.name": "parallel-files", **{f"data.{side}": file for side, file in files.items()}}
        settings |= {"model.width": 16, "data.tokenizer": {"name": "bpe", "size": 300}}
    run = chainrule.train(name, out=tmp_path / "run", settings=settings, report=False)
    assert run.result is not None
    assert run.result["steps"] == 2
    assert 0 < run.result["test"]["loss"] < 10
    assert ("bleu" in run.result["test"]) == (name != "addition-transformer")


def test_a_recipe_begins_with_the_weights_that_it_gives(files: dict[str, str], tmp_path: Path) -> None:
    first = chainrule.train(recipe(files, model=MODELS["attention"], train={"steps": 2}), out=tmp_path / "first")
    weights, file = first.model().state_dict(), first.path / "model.safetensors"
    again = recipe(files, model={**MODELS["attention"], "weights": str(file)}, train={"steps": 0})
    found = chainrule.train(again, out=tmp_path / "again").model().state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())
    wrong = recipe(files, model={**MODELS["attention"], "width": 16, "weights": str(file)}, train={"steps": 0})
    with pytest.raises(WeightsError):
        chainrule.train(wrong, out=tmp_path / "wrong")
