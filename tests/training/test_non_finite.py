"""Numbers that are not finite are found before the step, named, and never saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import chainrule
from chainrule.core.errors import NonFiniteError
from chainrule.data import Batch
from chainrule.optim import At, Group
from chainrule.runtime.world import Alone
from chainrule.training import Phase, Plan, Separable, Task, TrainState, start, train_loop
from chainrule.training.non_finite import require_finite
from chainrule.training.rules import FEW, skip_non_finite, stop_on_non_finite

NAN, INFINITY = float("nan"), float("inf")


class Points:
    """Sixteen points; chosen ones are not finite."""

    def __init__(self, bad: Mapping[int, float], target: Mapping[int, float]) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(16, 3, generator=generator)
        self.y = self.x.sum(1)
        for index, value in bad.items():
            self.x[index, 1] = value
        for index, value in target.items():
            self.y[index] = value

    def __len__(self) -> int:
        return len(self.y)

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        return Batch(self.x[index], self.y[index], key, index)


class InTurn:
    per_epoch = 4

    def __call__(self, step: int) -> tuple[int, Tensor]:
        epoch, place = divmod(step, 4)
        return epoch, torch.arange(4 * place, 4 * place + 4)


class Spoiler(nn.Module):
    """Gives an infinity from its n-th call on."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.call, self.calls = call, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x if self.calls < self.call else x / 0.0


def task(
    network: nn.Module, *, bad: Mapping[int, float] | None = None, target: Mapping[int, float] | None = None
) -> Task:
    def values(model: nn.Module, batch: Batch, at: At, carry: object) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {"loss": (model(batch.inputs).squeeze(1) - batch.targets) ** 2}, {}

    groups = [Group(select=lambda name, p: True, rate=lambda at: 0.01)]
    objective = Separable(values=values, count=lambda batch: {"loss": len(batch)}, weight={"loss": lambda at: 1.0})
    phase = Phase("learn", objective, lambda params: torch.optim.SGD(params, lr=0.01, momentum=0.9), groups)
    points = Points(bad or {}, target or {})
    return Task(
        model=lambda: network,
        examples={"train": points},
        orders={"train": InTurn()},
        phases=[phase],
        measure=lambda model, batch: {},
        predict=lambda model, inputs: model(inputs),
    )


def run(task: Task, steps: int = 8, parts: int = 1, told: list[dict[str, object]] | None = None) -> TrainState:
    plan = Plan(
        steps=steps,
        seed=0,
        parts=parts,
        evaluate=lambda at: False,
        keep=lambda at: False,
        stop=lambda at: False,
        guard=stop_on_non_finite() if told is None else skip_non_finite(told.append),
        save=lambda state: None,
    )
    state = start(task, 0)
    before.clear()
    before.extend(p.detach().clone() for p in state.model.parameters())
    return train_loop(task, state, plan)


before: list[Tensor] = []


def network(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), *more, nn.Linear(4, 1))


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_an_input(value: float, parts: int) -> None:
    with pytest.raises(NonFiniteError, match=r"at step 2 .*inputs of training example 6 are not finite; the weights"):
        run(task(network(), bad={6: value}), parts=parts)


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_a_target(value: float) -> None:
    with pytest.raises(NonFiniteError, match=r"at step 3 .*first in the loss for training examples 8, 11;"):
        run(task(network(), target={8: value, 11: value}))


def test_a_layer() -> None:
    with pytest.raises(NonFiniteError, match=r"at step 4 .*first in the outputs of 1 \(Spoiler\)"):
        run(task(network(Spoiler(4))))


def test_a_weight() -> None:
    model = network()
    with torch.no_grad():
        model[1].weight[0, 2] = NAN
    with pytest.raises(NonFiniteError, match=r"at step 1 .*the weights 1\.weight are not finite already"):
        run(task(model))


def test_a_gradient_alone() -> None:
    model = network()
    model[0].weight.register_hook(lambda gradient: gradient * INFINITY)
    with pytest.raises(NonFiniteError, match=r"step 1 the gradient's norm is \w+, first in the gradient of 0\.weight"):
        run(task(model))
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before))


def test_skipping_leaves_everything_as_it_was_but_the_count() -> None:
    told: list[dict[str, object]] = []
    spoiled = run(task(network(nn.BatchNorm1d(4)), bad={6: NAN}), steps=2, told=told)
    torch.manual_seed(0)
    alone = run(task(network(nn.BatchNorm1d(4)), bad={6: NAN}), steps=1, told=[])
    assert (spoiled.step, spoiled.skipped) == (2, 1)
    assert [record["step"] for record in told] == [2]
    for name, value in spoiled.model.state_dict().items():
        if "running" in name:
            assert value.isfinite().all()
    assert alone.skipped == 0


def test_too_many_skipped_steps_stop_the_run() -> None:
    told: list[dict[str, object]] = []
    with pytest.raises(NonFiniteError, match="10 steps were left out before, which is too many"):
        run(task(network(), bad={0: NAN, 5: NAN, 9: NAN, 13: NAN}), steps=100, told=told)
    assert len(told) == FEW


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match="after step 7 b holds numbers that are not finite; the state was not"):
        require_finite({"a": torch.arange(3), "b": torch.tensor([1.0, INFINITY])}, 7, Alone())
    settings = {"optim.lr": 1e38, "optim.name": "sgd", "train.steps": 5, "train.keep_every": 1, "train.threads": 1}
    with pytest.raises(NonFiniteError):
        chainrule.train("digits-mlp", out=tmp_path / "run", settings=settings, report=False)
    kept = list((tmp_path / "run" / "checkpoints").iterdir())
    assert len(kept) < 5
    for path in kept:
        for name, value in load_file(path / "tensors.safetensors").items():
            assert value.isfinite().all(), (path, name)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
