"""Reports of every kind of run: what stands in them, what is said to be missing, and that nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from chainrule.core.errors import CheckpointError, UsageError
from chainrule.draw import read_facts, report_html, results_table


class Page(HTMLParser):
    """Elements with their attributes, and the text of each section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._raw: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._raw = None

    def handle_data(self, data):
        if self._raw == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._raw is None:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def sections(self) -> list[str]:
        return [attrs["id"] for tag, attrs in self.elements if tag == "section"]


ALL = [
    "curves",
    "confusion",
    "classes",
    "mistakes",
    "weights",
    "layers",
    "network",
    "data",
    "time",
    "events",
    "recipe",
    "reproduce",
    "lectures",
]


def test_a_full_run_has_every_section_and_its_numbers(write, full):
    page = Page(report_html(write(full)))
    assert page.sections == ALL
    test = full["facts/evaluation.json"]["test"]
    assert f"{test['accuracy'] * 100:.2f} %" in page.text
    for words in (
        "digits-cnn",
        "finished",
        "20 November 2026, 14:03 UTC",
        "resumed once",
        "113,130",
        "best at 780",
        "chainrule train digits-cnn --optim.lr 0.004 --train.seed 3",
        "INPUT 8x8x1 | CONV3-32 | BN",
        "2.13.0",
        "passed over",
        "CC BY 4.0",
        "From 122 (8) to 128 (3) examples in train",
        "The same on the validation part",
        "B9 the learning rate and its schedule Curves",
        "Handwritten digits of 43 people.",
    ):
        assert words in page.text, words
    pictures = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(pictures) == 12 + 32 + 10
    assert all(attrs["alt"] for attrs in pictures)
    assert page.text.count("→") >= 12


def test_the_network_table_counts_parameters_and_work_once(write, full):
    rows = full["facts/network.json"]
    blocks = [
        {"name": "body", "kind": "Block", "output": [1], "parameters": 73728, "multiply_adds": 1179648, "depth": 0}
    ]
    full["facts/network.json"] = rows[:7] + blocks + rows[7:]
    full["run.json"]["parameters"] = None
    page = Page(report_html(write(full)))
    parameters, work = sum(row["parameters"] for row in rows), sum(row["multiply_adds"] or 0 for row in rows)
    assert f"{parameters:,} parameters, {work / 1e6:.2f} M multiply-adds" in page.text


def test_templates_and_regions(write, linear, plane):
    page = Page(report_html(write(linear)))
    assert "one template per class" in page.text
    assert [attrs["alt"] for tag, attrs in page.elements if tag == "img" and "template" in attrs["alt"]] == [
        f"template of {label}" for label in range(10)
    ]
    page = Page(report_html(write(plane)))
    assert "regions" in page.sections
    assert "A2 · A3" in page.text
    dots = [attrs["d"] for tag, attrs in page.elements if tag == "path" and "point" in (attrs.get("class") or "")]
    assert sum(d.count("M") for d in dots) == 300


def test_a_hand_written_loop_shows_its_numbers_and_why_there_is_no_more(write, loop):
    page = Page(report_html(write(loop)))
    assert page.sections == ["curves", "absent", "lectures"]
    assert "my penalty" in page.text
    assert "20 of 319 values are not finite, the first at 300" in page.text
    assert "Confusion matrix, Classes, Worst mistakes" in page.text
    assert "a hand-written loop logs numbers only" in page.text
    assert "NaN" in page.text


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("running", "the run has not finished yet"),
        ("interrupted", "the run was interrupted before this was written"),
        ("failed", "the run was failed before this was written"),
        ("finished", "measures the model and writes it"),
    ],
)
def test_what_is_missing_is_named_with_the_reason(write, full, status, reason):
    full["run.json"] |= {"status": status, "result": None, "error": "the loss became NaN at step 12"}
    for name in ("facts/evaluation.json", "facts/weights.json"):
        full[name] = None
    page = Page(report_html(write(full)))
    assert reason in page.text
    assert ("the loss became NaN at step 12" in page.text) == (status == "failed")
    assert not {"confusion", "classes", "mistakes", "weights"} & set(page.sections)


def test_damaged_facts_cost_their_section_only(write, full):
    full["facts/evaluation.json"]["test"]["confusion"][3] = [1, 2]
    full["facts/network.json"] = '[{"name": "conv1", "outp'
    full["facts/data.json"] = [1, 2, 3]
    folder = write(full)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "lo\n{"step": 811, "part": "valid", "loss": 0.5}\n{"step": 812, "par')
    page = Page(report_html(folder))
    assert "facts/evaluation.json is damaged: this is no confusion matrix" in page.text
    assert "facts/network.json cannot be read" in page.text
    assert "facts/data.json holds no table of facts" in page.text
    assert "1 of 844 lines of metrics.jsonl are damaged and were passed over" in page.text
    assert {"curves", "classes", "mistakes", "weights", "recipe"} <= set(page.sections)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no run folder"):
        report_html(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"is no run folder: expected run\.json in it"):
        report_html(tmp_path)
    with pytest.raises(UsageError, match="there is no run to report"):
        report_html([])


