"""Schedules at their edges, clipping, thresholds, averages of weights."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.optim import SCHEDULES, clip_gradients, ema_decay, ema_update, is_weight, suggest_clip

SETTINGS = settings(deadline=None, max_examples=80, derandomize=True)


OWN_WARMUP = {"noam", "cyclic"}
"""Noam's later rate depends on the warm-up; of cycles the first one has it."""


@SETTINGS
@given(
    st.sampled_from([name for name in SCHEDULES.names() if name not in OWN_WARMUP]),
    st.integers(1, 60),
    st.one_of(st.integers(0, 99).map(lambda percent: percent / 100), st.integers(1, 80)),
)
def test_warm_up_rises_evenly_to_the_first_value_and_the_rest_is_the_schedule(
    name: str, total: int, warmup: float
) -> None:
    schedule = SCHEDULES.resolve(name)
    length = round(100 * warmup) * total // 100 if warmup < 1 else int(warmup)
    values = [schedule(t, total, warmup=warmup) for t in range(total)]
    first = schedule(0, max(total - length, 0))
    for t, value in enumerate(values):
        wanted = (t + 1) / length * first if t < length else schedule(t - length, total - length)
        assert value == pytest.approx(wanted)
    assert all(0 <= value <= 1 for value in values)


def test_ends_of_the_schedules() -> None:
    for name in ("cosine", "linear"):
        schedule = SCHEDULES.resolve(name)
        assert schedule(0, 10) == 1.0
        assert schedule(10, 10) == pytest.approx(0.0, abs=1e-15)
        assert schedule(99, 10) == pytest.approx(0.0, abs=1e-15)
        assert schedule(10, 10, final=0.25) == pytest.approx(0.25)
        assert schedule(0, 0) == 1.0
    step = SCHEDULES.resolve("step")
    assert [step(t, 10, milestones=[3, 0.5], factor=0.5) for t in (2, 3, 4, 5, 9)] == [1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("constant", {"warmup": -0.1}),
        ("cosine", {"final": 1.5}),
        ("linear", {"final": -0.1}),
        ("step", {"factor": 0.0}),
        ("step", {"milestones": [0.5, -1]}),
    ],
)
def test_schedules_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SCHEDULES.resolve(name)(0, 10, **options)
    with pytest.raises(UsageError, match="counts from 0"):
        SCHEDULES.resolve(name)(-1, 10)


def test_shares_of_the_steps_are_meant_as_they_are_written() -> None:
    step, constant = SCHEDULES.resolve("step"), SCHEDULES.resolve("constant")
    for total in (1, 7, 10, 60, 100, 1000):
        for percent in range(1, 100):
            place = next(t for t in range(total + 1) if 100 * t >= percent * total)
            assert step(place, total, milestones=[percent / 100]) < 0.2
            assert step(place - 1 if place else 0, total, milestones=[percent / 100]) == (1.0 if place else 0.1)
            length = percent * total // 100
            if length > 1:
                assert constant(length - 2, total, warmup=percent / 100) == (length - 1) / length
            assert constant(length, total, warmup=percent / 100) == 1.0
    assert step(0.5 * 7, 7, milestones=[0.5]) == pytest.approx(0.1)  # between two steps
    assert step(1, 10, milestones=[1]) == pytest.approx(0.1)  # 1 is a step, not the whole
    assert step(9, 10, milestones=[]) == 1.0


def test_milestones_come_after_the_warm_up() -> None:
    step = SCHEDULES.resolve("step")
    for warmup, milestones in ((20, [40]), (0.2, [0.5])):
        factors = [step(t, 100, milestones=milestones, factor=0.5, warmup=warmup) for t in (19, 20, 59, 60)]
        assert factors == [1.0, 1.0, 1.0, 0.5]


