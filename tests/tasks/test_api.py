"""The Python side: training, opening, fitting one's own module, logging one's own loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import chainrule
from chainrule.core.errors import ChainruleError, DataError, UsageError

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


def test_fit_trains_ones_own_module(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(300, 5, generator=generator)
    net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    y = (x @ torch.randn(5, 3, generator=generator)).argmax(1)
    before = torch.get_rng_state()
    run = chainrule.fit(net, x, y, epochs=30, lr=0.02, out=tmp_path / "fit")
    assert torch.equal(before, torch.get_rng_state())
    assert run.result is not None
    assert run.result["valid"]["accuracy"] > 0.85
    assert run.info["kind"] == "module"
    fresh = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    assert torch.equal(run.model(module=fresh)(x), net(x))
    with pytest.raises(ChainruleError, match="network of one's own"):
        run.model()


def test_fit_regresses(tmp_path: Path) -> None:
    x = torch.linspace(-1, 1, 64)[:, None]
    run = chainrule.fit(nn.Linear(1, 1), x, 3 * x + 1, epochs=60, lr=0.1, batch=8, out=tmp_path / "line")
    assert run.result is not None
    assert run.result["valid"]["loss"] < 1e-2


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(4, dtype=torch.long), "do not belong together"),
        (torch.full((3, 2), float("nan")), torch.zeros(3, dtype=torch.long), "not finite"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 1]), "no classes"),
        (torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), "too few"),
    ],
)
def test_fit_refuses_what_cannot_be_trained_on(x: torch.Tensor, y: torch.Tensor, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        chainrule.fit(nn.Linear(2, 2), x, y, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_hand_written_loop_has_the_same_folder_and_report(tmp_path: Path) -> None:
    with chainrule.run(tmp_path / "mine", name="by hand") as log:
        for step in range(5):
            log.log(loss=torch.tensor(1.0 / (step + 1)), rate=0.1)
        log.log(step=5, part="valid", accuracy=0.5)
        with pytest.raises(UsageError, match="no number"):
            log.log(loss="low")
    run = chainrule.Run.open(tmp_path / "mine")
    assert run.info["status"] == "finished"
    assert run.result is not None
    assert run.result["valid"] == {"accuracy": 0.5}
    assert (tmp_path / "mine" / "report.html").stat().st_size > 1000


def test_a_loop_that_fails_is_said_to_have_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), chainrule.run(tmp_path / "mine") as log:
        log.log(loss=1 / 0)
    assert chainrule.Run.open(tmp_path / "mine").info["status"] == "failed"


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_yes_or_no_with_one_score(tmp_path: Path, kind: torch.dtype, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=generator)
    y = (x.sum(1) > 0).to(kind)
    net = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)) if shape == (-1,) else nn.Linear(2, 1)
    targets = y.reshape(shape) if kind.is_floating_point else y
    run = chainrule.fit(net, x, targets, epochs=30, lr=0.1, loss="binary_cross_entropy", out=tmp_path / "run")
    evaluation = json.loads((run.path / "facts" / "evaluation.json").read_text())["valid"]
    held = torch.tensor(evaluation["confusion"])
    valid = run.result["valid"]
    assert valid["accuracy"] == evaluation["accuracy"] == int(held.trace()) / int(held.sum()) > 0.9
    assert (run.path / "facts" / "regions.json").is_file()
    weights = load_file(run.path / "model.safetensors")
    assert set(weights) == set(net.state_dict())  # the network's own names
    with torch.no_grad():
        scores = net(x).flatten()
    every = nn.functional.binary_cross_entropy_with_logits(scores, y.float(), reduction="none")
    assert every.min() <= valid["loss"] <= every.max()
    wrong = sorted(row["source"] for row in evaluation["mistakes"])
    assert all(int((scores > 0)[int(source[2:-1])]) != int(y[int(source[2:-1])]) for source in wrong)


def test_a_probability_as_target_is_no_class(tmp_path: Path) -> None:
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    run = chainrule.fit(
        nn.Linear(2, 1), x, x[:, 0].sigmoid(), epochs=2, loss="binary_cross_entropy", out=tmp_path / "a"
    )
    assert set(run.result["valid"]) == {"loss"}
    with pytest.raises(UsageError, match="one score for each class"):
        chainrule.fit(nn.Linear(2, 1), x, (x[:, 0] > 0).long(), out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
