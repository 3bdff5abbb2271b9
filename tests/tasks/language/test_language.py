"""A language model from its recipe to the text that it writes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.core.errors import ChainruleError, CheckpointError, DataError, RecipeError, UsageError, WeightsError
from chainrule.data.tokenizers._characters import characters
from chainrule.decoding import Sampling
from chainrule.models.sequence._gpt2 import to_gpt2
from chainrule.recipes import recipe_names
from chainrule.runtime.weights import write_weights
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.language import Language
from chainrule.tasks.language._generate import generate

LINE = "the cat sat on the mat, and the dog lay by the door.\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "cat.txt"
    path.write_text(LINE * 80, encoding="utf-8")
    return path


def recipe(text: Path, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "task": "language",
        "data": {"name": "text-file", "file": str(text), "order": "lanes", "length": 16, "context": 20},
        "model": {"name": "recurrent", "width": 32, "layers": 1},
        "optim": {"name": "adamw", "lr": 0.02},
        "train": {"steps": 60, "batch": 4, "evaluate_every": 30, "keep_every": 20, "threads": 1},
        "generate": {"length": 30},
    }
    return {name: {**base.get(name, {}), **changes.get(name, {})} if name != "task" else "language" for name in base}


GPT = {"data": {"order": "windows", "length": 32}, "model": {"name": "gpt", "width": 32, "layers": 1, "num_heads": 2}}


@pytest.mark.parametrize("changes", [{}, GPT], ids=["lanes", "windows"])
def test_it_learns_is_measured_and_writes(changes: dict[str, Any], text: Path, tmp_path: Path) -> None:
    if changes:
        changes = {**changes, "model": {**changes["model"]}}
        plain = recipe(text, **changes)
        plain["model"] = changes["model"]
    else:
        plain = recipe(text)
    run = chainrule.train(plain, out=tmp_path / "run")
    assert run.result is not None
    valid, test = run.result["valid"], run.result["test"]
    assert valid["bits"] < 1.5  # a text that repeats itself; knowing nothing is more than 4
    assert valid["bits"] == pytest.approx(valid["loss"] / math.log(2), rel=1e-5)
    assert test["perplexity"] == pytest.approx(math.exp(test["loss"]), rel=1e-5)
    opened = Run.open(run.path)
    assert opened.evaluate("valid")["bits"] == pytest.approx(valid["bits"], rel=1e-4)
    pieces = list(opened.generate("the cat", length=20, seed=3))
    assert pieces == list(opened.generate("the cat", length=20, seed=3))
    assert len("".join(pieces)) == 20
    assert "".join(opened.generate("the cat sat on the m", length=2, temperature=0.0)) == "at"
    samples = json.loads((run.path / "facts" / "samples.json").read_text())
    assert len(samples["texts"]) == 3
    page = (run.path / "report.html").read_text()
    assert "bits per character" in page
    assert "Samples" in page
    assert "Confusion" not in page


class Heard(torch.nn.Module):
    """Remembers the tokens that it was given, and always says the last one of the vocabulary."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary, self.heard = vocabulary, []

    def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.heard += tokens[0].tolist()
        return torch.eye(self.vocabulary)[-1].expand(*tokens.shape, -1), {}


@pytest.mark.parametrize(
    ("known", "prompt", "read"),
    [("a\nbz", "ab", "\nab"), ("a\nbz", "\nab", "\nab"), ("a\nbz", "a\nb", "\na\nb"), ("abz", "ab", "ab")],
)
def test_a_prompt_is_read_as_a_line(known: str, prompt: str, read: str) -> None:
    tokenizer = characters([known])
    network = Heard(len(tokenizer.vocabulary))
    wrote = "".join(generate(network, tokenizer, prompt, 3, Sampling(0.0), seed=0))
    assert wrote == "zzz"  # the line break is not shown
    assert tokenizer.decode(network.heard[: len(read)]) == read


