"""The page of repeated runs, and repeated runs beside others: numbers against an own computation."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.draw import read_facts, report_html
from chainrule.draw.sections.repeats import as_one_run, mean_lines, seed_labels, spread_table


def seed(folder: Path, number: int, *, status: str = "finished") -> dict[str, Any]:
    """Write one run whose numbers are known; return its result."""
    rng = np.random.default_rng(number)
    valid = np.sort(rng.uniform(0.5, 0.9, 4)).tolist()
    result = {
        "test": {"accuracy": valid[-1] - 0.01, "loss": 1 - valid[-1]},
        "valid": {"accuracy": valid[-1], "loss": 0.9 - valid[-1]},
        "best_step": 40,
        "steps": 40,
        "seconds": 2.0 + number,
    }
    place = folder / f"seed-{number}"
    place.mkdir(parents=True)
    info = {"format": 1, "kind": "recipe", "name": "mine", "status": status}
    (place / "run.json").write_text(json.dumps({**info, "result": result if status == "finished" else None}))
    lines = [{"step": 10 * (k + 1), "part": "valid", "accuracy": value} for k, value in enumerate(valid)]
    lines += [{"step": 5 + number, "part": "train", "accuracy": 0.5, "loss": 1.0}]  # a step that no other seed has
    (place / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return result


def spreads(results: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"seeds": list(range(len(results)))}
    for part in ("valid", "test"):
        found[part] = {}
        for metric in ("accuracy", "loss"):
            values = [result[part][metric] for result in results]
            found[part][metric] = {
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values, ddof=1)),
                "minimum": min(values),
                "maximum": max(values),
                "values": values,
            }
    return found


def folder_of(path: Path, finished: int, *, count: int, result: bool) -> list[dict[str, Any]]:
    results = [seed(path, number) for number in range(finished)]
    info = {"format": 1, "kind": "repeats", "name": "mine", "status": "finished" if result else "interrupted"}
    facts = {**info, "count": count, "result": spreads(results) if result else None, "command": "chainrule train mine"}
    (path / "run.json").write_text(json.dumps(facts))
    return results


def words(page: str) -> str:
    """The text of a page, without what is for its script."""
    plain = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).split())


def test_the_spread_is_that_of_the_seeds(tmp_path: Path) -> None:
    results = folder_of(tmp_path / "all", 4, count=4, result=True)
    page = words(report_html(tmp_path / "all"))
    for part in ("test", "valid"):
        values = [result[part]["accuracy"] for result in results]
        for number in (statistics.fmean(values), statistics.stdev(values), min(values), max(values)):
            assert f"{100 * number:.2f} %" in page
    assert "of 4 seeds test accuracy test loss validation accuracy validation loss mean" in page
    assert all(f"seed {number}" in page for number in range(4))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{name: a, split_seed: 3}", "All have the same split."),
        ("{name: a, split_seed: null}", "each draws its own split."),
        ("{name: a}", "each draws its own split."),
    ],
)
def test_whether_seeds_are_splits_too_is_said(data: str, said: str, tmp_path: Path) -> None:
    folder_of(tmp_path / "all", 2, count=2, result=True)
    (tmp_path / "all" / "recipe.yaml").write_text(f"format: 1\ndata: {data}\n")
    assert said in words(report_html(tmp_path / "all"))


def test_every_share_is_told_in_percent() -> None:
    found = {key: {"mean": 0.25, "values": [0.2, 0.3]} for key in ("exact", "accuracy", "bleu", "nats")}
    columns = spread_table({"seeds": [0, 1], "test": found, "valid": {}}).columns[1:]
    assert {column.title.split()[-1]: column.kind for column in columns} == {
        "exact": "percent",
        "accuracy": "percent",
        "bleu": "number",
        "nats": "number",
    }


def test_before_all_are_trained_those_that_are_count(tmp_path: Path) -> None:
    results = folder_of(tmp_path / "all", 3, count=5, result=False)
    seed(tmp_path / "all", 3, status="interrupted")
    (tmp_path / "all" / "seed-4").mkdir()  # just being made
    page = words(report_html(tmp_path / "all"))
    assert "So far 3 of 5 seeds are trained" in page
    assert f"{100 * statistics.fmean(one['test']['accuracy'] for one in results):.2f} %" in page
    assert "seed 3 interrupted" in page
    assert "seed 4" not in page
    assert "damaged" not in page


@pytest.mark.parametrize("finished", [0, 1])
def test_one_seed_has_no_spread_and_the_page_says_why(tmp_path: Path, finished: int) -> None:
    (tmp_path / "all").mkdir()
    folder_of(tmp_path / "all", finished, count=3, result=False)
    page = words(report_html(tmp_path / "all"))
    assert f"Spread {finished} of 3 seeds are trained; `chainrule resume FOLDER` goes on" in page


def test_beside_others_the_means_stand(tmp_path: Path) -> None:
    results = folder_of(tmp_path / "all", 3, count=3, result=True)
    facts, runs = read_facts(tmp_path / "all"), [read_facts(tmp_path / "all" / f"seed-{k}") for k in range(3)]
    one = as_one_run(facts, runs)
    accuracies = [result["test"]["accuracy"] for result in results]
    assert one.run["result"]["test"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert one.run["result"]["test"]["deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    assert one.run["result"]["seconds"] == 3.0
    curves = np.array([[line["accuracy"] for line in run.metrics if line["part"] == "valid"] for run in runs])
    assert [line["accuracy"] for line in one.metrics] == pytest.approx(curves.mean(axis=0).tolist())
    assert [line["step"] for line in one.metrics] == [10, 20, 30, 40]  # steps that one seed alone has are left out
    seed(tmp_path / "alone", 7)
    page = words(report_html([tmp_path / "all", tmp_path / "alone" / "seed-7"]))
    assert f"mine (all) 3 {100 * np.mean(accuracies):.1f} % {100 * np.std(accuracies, ddof=1):.2f} %" in page
    assert "mine (seed-7) – " in page


def test_each_part_has_a_chart_with_one_line_a_run(tmp_path: Path) -> None:
    folder_of(tmp_path / "all", 6, count=6, result=True)
    page = words(report_html(tmp_path / "all"))
    for title in ("Training error", "Validation error"):
        assert f"{title} {' '.join(f'seed {number}' for number in range(6))}" in page
    assert "Training loss" not in page  # one point each, the same in all
    assert "The same in all runs" not in page or "loss" in page


def test_damaged_seeds_cost_themselves_only(tmp_path: Path) -> None:
    folder_of(tmp_path / "all", 3, count=3, result=True)
    (tmp_path / "all" / "seed-1" / "metrics.jsonl").write_text('{"step": 1, "loss": "x"}\n{{{\n[]\n{"step": "<b>"}\n')
    (tmp_path / "all" / "seed-2" / "run.json").write_text("[1, 2]")
    page = words(report_html(tmp_path / "all"))
    assert "of 3 seeds" in page
    assert "1 of 4 lines of metrics.jsonl are damaged" in page
    assert "run.json holds no table of facts" in page
    facts, runs = read_facts(tmp_path / "all"), [read_facts(tmp_path / "all" / f"seed-{k}") for k in range(3)]
    assert as_one_run(facts, runs).metrics == []
    assert "seconds" not in as_one_run(facts, runs).run["result"]
    assert mean_lines([]) == []
    assert seed_labels(runs) == ["seed 0", "seed 1", "seed 2"]
    table = spread_table({"test": {"accuracy": {"mean": "NaN", "values": None}}})
    assert [row[1] is None or row[1] != row[1] for row in table.rows] == [True] * 4
