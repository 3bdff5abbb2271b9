"""Scheduled sampling: the formulas at points that are known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from chainrule import formulas


def test_the_three_schedules_begin_with_the_truth_and_fall() -> None:
    for share in (
        lambda i: formulas.linear_share(i, slope=0.01),
        lambda i: formulas.exponential_share(i, 0.97),
        lambda i: formulas.inverse_sigmoid_share(i, 12.0),
    ):
        found = [share(i) for i in range(300)]
        assert found[0] >= 0.9
        assert all(a >= b for a, b in pairwise(found))
        assert found[-1] < 0.001


def test_known_points() -> None:
    assert formulas.linear_share(3, slope=0.1, begin=0.9, least=0.2) == pytest.approx(0.6)
    assert formulas.linear_share(30, slope=0.1, begin=0.9, least=0.2) == 0.2
    assert formulas.exponential_share(2, 0.9) == pytest.approx(0.81)
    assert formulas.inverse_sigmoid_share(0, 4) == pytest.approx(4 / 5)
    assert formulas.inverse_sigmoid_share(4 * math.log(4), 4) == pytest.approx(0.5)


def test_the_rate_of_the_paper_rises_to_the_end_of_the_warm_up() -> None:
    rates = [formulas.noam_rate(512, t, 4000) for t in range(1, 20_000)]
    assert max(rates) == rates[3999] == pytest.approx((512 * 4000) ** -0.5)
    assert rates[1] == pytest.approx(2 * rates[0])
    assert rates[15_999] == pytest.approx(rates[3999] / 2)
