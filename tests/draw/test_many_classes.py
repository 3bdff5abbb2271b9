"""The report of a run with more classes than a page can list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainrule.draw.facts import Facts
from chainrule.draw.page import Part
from chainrule.draw.sections.data import data_part
from chainrule.draw.sections.evaluation import classes_part, confusion_part
from chainrule.draw.sections.headline import head_html

MANY = 1000
NAMES = [f"class {k}" for k in range(MANY)]


def body(part: Any) -> str:
    assert isinstance(part, Part)
    return str(part.body)


def figures(count: int) -> list[dict[str, Any]]:
    return [{"name": NAMES[k], "count": 5, "precision": 0.5, "recall": 0.5, "f1": k / MANY} for k in range(count)]


def with_evaluation(**entry: Any) -> Facts:
    return Facts(Path("run"), evaluation={"test": {"count": 9, "classes": NAMES, **entry}})


def test_the_classes_with_the_lowest_f1_are_listed() -> None:
    part = classes_part(with_evaluation(per_class=figures(MANY)[::-1]))
    assert "1,000 classes; shown are the 100 with the lowest F1" in str(part.lead)  # type: ignore[union-attr]
    page = body(part)
    assert page.count("class ") == pytest.approx(100, abs=3)
    assert ">class 0<" in page.replace("<bdi>", "").replace("</bdi>", "")
    assert "class 100" not in page.replace("class 100<", "")


def test_those_that_occur_are_counted() -> None:
    part = classes_part(with_evaluation(per_class=figures(49)))
    assert "1,000 classes, of which 49 have examples here or were predicted." in str(part.lead)  # type: ignore[union-attr]


def test_few_classes_are_all_listed_as_before() -> None:
    facts = Facts(Path("run"), evaluation={"test": {"classes": NAMES[:90], "per_class": figures(90)}})
    part = classes_part(facts)
    assert "classes" not in str(part.lead)  # type: ignore[union-attr]


def test_the_confusion_of_a_thousand_classes_is_a_list() -> None:
    counts = [[k, k, 3] for k in range(MANY)] + [[7, 9, 2]]
    page = body(confusion_part(with_evaluation(confusion={"size": MANY, "counts": counts})))
    assert "1000 classes are too many for a map" in page
    assert "class 9" in page
    assert len(page) < 10_000


@pytest.mark.parametrize("there", [0, 40, MANY])
def test_class_balance(there: int) -> None:
    counts = [k + 1 if k < there else 0 for k in range(MANY)]
    page = body(data_part(Facts(Path("run"), data={"name": "x", "classes": NAMES, "counts": {"test": counts}})))
    assert f"{there:,} of 1,000 classes have examples" in page
    assert ("shown are the 100 with the most and the fewest in test" in page) == (there == MANY)
    assert len(page) < 60_000
    if there == MANY:
        for name in ("class 999", "class 950", "class 49", "class 0"):
            assert f">{name}<" in page.replace("<bdi>", "").replace("</bdi>", "")
        assert ">class 500<" not in page.replace("<bdi>", "").replace("</bdi>", "")


def test_the_head_tells_the_five_highest() -> None:
    result = {"test": {"accuracy": 0.775, "top5": 0.9, "loss": 1.5}, "valid": None}
    page = str(head_html(Facts(Path("run"), {"result": result, "status": "finished"})))
    assert "77.50 %" in page
    assert "top-5 90.00 %" in page
