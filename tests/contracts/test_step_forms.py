"""Every registered recurrent network, step by step: the same scores and the same gradients."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chainrule.core.registry import Registry
from chainrule.models import CAPTION_MODELS, LANGUAGE_MODELS, TEXT_MODELS, TRANSLATION_MODELS
from chainrule.models.sequence._captions import ENTERS as FIRST_WAYS
from chainrule.nn._cells import CELLS
from chainrule.nn.attention._recurrent_decoder import ENTERS
from chainrule.nn.recurrent import StepForm, fused_form, step_form

SOURCE = torch.tensor([[5, 7, 9, 6, 3], [8, 3, 0, 0, 0]])
TARGET = torch.tensor([[2, 5, 6, 7], [2, 9, 4, 10]])
SIZES: dict[int, tuple[int, ...]] = {
    id(LANGUAGE_MODELS): (11,),
    id(TEXT_MODELS): (11, 3),
    id(TRANSLATION_MODELS): (11, 13),
    id(CAPTION_MODELS): (11, 6),
}
REGIONS = torch.linspace(-1, 1, 2 * 4 * 6, dtype=torch.float64).sin().reshape(2, 4, 6)
WAYS = {"caption_recurrent": FIRST_WAYS}
"""Ways in which what is looked at enters, of networks that have ways of their own."""


def variants() -> Iterator[Any]:
    """Every network that takes a cell, with every cell, and every way in which what it looks at enters."""
    for registry in (LANGUAGE_MODELS, TEXT_MODELS, TRANSLATION_MODELS, CAPTION_MODELS):
        for name in registry:
            takes = inspect.signature(registry.resolve(name)).parameters
            if "cell" not in takes:
                continue
            for cell in CELLS:
                for enters in WAYS.get(name, ENTERS) if "enters" in takes else (None,):
                    given = {"cell": cell} | ({} if enters is None else {"enters": enters})
                    yield pytest.param(registry, name, given, id=" ".join([name, *given.values()]))


def scores(model: nn.Module, registry: Registry) -> Tensor:
    if registry is TRANSLATION_MODELS:
        return model(TARGET, model.encode(SOURCE))[0]  # type: ignore[operator, no-any-return]
    if registry is CAPTION_MODELS:
        return model(TARGET, model.encode(REGIONS))[0]  # type: ignore[operator, no-any-return]
    given = model(SOURCE)
    found: Tensor = given[0] if isinstance(given, tuple) else given
    return found


@pytest.mark.parametrize(("registry", "name", "options"), list(variants()))
def test_a_registered_network_is_the_same_step_by_step(registry: Registry, name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = registry.resolve(name)(*SIZES[id(registry)], width=8, layers=2, **options).double().eval()
    form = step_form(model)
    assert not any(isinstance(part, nn.RNNBase) for part in form.modules())
    assert any(isinstance(part, StepForm) for part in form.modules())
    for other in (form, fused_form(form)):
        mine, theirs = scores(other, registry), scores(model, registry)
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)
        made = torch.autograd.grad(mine.square().sum(), list(other.parameters()), allow_unused=True)
        wanted = torch.autograd.grad(theirs.square().sum(), list(model.parameters()), allow_unused=True)
        for one, two in zip(made, wanted):
            assert (one is None) == (two is None)
            if one is not None:
                torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-10)


def test_what_takes_no_cell_is_not_recurrent() -> None:
    for registry in (LANGUAGE_MODELS, TEXT_MODELS, TRANSLATION_MODELS, CAPTION_MODELS):
        for name in registry:
            target = registry.resolve(name)
            if "cell" not in inspect.signature(target).parameters:
                parts = target(*SIZES[id(registry)]).modules()
                assert not any(isinstance(part, (nn.RNNBase, StepForm)) for part in parts), name