SHIPPED = [name for name in recipe_names() if open_recipe(name).task == "language"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipes_of_the_package_run_two_steps(name: str, text: Path, tmp_path: Path) -> None:
    small = {"data.name": "text-file", "data.file": str(text), "generate.length": 5}
    if open_recipe(name).model.name == "gpt":
        small |= {"data.length": 30, "data.context": 20, "model.width": 16, "model.num_heads": 2}
    else:
        small |= {"data.context": 10, "model.width": 16}
    steps = {"train.steps": 2, "train.batch": 4, "train.threads": 1}
    run = chainrule.train(name, out=tmp_path / "run", settings={**small, **steps})
    assert run.result is not None
    assert run.result["steps"] == 2
    for part in ("valid", "test"):
        assert 0 < run.result[part]["bits"] < 8


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipes_of_the_package_measure_each_character_once_with_enough_before_it(name: str, text: Path) -> None:
    recipe: Any = open_recipe(name, {"data.name": "text-file", "data.file": str(text)})
    assert recipe.data.context >= 192
    assert recipe.data.order == "lanes" or recipe.data.length >= recipe.data.context
    job: Any = Language(recipe)
    whole = len(LINE) * 80
    assert job.characters["test"] == (whole - round(whole * 0.1), whole)
    assert job.characters["valid"] == (whole - round(whole * 0.1) - round(whole * 0.05), job.characters["test"][0])
    for part in ("valid", "test"):
        begin, end = job.characters[part]
        examples = job.examples(part)
        batch = examples.fetch(torch.arange(len(examples)), torch.arange(len(examples)))
        counts = batch.targets >= 0
        assert batch.targets[counts].tolist() == job.tokenizer.encode(job.text.text[begin:end]).tolist()
        assert (
            int(counts.int().argmax(1).min()) >= 191
        )  # places of the first ones that count: so many and one stand before
        assert job.carries or batch.inputs.shape[1] <= recipe.data.length


def test_a_run_that_is_resumed_is_the_run_that_was_not_stopped(text: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    checked = open_recipe(recipe(text, train={"steps": 50}))
    for out in (whole, cut):
        begin_run(checked, out, name="cat")
    continue_run(whole, Language(checked))  # type: ignore[arg-type]

    class Stop(Exception):
        pass

    def stop(seen: Any) -> None:
        if seen.step == 33:
            raise Stop

    with pytest.raises(Stop):
        continue_run(cut, Language(checked), observers=[stop])  # type: ignore[arg-type]
    for late in cut.glob("checkpoints/step-*"):
        if int(late.name.split("-")[1]) > 20:
            shutil.rmtree(late)
    continue_run(cut, Language(checked))  # type: ignore[arg-type]
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_parts_change_nothing_in_the_step(text: Path, tmp_path: Path) -> None:
    runs = [
        chainrule.train(recipe(text, train={"steps": 12, "parts": parts}), out=tmp_path / str(parts))
        for parts in (1, 2)
    ]
    one, two = (dict(run.model().named_parameters()) for run in runs)
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], atol=2e-4, rtol=1e-3, msg=name)


def test_bits_are_counted_by_characters_whatever_the_tokens(text: Path) -> None:
    words = Language(open_recipe(recipe(text, data={"tokenizer": "words"})))  # type: ignore[arg-type]
    letters = Language(open_recipe(recipe(text)))  # type: ignore[arg-type]
    assert letters.measure("valid").tokens_a_character == 1.0
    begin, end = words.characters["valid"]
    assert words.measure("valid").tokens_a_character == len(words.parts["valid"]) / (end - begin) < 0.5


