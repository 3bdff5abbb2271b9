"""TensorBoard's event files say what the run's own logs say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import chainrule
from chainrule.core.errors import UsageError
from chainrule.training.events import require_tensorboard, write_events

SETTINGS = {
    "train.steps": 6,
    "train.look_every": 2,
    "train.evaluate_every": 3,
    "train.log_every": 1,
    "train.threads": 1,
}


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    found = EventAccumulator(str(folder))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_event_files_hold_the_numbers_of_the_logs(tmp_path: Path) -> None:
    run = chainrule.train(
        "digits-mlp", out=tmp_path / "run", settings={**SETTINGS, "train.tensorboard": True}, report=False
    )
    folder = tmp_path / "run" / "tensorboard"
    for part, name in (("train", "loss"), ("train", "norm"), ("valid", "accuracy")):
        logged = [(line["step"], line[name]) for line in run.history if line["part"] == part]
        assert scalars(folder, f"{part}/{name}") == [(step, pytest.approx(value)) for step, value in logged]
    looks = [json.loads(line) for line in (tmp_path / "run" / "layers.jsonl").read_text().splitlines()]
    layer = next(layer["name"] for layer in looks[0]["layers"] if "update" in layer)
    moved = [(look["step"], row["update"]) for look in looks for row in look["layers"] if row["name"] == layer]
    assert scalars(folder, f"update/{layer}") == [(step, pytest.approx(value)) for step, value in moved]


def test_event_files_are_written_only_when_asked_for(tmp_path: Path) -> None:
    chainrule.train("digits-mlp", out=tmp_path / "run", settings=SETTINGS, report=False)
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_what_an_interrupted_process_wrote_too_much_is_not_shown(tmp_path: Path) -> None:
    def seen(step: int, loss: float) -> object:
        facts = {"step": step, "report": {"loss": loss}, "rate": 0.1, "norm": 1.0, "evaluated": None, "look": None}
        return type("Seen", (), facts)()

    for taken, losses in ((0, {1: 5.0, 2: 4.0, 3: 3.0}), (1, {2: 2.5, 3: 1.5})):
        with write_events(tmp_path, every=1, steps=3, taken=taken) as watch:
            for step, loss in losses.items():
                watch(seen(step, loss))
    assert scalars(tmp_path, "train/loss") == [(1, 5.0), (2, 2.5), (3, 1.5)]


def test_without_the_package_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else real(name))
    with pytest.raises(UsageError, match="track"):
        require_tensorboard()
    with pytest.raises(UsageError, match="track"):
        chainrule.train("digits-mlp", out=tmp_path / "run", settings={**SETTINGS, "train.tensorboard": True})
    assert not (tmp_path / "run").exists()
