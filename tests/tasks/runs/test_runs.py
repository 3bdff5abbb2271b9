"""Training, opening and repeating recipes from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import chainrule

SHORT = {"train.steps": 6, "train.threads": 1}


def test_equal_runs_have_equal_bytes_whatever_the_caller_drew(tmp_path: Path) -> None:
    for name in ("one", "two"):
        torch.rand(7 if name == "two" else 3)
        before = torch.get_rng_state()
        chainrule.train("digits-cnn", out=tmp_path / name, settings=SHORT, report=False)
        assert torch.equal(before, torch.get_rng_state()), "the caller's generator is left as it was"
    for file in ("metrics.jsonl", "layers.jsonl", "model.safetensors", "recipe.yaml", "processing.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    for workers in (0, 2):
        settings = {**SHORT, "train.workers": workers, "augment.mixup": 0.3}
        chainrule.train("digits-cnn", out=tmp_path / str(workers), settings=settings, report=False)
    assert (tmp_path / "0" / "metrics.jsonl").read_bytes() == (tmp_path / "2" / "metrics.jsonl").read_bytes()


def test_an_opened_run_gives_the_network_that_was_measured(tmp_path: Path) -> None:
    run = chainrule.train("digits-mlp", out=tmp_path / "run", settings={**SHORT, "train.ema": 0.9})
    opened = chainrule.Run.open(tmp_path / "run")
    found = opened.evaluate("test")
    assert run.result is not None
    assert found["accuracy"] == run.result["test"]["accuracy"]
    assert not opened.model().training
    assert "digits" in repr(opened) or "run" in repr(opened)
    assert "<table>" in opened._repr_html_()


def test_parts_do_not_change_the_step_beyond_rounding(tmp_path: Path) -> None:
    losses = []
    for parts in (1, 4):
        settings = {**SHORT, "train.parts": parts, "train.log_every": 1}
        run = chainrule.train("digits-softmax", out=tmp_path / str(parts), settings=settings, report=False)
        losses.append([line["loss"] for line in run.history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] != losses[1] or len(losses[0]) > 0


def test_early_stopping_stops_and_a_finished_run_stays_finished(tmp_path: Path) -> None:
    settings = {"train.epochs": 50, "train.patience": 2, "optim.lr": 1e-9, "train.threads": 1}
    run = chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    assert run.result is not None
    steps = run.result["steps"]
    assert steps < 20 * 50
    content = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    chainrule.resume(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == content


def test_repeats_give_mean_and_deviation_and_go_on(tmp_path: Path) -> None:
    result = chainrule.repeat("digits-softmax", 3, out=tmp_path / "runs", settings=SHORT)
    spread = result["test"]["accuracy"]
    assert len(spread["values"]) == 3
    assert spread["minimum"] <= spread["mean"] <= spread["maximum"]
    assert len(set(spread["values"])) > 1, "each seed has its own split and weights"
    assert chainrule.repeat("digits-softmax", 3, out=tmp_path / "runs", settings=SHORT) == result
    assert len(chainrule.list_runs(tmp_path)) == 4