def external(page: Page) -> list[str]:
    links = ("src", "href", "action", "data", "poster", "srcset", "formaction", "ping", "xlink:href", "background")
    found = [attrs[name] or "" for _, attrs in page.elements for name in links if name in attrs]
    return [
        link
        for link in found
        if not link.startswith(("#", "data:image/png;base64,", "data:text/csv;base64,", "data:,"))
    ]


@pytest.mark.parametrize("kind", ["full", "linear", "plane", "loop", "several"])
def test_the_page_fetches_nothing_and_runs_one_script(write, full, linear, plane, loop, kind):
    runs = {"full": [full], "linear": [linear], "plane": [plane], "loop": [loop], "several": [full, linear, plane]}[
        kind
    ]
    text = report_html([write(files) for files in runs])
    page = Page(text)
    assert external(page) == []
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert not re.search(r"url\(|@import|https?:|expression\(", style)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base", "form", "audio", "video"}
    active = [script for attrs, script in page.scripts if attrs.get("type") != "application/json"]
    assert len(active) == 1
    assert not re.search(
        r"fetch\(|XMLHttpRequest|WebSocket|innerHTML|eval\(|import\(|document\.write|new Function", active[0]
    )
    policy = next(
        attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(active[0].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "img-src data:" in policy
    assert "unsafe-eval" not in policy
    assert re.sub(r"http://www\.w3\.org/2000/svg", "", text).count("http") == text.count("http-equiv")
    for attrs, script in page.scripts:
        if attrs.get("type") == "application/json":
            json.loads(script)


def test_it_can_be_used_without_eyes_or_a_mouse(write, full):
    page = Page(report_html(write(full)))
    assert ("html", {"lang": "en"}) in page.elements
    plots = [attrs for tag, attrs in page.elements if (attrs.get("class") or "").startswith("plot")]
    assert plots
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in plots)
    identities = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(identities) == len(set(identities))
    targets = [attrs["href"][1:] for tag, attrs in page.elements if tag == "a" and attrs["href"].startswith("#")]
    assert set(targets) <= set(identities)
    regions = [attrs for _, attrs in page.elements if attrs.get("class") == "scroll"]
    assert all(attrs.get("tabindex") == "0" and attrs.get("aria-label") for attrs in regions)


def test_equal_facts_give_equal_bytes(write, full):
    assert report_html(write(full, "run")) == report_html(write(full, "run"))


def test_a_normal_run_is_small_and_a_large_one_not_huge(write, full, make_curves, make_evaluation):
    assert len(report_html(write(full)).encode()) < 400_000
    full["metrics.jsonl"] = make_curves(50_000, evaluate=2000)  # 4 numbers a line, and 100,000 lines below
    full["metrics.jsonl"] += [{"step": step, "part": "train", "mine": step % 7} for step in range(50_000)]
    full["facts/evaluation.json"] = make_evaluation([f"class {k}" for k in range(1000)], part="test", each=12)
    page = report_html(write(full))
    assert len(page.encode()) < 1_500_000
    assert "1000 classes are too many for a map" in page


def test_hundreds_of_quantities_are_charts_up_to_a_number_and_a_table_beyond(write, loop):
    loop["metrics.jsonl"] = [{"step": step, **{f"q{k}": step * k for k in range(200)}} for step in range(5)]
    page = report_html(write(loop))
    assert page.count('<figure class="chart"') == 24
    assert "176 more quantities, their last values" in page
    assert ">q199<" in page


def test_several_runs_are_compared(write, full, linear, plane):
    folders = [write(full, "a"), write(linear, "b"), write(plane, "c")]
    page = Page(report_html(folders))
    assert page.sections[:3] == ["results", "curves", "differences"]
    assert "Training error digits-cnn digits-softmax" in page.text
    assert "Validation loss digits-cnn digits-softmax" in page.text
    differences = page.text.split("Settings in which the recipes differ.")[1]
    assert "optim.lr 0.004 0.02" in differences
    assert "data.name" not in differences.split("Made by")[0]
    table = results_table([read_facts(folder) for folder in folders])
    accuracy = [column.title for column in table.columns].index("test accuracy")
    assert [row[accuracy] for row in table.rows] == [full["facts/evaluation.json"]["test"]["accuracy"], 0.9611, None]
    same = Page(report_html([folders[0], write(full, "d")]))
    assert "digits-cnn (a)" in same.text
    assert "the recipes of these runs are the same" in same.text


def test_reports_need_no_torch():
    code = (
        "import sys, chainrule.draw.report, chainrule.draw.export, chainrule.draw.picture;"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.split() == ["False", "False"]
