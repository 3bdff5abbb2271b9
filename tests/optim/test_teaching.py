"""Shares of ground truth as a recipe names them, and the schedule of the Transformer: the formulas are the judge."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule import formulas
from chainrule.core.errors import UsageError
from chainrule.optim import TEACHING, noam


@pytest.mark.parametrize("t", [0, 1, 50, 333, 1000])
def test_they_are_the_formulas(t: int) -> None:
    made = {name: TEACHING.resolve(name) for name in TEACHING}
    assert made["forced"](t, 1000) == 1
    assert made["linear"](t, 1000, slope=0.002, final=0.1) == formulas.linear_share(t, 0.002, least=0.1)
    assert made["linear"](t, 1000, begin=0.9, final=0.4) == pytest.approx(formulas.linear_share(t, 0.5 / 1000, 0.9))
    assert made["exponential"](t, 1000, k=0.99) == pytest.approx(formulas.exponential_share(t, 0.99))
    assert made["inverse_sigmoid"](t, 1000, k=20.0) == pytest.approx(formulas.inverse_sigmoid_share(t, 20.0))


def test_a_long_training_does_not_overflow() -> None:
    assert TEACHING.resolve("inverse_sigmoid")(10**7, 10**7, k=1.0) < 1e-300


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", {"begin": 1.5}),
        ("linear", {"begin": 0.2, "final": 0.4}),
        ("linear", {"slope": -0.1}),
        ("exponential", {"k": 1.0}),
        ("inverse_sigmoid", {"k": 0.5}),
    ],
)
def test_what_is_out_of_range_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TEACHING.resolve(name)(0, 10, **options)


@pytest.mark.parametrize("t", [0, 3, 39, 40, 41, 399])
def test_noam_is_the_paper_s_rate(t: int) -> None:
    base = (64 * 40) ** -0.5
    assert base * noam(t, 400, warmup=40) == pytest.approx(formulas.noam_rate(64, t + 1, 40))
    assert noam(t, 400, warmup=0.1) == noam(t, 400, warmup=40)
    with pytest.raises(UsageError):
        noam(-1, 400)
