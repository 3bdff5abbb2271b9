"""Schedules: closed forms, torch's schedulers, bounds, warm-up."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from chainrule import formulas as f
from chainrule.optim import SCHEDULES

T = 100


def test_constant() -> None:
    assert [f.constant_rate(lr) for lr in (0.0, 0.1, 3.0)] == [0.0, 0.1, 3.0]


def test_step_at_epochs_30_60_90() -> None:
    rates = [f.step_rate(0.5, epoch) for epoch in range(T)]
    expected = [0.5] * 30 + [0.05] * 30 + [0.005] * 30 + [0.0005] * 10
    assert rates == pytest.approx(expected, rel=1e-12)
    assert f.step_rate(1.0, 5, milestones=(5,), factor=0.5) == 0.5


def test_cosine_points() -> None:
    assert f.cosine_rate(0.4, 0, T) == pytest.approx(0.4)
    assert f.cosine_rate(0.4, 25, T) == pytest.approx(0.2 * (1 + math.sqrt(0.5)))
    assert f.cosine_rate(0.4, 50, T) == pytest.approx(0.2)
    assert f.cosine_rate(0.4, T, T) == pytest.approx(0.0, abs=1e-16)


def test_linear_points() -> None:
    assert [f.linear_rate(0.4, t, 4) for t in range(5)] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_inverse_sqrt_points() -> None:
    assert [f.inverse_sqrt_rate(0.6, t) for t in (1, 4, 9, 36)] == pytest.approx([0.6, 0.3, 0.2, 0.1])


TORCH = {
    "cosine": (lambda t: f.cosine_rate(0.3, t, T), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T)),
    "linear": (lambda t: f.linear_rate(0.3, t, T), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, T, power=1.0)),
    "step": (lambda t: f.step_rate(0.3, t), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [30, 60, 90])),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch_has_the_same_rates(name: str) -> None:
    ours, make = TORCH[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = make(optimizer)
    for t in range(T):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(ours(t), rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()


FALLING = {
    "step": lambda t, n: f.step_rate(0.2, t, (0.3 * n, 0.6 * n)),
    "cosine": lambda t, n: f.cosine_rate(0.2, t, n),
    "linear": lambda t, n: f.linear_rate(0.2, t, n),
    "inverse_sqrt": lambda t, n: f.inverse_sqrt_rate(0.2, t + 1),
}


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("name", FALLING)
def test_rates_start_at_the_base_and_fall(name: str, steps: int) -> None:
    rates = [FALLING[name](t, steps) for t in range(steps)]
    assert rates[0] == pytest.approx(0.2)
    assert all(0 < after <= before for before, after in itertools.pairwise(rates))


@pytest.mark.parametrize("warm", [0, 1, 4, 99])
@pytest.mark.parametrize("name", FALLING)
def test_warm_up_rises_in_equal_steps_and_then_the_schedule_runs_whole(name: str, warm: int) -> None:
    rates = [f.warm_up_rate(FALLING[name], t, T, warm) for t in range(T)]
    assert rates[:warm] == pytest.approx([0.2 * (t + 1) / warm for t in range(warm)])
    assert rates[warm:] == pytest.approx([FALLING[name](t, T - warm) for t in range(T - warm)])
    assert max(rates) == pytest.approx(0.2)
    assert min(rates) > 0


@pytest.mark.parametrize("warm", [0, 1, 4, 50])
def test_the_product_warms_up_alike(warm: int) -> None:
    ours = {"cosine": f.cosine_rate, "linear": f.linear_rate}
    for name, rate in ours.items():
        part = SCHEDULES.resolve(name)
        for t in range(T):
            expected = f.warm_up_rate(lambda t, n, rate=rate: rate(1.0, t, n), t, T, warm)
            assert part(t, T, warmup=warm) == pytest.approx(expected, rel=1e-12)
