"""Linear classifiers that a solver brings to the minimum of a recipe's objective."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import chainrule
from chainrule.cli import main
from chainrule.core.errors import RecipeError
from chainrule.losses import penalty
from chainrule.optim import is_weight
from chainrule.optim.solvers import SOLVERS, newton_cg
from chainrule.tasks import Classification, Run, open_recipe
from chainrule.tasks.images._solve import linear_layer
from chainrule.tasks.job._scoring import Measure, per_example_loss

SOLVED: dict[str, dict[str, Any]] = {
    "newton_cg": {"optim.name": "newton_cg", "train.steps": 0},
    "averaged_sgd": {"optim.name": "averaged_sgd", "loss.name": "svm", "train.steps": 0},
    "squared": {"optim.name": "newton_cg", "loss.name": "svm", "loss.power": 2, "train.steps": 0},
}


def objective(run: Run) -> float:
    """Mean loss + penalty over the training part, by the recipe's own measure and penalty."""
    model, part = run.model().double(), run.examples("train")
    index = torch.arange(len(part))
    batch = part.fetch(index, index)
    with torch.no_grad():
        batch = type(batch)(batch.inputs.double(), batch.targets, batch.key, batch.index)
        loss = float(Measure(per_example_loss(run.recipe))(model, batch)["loss"].result())
        on = run.recipe.penalty
        named = [p for name, p in model.named_parameters() if on.on == "all" or is_weight(name, p)]
        return loss + float(penalty(named, l2=on.l2))


@pytest.mark.parametrize(("case", "on"), [("newton_cg", "weights"), ("newton_cg", "all"), ("squared", "weights")])
def test_the_objective_is_at_or_below_that_of_long_training(case: str, on: str, tmp_path: Path) -> None:
    settings = {**SOLVED[case], "penalty.on": on, "penalty.l2": 0.1, "train.threads": 1}
    solved = chainrule.train("digits-softmax", out=tmp_path / "solved", settings=settings, report=False)
    stepped = {key: value for key, value in settings.items() if key not in ("optim.name", "train.steps")}
    long = {**stepped, "train.epochs": 30, "train.batch": 128, "train.test": False, "train.evaluate_every": 10**6}
    trained = chainrule.train("digits-softmax", out=tmp_path / "long", settings=long, report=False)
    assert solved.result is not None
    chosen = solved.result["chosen"]
    assert chosen["reason"] == "tolerance"
    assert chosen["solver"] == "newton_cg"
    assert objective(solved) == pytest.approx(chosen["objective"], rel=1e-6)
    assert objective(solved) <= objective(trained)
    assert objective(trained) < 1.05 * objective(solved), "both minimize the same"


def test_the_hinge_loss_comes_near_the_minimum(tmp_path: Path) -> None:
    """Its minimum is not known in closed form; long training by smaller and smaller steps is the judge."""
    settings = {**SOLVED["averaged_sgd"], "penalty.l2": 0.01, "train.threads": 1}
    solved = chainrule.train("digits-softmax", out=tmp_path / "solved", settings=settings, report=False)
    long = {"loss.name": "svm", "penalty.l2": 0.01, "train.epochs": 40, "train.evaluate_every": 10**6}
    long |= {"optim.lr": 0.005, "train.threads": 1}
    trained = chainrule.train("digits-softmax", out=tmp_path / "long", settings=long, report=False)
    assert objective(solved) == pytest.approx(solved.result["chosen"]["objective"], rel=1e-5)  # type: ignore[index]
    assert objective(solved) < 1.02 * objective(trained)


def test_the_weights_are_those_of_the_solver(tmp_path: Path) -> None:
    settings = {**SOLVED["newton_cg"], "optim.tolerance": 1e-3, "optim.iterations": 4, "train.threads": 1}
    run = chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    part = run.examples("train")
    index = torch.arange(len(part))
    x, y = part.fetch(index, index).inputs.flatten(1), part.fetch(index, index).targets
    wanted = newton_cg(x, y, classes=10, l2=0.001, tolerance=1e-3, iterations=4)
    layer = linear_layer(run.model(), "newton_cg")
    torch.testing.assert_close(layer.weight.detach(), wanted.weights, atol=1e-3, rtol=1e-3)
    assert run.result is not None
    assert run.result["steps"] == 0
    assert run.result["chosen"]["iterations"] <= 4