def test_a_run_shorter_than_its_warm_up_only_rises() -> None:
    for name in sorted({*SCHEDULES.names()} - {"cyclic"}):
        assert [SCHEDULES.resolve(name)(t, 4, warmup=8) for t in range(4)] == [0.125, 0.25, 0.375, 0.5]
        assert [SCHEDULES.resolve(name)(t, 4, warmup=4) for t in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("name", sorted(SCHEDULES.names()))
def test_places_and_warm_ups_that_are_no_numbers(name: str) -> None:
    schedule = SCHEDULES.resolve(name)
    for t, warmup in ((math.nan, 0), (0, math.nan), (0, math.inf), (-0.5, 0), (0, -1)):
        with pytest.raises(UsageError, match="counts from 0: expected t and warmup at least 0, finite"):
            schedule(t, 10, warmup=warmup)
    for option in ("final", "factor"):
        if option in inspect.signature(schedule).parameters:
            for value in (math.nan, math.inf, -1.0):
                with pytest.raises(UsageError):
                    schedule(0, 10, **{option: value})


def with_gradients(*gradients: list[float]) -> list[torch.Tensor]:
    found = []
    for gradient in gradients:
        parameter = torch.zeros(len(gradient), requires_grad=True)
        parameter.grad = torch.tensor(gradient)
        found.append(parameter)
    return found


def test_clipping_is_over_all_together_and_the_value_comes_first() -> None:
    a, b = with_gradients([3.0, 0.0], [4.0])
    assert clip_gradients([a, b], norm=2.5).item() == 5.0
    assert a.grad is not None
    assert b.grad is not None
    assert [*a.grad.tolist(), *b.grad.tolist()] == pytest.approx([1.5, 0.0, 2.0])
    (c,) = with_gradients([30.0, -0.5])
    assert clip_gradients([c], norm=1.0, value=1.0).item() == pytest.approx(math.hypot(30, 0.5))
    assert c.grad is not None
    assert c.grad.tolist() == pytest.approx([1 / math.hypot(1, 0.5), -0.5 / math.hypot(1, 0.5)])


def test_clipping_of_nothing_of_huge_and_of_odd_gradients() -> None:
    assert clip_gradients([torch.zeros(2, requires_grad=True)], norm=1.0).item() == 0.0
    (huge,) = with_gradients([3e30, 4e30])  # the squares overflow in float32
    assert clip_gradients([huge], norm=1.0).item() == pytest.approx(5e30)
    assert huge.grad is not None
    assert huge.grad.tolist() == pytest.approx([0.6, 0.8])
    for odd in (float("nan"), float("inf")):
        (p,) = with_gradients([1.0, odd])
        assert not math.isfinite(clip_gradients([p], norm=1.0).item())
        assert p.grad is not None
        assert p.grad[0].item() == 1.0  # left for the caller to judge
        (p,) = with_gradients([1.0, odd])
        assert not math.isfinite(clip_gradients([p], norm=1.0, value=0.5).item())
        assert p.grad is not None
        assert repr(p.grad.tolist()) == repr([1.0, odd])
    for options in ({"norm": 0.0}, {"value": -1.0}, {"norm": float("nan")}):
        with pytest.raises(UsageError, match="threshold"):
            clip_gradients(with_gradients([1.0]), **options)


@SETTINGS
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50).filter(lambda norms: max(norms) > 0))
def test_the_threshold_is_twice_the_95th_percentile(norms: list[float]) -> None:
    wanted = 2 * np.percentile(norms, 95) or 2 * max(norms)
    assert suggest_clip([*norms, float("nan"), float("inf")]) == pytest.approx(wanted)


def test_no_threshold_without_a_healthy_norm() -> None:
    for norms in ([], [float("nan")], [0.0, 0.0]):
        with pytest.raises(UsageError, match="no healthy gradient"):
            suggest_clip(norms)


