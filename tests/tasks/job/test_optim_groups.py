"""Parameters with options of their own: what a recipe says of them holds, and what fits nothing is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import chainrule
from chainrule.core.errors import RecipeError
from chainrule.optim import At
from chainrule.tasks import Classification, open_recipe
from chainrule.training.loop import start

SMALL: dict[str, Any] = {
    "format": 1,
    "data": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [8]},
    "optim": {"name": "sgd", "lr": 0.1},
    "train": {"steps": 4, "batch": 32, "threads": 1},
}


def groups_of(**optim: Any) -> dict[str, dict[str, Any]]:
    """The options of each parameter before the first step, by its name."""
    task = Classification(open_recipe({**SMALL, "optim": optim})).task()
    state = start(task, 0)
    names = {id(parameter): name for name, parameter in state.model.named_parameters()}
    return {
        names[id(parameter)]: group for group in state.optimizers["learn"].param_groups for parameter in group["params"]
    }


def test_the_first_group_that_fits_says_the_options() -> None:
    apart = [{"of": "1.*", "lr": 0.01, "betas": [0.5, 0.6]}, {"of": "*.weight", "weight_decay": 0.7}]
    found = groups_of(name="adamw", lr=0.1, weight_decay=0.2, groups=apart)
    first, last = (sorted({name.split(".")[0] for name in found}, key=int)[place] for place in (0, -1))
    assert first == "1"
    assert found["1.weight"]["betas"] == found["1.bias"]["betas"] == (0.5, 0.6)
    assert found["1.weight"]["lr"] == pytest.approx(0.01)
    assert found["1.weight"]["weight_decay"] == pytest.approx(0.2)
    assert found["1.bias"]["weight_decay"] == 0
    assert found[f"{last}.weight"]["weight_decay"] == pytest.approx(0.7)
    assert found[f"{last}.weight"]["lr"] == found[f"{last}.bias"]["lr"] == pytest.approx(0.1)
    assert found[f"{last}.bias"]["weight_decay"] == 0
    assert found[f"{last}.bias"]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("lr", [0.1, 0.0])
def test_rates_of_groups_follow_the_schedule(lr: float) -> None:
    optim = {"name": "sgd", "lr": lr, "groups": [{"of": "1.weight", "lr": 0.4}]}
    recipe = {**SMALL, "optim": optim, "schedule": {"name": "linear", "warmup": 0.0}}
    task = Classification(open_recipe(recipe)).task()
    shares = [[group.rate(At(seed=0, step=step, steps=10)) for group in task.phases[0].groups] for step in (0, 5, 9)]
    for main, _, apart, _ in shares:
        assert main == pytest.approx(lr / 0.4 * apart)
    assert shares[0][2] > shares[1][2] > shares[2][2] > 0


def test_the_rate_that_is_written_is_that_of_most_parameters(tmp_path: Path) -> None:
    optim = {"name": "sgd", "lr": 0.1, "groups": [{"of": "1.*", "lr": 0.004}]}
    run = chainrule.train({**SMALL, "optim": optim}, out=tmp_path / "run", report=False)
    assert {line["rate"] for line in run.history if line["part"] == "train"} == {0.1}


def test_what_is_frozen_stays_whatever_its_group_says() -> None:
    optim = {"name": "sgd", "lr": 0.1, "groups": [{"of": "1.*", "lr": 0.4}]}
    recipe = {**SMALL, "optim": optim, "train": {**SMALL["train"], "freeze": ["1.weight"]}}
    task = Classification(open_recipe(recipe)).task()
    state = start(task, 0)
    moved = {id(p) for group in state.optimizers["learn"].param_groups for p in group["params"]}
    assert {name for name, p in state.model.named_parameters() if id(p) not in moved} == {"1.weight"}


def test_muon_takes_the_last_layer_as_a_table(tmp_path: Path) -> None:
    apart = [{"of": "*.weight", "orthogonal": False}]
    muon = {"name": "muon", "lr": 0.02, "normalize": False, "rest": "adamw", "rest_lr": 0.01, "weight_decay": 0.1}
    adamw = {"name": "adamw", "lr": 0.01, "betas": [0.9, 0.95], "weight_decay": 0.1}
    ends = []
    for number, optim in enumerate(({**muon, "groups": apart}, adamw, muon)):
        run = chainrule.train({**SMALL, "optim": optim}, out=tmp_path / str(number), report=False)
        ends.append(load_file(run.path / "model.safetensors"))
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name])
    assert any(not torch.allclose(value, ends[1][name]) for name, value in ends[2].items())


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"groups": [{"of": "conv9.*", "lr": 0.1}]}, 'optim.groups: no parameter has a name like "conv9.*"'),
        ({"train": {"steps": 1, "freeze": ["bn*"]}}, 'train.freeze: no parameter has a name like "bn*"'),
        ({"groups": [{"of": "*.bias"}]}, "has no option of its own"),
        ({"groups": [{"of": "*", "lr": 0.1}, {"of": "*", "lr": 0.2}]}, "is there twice"),
        ({"groups": [{"of": "*", "momentun": 0.1}]}, 'did you mean "momentum"'),
        ({"groups": [{"of": "*", "form": "step"}]}, "sgd has one form for all parameters"),
        ({"groups": [{"lr": 0.1}]}, "optim.groups"),
        ({"groups": [{"of": "*", "lr": "fast"}]}, "optim.groups *.lr"),
        ({"groups": "conv*"}, "optim.groups"),
    ],
)
def test_what_cannot_be_is_refused(sections: dict[str, Any], said: str, tmp_path: Path) -> None:
    optim = {**SMALL["optim"], **({"groups": sections["groups"]} if "groups" in sections else {})}
    recipe = {**SMALL, "optim": optim, "train": sections.get("train", SMALL["train"])}
    with pytest.raises(RecipeError, match=re.escape(said)):
        chainrule.train(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_solver_has_no_groups() -> None:
    optim = {"name": "newton_cg", "groups": [{"of": "*", "tolerance": 0.1}]}
    recipe = {**SMALL, "model": {"name": "linear"}, "optim": optim, "train": {"steps": 0}}
    with pytest.raises(RecipeError, match=r"optim.groups: \[\]"):
        chainrule.train(recipe)
