"""What a recipe freezes stays, what it whitens is made from its training images, and both resume exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import chainrule
from chainrule.core.errors import RecipeError
from chainrule.nn import whiten
from chainrule.tasks import Classification, open_recipe

SPEC = "CONV3-12 nobias | RELU | CONV3-8 nobias | BN | RELU | GAP | FC-10"
SETTINGS = {
    "model.name": "layers",
    "model.spec": SPEC,
    "model.norm_momentum": 0.3,
    "init.first": "whiten",
    "train.freeze": ["conv1.weight", "bn*.weight"],
    "train.steps": 6,
    "train.batch": 32,
    "train.threads": 1,
}


def test_frozen_parameters_stay_and_the_others_move(tmp_path: Path) -> None:
    job = Classification(open_recipe("digits-cnn", SETTINGS))
    run = chainrule.train("digits-cnn", out=tmp_path / "run", settings={**SETTINGS, "train.ema": None})
    weights = load_file(run.path / "model.safetensors")
    filters = nn.Conv2d(1, 12, 3, bias=False)
    whiten(filters, job.inputs("train", torch.arange(len(job.parts["train"]))))
    torch.testing.assert_close(weights["conv1.weight"], filters.weight.detach())
    assert torch.equal(weights["bn1.weight"], torch.ones(8))
    assert weights["bn1.bias"].any()
    fresh = job.model().state_dict()
    assert not torch.equal(weights["fc1.weight"], fresh["fc1.weight"])
    assert isinstance(job.model().get_submodule("bn1"), nn.BatchNorm2d)
    assert job.model().get_submodule("bn1").momentum == 0.3


def test_the_end_is_the_same_after_an_interruption(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(seen: object) -> None:
        if seen.step == 4:  # type: ignore[attr-defined]
            raise Stop

    settings = {**SETTINGS, "train.keep_every": 2}
    whole = chainrule.train("digits-cnn", out=tmp_path / "whole", settings=settings, report=False)
    with pytest.raises(Stop):
        chainrule.train("digits-cnn", out=tmp_path / "cut", settings=settings, observers=[stop], report=False)
    again = chainrule.resume(tmp_path / "cut")
    for file in ("model.safetensors", "metrics.jsonl"):
        assert (whole.path / file).read_bytes() == (again.path / file).read_bytes()


def test_what_cannot_be_whitened_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"init.first whitens a convolution"):
        chainrule.train("digits-mlp", out=tmp_path / "a", settings={"init.first": "whiten", "train.steps": 1})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.5])
def test_a_momentum_that_is_no_share(tmp_path: Path, momentum: float) -> None:
    with pytest.raises(RecipeError, match="norm_momentum is a share"):
        chainrule.train("digits-cnn", out=tmp_path / "a", settings={**SETTINGS, "model.norm_momentum": momentum})


def test_the_loss_of_an_auxiliary_head_is_added(tmp_path: Path) -> None:
    def steps(name: str, **settings: object) -> chainrule.Run:
        options = {
            "model.name": "inception",
            "model.width": 0.125,
            "train.steps": 2,
            "train.batch": 4,
            "train.ema": None,
        }
        options |= {"train.threads": 1, "augment.shift": 0, "loss.smoothing": 0.0, "data.limit": 40, **settings}
        return chainrule.train("digits-cnn", out=tmp_path / name, settings=options, report=False)

    losses = [steps(f"{weight}", **{"model.auxiliary": weight}).history[0]["loss"] for weight in (1e-9, 0.5, 1.0)]
    assert losses[0] == pytest.approx(2.3, abs=0.5)
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-4)
    assert losses[1] - losses[0] == pytest.approx(0.5 * 2.3, abs=0.3)
