"""Softmax, sigmoid and logarithm in the wrong place, and the same trainings as they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.diagnosis.doctor.findings import Diagnosis

Ask = Callable[[Callable[[], Any]], Diagnosis]


def mlp(out: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, out), *last)


def by_hand(scores: Tensor, y: Tensor) -> Tensor:
    p = scores.softmax(1)
    return -(p.log() * F.one_hot(y, 10)).sum(1).mean()


def probabilities_by_hand(scores: Tensor, y: Tensor) -> Tensor:
    return -(scores.softmax(1) * F.one_hot(y, 10)).sum(1).mean()


FAULTY = {
    "softmax inside": ("softmax-twice", lambda: mlp(10, nn.Softmax(1)), F.cross_entropy),
    "softmax outside": ("softmax-twice", lambda: mlp(10), lambda s, y: F.cross_entropy(torch.softmax(s, 1), y)),
    "softmax by hand": (
        "softmax-twice",
        lambda: mlp(10),
        lambda s, y: F.cross_entropy(s.exp() / s.exp().sum(1, keepdim=True), y),
    ),
    "softmax before log_softmax": ("softmax-twice", lambda: mlp(10, nn.Softmax(1), nn.LogSoftmax(1)), F.nll_loss),
    "probabilities to nll": ("nll-without-logarithm", lambda: mlp(10, nn.Softmax(1)), F.nll_loss),
    "scores to nll": ("nll-without-logarithm", lambda: mlp(10), F.nll_loss),
    "own likelihood without log": ("nll-without-logarithm", lambda: mlp(10), probabilities_by_hand),
    "two logarithms": (
        "logarithm-twice",
        lambda: mlp(10, nn.LogSoftmax(1)),
        lambda s, y: F.nll_loss(torch.log(s), y),
    ),
    "softmax over examples": ("softmax-over-wrong-axis", lambda: mlp(10, nn.LogSoftmax(0)), F.nll_loss),
    "relu": ("relu-on-scores", lambda: mlp(10, nn.ReLU()), F.cross_entropy),
    "relu before log_softmax": ("relu-on-scores", lambda: mlp(10, nn.ReLU(), nn.LogSoftmax(1)), F.nll_loss),
    "tanh": ("scores-squashed", lambda: mlp(10, nn.Tanh()), F.cross_entropy),
    "sigmoid before cross entropy": ("scores-squashed", lambda: mlp(10, nn.Sigmoid()), F.cross_entropy),
    "kl of probabilities": (
        "kl-without-logarithm",
        lambda: mlp(10),
        lambda s, y: F.kl_div(s.softmax(1), F.one_hot(y, 10).float(), reduction="batchmean"),
    ),
    "kl exchanged": (
        "kl-arguments-exchanged",
        lambda: mlp(10, nn.LogSoftmax(1)),
        lambda s, y: F.kl_div(F.one_hot(y, 10) * 0.9 + 0.01, s, reduction="batchmean"),
    ),
    "temperature": ("temperature-far-off", lambda: mlp(10), lambda s, y: F.cross_entropy(s / 500, y)),
}
HEALTHY = {
    "scores": (lambda: mlp(10), F.cross_entropy),
    "log_softmax": (lambda: mlp(10, nn.LogSoftmax(1)), F.nll_loss),
    "log_softmax before cross entropy": (lambda: mlp(10, nn.LogSoftmax(1)), F.cross_entropy),
    "by hand": (lambda: mlp(10), by_hand),
    "kl": (
        lambda: mlp(10),
        lambda s, y: F.kl_div(s.log_softmax(1), F.one_hot(y, 10) * 0.9 + 0.01, reduction="batchmean"),
    ),
    "temperature": (lambda: mlp(10), lambda s, y: F.cross_entropy(s / 2, y)),
}


@pytest.mark.parametrize("name", FAULTY)
def test_classes_faulty(name: str, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    label, model, criterion = FAULTY[name]
    found = diagnosed(lambda: fit(model(), criterion, *digits)).findings
    assert [(found[0].label, found[0].level)] == [(label, "fault")]
    assert found[0].evidence
    assert "test_scores.py:" in found[0].where or "conftest.py:" in found[0].where


@pytest.mark.parametrize("name", HEALTHY)
def test_classes_healthy(name: str, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    model, criterion = HEALTHY[name]
    assert diagnosed(lambda: fit(model(), criterion, *digits)).healthy


def yes(y: Tensor) -> Tensor:
    return (y > 4).float()[:, None]


YES_OR_NO = {
    "sigmoid-twice": (lambda: mlp(1, nn.Sigmoid()), F.binary_cross_entropy_with_logits),
    "softmax-of-one-score": (lambda: mlp(1, nn.Softmax(1)), F.binary_cross_entropy),
    "relu-on-scores": (lambda: mlp(1, nn.ReLU()), F.binary_cross_entropy_with_logits),
    "scores-squashed": (lambda: mlp(1, nn.Tanh()), F.binary_cross_entropy_with_logits),
    "loss-broadcasts": (lambda: mlp(1, nn.Flatten(0)), lambda s, y: F.mse_loss(s, y)),
    "logits-where-probabilities-are-expected": (lambda: mlp(1), F.binary_cross_entropy),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("label", YES_OR_NO)
def test_yes_or_no_faulty(label: str, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    model, criterion = YES_OR_NO[label]
    found = diagnosed(lambda: fit(model(), criterion, digits[0], yes(digits[1]))).findings
    assert (found[0].label, found[0].level) == (label, "fault")


def test_yes_or_no_healthy(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    for model, criterion in (
        (mlp(1), F.binary_cross_entropy_with_logits),
        (mlp(1, nn.Sigmoid()), F.binary_cross_entropy),
        (mlp(1, nn.Tanh()), F.mse_loss),
    ):
        assert diagnosed(lambda m=model, c=criterion: fit(m, c, digits[0], yes(digits[1]))).healthy
