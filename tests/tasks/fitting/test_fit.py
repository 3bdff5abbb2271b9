"""Training one's own module on one's own tensors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import chainrule
from chainrule.core.errors import ChainruleError, DataError, UsageError


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
