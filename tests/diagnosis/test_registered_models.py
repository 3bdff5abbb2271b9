"""The 32 checks on every registered model; exceptions have reasons, are counted, and stay rare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chainrule.diagnosis import check_model
from chainrule.diagnosis.contracts import MODEL_CHECKS
from chainrule.models import MODELS

MOST_EXCEPTIONS = 0.02
"""Of all pairs of a model and a check."""
GREY, COLOR = (1, 28, 28), (3, 32, 32)
SPEC = "CONV3-8 | BN | RELU | RES[CONV3-8 | BN] | RELU | POOL2 | DROPOUT0.3 | FC-10"


class Case(NamedTuple):
    """A model at a size at which the checks take seconds."""

    name: str
    shape: tuple[int, ...]
    options: dict[str, Any]
    exceptions: dict[int | str, str]
    slow: bool = False


TORCH_DRAWS = "weights as torch draws them by default, uniform with variance 1 / (3 fan in), so signals shrink"
POOLED = "max pooling keeps the largest activations, which He's variance does not count: signals grow a little above 3"
ITS_OWN_TYPE = "it compares with its training set in float32 (or 8 bits), whatever type it is given"
VOTES = "how many neighbors vote is a number in a buffer, which was chosen from data"
DEPTHWISE = (
    "13 depthwise convolutions, each with few terms for rounding to cancel in: its scores are 4 % off in 16 bits"
)
FAN_OUT = "torchvision's initialization, variance 2 / fan out without a norm: signals shrink where layers widen"

EACH_HEAD = "while training each head gives scores of its own, (M, N, K), which an objective of heads takes"

CASES = [
    Case("linear", (1, 8, 8), {}, {}),
    Case("linear", (20,), {}, {}),
    Case("mlp", (1, 8, 8), {"hidden": [24, 16], "dropout": 0.2, "batch_norm": True}, {}),
    Case("mlp", (12,), {"hidden": [32], "activation": "gelu"}, {}),
    Case("layers", (3, 8, 8), {"spec": SPEC}, {}),
    Case("knn", (1, 6, 6), {}, {"wrong_inputs": ITS_OWN_TYPE, "double_precision": ITS_OWN_TYPE, "export": VOTES}),
    Case("cnn", (1, 8, 8), {"widths": [8, 12], "dropout": 0.1}, {}),
    Case("cnn", (2, 9, 7), {"widths": [8]}, {}),
    Case("lenet", GREY, {}, {"first_activations": TORCH_DRAWS}),
    Case("lenet", COLOR, {"activation": "tanh", "pool": "average"}, {"first_activations": TORCH_DRAWS}),
    Case("vgg", COLOR, {"depth": 11, "batch_norm": True, "head": "linear"}, {}, slow=True),
    Case("vgg", COLOR, {"depth": 11, "head": "linear"}, {"first_activations": FAN_OUT}, slow=True),
    Case("resnet", COLOR, {"depth": 18}, {}, slow=True),
    Case("resnet_cifar", (3, 8, 8), {"depth": 8}, {}),
    Case("resnet_cifar", (1, 9, 7), {"depth": 14, "shortcut": "project"}, {}),
    Case("resnet_cifar", (3, 8, 8), {"depth": 20, "shortcut": "none"}, {}),
    Case("alexnet", (3, 67, 67), {"version": "note", "head": "linear"}, {}, slow=True),
    Case(
        "alexnet", (3, 63, 63), {"version": "torchvision", "head": "linear"}, {"first_activations": POOLED}, slow=True
    ),
    Case("squeezenet", (3, 32, 32), {"version": 1.0}, {}, slow=True),
    Case("squeezenet", (3, 48, 48), {"version": 1.1}, {"first_activations": POOLED}, slow=True),
    Case("densenet", COLOR, {"depth": 121}, {}, slow=True),
    Case("densenet_cifar", (3, 8, 8), {"depth": 22}, {}, slow=True),
    Case("inception", (3, 16, 16), {"width": 0.25}, {}, slow=True),
    Case("mobilenet", (3, 96, 96), {"width": 0.25}, {"autocast": DEPTHWISE}, slow=True),
    Case(
        "shared_trunk",
        (3, 8, 8),
        {"trunk": "CONV3-8", "heads": 2},
        dict.fromkeys([MODEL_CHECKS[number - 1].name for number in (18, 20, 21, 27)], EACH_HEAD),
    ),
    Case("vit", (1, 8, 8), {"width": 32, "layers": 2}, {}),
    Case("vit", (3, 8, 12), {"width": 24, "layers": 2, "pool": "class", "positions": "grid", "dropout": 0.1}, {}),
]


def least(name: str) -> tuple[int, ...]:
    """The least input on the card, but no single pixel: every wrong shape would fit it."""
    channels, *sides = MODELS.entry(name).card.get("least", (0,))
    return (channels, *(max(4, side) for side in sides)) if channels else ()


def cases() -> list[Any]:
    """Those above, and every other registered model at its card's least input."""
    known = {case.name for case in CASES}
    rest = [Case(name, least(name), {}, {}, slow=True) for name in MODELS]
    every = [*CASES, *(case for case in rest if case.name not in known)]
    return [
        pytest.param(
            case,
            id=f"{case.name}-{'x'.join(map(str, case.shape))}",
            marks=[pytest.mark.slow] if case.slow else [],
        )
        for case in every
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", cases())
def test_a_registered_model_keeps_to_the_contract(case: Case) -> None:
    assert case.shape, f'give "{case.name}" a case here, or a card that says the least input it takes'
    report = check_model(case.name, case.shape, 10, options=case.options, exceptions=case.exceptions)
    assert report.good, str(report)
    assert len(report) == 32
    assert report.counts["excepted"] == len(case.exceptions)


def test_every_model_is_checked_and_exceptions_are_rare() -> None:
    wanted = [parameters.values[0] for parameters in cases()]
    assert {case.name for case in wanted} == set(MODELS)
    excepted = sum(len(case.exceptions) for case in wanted)
    assert excepted <= MOST_EXCEPTIONS * 32 * len(wanted), f"{excepted} of {32 * len(wanted)}"
    assert all(len(reason) > 20 for case in wanted for reason in case.exceptions.values())


def test_the_page_lists_the_exceptions() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| (\w+) \| ([^|]+) \|$", page, flags=re.MULTILINE)
    names = [each.name for each in MODEL_CHECKS]
    wanted = [
        (told(case), key if isinstance(key, str) else names[key - 1], reason)
        for case in CASES
        for key, reason in case.exceptions.items()
    ]
    assert rows == wanted


def told(case: Case) -> str:
    options = ", ".join(f"{key} {value}" for key, value in case.options.items())
    return f"`{case.name}`" + (f" `{options}`" if options else "")
