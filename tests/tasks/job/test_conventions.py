"""Conventions that the lectures name are options of a recipe, and do what they say."""

from __future__ import annotations

import typing
from typing import Any

import pytest
import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.sections import Init
from chainrule.nn import _initialize, initialize
from chainrule.tasks import Classification, open_recipe
from chainrule.training.loop import start


def job(**settings: Any) -> Classification:
    return Classification(open_recipe("digits-mlp", {name.replace("__", "."): v for name, v in settings.items()}))


def test_the_recipe_knows_every_scheme() -> None:
    known = typing.get_args(typing.get_type_hints(Init)["scheme"])
    assert set(known) == {"own", *_initialize._DRAWS}


@pytest.mark.parametrize("scheme", ["gaussian", "xavier", "xavier_average", "he", "orthogonal", "dirac", "default"])
def test_a_scheme_draws_the_weights(scheme: str) -> None:
    torch.manual_seed(5)
    found = job(init__scheme=scheme).model()
    own = job()
    torch.manual_seed(5)
    wanted = initialize(own.model(), scheme)
    for (name, a), (_, b) in zip(found.state_dict().items(), wanted.state_dict().items()):
        assert torch.equal(a, b), name


def test_biases_take_a_constant_and_need_a_scheme() -> None:
    model = job(init__scheme="he", init__bias=0.1).model()
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert layers
    assert all(torch.equal(m.bias, torch.full_like(m.bias, 0.1)) for m in layers)
    with pytest.raises(RecipeError, match="a bias needs a scheme"):
        open_recipe("digits-mlp", {"init.bias": 0.1})
    with pytest.raises(RecipeError, match=r"init.scheme.*'xaver'"):
        open_recipe("digits-mlp", {"init.scheme": "xaver"})


@pytest.mark.parametrize("on", ["weights", "all"])
def test_what_a_penalty_applies_to(on: str) -> None:
    work = job(penalty__l2=0.5, penalty__on=on, init__scheme="he", init__bias=0.25, model__dropout=0.0)
    task = work.task()
    state = start(task, 0)
    phase = task.phases[0]
    batch = task.examples["valid"].fetch(torch.arange(8), torch.arange(8))
    found, _ = phase.objective.values(state.model, batch, None, {})  # type: ignore[attr-defined]
    chosen = [p for p in state.model.parameters() if on == "all" or p.ndim > 1]
    wanted = 0.5 * sum(p.detach().double().square().sum() for p in chosen)
    assert float(found["penalty"].detach()) == pytest.approx(float(wanted), rel=1e-5)
    biases = [p for p in state.model.parameters() if p.ndim == 1]
    assert len(biases) == 3
    decayed = [phase.groups[0].select("", p) for p in biases]
    assert decayed == [on == "all"] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"optim.name": "sgd", "optim.momentum": 0.9, "optim.form": "step"},
        {"optim.name": "sgd", "optim.momentum": 0.9, "optim.nesterov": True},
        {"optim.name": "adagrad", "optim.epsilon": "inside"},
        {"optim.name": "rmsprop", "optim.epsilon": "inside"},
        {"optim.name": "adam", "optim.epsilon": "inside", "optim.eps": 1e-4},
        {"model.name": "layers", "model.spec": "FC-32 | RELU | DROPOUT0.8 keep | FC-10"},
    ],
)
def test_conventions_train(settings: dict[str, Any], tmp_path: Any) -> None:
    import chainrule

    run = chainrule.train(
        "digits-mlp", settings={**settings, "train.steps": 30, "train.test": False}, out=tmp_path / "run", report=False
    )
    assert run.result is not None
    assert run.result["valid"]["accuracy"] > 0.3  # ten classes
