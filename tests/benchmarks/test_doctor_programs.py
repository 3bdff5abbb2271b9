"""The programs of the benchmark of diagnosis: complete, all different, mendable, and measured as they stand."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "doctor"
PROGRAMS = FOLDER / "programs"
FILES = sorted(path.relative_to(PROGRAMS).as_posix() for path in PROGRAMS.glob("*/*.py"))
TABLE: dict[str, Any] = json.loads((FOLDER / "kinds.json").read_text())
FAULTY = [(kind, entry) for kind in TABLE["kinds"] for entry in kind["programs"]]
RESULTS: dict[str, Any] = json.loads((FOLDER.parent / "results" / "doctor-programs.json").read_text())
PRINTS = "import sys\nprint(f'RESULT train_loss={int(sys.argv[2]) + 1:.5f} valid_metric=nan')"
SEES = {"worse", "better", "different", "slower", "memory"}


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    spec = importlib.util.spec_from_file_location("doctor_verify_under_test", FOLDER / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(name: str) -> str:
    return (PROGRAMS / name).read_text()


def halves(name: str) -> tuple[str, str]:
    """The half of the first set, or of the later one, that a name is in."""
    return ("judge", "fourth") if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 else ("tune", "third")


def facts(metric: float | str, loss: float | str = 1.0, seconds: float = 1.0, memory: float = 100.0) -> dict[str, Any]:
    return {"valid_metric": metric, "train_loss": loss, "cpu_seconds": seconds, "peak_mb": memory}


@pytest.mark.parametrize("name", FILES)
def test_program_is_a_whole_plain_script(name: str) -> None:
    text = text_of(name)
    tree = ast.parse(text)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module.split(".")[0] == "chainrule"]
    assert "torch" in imported
    assert 40 <= len(text.splitlines()) <= 120
    assert len(re.findall(r'print\(f"RESULT train_loss=\{.*:\.5f\} valid_metric=\{.*:\.5f\}"\)', text)) == 1
    options = re.findall(r'add_argument\("--(\w+)"', text)
    assert options[0] == "seed"
    assert {"epochs", "steps"} & set(options[1:])
    assert ast.get_docstring(tree)


def test_every_program_is_named_exactly_once() -> None:
    named = [entry["file"] for _, entry in FAULTY] + [entry["file"] for entry in TABLE["healthy"]]
    assert sorted(named) == FILES


def test_numbers_of_programs() -> None:
    assert len(TABLE["kinds"]) >= 45
    assert len(FAULTY) >= 60
    assert len(TABLE["healthy"]) >= 55


def test_kinds_are_complete_and_their_names_differ() -> None:
    names = [kind["name"] for kind in TABLE["kinds"]]
    assert len(set(names)) == len(names)
    for kind in TABLE["kinds"]:
        assert set(kind) == {"name", "wrong", "right", "sees", "half", "programs"}, kind["name"]
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind["name"])
        assert kind["sees"] in SEES
        assert kind["programs"]
        assert all(kind[key].endswith(".") for key in ("wrong", "right"))


@pytest.mark.parametrize("pair", [("tune", "judge"), ("third", "fourth")])
def test_halves_follow_from_the_names_and_are_both_large(pair: tuple[str, str]) -> None:
    named = [(kind["name"], kind["half"]) for kind in TABLE["kinds"]]
    healthy = [(Path(entry["file"]).stem, entry["half"]) for entry in TABLE["healthy"]]
    for name, half in named + healthy:
        assert half in halves(name), name
    for entries in (named, healthy):
        sizes = [sum(half == each for _, half in entries) for each in pair]
        assert min(sizes) > 0.35 * sum(sizes) > 0


@pytest.mark.parametrize(("kind", "entry"), FAULTY, ids=[entry["file"] for _, entry in FAULTY])
def test_mend_applies_and_gives_a_program(verify: ModuleType, kind: dict[str, Any], entry: dict[str, Any]) -> None:
    text = text_of(entry["file"])
    mended = verify.mended(text, entry["mend"])
    assert mended != text
    assert "RESULT" in mended
    ast.parse(mended)


def test_no_two_programs_are_equal() -> None:
    trees: dict[str, str] = {}
    for name in FILES:
        key = ast.dump(ast.parse(text_of(name)))
        assert key not in trees, f"{name} equals {trees.get(key)}"
        trees[key] = name


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("faulty/")])
def test_faulty_program_does_not_tell(name: str) -> None:
    assert not re.search(r"\b(wrong|fault\w*|bug\w*|mistake\w*|broken|forg[eo]t\w*|fixme|todo)\b", text_of(name), re.I)
    assert re.fullmatch(r"faulty/[a-z]+(_[a-z0-9]+)*_\d+\.py", name)


def test_every_text_was_measured_as_it_stands(verify: ModuleType) -> None:
    runs = RESULTS["runs"]
    texts = {name: text_of(name) for name in FILES}
    texts |= {f"{entry['file']} mended": verify.mended(text_of(entry["file"]), entry["mend"]) for _, entry in FAULTY}
    missing = [name for name, text in texts.items() if verify.digest(text) not in runs]
    assert not missing
    assert not [name for name, text in texts.items() if runs[verify.digest(text)].get("failed")]


def test_every_fault_has_a_measured_effect(verify: ModuleType) -> None:
    for kind, entry in FAULTY:
        text = text_of(entry["file"])
        faulty = RESULTS["runs"][verify.digest(text)]
        good = RESULTS["runs"][verify.digest(verify.mended(text, entry["mend"]))]
        words, clear = verify.effect(faulty, good, kind["sees"])
        assert clear, (entry["file"], words)
        assert entry["effect"] == words


def test_healthy_programs_are_quick_and_end_with_numbers(verify: ModuleType) -> None:
    for entry in TABLE["healthy"]:
        run = RESULTS["runs"][verify.digest(text_of(entry["file"]))]
        assert run["cpu_seconds"] < 30, entry["file"]
        assert isinstance(run["valid_metric"], float), entry["file"]
        assert isinstance(run["train_loss"], float), entry["file"]


@pytest.mark.parametrize(
    ("faulty", "good", "sees", "clear"),
    [
        (facts(0.90), facts(0.95), "worse", True),
        (facts(0.94), facts(0.95), "worse", False),
        (facts(0.94, loss=1.4), facts(0.95), "worse", True),
        (facts(0.98, loss=1.4), facts(0.95), "worse", False),
        (facts("nan", "nan"), facts(0.95), "worse", True),
        (facts(0.90), facts(0.95), "better", False),
        (facts(0.99), facts(0.95), "better", True),
        (facts(0.90), facts(0.95), "different", True),
        (facts(0.95, seconds=2.0), facts(0.95), "slower", True),
        (facts(0.50, seconds=1.1), facts(0.95), "slower", False),
        (facts(0.95, memory=140.0), facts(0.95), "memory", True),
        (facts(0.95, memory=120.0), facts(0.95), "memory", False),
        (facts(0.10) | {"failed": "ValueError"}, facts(0.95), "worse", False),
    ],
)
def test_effect(verify: ModuleType, faulty: dict[str, Any], good: dict[str, Any], sees: str, clear: bool) -> None:
    assert verify.effect(faulty, good, sees)[1] is clear


def test_mend_that_does_not_apply_exactly_is_refused(verify: ModuleType) -> None:
    assert verify.mended("a b", [["b", "c"], ["a", "d"]]) == "d c"
    with pytest.raises(ValueError, match="0 times, expected once"):
        verify.mended("a b", [["c", "d"]])
    with pytest.raises(ValueError, match="2 times, expected once"):
        verify.mended("a a", [["a", "b"]])


def test_a_run_gives_the_result_and_the_costs(verify: ModuleType) -> None:
    script = f"""
import importlib.util, json
spec = importlib.util.spec_from_file_location("verify", {str(FOLDER / "verify.py")!r})
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
print(json.dumps([verify.run({PRINTS!r}, 6), verify.run("raise OSError('no data')", 0)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    good, bad = json.loads(done.stdout)
    assert good["train_loss"] == 7.0
    assert good["valid_metric"] == "nan"
    assert good["peak_mb"] > 1
    assert "failed" not in good
    assert "OSError: no data" in bad["failed"]


@pytest.mark.slow
def test_a_program_runs_and_a_seed_makes_it_repeatable() -> None:
    command = [sys.executable, str(PROGRAMS / "healthy" / "digits_mlp_sequential.py"), "--epochs", "2", "--seed", "3"]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout for _ in range(2)
    ]
    assert outputs[0] == outputs[1]
    assert re.search(r"^RESULT train_loss=\d\.\d{5} valid_metric=0\.\d{5}$", outputs[0], re.M)


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, str(FOLDER)], capture_output=True, text=True, timeout=120, cwd=FOLDER
    )
    assert done.returncode == 0, done.stdout + done.stderr
