"""The tree of a beam search, and translations in a report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chainrule.draw.hypotheses import beam_tree
from chainrule.draw.report import report_html


def candidate(
    step: int, parent: list[int], token: int, fate: str, why: str = "", total: float = -1.0
) -> dict[str, Any]:
    found = {"step": step, "parent": parent, "token": token, "text": f"w{token}", "log_p": -0.5, "total": total}
    return {**found, "fate": fate, "why": why}


def test_the_tree_says_what_became_of_each() -> None:
    tree = beam_tree(
        [
            candidate(0, [], 4, "kept"),
            candidate(0, [], 5, "kept"),
            candidate(0, [], 6, "pruned", "the beam is full of better ones"),
            candidate(1, [4], 3, "ended", total=-2.0),
            candidate(1, [4], 7, "kept"),
        ],
        [4, 3],
        alpha=1.0,
    )
    console = Console(width=100)
    with console.capture() as capture:
        console.print(tree)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines == [
        "beam search",
        "├── ▸ w4  p 0.607  sum -1.000",
        "│   ├── ▸ w3  p 0.607  sum -2.000  ended, score -1.000",
        "│   └── w7  p 0.607  sum -1.000  no more steps",
        "├── w5  p 0.607  sum -1.000  pruned: all that follow it are worse",
        "└── w6  p 0.607  sum -1.000  pruned: the beam is full of better ones",
    ]


def run_of(folder: Path, facts: Any) -> Path:
    (folder / "facts").mkdir(parents=True)
    run = {"kind": "recipe", "task": "translate", "name": "it", "status": "finished"}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "facts" / "translations.json").write_text(json.dumps(facts))
    return folder


def test_translations_are_shown_with_what_was_looked_at(tmp_path: Path) -> None:
    one = {"source": "<b>go</b>", "output": "va", "references": ["va !", "vas-y"], "log_p": -0.25}
    looked = {"source": ["<b>", "go"], "output": ["va"], "weights": [[0.1, 0.9]]}
    page = report_html(run_of(tmp_path / "run", {"part": "test", "beam": 5, "examples": [one], "attention": [looked]}))
    assert "&lt;b&gt;go&lt;/b&gt;" in page
    assert "<b>go" not in page
    assert "va ! / vas-y" in page
    assert "by a beam of 5" in page
    assert "What it looked at" in page
    data = json.loads(re.search(r'data-heat>.*?json">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert data == {"values": [100, 900], "limit": 1.0, "rows": ["va"], "columns": ["<b>", "go"]}
    assert page.count("data-heat") > page.count("<figure")  # the script of the maps comes with them


def test_a_report_without_maps_has_no_script_for_them(tmp_path: Path) -> None:
    one = {"source": "go", "output": "va", "references": ["va"], "log_p": -0.25}
    page = report_html(run_of(tmp_path / "run", {"part": "test", "examples": [one]}))
    assert "va" in page
    assert "data-heat" not in page


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"examples": []},
        [],
        {"examples": ["x"], "attention": [{"source": ["a"], "output": ["b"], "weights": [[0.1, 0.2]]}]},
        {"examples": [{}], "attention": ["x", None, {"weights": "none"}]},
    ],
)
def test_damaged_facts_cost_their_section_at_most(facts: Any, tmp_path: Path) -> None:
    page = report_html(run_of(tmp_path / "run", facts))
    assert "What it looked at" not in page
