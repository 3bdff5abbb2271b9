"""Builders that are broken, and what only one process knows: checks 2, 4, 13 and 23 of a network catch them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.registry import Entry
from chainrule.diagnosis import check_model
from chainrule.models import MODELS

SHAPE, CLASSES = (2, 8, 8), 5


def failed(report: Any) -> set[str]:
    return {result.name for result in report.failed}


def narrow_if_a_list(shape: tuple[int, ...], classes: int, *, widths: tuple[int, ...] = (16,)) -> nn.Module:
    width = 12 if isinstance(widths, list) else widths[0]
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU(), nn.Linear(width, classes))


def any_size(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Takes 1x1 without a word, and cannot compute it."""
    pooled = shape[0] * (shape[1] // 2) * (shape[2] // 2)
    return nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(max(1, pooled), classes))


def no_name_for_it(shape: tuple[int, ...], classes: int) -> nn.Module:
    if shape[1:] != (8, 8):
        raise ValueError("no")
    return nn.Sequential(nn.Flatten(), nn.Linear(128, classes))


def honest(shape: tuple[int, ...], classes: int) -> nn.Module:
    if shape[1:] != (8, 8):
        raise RecipeError("this network takes images of 8x8", got=shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * 64, classes))


FORM = {"options": {}, "input": [2, 8, 8], "classes": 5, "parameters": 646}


@pytest.mark.parametrize(
    ("build", "options", "card", "caught"),
    [
        (honest, {}, {}, set()),
        (narrow_if_a_list, {"widths": [16]}, {}, {"round_trip"}),
        (any_size, {}, {}, {"sizes"}),
        (no_name_for_it, {}, {}, {"sizes"}),
        (honest, {}, {"forms": [FORM]}, {"parameter_count"}),
    ],
)
def test_broken_builders_are_caught(
    monkeypatch: pytest.MonkeyPatch, build: Callable[..., nn.Module], options: Any, card: Any, caught: set[str]
) -> None:
    monkeypatch.setattr(MODELS, "_entries", dict(MODELS._entries))
    target = f"{__name__}:{build.__name__}"
    MODELS.add("broken", Entry(target, card=card))
    monkeypatch.setattr("chainrule.diagnosis._model_building.subprocess.run", cannot_import)
    report = check_model("broken", SHAPE, CLASSES, options=options)
    assert failed(report) - {"fresh_process"} == caught, str(report)


def cannot_import(*args: Any, **options: Any) -> Any:
    """Another process does not find what is defined in this file."""

    class Done:
        returncode, stderr = 1, "ModuleNotFoundError"

    return Done


MODULE = """
import os
from torch import nn

SCALE = {scale}

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(x) * SCALE
"""


@pytest.mark.parametrize(
    ("name", "scale", "verdict"), [("steady", "1.5", "passed"), ("odd", "1 + os.getpid() / 1e7", "failed")]
)
def test_what_only_this_process_knows_is_caught(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, name: str, scale: str, verdict: str
) -> None:
    module = f"own_network_{name}"
    (tmp_path / f"{module}.py").write_text(MODULE.format(scale=scale))
    monkeypatch.syspath_prepend(tmp_path)
    build = __import__(module).Scaled
    report = check_model(build, (6,), 3)
    assert report["fresh_process"].verdict == verdict, str(report)
    assert failed(report) <= {"fresh_process"}