def test_averages_follow_by_their_decay() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(3, 2, generator=generator), torch.zeros((), dtype=torch.long)]
    average = [torch.zeros(3, 2), torch.zeros((), dtype=torch.long)]
    wanted = np.zeros((3, 2))
    for step in range(50):
        weights[0] += 0.1
        weights[1] += 1
        decay = ema_decay(step, 0.9)
        assert decay == min(0.9, (1 + step) / (10 + step))
        ema_update(average, weights, decay)
        wanted = decay * wanted + (1 - decay) * weights[0].double().numpy()
        assert int(average[1]) == step + 1
    np.testing.assert_allclose(average[0].numpy(), wanted, rtol=1e-5)
    ema_update(average, weights, 0.0)
    torch.testing.assert_close(average[0], weights[0])
    with pytest.raises(UsageError, match="0 to 1, got 1.5"):
        ema_update(average, weights, 1.5)
    for odd in (-0.1, math.nan):
        with pytest.raises(UsageError, match="decay is the share that is kept"):
            ema_update(average, weights, odd)
    with pytest.raises(UsageError, match="differ: expected 1 tensors, got 2"):
        ema_update(average[:1], weights, 0.5)
    with pytest.raises(UsageError, match=r"differ at 1: expected shape \(2,\), got \(3,\)"):
        ema_update([torch.zeros(2), torch.zeros(2)], [torch.zeros(2), torch.zeros(3)], 0.5)


def test_averages_keep_their_type_and_leave_the_weights() -> None:
    weights = [
        torch.tensor([1.0, 3.0], dtype=torch.float16, requires_grad=True),
        torch.tensor([1.0 + 2.0j]),
        torch.tensor([2.0], dtype=torch.float64),
        torch.tensor([True]),
        torch.tensor(7),
    ]
    average = [torch.zeros(2, requires_grad=True), torch.zeros(1, dtype=torch.complex64)]
    average += [torch.zeros(1, dtype=torch.float64), torch.tensor([False]), torch.tensor(1)]
    before = [weight.detach().clone() for weight in weights]
    ema_update((tensor for tensor in average), (tensor for tensor in weights), 0.75)
    assert [tensor.tolist() for tensor in average] == [[0.25, 0.75], [0.25 + 0.5j], [0.5], [True], 7]
    assert [tensor.dtype for tensor in average[:3]] == [torch.float32, torch.complex64, torch.float64]
    assert average[0].grad_fn is None
    for weight, kept in zip(weights, before):
        assert torch.equal(weight, kept)
    still = [tensor.detach().clone() for tensor in average]
    ema_update(average, weights, 1.0)
    assert torch.equal(average[0], still[0])
    ema_update([], [], 0.5)


@SETTINGS
@given(st.lists(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=4), min_size=1, max_size=4), st.floats(0.01, 1e4))
def test_clipping_keeps_directions_and_reaches_the_threshold(rows: list[list[float]], limit: float) -> None:
    parameters = with_gradients(*rows)
    raw = np.concatenate([p.grad.numpy().astype(np.float64) for p in parameters if p.grad is not None])
    size = float(np.sqrt((raw**2).sum()))
    assert clip_gradients((p for p in parameters), norm=limit).item() == pytest.approx(size, rel=1e-5, abs=1e-30)
    clipped = np.concatenate([p.grad.numpy() for p in parameters if p.grad is not None])
    if size < limit * (1 - 1e-5):
        np.testing.assert_array_equal(clipped, raw.astype(np.float32))
    else:
        np.testing.assert_allclose(clipped, raw * min(1.0, limit / size), rtol=1e-4, atol=1e-30)


def test_clipping_asks_nothing_of_what_has_no_gradient() -> None:
    (p,) = with_gradients([3.0, 4.0])
    assert clip_gradients([torch.zeros(9, requires_grad=True), p]).item() == 5.0
    assert p.grad is not None
    assert p.grad.tolist() == [3.0, 4.0]
    for options in ({"norm": 5.0}, {"norm": math.inf}, {"value": 4.0}, {"value": math.inf}):
        clip_gradients([p], **options)
        assert p.grad.tolist() == [3.0, 4.0]


def test_what_counts_as_a_weight() -> None:
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(2, 3)
    )
    assert [name for name, p in net.named_parameters() if is_weight(name, p)] == ["0.weight", "3.weight"]
