"""The figure by which results are read."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.core.figures import FIGURES, main_figure
from chainrule.draw.sections.headline import _QUALITIES

SPREAD = {"mean": 1.0, "deviation": 0.1}


@pytest.mark.parametrize(
    ("measured", "wanted"),
    [
        ([], None),
        ([{}], None),
        ([{"perplexity": 3.0}], None),
        ([{"loss": 1.0}], "loss"),
        ([{"loss": 1.0, "accuracy": 0.5, "top5": 0.9}], "accuracy"),
        ([{"loss": SPREAD, "bits": SPREAD, "accuracy": SPREAD}], "bits"),
        ([{"exact": 0.9, "accuracy": 0.99}], "exact"),
        ([{"exact": 0.01, "bleu": 30.0, "accuracy": 0.6}], "bleu"),
        ([{"bleu": None, "exact": 0.5}], "exact"),
        ([{"bleu": 30.0, "loss": 1.0}, {"accuracy": 0.9, "loss": 0.3}], "loss"),
        ([{"bleu": 30.0}, {"accuracy": 0.9}], None),
    ],
)
def test_the_first_that_all_have(measured: list[dict[str, Any]], wanted: str | None) -> None:
    assert main_figure(*measured) is (None if wanted is None else FIGURES[wanted])


def test_each_has_a_card_at_the_top_of_the_report() -> None:
    assert set(_QUALITIES) == set(FIGURES)
