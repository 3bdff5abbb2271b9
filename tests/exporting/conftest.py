"""Small runs of every kind, and files that they answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import chainrule
from chainrule.data import InMemory, LabeledImages
from chainrule.tasks import Classification, Run, begin_run, continue_run, open_recipe

CLASSES = ("Brötchen", "猫", "a b")
TRAIN = {"steps": 2, "batch": 8, "threads": 1, "test": False, "look_every": None}
WORDS = [("cat", "sat", "mat"), ("dog", "lay", "rug")]


def line(number: int) -> str:
    animal, did, where = WORDS[number % 2]
    return f"the {('old', 'big', 'red')[number % 3]} {animal} {did} on the {where}" + " again" * (number % 4)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of odd sizes: grey, in color, with a palette, transparent."""
    folder, draw = tmp_path_factory.mktemp("pictures"), random.Random(0)
    for number, (mode, size) in enumerate([("L", (9, 40)), ("RGB", (33, 17)), ("P", (64, 64)), ("RGB", (200, 90))]):
        count = size[0] * size[1] * (3 if mode == "RGB" else 1)
        Image.frombytes(mode, size, draw.randbytes(count)).save(folder / f"picture {number}.png")
    return folder


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of two classes."""
    path, draw = tmp_path_factory.mktemp("texts") / "animals.csv", random.Random(0)
    rows = [f"{line(number)} {draw.randrange(50)},{CLASSES[number % 2]}" for number in range(90)]
    path.write_text("\n".join(["text,label", *rows]), "utf-8")
    return path


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences, some paragraphs of them."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("\n".join(line(number) + ("\n" if number % 9 == 0 else "") for number in range(150)), "utf-8")
    return path


Trained = Callable[..., Run]


@pytest.fixture
def classifier(tmp_path: Path) -> Trained:
    """`(shape, model, **recipe) -> run` of pictures with the classes above."""

    def train(shape: tuple[int, int, int], model: dict[str, Any], **sections: Any) -> Run:
        labels = torch.arange(60) % 3
        noise = torch.randint(0, 150, (60, *shape), generator=torch.Generator().manual_seed(0))
        pixels = (noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
        images = LabeledImages("digits", InMemory(pixels), labels, CLASSES, train=torch.arange(60))
        base = {"data": {"name": "digits"}, "model": model, "train": TRAIN}
        recipe = open_recipe({**base, "optim": {"name": "adam", "lr": 0.01}, **sections})
        begin_run(recipe, tmp_path / "run", name="pictures", data=images)
        continue_run(tmp_path / "run", Classification(recipe, images=images))  # type: ignore[arg-type]
        info = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))  # the recipe's network, on other images
        (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "kind": "recipe"}), "utf-8")
        return Run.open(tmp_path / "run")

    return train


@pytest.fixture
def reader(tmp_path: Path, texts: Path, lines: Path) -> Trained:
    """`(task, model) -> run` of a task that reads tokens."""

    def train(task: str, model: dict[str, Any], **sections: Any) -> Run:
        data: dict[str, dict[str, Any]] = {
            "classify-text": {"name": "text-table", "file": str(texts), "tokenizer": "words", "test_share": 0.1},
            "masked": {"name": "text-file", "file": str(lines), "tokenizer": "words", "hidden": 0.3},
            "language": {"name": "text-file", "file": str(lines), "tokenizer": "characters", "length": 16},
            "embed": {"name": "text-file", "file": str(lines), "tokenizer": "words"},
        }
        base: dict[str, Any] = {"data": {"validation": 0.2, **data[task]}, "model": model, "train": TRAIN}
        recipe = {"task": task, "optim": {"name": "adam", "lr": 0.01}, **base, **sections}
        return chainrule.train(recipe, out=tmp_path / "run", report=False)

    return train
