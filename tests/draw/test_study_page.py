"""The page of a study: families of lines, figures of each run, what is missing, and members that are no labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chainrule.draw import read_facts, report_html, results_table
from chainrule.draw.palette import series_style
from chainrule.draw.sections.comparison import line_styles, multiply_adds


def run(folder: Path, *, error: float, layers: list[Any], status: str = "finished") -> None:
    folder.mkdir(parents=True)
    result = {"test": {"accuracy": 1 - error, "loss": error}, "steps": 4, "seconds": 2.0}
    info = {"kind": "recipe", "name": folder.name, "status": status, "parameters": 12, "result": result}
    (folder / "run.json").write_text(json.dumps(info))
    lines = [
        {"step": step, "epoch": step // 3, "part": "train", "accuracy": 1 - error * (5 - step), "rate": 0.1 * step}
        for step in range(1, 5)
    ]
    lines += [{"step": 4, "epoch": 1, "part": "valid", "accuracy": 1 - error, "loss": error}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "facts").mkdir()
    (folder / "facts" / "network.json").write_text(json.dumps(layers))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    layers = [{"name": "a", "multiply_adds": 300}, {"name": "b", "multiply_adds": None}, {"multiply_adds": 45}]
    for number, label in enumerate(("plain-20", "plain-56", "residual-20")):
        run(tmp_path / "all" / label, error=0.1 + 0.02 * number, layers=layers)
    members = dict.fromkeys(("plain-20", "plain-56", "residual-20", "residual-56"), "chainrule train x")
    info = {"kind": "study", "name": "depth", "status": "interrupted", "about": "why depth", "members": members}
    (tmp_path / "all" / "run.json").write_text(json.dumps(info))
    return tmp_path / "all"


def words(page: str) -> str:
    plain = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).split())


def test_what_stands_on_the_page(study: Path) -> None:
    page = words(report_html(study))
    assert "why depth" in page
    assert "Recipes 4 not all of them are trained" in page
    assert "Training error plain-20 plain-56 residual-20" in page
    assert "Validation error plain-20" in page
    assert "The same in all runs: learning rate" in page
    assert "residual-56 it is not trained yet" in page
    assert "One color a family of runs" in page


def test_the_table_has_cost_and_training_accuracy(study: Path) -> None:
    facts = [read_facts(study / label) for label in ("plain-20", "plain-56")]
    table = results_table(facts)
    rows = [dict(zip([column.title for column in table.columns], row, strict=True)) for row in table.rows]
    assert rows[0]["multiply-adds"] == multiply_adds(facts[0]) == 345
    # steps 3 and 4 are the last epoch
    assert [row["training accuracy"] for row in rows] == pytest.approx([1 - 0.1 * 1.5, 1 - 0.12 * 1.5])
    assert [row["test accuracy"] for row in rows] == pytest.approx([0.9, 0.88])
    assert "status" not in rows[0]


@pytest.mark.parametrize(
    "labels",
    [
        ["plain-20", "plain-56", "residual-20", "residual-56", "dense-22", "dense-58"],
        [f"{family}-{rate}" for family in ("softmax", "svm", "mlp") for rate in (0.1, 0.01, 0.001, 1)],
        [f"seed {number}" for number in range(12)],
        [f"run{number // 5}-{number}" for number in range(20)],
        ["one"],
        [],
    ],
)
def test_every_line_of_a_chart_looks_different(labels: list[str]) -> None:
    styles = line_styles(labels)
    assert len({series_style(style) for style in styles}) == len(labels)


def test_members_that_lead_elsewhere_are_not_read(study: Path, tmp_path: Path) -> None:
    run(tmp_path / "secret", error=0.5, layers=[])
    for members in ({"../secret": "x", "plain-20": "x"}, ["plain-20"], {"plain-20": 3, "": None}, "x"):
        info = {"kind": "study", "name": "<b>", "status": "running", "members": members, "result": {"members": 3}}
        (study / "run.json").write_text(json.dumps(info))
        page = words(report_html(study))
        assert "secret" not in page
        assert ("plain-20" in page) == isinstance(members, dict)
