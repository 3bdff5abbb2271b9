"""The published figures of `check --as` are those of the solutions that are shipped with the benchmark."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

from chainrule.analysis.compare import compare_with_formula
from chainrule.core.program import load_target

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from assignments.expected import RIGHT, WRONG_FIRST, WRONG_SECOND, WRONG_THIRD  # noqa: E402

sys.path.remove(str(BENCHMARKS))
FILES = {"wrong_first.py": WRONG_FIRST, "wrong_second.py": WRONG_SECOND, "wrong_third.py": WRONG_THIRD}
WRONG = [(file, *one) for file, some in FILES.items() for one in some]


def judged(file: str, names: str, formula: str) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the students' numbers
        forward, *rest = load_target(f"{BENCHMARKS / 'assignments' / file}:{names}")
        return compare_with_formula(formula, forward, rest[0] if rest else None)


@pytest.mark.parametrize(("file", "names", "formula"), RIGHT, ids=[f"{names}-{f}" for _, names, f in RIGHT])
def test_no_right_solution_is_accused(file: str, names: str, formula: str) -> None:
    found = judged(file, names, formula)
    assert found["verdict"] != "wrong", found["findings"]
    assert found["score"] == 1


def test_planted_slips_are_named() -> None:
    missed = []
    for file, names, formula, labels in WRONG:
        found = judged(file, names, formula)
        assert found["verdict"] == "wrong", names
        said = sorted(f["label"] for f in found["findings"] if f["kind"] == "slip")
        if said != sorted(labels.split()) or found["unexplained"]:
            missed.append(names)
    published = json.loads((BENCHMARKS / "results" / "compare.json").read_text())
    assert missed == [miss["solution"] for miss in published["missed"]]
    assert published["planted"] == len(WRONG)
    assert published["right solutions"] == len(RIGHT)
    assert len(missed) <= 0.1 * len(WRONG)
