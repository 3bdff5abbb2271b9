"""Each recipe that comes with the package runs two steps on a few made-up images, and is reported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from chainrule.data import InMemory, LabeledImages
from chainrule.recipes import recipe_names, study_names
from chainrule.tasks import Classification, Run, begin_run, continue_run, open_recipe
from chainrule.tasks.tables import open_study

SHAPES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar10-jpeg": (3, 32, 32),
}
ELSEWHERE = {
    "imagenet-squeezenet": "nothing is trained: its weights and photographs are files",
    **dict.fromkeys(
        ("addition-transformer", "multi30k-attention", "multi30k-gru", "multi30k-transformer", "tatoeba-gru"),
        "sentences, not images: tests/tasks/translate",
    ),
    **{
        f"shakespeare-{name}": "a text, not images: tests/tasks/language"
        for name in ("rnn", "gru", "lstm", "transformer")
    },
    **{f"coco-caption{kind}": "captions: tests/tasks/caption" for kind in ("", "-attention", "-transformer")},
    **dict.fromkeys(["shakespeare-skipgram", "shakespeare-cbow", "multi30k-skipgram"], "words: tests/tasks/embed"),
    **{f"sentiment-{name}": "texts: tests/tasks/text" for name in ("average", "bag", "gru", "transformer")},
    **{f"sentiment-{name}": "hidden words: tests/tasks/masked" for name in ("pretrained", "bert")},
}
SMALL = {"train.batch": 4, "train.evaluate_batch": 20, "train.threads": 1}


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """What a recipe says of threads holds for the whole process; other tests find them as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def made_up(name: str) -> LabeledImages:
    """60 images of ten classes; a class is brighter than the one before, so that something can be learned."""
    labels = torch.arange(60) % 10
    noise = torch.randint(0, 100, (60, *SHAPES[name]), generator=torch.Generator().manual_seed(0))
    pixels = (noise + 15 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    classes = tuple(f"class {number}" for number in range(10))
    return LabeledImages(
        name, InMemory(pixels), labels, classes, train=torch.arange(50), test=torch.arange(50, 60), facts={}
    )


@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in ELSEWHERE])
def test_it_runs_two_steps(name: str, tmp_path: Path) -> None:
    plain = open_recipe(name)
    learns = plain.train.steps != 0  # else it is fitted or solved at once
    recipe = open_recipe(name, {**SMALL, "data.validation": 0.2, **({"train.steps": 2} if learns else {})})
    images = made_up(recipe.data.name)
    begin_run(recipe, tmp_path / "run", name=name, data=images)
    continue_run(tmp_path / "run", Classification(recipe, images=images))
    run = Run.open(tmp_path / "run")
    assert run.result is not None
    assert run.result["steps"] == (2 if learns else 0)
    for part in ("valid", "test"):
        assert math.isfinite(run.result[part]["loss"])
        assert 0 <= run.result[part]["accuracy"] <= 1
    assert f"<bdi>{name}</bdi>" in run.report().read_text(encoding="utf-8")


@pytest.mark.parametrize("name", study_names())
def test_a_study_compares_recipes_that_are_run_here(name: str) -> None:
    study, recipes = open_study(name)
    assert study.about
    assert {member.recipe for member in study.members.values()} <= set(recipe_names())
    assert all(recipe.data.name in SHAPES for recipe in recipes.values())


def test_what_is_tried_elsewhere_exists() -> None:
    assert set(ELSEWHERE) <= set(recipe_names())
