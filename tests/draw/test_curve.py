"""Curves keep every spike and every gap, and smoothing is the weighted mean that it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw.curve import Curve, curves, smooth, softened, thin, wants_smoothing

VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf])), min_size=1, max_size=400
).map(np.array)


@given(VALUES, st.integers(4, 60))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_thinning_keeps_extremes_ends_order_and_gaps(y, points):
    x = np.arange(len(y), dtype=float)
    few_x, few_y = thin(x, y, points)
    assert np.all(np.diff(few_x) > 0)
    assert few_x[0] == x[0]
    assert few_x[-1] == x[-1]
    np.testing.assert_array_equal(few_y, y[few_x.astype(int)])
    finite = y[np.isfinite(y)]
    if finite.size:
        assert np.nanmax(few_y[np.isfinite(few_y)]) == finite.max()
        assert np.nanmin(few_y[np.isfinite(few_y)]) == finite.min()
    assert np.isfinite(y).all() == np.isfinite(few_y).all()
    if np.isfinite(y).all():
        assert len(few_x) <= max(points + 2, 4)


def test_every_single_spike_of_100000_points_survives():
    x = np.arange(100_000.0)
    y = np.sin(x / 9000)
    spikes = np.random.default_rng(0).choice(100_000, 40, replace=False)
    y[spikes] = 50 + np.arange(40)
    few_x, few_y = thin(x, y, 3000)
    kept = dict(zip(few_x.astype(int).tolist(), few_y.tolist(), strict=True))
    edges = np.linspace(0, 100_000, 1501).round().astype(int)
    groups = np.searchsorted(edges, spikes, side="right")
    highest = [max(y[spikes[groups == group]]) for group in np.unique(groups)]
    assert set(highest) <= set(kept.values())
    assert len(kept) <= 3002


@given(VALUES, st.floats(0.5, 20))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_smoothing_is_the_weighted_mean_of_the_finite_neighbors(y, width):
    found = smooth(y, width)
    place = np.arange(len(y))
    for i in range(len(y)):
        reach = min(int(np.ceil(3 * width)), i)
        inside = reach == int(np.ceil(3 * width))
        near = (abs(place - i) <= reach) & np.isfinite(y)
        bell = width if inside else min(width, (reach + 1) / 3)
        weight = np.exp(-0.5 * ((place[near] - i) / bell) ** 2)
        expected = np.sum(weight * y[near]) / np.sum(weight) if np.isfinite(y[i]) else np.nan
        assert found[i] == pytest.approx(expected, rel=1e-9, abs=1e-6, nan_ok=True)


def test_smoothing_does_not_lag():
    x = np.arange(500.0)
    step = np.where(x < 250, 1.0, 0.0)
    assert float(np.interp(0.5, softened(Curve("", "", x, step)).y[::-1], x[::-1])) == pytest.approx(249.5, abs=1)


def test_smoothing_starts_where_the_curve_does_and_its_end_is_no_noise():
    noise = np.random.default_rng(2).normal(size=400)
    noise[-1] = 30.0
    assert abs(softened(Curve("norm", "train", np.arange(400.0), noise)).y[-1]) < 6
    y = np.exp(-np.arange(300.0) / 20)
    found = softened(Curve("loss", "train", np.arange(300.0), y)).y
    assert found[0] == y[0]
    assert found[-1] == pytest.approx(y[-1], abs=1e-6)
    assert np.abs(found - y).max() < 0.05


def test_only_noise_is_smoothed():
    x = np.arange(300.0)
    noise = np.random.default_rng(1).normal(size=300)
    assert wants_smoothing(Curve("loss", "train", x, np.exp(-x / 90) + 0.1 * noise))
    assert not wants_smoothing(Curve("rate", "train", x, 0.5 * (1 + np.cos(np.pi * x / 300))))
    assert not wants_smoothing(Curve("loss", "valid", x[:30], noise[:30]))


def test_lines_of_any_log_become_curves():
    lines = [
        {"step": 2, "part": "train", "loss": 2.0, "note": "text", "flag": True},
        {"step": 1, "part": "train", "loss": "NaN"},
        {"step": 2, "part": "valid", "loss": "Infinity", "accuracy": 0.5},
        {"train/loss": 1.0, "val_accuracy": 0.7, "trainer": 3},
        "no line",
        None,
        {"step": "NaN", "loss": 7},
    ]
    found = curves(lines)
    assert list(found) == ["loss", "accuracy", "trainer"]
    train = found["loss"][0]
    assert train.part == "train"
    np.testing.assert_array_equal(train.x, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(train.y, [np.nan, 2.0, 1.0])
    assert [(curve.part, curve.y.tolist()) for curve in found["accuracy"]] == [("valid", [0.5, 0.7])]
    assert [curve.part for curve in found["loss"]] == ["train", "valid", ""]
