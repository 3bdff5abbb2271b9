"""What runs reach goes from their folders into result files and from there to pages, each task with its own figures."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chainrule.core.recipe import FORMS
from chainrule.data.fetch import data_folder
from chainrule.recipes import recipe_names
from chainrule.tasks import Run, open_recipe

ROOT = Path(__file__).parents[2]
MODULES = ("figures", "measure", "recipes", "recipes_page")
LINE = "the cat sat on the mat, and the dog lay by the door.\n"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, ModuleType]:
    """The modules, anew, with results and runs of their own and two seeds of what is measured."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name)  # taken away again when the test ends
    for module in (found["measure"], found["recipes"]):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(found["recipes"], "RUNS", tmp_path / "runs")
    return found


def measured(bench: dict[str, ModuleType], name: str, settings: dict[str, Any], seeds: int = 2) -> dict[str, Any]:
    """The result file of a recipe with settings, trained two steps."""
    recipes: Any = bench["recipes"]
    short = {"train.steps": 2, "train.threads": 1, "train.keep_every": 0}
    recipes.VARIANTS[f"{name}-tiny"] = {**short, **settings}
    recipes.SEEDS[f"{name}-tiny"] = seeds
    recipes.figures(f"{name}-tiny")
    found: dict[str, Any] = json.loads((recipes.RESULTS / "recipes" / f"{name}-tiny.json").read_text())
    return found


def machine(found: dict[str, Any]) -> str:
    return "a machine"


def pages(bench: dict[str, ModuleType], name: str, found: dict[str, Any]) -> tuple[str, str, str]:
    """Head, sections and README table of one measured recipe."""
    page: Any = bench["recipes_page"]
    rows = {name: found}
    sections = "\n".join(page.recipe_sections(rows, {name: found["task"]}, machine))
    return page.recipe_head(found, machine), sections, page.readme_table(rows)


