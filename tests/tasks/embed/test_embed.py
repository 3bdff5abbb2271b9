"""Word vectors end to end: learned, measured, asked, resumed, and put into other networks."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import chainrule
from chainrule.core.errors import DataError, RecipeError, UsageError
from chainrule.data.embeddings import WordVectors, read_vectors, write_vectors
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.embed import Embedding
from chainrule.tasks.embed._facts import word_facts

SEA, LAND = ("ship", "wave", "sail", "coast"), ("tree", "field", "hill", "barn")


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Lines that are of the sea or of the land, with words that are in both."""
    rng = random.Random(0)
    lines = [" ".join(rng.choices(rng.choice((SEA, LAND)), k=6) + rng.choices(("the", "a"), k=2)) for _ in range(500)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    return path


def recipe(text: Path, **changes: dict[str, Any]) -> dict[str, Any]:
    base: dict[str, Any] = {
        "task": "embed",
        "data": {
            "name": "text-file",
            "file": str(text),
            "window": 3,
            "negatives": 3,
            "across_lines": False,
            "subsample": 0.0,
        },
        "model": {"name": "word_embedding", "dim": 12},
        "optim": {"name": "adam", "lr": 0.03},
        "train": {"steps": 120, "batch": 256, "keep_every": 40, "threads": 1},
    }
    return {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value for key, value in base.items()}


@pytest.mark.parametrize("kind", ["skip-gram", "cbow"])
def test_words_that_stand_together_come_near_each_other(kind: str, text: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(text, data={"pairs": kind}), out=tmp_path / "run")
    assert run.result is not None
    begun = next(line for line in run.history if line.get("part") == "valid")
    assert run.result["valid"]["loss"] <= begun["loss"]
    assert run.result["valid"]["accuracy"] > 0.3
    opened = Run.open(run.path)
    measured = opened.evaluate("valid")
    assert measured["loss"] == pytest.approx(run.result["valid"]["loss"])
    examples = opened.job().examples("valid")
    every = torch.arange(len(examples))
    assert measured["pairs"] == len(examples.fetch(every, every).targets) != len(examples)
    for group in (SEA, LAND):
        for word in group:
            assert {near for near, _ in opened.nearest(word, count=3)} == set(group) - {word}
    assert opened.nearest("ship - sail + tree", count=2)[0][0] in {*SEA, *LAND}
    page = (run.path / "report.html").read_text()
    assert "Nearest words" in page
    assert 'class="word-map"' in page
    assert "Confusion" not in page
    assert f"n = {measured['pairs']:,}" in page
    facts = json.loads((run.path / "facts" / "words.json").read_text())
    near = {row["word"]: [word for word, _ in row["words"]] for row in facts["nearest"]}
    assert set(near["ship"][:3]) == set(SEA) - {"ship"}
    sides = {one["word"]: one["x"] > 0 for one in facts["map"]}
    assert len({sides[word] for word in SEA}) == len({sides[word] for word in LAND}) == 1
    assert sides["ship"] != sides["tree"]  # the first axis tells sea from land
    assert 0.3 < facts["variance"] <= 1


@pytest.mark.parametrize(("count", "dim"), [(0, 3), (1, 3), (2, 3), (40, 1), (40, 2), (40, 7)])
def test_the_map_is_the_plane_in_which_directions_differ_most(count: int, dim: int) -> None:
    generator = torch.Generator().manual_seed(count + dim)
    vectors = WordVectors(
        [f"{'abcdefgh'[n % 8]}{'abcdefgh'[n // 8]}xx" for n in range(count)], draw(generator, count, dim)
    )
    facts = word_facts(vectors, torch.arange(count, 0, -1))
    points = np.array([[one["x"], one["y"]] for one in facts["map"]]).reshape(-1, 2)
    assert [one["word"] for one in facts["map"]] == list(vectors.words)
    if count < 2:
        assert (points == 0).all()
        return
    directions = vectors.vectors.double().numpy()
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    peer = PCA(min(2, dim), svd_solver="full").fit(directions)
    wanted = np.abs(peer.transform(directions))  # the sign of an axis means nothing
    np.testing.assert_allclose(np.abs(points[:, : min(2, dim)]), wanted, atol=1e-8)
    assert (points[:, dim:] == 0).all()
    assert facts["variance"] == pytest.approx(peer.explained_variance_ratio_.sum())


def draw(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator)


def test_a_run_that_is_resumed_is_the_run_that_was_not_stopped(text: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    checked = open_recipe(recipe(text, data={"subsample": 0.05}))
    for out in (whole, cut):
        begin_run(checked, out, name="words")
    continue_run(whole, Embedding(checked))  # type: ignore[arg-type]

    class Stop(Exception):
        pass

    def stop(seen: Any) -> None:
        if seen.step == 90:
            raise Stop

    with pytest.raises(Stop):
        continue_run(cut, Embedding(checked), observers=[stop])  # type: ignore[arg-type]
    for late in cut.glob("checkpoints/step-*"):
        if int(late.name.split("-")[1]) > 40:
            shutil.rmtree(late)
    continue_run(cut, Embedding(checked))  # type: ignore[arg-type]
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_parts_and_workers_change_nothing_in_the_step(text: Path, tmp_path: Path) -> None:
    changes = [{"parts": 1}, {"parts": 3}, {"workers": 1}]
    runs = [
        chainrule.train(recipe(text, train={"steps": 8, **change}), out=tmp_path / str(number))
        for number, change in enumerate(changes)
    ]
    one, *others = (run.vectors().vectors for run in runs)
    for other in others:
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["shakespeare-skipgram", "shakespeare-cbow", "multi30k-skipgram"])
def test_the_recipes_of_the_package_run_two_steps(name: str, text: Path, tmp_path: Path) -> None:
    small = {"data.name": "text-file", "data.file": str(text), "train.steps": 2, "train.threads": 1, "model.dim": 4}
    run = chainrule.train(name, out=tmp_path / "run", settings=small)
    assert run.result is not None
    assert run.result["steps"] == 2
    assert 0 < run.result["test"]["loss"] < 10


def test_sampled_softmax_is_a_loss_too(text: Path, tmp_path: Path) -> None:
    plain = {**recipe(text, train={"steps": 60}), "loss": {"name": "softmax"}}
    run = chainrule.train(plain, out=tmp_path / "run")
    assert run.result is not None
    assert run.result["valid"]["loss"] < 1.386  # four candidates of which nothing is known


def test_vectors_of_a_file_begin_a_network_and_can_be_frozen(text: Path, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    words = ("ship", "tree", "the", "elsewhere")
    given = WordVectors(words, torch.randn(4, 12, generator=generator))
    path = tmp_path / "vectors.txt"
    write_vectors(path, given)
    steps = {"steps": 5, "freeze": ["embed.*"]}
    run = chainrule.train(recipe(text, model={"vectors": str(path)}, train=steps), out=tmp_path / "run")
    assert run.result is not None
    assert run.result["chosen"] == {"words found": 0.3, "words": 10}
    for word in words[:3]:
        assert torch.equal(run.vectors()[word], given[word])
    assert "Words found" in (run.path / "report.html").read_text()
    path.unlink()  # the run is complete without it
    assert torch.equal(Run.open(run.path).vectors()["ship"], given["ship"])


@pytest.mark.parametrize(
    "model",
    [{"name": "recurrent", "embedding": 6, "width": 8}, {"name": "gpt", "width": 6, "layers": 1, "num_heads": 1}],
)
def test_a_language_model_begins_with_vectors_and_tells_them(model: dict[str, Any], text: Path, tmp_path: Path) -> None:
    given = WordVectors(("ship", "TREE"), torch.eye(2, 6))
    path = tmp_path / "vectors.txt"
    write_vectors(path, given)
    plain: dict[str, Any] = {
        "task": "language",
        "data": {"name": "text-file", "file": str(text), "tokenizer": "words", "length": 8, "context": 4},
        "model": {**model, "vectors": str(path)},
        "train": {"steps": 2, "batch": 4, "freeze": ["embed.*"], "threads": 1},
        "generate": {"length": 5},
    }
    run = chainrule.train(plain, out=tmp_path / "run")
    assert torch.equal(run.vectors()["ship"], given["ship"])
    assert run.result is not None
    chosen = run.result["chosen"]
    assert round(chosen["words found"] * chosen["words"]) == 1  # a word in capitals is another word
    assert run.nearest("ship", count=1)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("ship 1 2 3\n", RecipeError, "another size.*12 numbers.*3 in"),
        ("cod " + "1 " * 12, DataError, "knows none of the 10 words.*data.tokenizer: words"),
        ("ship" + " 1" * 12 + "\nhill" + " 2" * 12 + "\ntree 1 2\n", DataError, "line 3 is broken"),
        (None, DataError, "cannot be read"),
    ],
)
def test_vectors_that_do_not_fit(content: str | None, error: Any, message: str, text: Path, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=message):
        chainrule.train(recipe(text, model={"vectors": str(path)}), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_vectors_are_written_as_other_programs_read_them(text: Path, tmp_path: Path) -> None:
    run = chainrule.train(recipe(text, train={"steps": 2}), out=tmp_path / "run")
    write_vectors(tmp_path / "out.txt", run.vectors())
    again = read_vectors(tmp_path / "out.txt")
    assert again.words == run.vectors().words
    assert torch.equal(again.vectors, run.vectors().vectors)
    assert "<unk>" not in again


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("data", {"pairs": "skipgram"}, "data.pairs"),
        ("data", {"window": 0}, "data.window"),
        ("data", {"length": 5}, 'no key of data "length"|has no option "length"'),
        ("model", {"name": "gpt"}, "gpt is for the task language"),
        ("model", {"dims": 5}, 'did you mean "dim"'),
        ("data", {"name": "digits"}, "digits is for the task classify"),
        ("model", {"weights": "x.pth"}, "networks with layers.*--model.vectors"),
        ("init", {"scheme": "he"}, "init draws the weights of layers"),
    ],
)
def test_bad_recipes_are_named(section: str, changes: dict[str, Any], message: str, text: Path, tmp_path: Path) -> None:
    plain = recipe(text)
    plain[section] = {**changes} if "name" in changes else {**plain.get(section, {}), **changes}
    with pytest.raises(RecipeError, match=message):
        chainrule.train(plain, out=tmp_path / "run")


