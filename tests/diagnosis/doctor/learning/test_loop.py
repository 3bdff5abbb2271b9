"""Backward, step and clearing: each slip is found first, and the right loops beside it are left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]


def network(width: int = 32) -> nn.Module:
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def batches(digits: Data, size: int = 40, epochs: int = 2) -> list[Data]:
    x, y = digits
    return [(x[b], y[b]) for _ in range(epochs) for b in torch.randperm(1200).split(size)]


def loop(digits: Data, order: str, *, rate: float = 0.2, size: int = 40, every: int = 1, divide: bool = True) -> None:
    """A loop in the order of the letters: z clears, f calls, b goes backward, c clips, s steps."""
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.5)
    loss = torch.zeros((), requires_grad=True)
    for i, (x, y) in enumerate(batches(digits, size)):
        for letter in order:
            if letter == "z":
                optimizer.zero_grad()
            elif letter == "f":
                loss = F.cross_entropy(net(x), y)
            elif letter == "b":
                (loss / every if divide else loss).backward()
            elif letter == "c":
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            elif (i + 1) % every == 0:
                optimizer.step()
                if "z" not in order:
                    optimizer.zero_grad()


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("gradients-cleared-before-step", {"order": "fbzs"}),
        ("step-never-called", {"order": "zfb"}),
        ("backward-never-called", {"order": "zfs"}),
        ("step-before-backward", {"order": "zfsb"}),
        ("step-called-twice", {"order": "zfbss"}),
        ("accumulation-forgets", {"order": "zfbs", "every": 6, "size": 10}),
        ("accumulation-not-divided", {"order": "fbs", "every": 8, "size": 10, "divide": False, "rate": 1.0}),
        ("clipping-without-effect", {"order": "zcfbs"}),
    ],
)
def test_slips_of_the_loop(
    digits: Data, first: Callable[..., tuple[str, str]], label: str, options: dict[str, Any]
) -> None:
    assert first(lambda: loop(digits, **options))[0] == label


def test_gradients_that_are_never_cleared(digits: Data, first: Callable[..., tuple[str, str]]) -> None:
    def training() -> None:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        for x, y in batches(digits):
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    assert first(training) == ("gradients-not-cleared", "fault")


def test_gradients_that_are_never_cleared_by_hand(digits: Data, first: Callable[..., tuple[str, str]]) -> None:
    def training(clear: bool) -> None:
        w = torch.zeros(64, 10, requires_grad=True)
        for x, y in batches(digits):
            F.cross_entropy(x @ w, y).backward()
            with torch.no_grad():
                assert w.grad is not None
                w -= 0.1 * w.grad
                if clear:
                    w.grad.zero_()

    assert first(lambda: training(False)) == ("gradients-not-cleared", "fault")
    assert first(lambda: training(True))[1] in ("", "note")


@pytest.mark.parametrize(
    "options",
    [
        {"order": "zfbs"},
        {"order": "fzbs"},
        {"order": "zfbcs"},
        {"order": "fbs"},
        {"order": "fbs", "every": 4, "size": 10},
        {"order": "fbs", "every": 4, "size": 10, "divide": False, "rate": 0.05},
    ],
)
def test_right_loops(digits: Data, above: Callable[..., list[str]], options: dict[str, Any]) -> None:
    assert above(lambda: loop(digits, **options)) == []


def test_other_right_loops(digits: Data, above: Callable[..., list[str]]) -> None:
    def manual() -> None:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for x, y in batches(digits):
            for parameter in net.parameters():
                parameter.grad = None
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    def closures() -> None:
        net = network()
        optimizer = torch.optim.LBFGS(net.parameters(), max_iter=5)
        x, y = digits[0][:400], digits[1][:400]

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            return loss

        for _ in range(6):
            optimizer.step(closure)

    def adversaries() -> None:
        maker, judge = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64)), nn.Linear(64, 1)
        makes, judges = (torch.optim.Adam(m.parameters(), lr=1e-3) for m in (maker, judge))
        for x, _ in batches(digits):
            made = maker(torch.randn(len(x), 8))
            judges.zero_grad()
            (F.softplus(-judge(x)).mean() + F.softplus(judge(made.detach())).mean()).backward()
            judges.step()
            makes.zero_grad()
            F.softplus(-judge(made)).mean().backward()
            makes.step()

    def sharpness_aware() -> None:
        net = network()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.2)

        def learn(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()

        for x, y in batches(digits):
            learn(x, y)
            with torch.no_grad():
                steps = [0.02 * p.grad for p in net.parameters() if p.grad is not None]
                for p, step in zip(net.parameters(), steps):
                    p += step
            learn(x, y)
            with torch.no_grad():
                for p, step in zip(net.parameters(), steps):
                    p -= step
            optimizer.step()

    for training in (manual, closures, adversaries, sharpness_aware):
        assert above(training) == [], training.__name__