def test_a_language_model_is_told_by_bits(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text(LINE * 60)
    data = {"data.name": "text-file", "data.file": str(tmp_path / "cat.txt"), "data.context": 10}
    settings = {**data, "train.batch": 4, "model.width": 8, "generate.length": 5}
    found = measured(bench, "shakespeare-lstm", settings)
    runs = [Run.open(tmp_path / "runs" / "shakespeare-lstm-tiny" / f"seed-{seed}") for seed in (0, 1)]
    for part in ("valid", "test"):
        assert found[part]["bits"]["values"] == [(run.result or {})[part]["bits"] for run in runs]
    head, sections, table = pages(bench, "shakespeare-lstm", found)
    mean, deviation = found["test"]["bits"]["mean"], found["test"]["bits"]["deviation"]
    told = f"test bits per character {mean:.3f}, deviation {deviation:.3f}, n = 2"
    assert head.startswith(f"# Measured: {told} seeds;\n# validation bits per character ")
    assert told in table
    assert "| test bits per character | validation bits per character | lowest, highest |" in sections
    assert f"| cat, {found['examples']['test']:,} | {told.removeprefix('test bits per character ')} |" in sections
    assert "accuracy" not in head + table


def test_vectors_of_words_are_told_by_loss_and_analogies(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text(LINE * 60)
    bench["figures"].ANALOGIES["text-file"] = ("cat - the + dog",)  # type: ignore[attr-defined]
    data = {"data.name": "text-file", "data.file": str(tmp_path / "cat.txt"), "data.subsample": 0.0}
    found = measured(bench, "shakespeare-cbow", {**data, "model.dim": 4, "train.test": False}, seeds=1)
    assert found["test"] == {}
    run = Run.open(tmp_path / "runs" / "shakespeare-cbow-tiny")
    assert found["valid"]["loss"]["values"] == [(run.result or {})["valid"]["loss"]]
    words = run.nearest("cat - the + dog", count=3)
    assert found["beside"]["analogies"] == {"cat - the + dog": [list(pair) for pair in words]}
    head, sections, _ = pages(bench, "shakespeare-cbow", found)
    loss = found["valid"]["loss"]["mean"]
    assert head.startswith(f"# Measured: validation loss {loss:.3f}, n = 1;\n# cat - the + dog: ")
    assert f"cat - the + dog: {words[0][0]} {words[0][1]:.2f}, " in sections
    assert "test loss" not in head + sections


def test_hidden_words_are_told_by_accuracy_and_perplexity(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text(LINE * 60)
    data = {"data.name": "text-file", "data.file": str(tmp_path / "cat.txt"), "data.split_seed": None}
    found = measured(bench, "sentiment-pretrained", {**data, "model.width": 8, "model.num_heads": 2})
    head, sections, _ = pages(bench, "sentiment-pretrained", found)
    assert head.startswith(f"# Measured: test accuracy {100 * found['test']['accuracy']['mean']:.2f} %, deviation ")
    assert f"# test perplexity {found['test']['perplexity']['mean']:.1f}, deviation " in head
    assert "| test accuracy | test perplexity |" in sections


def test_translations_are_told_by_bleu_with_its_signature(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("".join(f"a {word} dog sees a cat\n" for word in ["red", "old", "big", "ugly"]) * 10)
    (tmp_path / "a.fr").write_text(
        "".join(f"un chien {word} voit\n" for word in ["rouge", "vieux", "grand", "laid"]) * 10
    )
    files = {"data.source": str(tmp_path / "a.en"), "data.target": str(tmp_path / "a.fr")}
    data = {"data.name": "parallel-files", **files, "data.tokenizer": {"name": "words"}, "data.joint": False}
    share = {"data.validation": 0.25, "data.test_share": 0.25}
    found = measured(bench, "tatoeba-gru", {**data, **share, "model.width": 8, "decode.length": 4})
    assert re.fullmatch(r"nrefs:\S+version:\S+", found["beside"]["signature"])
    head, sections, _ = pages(bench, "tatoeba-gru", found)
    assert head.startswith(f"# Measured: test BLEU {found['test']['bleu']['mean']:.2f}, deviation ")
    assert f"# test exact answers {100 * found['test']['exact']['mean']:.2f} %, deviation " in head
    assert f"- tatoeba-gru: BLEU by SacreBLEU: {found['beside']['signature']}" in sections
    if "int8" in found["beside"]:  # on processors that have it
        both = found["beside"]["int8"]
        assert both["float32"] == found["test"]["bleu"]["values"][0]
        assert (
            f"- tatoeba-gru: test BLEU of the first seed {both['float32']:.2f}, with --int8 {both['int8']:.2f}"
            in sections
        )


def test_what_has_no_bleu_is_told_by_exact_answers_alone(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    settings = {"data.count": 200, "model.width": 16, "data.validation": 0.1, "decode.length": 4}
    found = measured(bench, "addition-transformer", settings)
    head, sections, table = pages(bench, "addition-transformer", found)
    assert head.startswith(f"# Measured: test exact answers {100 * found['test']['exact']['mean']:.2f} %, deviation ")
    assert "test exact answers" in table
    assert "BLEU" not in head
    assert "| test BLEU |" not in sections


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_captions_are_told_by_bleu_also_of_what_was_learned(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    settings = {"model.width": 8, "decode.length": 4, "decode.beam": 1, "train.evaluate_every": 2}
    found = measured(bench, "coco-caption", settings, seeds=1)
    run = Run.open(tmp_path / "runs" / "coco-caption-tiny")
    assert found["beside"]["training BLEU"] == (run.result or {})["train"]["bleu"]
    head, sections, _ = pages(bench, "coco-caption", found)
    assert head.startswith(f"# Measured: test BLEU {found['test']['bleu']['mean']:.2f}, n = 1;\n# training BLEU ")
    assert f"- coco-caption: BLEU by SacreBLEU: {found['beside']['signature']}" in sections


def test_every_task_has_figures_and_every_recipe_its_lecture_items(bench: dict[str, ModuleType]) -> None:
    figures, page = bench["figures"], bench["recipes_page"]
    assert set(figures.TASKS) == set(FORMS)
    assert set(page.LECTURES) >= set(recipe_names())
    assert page.recipe_tasks(ROOT / "src/chainrule/recipes") == {
        name: open_recipe(name).task for name in recipe_names()
    }


def test_a_section_says_what_is_not_measured_yet(bench: dict[str, ModuleType]) -> None:
    lines = bench["recipes_page"].recipe_sections({}, {"one": "language", "two": "language"}, machine)
    assert "Not measured yet: `one`, `two`." in lines
    assert not [line for line in lines if line.startswith("|")]
