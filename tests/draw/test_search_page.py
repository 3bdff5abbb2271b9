"""The page of a search: what stands where, and what damaged or hostile facts do to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.draw import report_html
from chainrule.draw.trials import Dimension, Point, parallel_html, response_html

AXES = {"optim.lr": {"low": 1e-4, "high": 1.0, "scale": "log"}, "model.hidden": {"choices": [[8], [16]]}}


def trial(stage: str, index: int, lr: float, value: float | None, state: str = "finished", **more: Any) -> Any:
    rungs = [[0.5, (value or 0.2) / 2], [1.0, value]] if value is not None else [[0.5, 0.2]]
    return {"name": f"{stage}-00{index}", "stage": stage, "index": index, "state": state, "recipe": False,
            "settings": {"optim.lr": lr, "model.hidden": [8]}, "value": value, "rungs": rungs, "deaths": 0,
            **more}  # fmt: skip


def facts(**changes: Any) -> dict[str, Any]:
    rates = [10.0**power for power in range(-6, 2)]
    trials = [
        trial("coarse", 0, 0.01, 0.8, deaths=1),
        trial("coarse", 1, 0.5, None, "pruned"),
        trial("coarse", 2, 0.9, None, "diverged", why="the loss is nan"),
        {**trial("fine", 0, 0.0, 0.85), "settings": {}, "recipe": True},
        trial("fine", 1, 0.02, 0.9),
    ]
    found = {
        "metric": "accuracy", "higher": True, "valid": 400, "share": 0.25, "space": AXES, "searched": AXES,
        "own": {"optim.lr": 0.001, "model.hidden": [16]}, "trials": trials, "best": trials[-1],
        "as_it_is": trials[3], "command": "chainrule train x/best.yaml", "text": "# Found\nformat: 1\n",
        "stages": {
            "initial": {"loss": 2.5, "expected": 2.3, "passed": True},
            "overfit": {"examples": 20, "steps": 12, "rate": 0.01, "losses": [2.0, 1.0, 0.1], "passed": True},
            "range": {"rates": rates, "losses": [2.0] * 4 + [1.0, 0.5, 3.0, None], "smoothed": [2.0] * 4 + [1.0] * 4,
                      "begins": 1e-3, "steepest": 2e-3, "suggestion": 1e-2, "diverges": 1.0, "own": 1e-3,
                      "passed": True},
        },
    }  # fmt: skip
    return {**found, **changes}


def page_of(folder: Path, search: Any) -> str:
    (folder / "facts").mkdir(parents=True, exist_ok=True)
    info = {"kind": "search", "name": "mine", "status": "finished", "result": {"valid": {"accuracy": 0.9}}}
    (folder / "run.json").write_text(json.dumps(info))
    (folder / "facts" / "search.json").write_text(json.dumps(search))
    return report_html(folder)


def words(page: str) -> str:
    plain = re.sub(r"<(script|style|title).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).split())


def test_what_stands_on_the_page(tmp_path: Path) -> None:
    page = words(page_of(tmp_path, facts()))
    assert "a search for settings" in page
    assert "the best 90.00 % 0.02 [8] the recipe as it is 85.00 % 0.001 [16]" in page
    assert "standard error of 1.50 points" in page
    assert "20 examples by heart after 12 steps" in page
    assert "a rate to begin with 0.01" in page
    assert "taken up again after its process died" in page
    assert "diverged, the loss is nan" in page
    order = [page.rindex(name) for name in ("fine-001", "fine-000", "coarse-000", "coarse-001")]
    assert order == sorted(order)


def test_a_search_without_trials_and_one_of_checks_alone(tmp_path: Path) -> None:
    none = {"trials": [], "best": None, "as_it_is": None}
    page = words(page_of(tmp_path, facts(**none)))
    assert "only checks were asked for" in page
    assert "Rate" in page
    assert "no training was asked for" in page


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": "none"},
        {"trials": [None, {"state": "finished"}, {"state": "finished", "value": "high", "settings": 3, "rungs": 7}]},
        {"space": {"optim.lr": None, "<script>alert(1)</script>": {"low": 1, "high": 0}}},
        {"space": {"optim.lr": {"low": 0, "high": 1, "scale": "log"}}},
        {"best": {"value": "<b>"}, "metric": "<i>accuracy</i>", "valid": -1},
        {"stages": {"range": {"rates": [1.0], "losses": [], "smoothed": [2.0]}, "initial": 7, "overfit": []}},
    ],
)
def test_damaged_facts_cost_their_section_only(changes: Any, tmp_path: Path) -> None:
    page = page_of(tmp_path, facts(**changes))
    assert "<script>alert" not in page
    assert "<i>accuracy" not in page
    assert "Reproduce" in page


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d", text)]


def test_lines_pass_through_the_places_of_their_values() -> None:
    axes = [Dimension("lr", 1e-4, 1.0, log=True), Dimension("kind", labels=("a", "b"))]
    points = [
        Point("one", {"lr": 1e-2, "kind": "b"}, 0.5),
        Point("two", {"lr": 1e-4, "kind": "a"}, 0.9, best=True),
        Point("three", {"lr": 5.0, "kind": "a"}, 0.1, finished=False),  # its rate has no place
    ]
    page = str(parallel_html(axes, points, title="accuracy", share=True, higher=True))
    paths = dict(zip(re.findall(r"<title>(\w+):", page), re.findall(r'class="trial[^"]*"[^>]* d="([^"]*)"', page)))
    assert numbers(paths["one"])[:4] == pytest.approx([166.7, 500.0, 500.0, 250.0], abs=0.1)
    assert numbers(paths["two"])[:4] == pytest.approx([166.7, 1000.0, 500.0, 750.0], abs=0.1)
    assert paths["three"].startswith("M500")
    assert numbers(paths["three"])[-1] == 1000.0  # far off: it stands at the edge
    assert list(paths)[-1] == "two"  # the best is drawn last, above the others


def test_the_response_has_a_column_for_each_trial() -> None:
    axis = Dimension("lr", 0.0, 1.0, own=0.25)
    points = [Point("one", {"lr": 0.5}, 0.6, rungs=(0.2, 0.4, 0.6)), Point("two", {"lr": 0.75}, 0.8, fine=True)]
    page = str(response_html(axis, points, title="accuracy", share=True))
    across = {name: numbers(path)[::2] for name, path in zip(("rungs", "end"), re.findall(r'd="(M500[^"]*)"', page))}
    assert across == {"rungs": [500.0] * 3, "end": [500.0]}
    assert 'd="M250.0 0V1000"' in page
    assert page.count('class="hole"') == 1
    assert np.isfinite(numbers(page)).all()
