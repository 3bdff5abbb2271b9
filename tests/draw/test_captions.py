"""Captions in a report: pictures, references, where the network looked, and damaged facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.draw.picture import png_uri
from chainrule.draw.report import report_html

PICTURE = png_uri(np.zeros((4, 4)))
MEASURED = {"orders": [50.0, 40.0, 30.0, 20.5], "bleu": 20.5, "exact": 0.25, "perplexity": 3.0, "pictures": 13}


def run_of(folder: Path, facts: Any, evaluation: Any) -> Path:
    (folder / "facts").mkdir(parents=True)
    run = {"kind": "recipe", "task": "caption", "name": "it", "status": "finished"}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "facts" / "captions.json").write_text(json.dumps(facts))
    (folder / "facts" / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "facts" / "data.json").write_text(json.dumps({"name": "pets", "note": "This is a small set."}))
    return folder


def test_captions_are_shown_with_pictures_references_and_where_it_looked(tmp_path: Path) -> None:
    looked = [{"word": "a", "picture": PICTURE}, {"word": "<i>", "picture": "https://example.org/x.png"}]
    one = {"picture": PICTURE, "source": "1.png", "output": "<b>a cat</b>", "references": ["the cat"], "log_p": -0.5}
    facts = {"beam": 5, "parts": [{"part": "test", "examples": [{**one, "looked": looked}, one]}]}
    evaluation = {"test": {**MEASURED, "signature": "nrefs:5|case:lc"}, "train": {**MEASURED, "bleu": 98.0}}
    page = report_html(run_of(tmp_path / "run", facts, evaluation))
    assert "&lt;b&gt;a cat&lt;/b&gt;" in page
    assert "<b>a cat" not in page
    assert "the cat" in page
    assert page.count("where it looked for") == 1
    assert "example.org" not in page
    for said in (
        "beam of 5",
        "nrefs:5",
        "Test BLEU",
        "25.0 % of the captions",
        "This is a small set",
        "BLEU-4",
        "20.5",
    ):
        assert said in page


@pytest.mark.parametrize(
    "facts",
    [
        {},
        [],
        {"parts": "x"},
        {"parts": [{"part": "test"}, 3, None]},
        {"parts": [{"part": "test", "examples": ["x", None]}]},
        {"parts": [{"examples": [{"looked": [3, {"word": None}], "references": 5, "output": None, "log_p": "x"}]}]},
    ],
)
def test_damaged_facts_cost_their_section_at_most(facts: Any, tmp_path: Path) -> None:
    page = report_html(run_of(tmp_path / "run", facts, {"test": {"orders": [1]}, "train": "x"}))
    assert "Where it looked" not in page