def test_what_comes_after_training_is_never_learned_from(text: Path) -> None:
    with text.open("a") as file:
        file.write("ÆØÅ" * 200)
    job = Language(open_recipe(recipe(text)))  # type: ignore[arg-type]
    assert "Æ" not in job.tokenizer.vocabulary
    limited = Language(open_recipe(recipe(text, data={"limit": 500})))  # type: ignore[arg-type]
    assert len(limited.parts["train"]) == 500
    assert len(limited.parts["test"]) == len(job.parts["test"])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", DataError, "holds no text"),
        (b" \n\n", DataError, "holds no text"),
        (b"abc \xff def" * 30, DataError, "no text in utf-8.*0xff at place 4.*iconv"),
        (b"short", DataError, "too short"),
        (None, DataError, "cannot be read"),
    ],
)
def test_bad_texts_are_named(content: bytes | None, error: type[ChainruleError], message: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        chainrule.train(recipe(path), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "linear"}}, "linear is for the task classify"),
        ({"data": {"name": "digits"}}, "digits is for the task classify"),
        ({"data": {"tokenizer": "wrods"}}, 'did you mean "words"'),
        ({"data": {"tokenizer": {"name": "bpe", "siez": 300}}}, 'did you mean "size"'),
        ({"augment": {"flip": 0.5}}, 'no section "augment"'),
        ({"task": "langauge"}, 'did you mean "language"'),
    ],
)
def test_bad_recipes_are_named(changes: dict[str, Any], message: str, text: Path, tmp_path: Path) -> None:
    plain = recipe(text)
    for name, value in changes.items():
        plain[name] = value if name in ("task", "model") else {**plain.get(name, {}), **value}
        if name == "data" and "name" in value:
            plain[name] = value
    with pytest.raises(RecipeError, match=message):
        chainrule.train(plain, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_very_long_line_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(("x" * 100_000 + "\r\n" + "y" * 5_000).encode())
    job = Language(open_recipe(recipe(path)))  # type: ignore[arg-type]
    assert "\r" not in job.text.text
    assert sum(len(place) for place in job.parts.values()) == 105_001


def test_a_network_of_ones_own(text: Path, tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        def __init__(self, vocabulary: int, width: int = 8) -> None:
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(vocabulary, width), torch.nn.Linear(width, vocabulary)

        def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            return self.out(self.embed(tokens)), {}

    plain = {**recipe(text, train={"steps": 3}, data={"order": "windows", "context": 12}), "model": {"name": "own"}}
    run = chainrule.train(plain, out=tmp_path / "run", model=Own)
    assert run.result is not None
    text_written = "".join(run.generate("the", length=4, module=Own(len(Language(run.recipe).tokenizer.vocabulary))))  # type: ignore[arg-type]
    assert len(text_written) == 4

    class Alone(Own):
        def forward(self, tokens: torch.Tensor, state: Any = None) -> Any:
            return self.out(self.embed(tokens))

    with pytest.raises(RecipeError, match="a score for each token that may follow, and its state"):
        chainrule.train(plain, out=tmp_path / "other", model=Alone)

    class NoState(Own):
        def forward(self, tokens: torch.Tensor) -> Any:  # type: ignore[override]
            return super().forward(tokens)

    with pytest.raises(RecipeError, match="cannot take tokens of shape .* and a state: TypeError"):
        chainrule.train(plain, out=tmp_path / "other", model=NoState)
    with pytest.raises(RecipeError, match="gives no state that goes on from piece to piece.*windows"):
        chainrule.train({**plain, "data": {**plain["data"], "order": "lanes"}}, out=tmp_path / "other", model=Own)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("changes", [{}, GPT], ids=["lanes", "windows"])
def test_what_is_read_in_parts_is_measured_alike(
    changes: dict[str, Any], text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network without a state keeps its context: its rows are parted, never its steps."""
    plain = recipe(text, **{**changes, "train": {"steps": 10}})
    plain["model"] = changes.get("model", plain["model"])
    run = chainrule.train(plain, out=tmp_path / "run")
    whole, figures = run.evaluate("valid"), ("bits", "loss", "accuracy")
    monkeypatch.setattr("chainrule.tasks.language._scoring.PIECE", 64)
    parted = run.evaluate("valid")
    assert [parted[name] for name in figures] == pytest.approx([whole[name] for name in figures], rel=1e-4)


def test_runs_of_other_tasks_say_what_they_are(text: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(text, train={"steps": 2}), out=tmp_path / "run")
    with pytest.raises(UsageError, match="does not classify pictures.*language"):
        run.predict([b"x"])
    with pytest.raises(DataError, match="knows nothing of the prompt"):
        list(run.generate("ЖЖЖ"))
    images = chainrule.train("digits-softmax", out=tmp_path / "digits", settings={"train.epochs": 1})
    with pytest.raises(UsageError, match="writes no text.*classify"):
        images.generate("a")
    (run.path / "processing.json").write_text("{}")
    with pytest.raises(CheckpointError, match='entry "tokenizer"'):
        Run.open(run.path).model()


def test_a_recipe_begins_with_the_weights_that_it_gives(text: Path, tmp_path: Path) -> None:
    """Its own weights, and the same in GPT-2's layout; a file that does not fit is refused before the training."""
    form = {"name": "gpt", "width": 16, "layers": 1, "num_heads": 2, "positions": "learned", "length": 128}
    plain = {**recipe(text, data=GPT["data"], train={"steps": 2}), "model": {**form, "activation": "gelu-tanh"}}
    first = chainrule.train(plain, out=tmp_path / "first")
    weights = first.model().state_dict()
    write_weights(tmp_path / "gpt2.safetensors", to_gpt2(first.model()))  # type: ignore[arg-type]
    for path in (first.path / "model.safetensors", tmp_path / "gpt2.safetensors"):
        again = {**plain, "model": {**plain["model"], "weights": str(path)}, "train": {"steps": 0, "threads": 1}}
        run = chainrule.train(again, out=tmp_path / f"again-{path.stem}")
        found = run.model().state_dict()
        assert all(torch.equal(found[name], value) for name, value in weights.items())
    wrong = {**plain, "model": {**plain["model"], "layers": 2, "weights": str(tmp_path / "gpt2.safetensors")}}
    with pytest.raises(WeightsError, match="12 missing"):
        chainrule.train(wrong, out=tmp_path / "wrong")


def test_a_window_holds_more_than_the_context() -> None:
    data = {"data.order": "windows", "data.length": 16}
    assert open_recipe("shakespeare-transformer", data | {"data.context": None}).data.counted == 4
    with pytest.raises(RecipeError, match="a window of 16 tokens is not longer than the context in it"):
        open_recipe("shakespeare-transformer", data | {"data.context": 16})
