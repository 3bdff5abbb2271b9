"""Charts: axes, what is drawn without a script, and the numbers for the script."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw import Chart, Curve, Line, Mark, chart_html
from chainrule.draw.scale import Scale, wants_log, y_scale

NUMBERS = st.floats(-1e300, 1e300)


def block(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL).group(1))


def paths(page: str, name: str) -> list[list[tuple[str, float, float]]]:
    drawn = re.findall(rf'<path class="{name}"[^>]*? d="([^"]*)"', page)
    return [[(a, float(b), float(c)) for a, b, c in re.findall(r"([ML])(\S+) ([-\d.]+)", one)] for one in drawn]


def chart(y, x=None, **options) -> str:
    y = np.array(y, dtype=float)
    curve = Curve("loss", "train", np.arange(len(y), dtype=float) if x is None else np.array(x, dtype=float), y)
    return str(chart_html(Chart("loss", "Loss", [Line("train", curve)], **options)))


def test_the_drawn_line_is_the_curve():
    page = chart([1.0, 3.0, 2.0], log=False)
    (line,) = paths(page, "main")
    scale = y_scale(np.array([1.0, 3.0, 2.0]))
    assert [pen for pen, *_ in line] == ["M", "L", "L"]
    assert [across for _, across, _ in line] == [0.0, 500.0, 1000.0]
    expected = [1000 * (scale.high - value) / (scale.high - scale.low) for value in (1.0, 3.0, 2.0)]
    assert [down for *_, down in line] == pytest.approx(expected, abs=0.06)


def test_values_that_are_not_finite_break_the_line_and_are_told():
    page = chart([1.0, 2.0, math.nan, math.inf, 3.0, 4.0])
    (line,) = paths(page, "main")
    assert [pen for pen, *_ in line] == ["M", "L", "M", "L"]
    assert "2 of 6 values are not finite, the first at 2" in page
    assert block(page)["lines"][0]["raw"]["y"] == [1, 2, None, None, 3, 4]


def test_nothing_finite_is_no_error():
    page = chart([math.nan, math.nan])
    assert paths(page, "main") == [[]]
    assert "no finite value" in page
    assert "nan" not in re.sub(r'aria-label="[^"]*"', "", page.lower())


def test_noise_is_drawn_faintly_behind_the_smooth_line():
    y = np.exp(-np.arange(600) / 100) + 0.1 * np.random.default_rng(0).normal(size=600)
    page = chart(y)
    (main,), (faint,) = paths(page, "main"), paths(page, "faint")
    assert np.abs(np.diff([down for *_, down in main])).mean() < 0.2 * np.abs(np.diff([d for *_, d in faint])).mean()
    assert block(page)["lines"][0]["smooth"] is not None


def test_100000_points_are_few_in_the_page_and_none_of_the_extremes_is_lost():
    rng = np.random.default_rng(3)
    y = rng.normal(size=100_000)
    y[61_803] = 90.0
    y[27_182] = -80.0
    page = chart(y)
    numbers = block(page)["lines"][0]["raw"]
    assert len(numbers["x"]) <= 3002
    assert dict(zip(numbers["x"], numbers["y"], strict=True))[61_803] == 90
    assert min(numbers["y"]) == -80
    (faint,) = paths(page, "faint")
    scale = y_scale(y)
    assert min(down for *_, down in faint) == pytest.approx(1000 * (1 - scale.place(np.array([90.0]))[0]), abs=0.1)
    assert len(page) < 150_000


def test_text_in_a_chart_stays_text():
    hostile = "</script><svg onload=alert(1)>"
    curve = Curve("loss", "train", np.arange(3.0), np.arange(3.0))
    page = str(chart_html(Chart("k", hostile, [Line(hostile, curve)], x_label=hostile, marks=[Mark(1.0, hostile)])))
    assert "<svg onload" not in page
    assert page.count("</script>") == 1
    assert block(page)["marks"][0]["label"] == hostile


def test_marks_outside_the_steps_are_left_out():
    curve = Curve("loss", "train", np.arange(5.0), np.arange(5.0))
    page = str(chart_html(Chart("k", "Loss", [Line("a", curve)], marks=[Mark(2.0, "best"), Mark(9.0, "later")])))
    assert "<title>best</title>" in page
    assert "<title>later</title>" not in page


def test_a_logarithmic_axis_is_chosen_when_a_linear_one_shows_nothing():
    assert wants_log(np.array([1e-5, 1e-4, 1e-3, 1e-3, 5.0]))
    assert not wants_log(np.array([0.0, 1e-4, 5.0]))
    page = chart([1e-5, 1e-4, 1e-3, 1e-3, 5.0])
    assert block(page)["log"] is True
    (line,) = paths(page, "main")
    downs = [down for *_, down in line]
    assert downs[0] - downs[1] == pytest.approx(downs[1] - downs[2], abs=0.2)  # equal factors, equal steps


def test_shares_end_at_one():
    page = chart([0.2, 0.9, 1.0], share=True)
    assert "100 %" in page
    assert "120 %" not in page
    assert y_scale(np.array([0.2, 1.0]), share=True).high == 1.0


@given(st.lists(st.one_of(NUMBERS, st.just(math.nan)), min_size=1, max_size=30), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_values_find_room_on_the_axis(values, log, share):
    y = np.array(values)
    scale = y_scale(y, log=log, share=share)
    assert math.isfinite(scale.low)
    assert math.isfinite(scale.high)
    assert scale.low < scale.high
    places = scale.place(y)
    shown = places[np.isfinite(places)]
    assert np.all((shown >= -1e-6) & (shown <= 1 + 1e-6))
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 21
    assert ticks == sorted(ticks)


@given(st.lists(st.one_of(NUMBERS, st.just(math.inf)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_values_can_be_drawn(values):
    page = chart(values)
    coordinates = re.findall(r' d="([^"]*)"', page)
    assert not any(word in drawn for drawn in coordinates for word in ("nan", "inf"))
    block(page)


@pytest.mark.parametrize(
    ("low", "high", "log", "expected"),
    [
        (0.0, 1.0, False, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3.0, 3.0, False, [-2.0, 0.0, 2.0]),
        (0.001, 1000.0, True, [1e-3, 1e-1, 1e1, 1e3]),
    ],
)
def test_ticks_are_round(low, high, log, expected):
    assert Scale(low, high, log).ticks() == pytest.approx(expected)