def test_a_part_of_which_nothing_is_left_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat\n" * 30)
    with pytest.raises(DataError, match="part (train|valid) has no pairs.*--data.subsample 0"):
        chainrule.train(recipe(path, data={"subsample": 1e-6}), out=tmp_path / "run")
    path.write_text("the cat sat\n" * 30 + "dog\n" * 30)
    with pytest.raises(DataError, match="too short to learn from|no pairs"):
        chainrule.train(recipe(path), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_have_no_vectors(text: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='no option "vectors"'):
        chainrule.train("digits-softmax", out=tmp_path / "run", settings={"model.vectors": "x.txt"})
    run = chainrule.train("digits-softmax", out=tmp_path / "run", settings={"train.epochs": 1})
    with pytest.raises(UsageError, match="knows no words.*classify"):
        run.nearest("ship")


def test_a_network_of_ones_own(text: Path, tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        def __init__(self, vocabulary: int, dim: int = 5) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(vocabulary, dim)

        def forward(self, questions: Any) -> torch.Tensor:
            known = self.embed(questions.inputs).mean(1)
            return torch.einsum("pd,pkd->pk", known, self.embed(questions.candidates))

    plain = {**recipe(text, train={"steps": 2}), "model": {"name": "own"}}
    run = chainrule.train(plain, out=tmp_path / "run", model=Own)
    size = len(Embedding(run.recipe).tokenizer.vocabulary)  # type: ignore[arg-type]
    assert run.nearest("ship", count=2, module=Own(size))

    class Wrong(Own):
        def forward(self, questions: Any) -> Any:
            return self.embed(questions.inputs)

    with pytest.raises(RecipeError, match="a score for each candidate"):
        chainrule.train(plain, out=tmp_path / "other", model=Wrong)

    class Without(torch.nn.Module):
        def __init__(self, vocabulary: int) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.zeros(vocabulary, 2))

        def forward(self, questions: Any) -> torch.Tensor:
            return torch.einsum("pcd,pkd->pk", self.table[questions.inputs], self.table[questions.candidates])

    run = chainrule.train(plain, out=tmp_path / "third", model=Without)
    with pytest.raises(UsageError, match="no vectors of words"):
        run.nearest("ship", module=Without(size))
