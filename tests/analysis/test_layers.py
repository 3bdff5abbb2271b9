"""What `look` sees is what the step did, computed here by hand; and looking changes nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import chainrule
from chainrule.analysis.layers import SAMPLE, look


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3), nn.Tanh())


def step(model: nn.Module, inputs: torch.Tensor, *, clip: float | None = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    optimizer.zero_grad()
    model(inputs).square().sum().backward()
    if clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


def test_each_number_is_what_the_step_did() -> None:
    model, inputs = network(), torch.randn(7, 6)
    twin = copy.deepcopy(model)
    with look(model) as found:
        step(model, inputs, clip=0.1)
    before = twin[0](inputs)
    hidden = before.clamp_min(0).detach().requires_grad_()
    linear = twin[2](hidden)
    linear.retain_grad()
    linear.tanh().square().sum().backward()
    first, relu, second, last = found.layers
    assert [layer.name for layer in found.layers] == ["0", "1", "2", "3"]
    assert (first.mean, first.spread) == pytest.approx((before.mean().item(), before.std(correction=0).item()))
    assert relu.zeros == pytest.approx((before <= 0).float().mean().item())
    assert relu.silent == pytest.approx((before <= 0).all(0).float().mean().item())
    assert relu.gradient == pytest.approx(hidden.grad.std(correction=0).item())
    assert second.gradient == pytest.approx(linear.grad.std(correction=0).item())
    change = (model[2].weight - twin[2].weight).norm() / twin[2].weight.norm()
    assert second.update == pytest.approx(change.item())
    assert second.weight_gradient == pytest.approx(model[2].weight.grad.norm().item())
    assert last.update is None
    assert found.clipped == pytest.approx(0.1, rel=1e-4)


def test_looking_changes_nothing_and_leaves_no_hook() -> None:
    model, inputs = network(), torch.randn(7, 6)
    twin = copy.deepcopy(model)
    with look(model):
        step(model, inputs)
    step(twin, inputs)
    for seen, unseen in zip(model.parameters(), twin.parameters()):
        assert torch.equal(seen, unseen)
    assert not any(module._forward_hooks for module in model.modules())


def test_the_hooks_are_removed_when_the_step_fails() -> None:
    model = network()
    with pytest.raises(RuntimeError, match="shapes"), look(model):
        step(model, torch.randn(7, 5))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("build", [
    lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
    lambda: nn.Sequential(nn.LSTM(4, 3, batch_first=True)),  # returns nested tuples
    lambda: nn.Sequential(nn.Identity()),  # nothing to train
    lambda: nn.Linear(4, 2).requires_grad_(False),
])  # fmt: skip
def test_odd_networks_are_looked_at(build) -> None:
    model = build()
    with look(model) as found:
        output = model(torch.randn(2, 1, 4) if isinstance(model, nn.Sequential) else torch.randn(2, 4))
        tensor = output[0] if isinstance(output, tuple) else output
        if tensor.requires_grad:
            tensor.sum().backward()
    assert all(layer.kind for layer in found.layers)
    assert all(layer.update in (None, 0.0) for layer in found.layers)


def test_large_layers_are_sampled_and_a_layer_used_twice_counts_once() -> None:
    layer = nn.Linear(600, 600)  # more weights than a sample has
    assert layer.weight.numel() > SAMPLE
    model, inputs = nn.Sequential(layer, layer), torch.randn(300, 600)
    twin = copy.deepcopy(model)
    with look(model) as found:
        step(model, inputs)
    assert len(found.layers) == 1
    exact = (model[0].weight - twin[0].weight).norm() / twin[0].weight.norm()
    assert found.layers[0].update == pytest.approx(exact.item(), rel=0.02)


def test_a_run_writes_its_looks_and_a_threshold_for_clipping(tmp_path: Path) -> None:
    settings = {"train.steps": 7, "train.look_every": 3, "train.threads": 1}
    run = chainrule.train("digits-mlp", out=tmp_path / "run", settings=settings, report=False)
    looks = [json.loads(line) for line in (tmp_path / "run" / "layers.jsonl").read_text().splitlines()]
    assert [found["step"] for found in looks] == [1, 4, 7]
    assert [layer["kind"] for layer in looks[0]["layers"]].count("Linear") >= 2
    norms = [line["norm"] for line in run.history if line["part"] == "train"]
    assert run.result is not None
    assert min(norms) < run.result["suggested_clip_norm"] <= 2 * max(norms)


def test_nobody_looks_where_the_recipe_says_so(tmp_path: Path) -> None:
    settings = {"train.steps": 3, "train.look_every": None, "train.threads": 1}
    chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    assert (tmp_path / "run" / "layers.jsonl").read_bytes() == b""


def test_a_run_of_before_there_were_looks_goes_on(tmp_path: Path) -> None:
    from chainrule.core.folder import RunFolder
    from chainrule.tasks.runs._training_logs import TrainingLogs

    folder = RunFolder(tmp_path)
    with TrainingLogs(folder) as logs:
        logs.metrics.append({"step": 1})
        logs.layers.append({"step": 1})
        facts = logs.sync(0)
    TrainingLogs.cut(folder, {"metrics": facts["metrics"]})
    assert folder.metrics.read_bytes() == b'{"step":1}\n'
    assert folder.layers.read_bytes() == b""
