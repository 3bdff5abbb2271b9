"""Rates, options, schedules, clipping, and how long a training is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler

Data = tuple[Tensor, Tensor]
First = Callable[..., tuple[str, str]]
Above = Callable[..., list[str]]
SGD, ADAM = torch.optim.SGD, torch.optim.Adam


def fit(
    digits: Data,
    make: Any,
    *,
    schedule: Any = None,
    each: str = "batch",
    clip: float = 0.0,
    size: int = 30,
    epochs: int = 5,
    **options: Any,
) -> None:
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = make(net.parameters(), **options)
    plan = schedule(optimizer) if schedule else None
    for _ in range(epochs):
        for batch in torch.randperm(1200).split(size):
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), digits[1][batch]).backward()
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            if plan is not None and each == "batch":
                plan.step()
        if plan is not None and each == "epoch":
            plan.step()


@pytest.mark.parametrize(
    ("label", "make", "options"),
    [
        ("rate-too-low", SGD, {"lr": 1e-4, "momentum": 0.9}),
        ("rate-too-low", ADAM, {"lr": 1e-6}),
        ("rate-too-high", SGD, {"lr": 30.0, "momentum": 0.9}),
        ("rate-too-high", ADAM, {"lr": 1.0}),
        ("betas-exchanged", ADAM, {"lr": 3e-3, "betas": (0.999, 0.9)}),
        ("momentum-too-large", SGD, {"lr": 0.01, "momentum": 1.0}),
        ("epsilon-too-large", ADAM, {"lr": 1e-3, "eps": 10.0}),
        ("weight-decay-too-strong", SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5}),
        ("clipped-to-nothing", SGD, {"lr": 0.1, "clip": 1e-4}),
        ("too-few-steps", ADAM, {"lr": 2e-3, "size": 1200, "epochs": 5}),
    ],
)
def test_far_from_what_works(digits: Data, first: First, label: str, make: Any, options: dict[str, Any]) -> None:
    assert first(lambda: fit(digits, make, **options)) == (label, "fault")


@pytest.mark.parametrize(
    ("label", "schedule", "each"),
    [
        ("schedule-kills-rate", lambda o: lr_scheduler.StepLR(o, 3, 0.3), "batch"),
        ("rate-is-zero", lambda o: lr_scheduler.LambdaLR(o, lambda t: min(1.0, (t + 1) // 150)), "batch"),
        ("rate-rises-without-end", lambda o: lr_scheduler.ExponentialLR(o, 1.06), "batch"),
        ("schedule-never-stepped", lambda o: lr_scheduler.LambdaLR(o, lambda t: min(1.0, (t + 1) / 100)), "never"),
        ("schedule-stepped-too-rarely", lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=210), "epoch"),
    ],
)
def test_schedules(digits: Data, first: First, label: str, schedule: Any, each: str) -> None:
    assert first(lambda: fit(digits, SGD, lr=0.1, momentum=0.9, schedule=schedule, each=each)) == (label, "fault")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (SGD, {"lr": 0.1, "momentum": 0.9}),
        (SGD, {"lr": 1.0}),
        (SGD, {"lr": 0.005, "momentum": 0.98, "nesterov": True}),
        (ADAM, {"lr": 1e-3}),
        (torch.optim.AdamW, {"lr": 3e-3, "weight_decay": 0.1}),
        (SGD, {"lr": 0.5, "clip": 0.3}),
        (ADAM, {"lr": 3e-3, "clip": 0.01}),
        (SGD, {"lr": 0.1, "momentum": 0.9, "schedule": lambda o: lr_scheduler.CosineAnnealingLR(o, 200)}),
        (SGD, {"lr": 0.1, "momentum": 0.9, "schedule": lambda o: lr_scheduler.StepLR(o, 2, 0.3), "each": "epoch"}),
        (SGD, {"lr": 0.1, "momentum": 0.9, "schedule": lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=210)}),
    ],
)
def test_what_works(digits: Data, above: Above, make: Any, options: dict[str, Any]) -> None:
    assert above(lambda: fit(digits, make, **options)) == []


def test_rates_by_hand(digits: Data, first: First, above: Above) -> None:
    def training(rate: float) -> None:
        w = [(0.1 * torch.randn(*shape)).requires_grad_() for shape in ((64, 32), (32, 10))]
        for _ in range(5):
            for batch in torch.randperm(1200).split(30):
                loss = F.cross_entropy(torch.relu(digits[0][batch] @ w[0]) @ w[1], digits[1][batch])
                gradients = torch.autograd.grad(loss, w)
                with torch.no_grad():
                    for weight, gradient in zip(w, gradients):
                        weight -= rate * gradient

    assert first(lambda: training(1e-4)) == ("rate-too-low", "fault")
    assert above(lambda: training(0.3)) == []
