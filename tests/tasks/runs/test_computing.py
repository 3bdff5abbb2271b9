"""Options of how a training computes: each changes what it should, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import chainrule
from chainrule.core.errors import RecipeError
from chainrule.runtime.blocks import recomputed
from chainrule.tasks import Run
from chainrule.training import loop
from chainrule.training.scaling import too_large
from chainrule.training.task import TrainState

SHORT = {"train.steps": 8, "train.threads": 1, "train.log_every": 1, "train.batch": 32, "train.test": False}
BLOCKS = {**SHORT, "model.name": "resnet_cifar", "model.depth": 8, "data.limit": 200, "train.steps": 4}


def trained(out: Path, recipe: str = "digits-cnn", settings: dict[str, Any] | None = None) -> Run:
    return chainrule.train(recipe, out=out, settings={**SHORT, **(settings or {})}, report=False)


def state(run: Run) -> dict[str, torch.Tensor]:
    return load_file(sorted((run.path / "checkpoints").iterdir())[-1] / "tensors.safetensors")


def keep(kept: list[Tensor], tensor: Tensor) -> Tensor:
    kept.append(tensor)
    return tensor


def losses(run: Run) -> list[float]:
    return [line["loss"] for line in run.history if line["part"] == "train"]


@pytest.mark.parametrize(("precision", "apart"), [("bf16", 3e-2), ("fp16", 3e-3), ("float64", 1e-5)])
def test_precision_changes_rounding_alone(tmp_path: Path, precision: str, apart: float) -> None:
    smooth = {"optim.name": "sgd", "optim.lr": 0.01, "optim.groups": []}  # Adam steps by the sign of what is near zero
    usual = trained(tmp_path / "usual", settings=smooth)
    other = trained(tmp_path / precision, settings={**smooth, "train.precision": precision})
    assert losses(other) == pytest.approx(losses(usual), rel=apart)
    assert losses(other) != losses(usual)
    kinds = {value.dtype for name, value in state(other).items() if name.startswith("model/") and "num_" not in name}
    assert kinds == {torch.float64 if precision == "float64" else torch.float32}, "weights stay as they were"
    assert {value.dtype for value in other.model().parameters()} == {torch.float32}


@pytest.mark.slow
def test_blocks_that_are_computed_anew_give_the_same_bytes(tmp_path: Path) -> None:
    """Batch normalization, whose running statistics move once, and dropout, whose masks are drawn as before."""
    (tmp_path / "text.txt").write_text("the cat sat on the mat and the dog sat on the cat. " * 60)
    text = {
        **SHORT, "data.name": "text-file", "data.file": str(tmp_path / "text.txt"), "data.length": 16, "train.batch": 8,
        "data.context": 4, "model.width": 16, "model.num_heads": 2, "model.layers": 2, "model.dropout": 0.2,
    }  # fmt: skip
    for recipe, settings in [("digits-cnn", BLOCKS), ("shakespeare-transformer", text)]:
        usual = trained(tmp_path / f"{recipe}-usual", recipe, settings)
        anew = trained(tmp_path / f"{recipe}-anew", recipe, {**settings, "train.recompute": True})
        for name in ("metrics.jsonl", "model.safetensors"):
            assert (usual.path / name).read_bytes() == (anew.path / name).read_bytes(), (recipe, name)


def test_a_network_without_blocks_cannot_be_computed_anew(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has no blocks that could be computed anew"):
        trained(tmp_path / "run", "digits-softmax", {"train.recompute": True})
    assert not (tmp_path / "run").exists()


def test_recomputing_holds_less_memory() -> None:
    blocks = [nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()) for _ in range(8)]
    network, x = nn.Sequential(*blocks), torch.randn(32, 64)
    held: list[int] = []
    for way in (nullcontext(), recomputed(network)):
        kept: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(partial(keep, kept), lambda tensor: tensor), way:
            network(x)
        held.append(sum(tensor.numel() for tensor in kept))
    assert held[1] < held[0] / 2


def test_equal_weights_of_all_steps_from_a_share_on(tmp_path: Path) -> None:
    """Beside the average, the weights themselves go the same way."""
    usual = trained(tmp_path / "usual", settings={"train.keep_every": 1, "train.keep": 99, "train.ema": None})
    averaged = trained(
        tmp_path / "averaged", settings={"train.keep_every": 1, "train.keep": 99, "train.ema": None, "train.swa": 0.5}
    )
    whole = [load_file(path / "tensors.safetensors") for path in sorted((usual.path / "checkpoints").iterdir())]
    last = state(averaged)
    for name in (name for name, value in last.items() if name.startswith("model/") and value.is_floating_point()):
        assert torch.equal(last[name], whole[-1][name])
        mean = torch.stack([tensors[name].double() for tensors in whole[5:]]).mean(0)  # after the steps 5 to 8
        assert torch.allclose(last[name.replace("model/", "average/swa/")].double(), mean, rtol=1e-5, atol=1e-7)
    kept = averaged.model().state_dict()
    best = averaged.result["best_step"] if averaged.result else 0
    chosen = load_file(averaged.path / "checkpoints" / f"step-{best:08d}" / "tensors.safetensors")
    assert all(torch.equal(value, chosen[f"average/swa/{name}"]) for name, value in kept.items())


def test_one_average_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="give either ema or swa"):
        trained(tmp_path / "run", settings={"train.ema": 0.9, "train.swa": 0.5})


def test_the_scale_of_a_loss_in_16_bits() -> None:
    kept = TrainState(model=torch.nn.Linear(1, 1), optimizers={}, averages={}, scale=8.0)
    assert too_large(kept, {"loss": 1.0}, float("inf"))
    assert (kept.scale, kept.steady) == (4.0, 0)
    assert not too_large(kept, {"loss": float("nan")}, float("nan")), "a loss that is not finite is no matter of scale"
    kept.steady = 1999
    assert not too_large(kept, {"loss": 1.0}, 1.0)
    assert (kept.scale, kept.steady) == (8.0, 0)
    plain = TrainState(model=torch.nn.Linear(1, 1), optimizers={}, averages={})
    assert not too_large(plain, {"loss": 1.0}, float("inf"))
    assert plain.scale == 1.0


def test_a_scale_that_is_too_large_is_halved_and_kept_over_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "FIRST_SCALE", 2.0**30)
    settings = {"train.precision": "fp16", "train.keep_every": 2, "train.keep": 9}
    whole = trained(tmp_path / "whole", settings=settings)
    scales = [
        json.loads((path / "state.json").read_text()).get("scale", 1.0)
        for path in sorted((whole.path / "checkpoints").iterdir())
    ]
    assert scales[0] == 2.0**30
    assert scales[2] < scales[1] < scales[0], "the steps in which it was too large are left out"
    cut = tmp_path / "cut"
    shutil.copytree(whole.path, cut)
    for path in (cut / "checkpoints").iterdir():
        if int(path.name[5:]) > 4:
            shutil.rmtree(path)
    info = json.loads((cut / "run.json").read_text())
    (cut / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    chainrule.resume(cut)
    for name in ("metrics.jsonl", "model.safetensors", "checkpoints/step-00000008/state.json"):
        assert (whole.path / name).read_bytes() == (cut / name).read_bytes()


def test_compiling_is_not_tried_for_a_short_training(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", settings={"train.compile": "auto"})
    usual = trained(tmp_path / "usual")
    said = run.info["compiled"]
    assert said["used"] is False
    assert "steps that are left take about" in said["because"] or "compiler" in said["because"]
    assert losses(run) == losses(usual), "what was measured left nothing behind"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_training_changes_rounding_alone(tmp_path: Path) -> None:
    """In a process of its own: torch's compiler does not follow functions whose shapes are checked as here."""
    usual = trained(tmp_path / "usual", "digits-mlp")
    words = [sys.executable, "-m", "chainrule", "train", "digits-mlp", "--train.compile", "yes", "-q"]
    words += ["-o", str(tmp_path / "other"), *(f"--{name}={str(value).lower()}" for name, value in SHORT.items())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    other = Run.open(tmp_path / "other")
    assert other.info["compiled"] == {"used": True, "because": "asked for"}
    assert losses(other) == pytest.approx(losses(usual), rel=1e-3)
    looks = [(run.path / "layers.jsonl").read_text().count("\n") for run in (usual, other)]
    assert looks[0] == looks[1] > 0
