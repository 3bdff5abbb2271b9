"""Contestants take turns in processes of their own; what was measured is written into the page between its marks."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPT = """
import os, sys, time
from turns import quiet_output, take_turns
out = quiet_output()
print("something that a library prints")
count = 0
def turn():
    global count
    count += 1
    if count == int(sys.argv[1]):
        raise ValueError("no more")
    return {"seconds": count / 10, "threads": os.environ["OMP_NUM_THREADS"]}
take_turns(turn, {"name": sys.argv[2]}, out=out)
"""


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_under_test", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts find each other, as they do where they are run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def contestants(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loaded = module("contestants")
    monkeypatch.setattr(loaded, "PAUSE", 0.0)
    return loaded


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "one.py"
    path.write_text(SCRIPT)
    return path


def test_turns_are_taken_one_after_the_other(contestants: ModuleType, script: Path) -> None:
    makers = {name: partial(contestants.Contestant, [script, "9", name], 1) for name in ("first", "second")}
    taken, facts = contestants.seconds_in_turns(makers, 3)
    assert facts == {"first": {"name": "first"}, "second": {"name": "second"}}
    assert taken["first"] == taken["second"] == [{"seconds": n / 10, "threads": "1"} for n in (1, 2, 3)]
    assert contestants.median_seconds(taken) == {"first": 0.2, "second": 0.2}


def test_one_that_fails_ends_the_contest_and_leaves_no_process(
    contestants: ModuleType, script: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[Any] = []

    def make(last: str) -> Any:
        started.append(contestants.Contestant([script, last, "x"], 1))
        return started[-1]

    with pytest.raises(SystemExit, match="ended with status 1"):
        contestants.seconds_in_turns({"good": partial(make, "9"), "bad": partial(make, "2")}, 3)
    assert "ValueError: no more" in capfd.readouterr().err
    assert [one.process.poll() for one in started] == [0, 1]


def test_the_environment_of_peers(
    contestants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAINRULE_PEERS", str(tmp_path))
    assert contestants.peers_python() is None
    assert "benchmarks/peers/README.md" in capsys.readouterr().err
    (tmp_path / "bin").mkdir()
    os.symlink(sys.executable, tmp_path / "bin" / "python")
    assert contestants.peers_python() == tmp_path / "bin" / "python"


FOUND: dict[str, dict[str, Any]] = {
    "predict": {
        "batch 1": {
            "images a second": {"plain PyTorch": 10.0, "ours": 15.0, "ours, compiled": 20.0},
            "seconds of compiling": 40.0,
            "images until compiling pays": 2400,
            "largest difference from plain PyTorch, as a share": {
                "plain PyTorch": 0.0,
                "ours": 1e-7,
                "ours, compiled": 2e-7,
            },
        }
    },
    "throughput": {
        what: {
            "batch": 16,
            "images a second": {"ours": 30.0, "Keras 3": 20.0},
            "ours over Keras 3": 1.5,
        }
        for what in ("fashion-cnn", "resnet18")
    },
    "language": {
        what: {
            "tokens a step": 2048,
            "tokens a second": {"ours": 3000, "Keras 3, jax": 1600},
            "ours over Keras 3, jax": 1.9,
        }
        for what in ("lstm-256", "lstm-512", "gpt", "gpt-one-thread")
    },
    "ablation": {
        "without": {"He's initialization": {"accuracy": 0.901, "deviation": 0.002, "points lost": 0.4}},
    },
    "decoding": {
        "batch 8": {
            "tokens a second": {"ours": 100.0, "ours, int8": 250.0, "transformers": 80.0},
            "share of tokens equal to ours in float32": {"ours": 1.0, "ours, int8": 0.75, "transformers": 0.995},
            "ours over transformers": 1.25,
            "ours, int8 over transformers": 3.125,
        }
    },
    "neighbors-l1": {
        "seconds": {"ours, 8 bits": 0.5, "faiss": 2.0},
        "faiss over ours, 8 bits": 4.0,
        "memory beyond the arrays, MB": {"ours, 8 bits": 60, "faiss": 580},
    },
}
COMMON = {"what": "medians of 5 turns", "date": "2026-01-02T03:04:05", "environment": {}}


def page(found: dict[str, Any], text: str | None = None) -> str:
    text = (BENCHMARKS.parent / "docs" / "speed.md").read_text(encoding="utf-8") if text is None else text
    return module("marked").with_parts(
        text, module("publish").PARTS, lambda name: found.get(name, {}), lambda one: "A machine"
    )


def test_each_result_has_its_place_on_the_page() -> None:
    pages = [BENCHMARKS.parent / "docs" / f"{page}.md" for page in module("publish").PAGES]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    assert sorted(name for _, name, _ in module("marked").MARKED.findall(text)) == sorted(module("publish").PARTS)


def test_what_was_measured_is_written_between_the_marks() -> None:
    found = {name: {**COMMON, "quiet": name != "throughput", **facts} for name, facts in FOUND.items()}
    text = page(found)
    assert "| ours, compiled | 20.0 | 2.00 | 2e-07 |" in text
    assert "Compiling took 40 seconds and pays after 2,400 images." in text
    assert "| Keras 3 | 20 | 1.50 |" in text
    assert "| lstm-512, 2,048 tokens a step | tokens a second | ours over it |" in text
    assert "| Keras 3, jax | 1,600 | 1.90 |" in text
    assert "| transformers | 80.0 | 1.25 | 3.12 | 99.5 % |" in text
    assert "| ours, int8 | 250.0 |  |  | 75.0 % |" in text
    assert "| faiss | 2.00 | 4.00 | 580 |" in text
    assert "| He's initialization | 90.10 % | 0.20 | 0.40 |" in text
    assert text.count("Medians of 5 turns. A machine, 2026-01-02, quiet.") == 5
    assert text.count("**beside other work: not to be relied on**") == 1
    assert text.count("Not measured yet.") == 4
    assert page(found, text) == text
    assert page({}, text) == page({})


def test_ensembles_processes_and_exports() -> None:
    three = {"accuracy": 0.91, "nll": 0.3, "ece": 0.05}
    gain = {"accuracy": 0.0125, "nll": -0.02, "ece": 0.01}
    each = {name: {"mean": value} for name, value in three.items()}
    parts = ("valid", "test")
    ensemble = {
        "command": "chainrule train one --ensemble 2",
        "members": 2,
        "seconds": 600,
        **dict.fromkeys(parts, three),
        "vote": dict.fromkeys(parts, three),
        "spread": dict.fromkeys(parts, each),
        "gain": dict.fromkeys(parts, gain),
        "average of weights, valid": {**three, "accuracy": 0.1},
    }
    exported = {
        "torch.export": {"difference": 1.2e-7},
        "onnxruntime": {"difference": 3.4e-7},
        "onnxruntime, int8": {"how": "static: scales"},
        "validation part": {
            "float32": {"rows": 1200, "accuracy": 0.75, "loss": 0.5},
            "int8": {"rows": 1200, "accuracy": 0.74, "loss": 0.51},
        },
        "bytes": {"model.onnx": 3 << 20, "model.int8.onnx": 2048},
        "milliseconds": {"batch 1": {"the run": 2.5, "onnxruntime": 0.5}},
    }
    found = {
        "ensembles": {**COMMON, "recipes": {"one": ensemble}},
        "processes": {**COMMON, "seconds": {"one process": 0.3, "two processes": 0.2}},
        "export": {**COMMON, "runs": {"run": exported}},
    }
    marks = "".join(f"<!-- measured: {name} begin -->\n<!-- measured: {name} end -->\n" for name in found)
    text = page(found, marks)
    assert "| gain of the mean probability, test | +1.25 points | -0.0200 | +0.0100 |" in text
    assert "| average of the weights, valid | 10.00 % | 0.3000 | 0.0500 |" in text
    assert "| two processes | 200 | 1.50 |" in text
    assert "| `run`, static | 1e-07 | 3e-07 | 75.00 % | 74.00 % | +0.0100 | 1,200 | 3.0 MiB | 2.0 KiB |" in text
    assert "| `run`, 1 | 2.5 |  |  | 0.5 |  |" in text
    assert page(found, text) == text


def test_a_figure_that_was_typed_does_not_stay() -> None:
    text = page({})
    assert page({}, text.replace("Not measured yet.", "We are 99 times faster.")) == text