@pytest.mark.parametrize("case", list(SOLVED))
def test_a_run_from_the_command_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    words = [word for key, value in SOLVED[case].items() for word in (f"--{key}", str(value))]
    assert main(["train", "digits-softmax", *words, "-o", str(folder), "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["result"]
    assert told["test"]["accuracy"] > 0.93
    assert told["chosen"]["solver"] == SOLVED[case]["optim.name"]
    assert main(["evaluate", str(folder), "--part", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["accuracy"] == told["test"]["accuracy"]
    assert main(["resume", str(folder), "-q"]) == 0
    out = capsys.readouterr().out
    assert f"chosen  solver {SOLVED[case]['optim.name']}" in out
    page = (folder / "report.html").read_text()
    assert SOLVED[case]["optim.name"] in page
    assert "templates" in (folder / "facts" / "weights.json").read_text()


def test_a_run_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    settings = {**SOLVED["averaged_sgd"], "optim.epochs": 5, "train.threads": 1}
    whole = chainrule.train("digits-softmax", out=tmp_path / "whole", settings=settings)
    code = (
        "import os, chainrule\n"
        "from chainrule.tasks.runs import _train\n"
        "_train.finish_run = lambda *anything: os.kill(os.getpid(), 9)\n"
        f"chainrule.train('digits-softmax', out={str(tmp_path / 'cut')!r}, settings={settings!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    again = chainrule.resume(tmp_path / "cut")
    assert (again.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    assert again.result is not None
    assert whole.result is not None
    assert {**again.result, "seconds": 0} == {**whole.result, "seconds": 0}


def test_the_seed_draws_the_minibatches(tmp_path: Path) -> None:
    settings = {**SOLVED["averaged_sgd"], "optim.epochs": 1, "data.split_seed": 0, "train.threads": 1}
    found = [
        chainrule.train("digits-softmax", out=tmp_path / name, settings={**settings, "train.seed": seed}, report=False)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    one, same, other = ((run.path / "model.safetensors").read_bytes() for run in found)
    assert one == same != other


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"train.steps": 5}, "expected train.steps: 0, got train.steps: 5. Remedy: --train.steps 0"),
    ({"train.epochs": 3}, "expected train.steps: 0, got train.epochs: 3"),
    ({"penalty.l1": 0.1}, r"expected penalty.l1: 0, got 0.1"),
    ({"augment.shift": 1}, "expected augment.shift: 0, got 1"),
    ({"augment.mixup": 0.4}, "expected augment.mixup: 0, got 0.4"),
    ({"train.ema": 0.9}, "expected train.ema: null, got 0.9"),
    ({"train.freeze": ["1.bias"]}, r"expected train.freeze: \[\], got \['1.bias'\]"),
    ({"loss.smoothing": 0.1}, r"expected softmax or svm with --loss.power 2, got softmax \(smoothing 0.1\)"),
    ({"loss.name": "svm"}, r"got svm \(margin 1.0, power 1\). Remedy: --optim.name averaged_sgd does"),
    ({"loss.name": "svm", "loss.margin": 2.0}, "got svm .margin 2.0, power 1.. Remedy: choose another"),
    ({"loss.name": "squared_error"}, "got squared_error"),
    ({"model.name": "mlp"}, r"solves linear classifiers, W x \+ b: .* got Linear, ReLU. Remedy: --model.name linear"),
    ({"model.name": "knn"}, "got NearestNeighbors"),
    ({"optim.lr": 0.1}, 'has no option "lr"'),
    ({"optim.l2": 0.1}, 'has no option "l2"'),
    ({"optim.generator": 0}, 'has no option "generator"'),
    ({"optim.tolerance": "little"}, "optim.tolerance: input should be a valid number"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_a_solver_cannot_do_is_told(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = {"optim.name": "newton_cg", **({} if "train.epochs" in changes else {"train.steps": 0}), **changes}
    with pytest.raises(RecipeError, match=message) as caught:
        chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_every_solver_takes_the_losses_that_it_says() -> None:
    x, y = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 3
    for name in SOLVERS:
        for loss in SOLVERS.entry(name).card["losses"]:
            assert SOLVERS.resolve(name)(x, y, loss=loss).weights.shape == (3, 4)


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(4, 2, bias=False),
        nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)),
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2)),
        nn.Flatten(),
    ],
)
def test_other_networks_are_not_linear(network: nn.Module) -> None:
    with pytest.raises(RecipeError, match="solves linear classifiers"):
        linear_layer(network, "newton_cg")


def test_repeats_and_a_specification(tmp_path: Path) -> None:
    settings = {**SOLVED["newton_cg"], "model.name": "layers", "model.spec": "FC-10", "train.threads": 1}
    found = chainrule.api.repeat("digits-softmax", 2, out=tmp_path / "all", settings=settings)
    assert found["test"]["accuracy"]["mean"] > 0.93


def test_a_solver_needs_no_data_twice() -> None:
    """What was chosen is known as soon as the first weights are there."""
    from chainrule.training.loop import start

    job = Classification(open_recipe("digits-softmax", SOLVED["newton_cg"]))
    assert job.chosen == {}
    state = start(job.task(), 0)
    assert job.chosen["reason"] == "tolerance"
    assert state.optimizers == {}
