"""Files that somebody else made, wherever a command opens one: no program in them runs, nothing ends in a traceback."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main


def load(place: str) -> ModuleType:
    """A file of another test folder as a module."""
    path = Path(__file__).parents[1] / place
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hostile") / "run"
    words = ["train", "digits-softmax", "-o", str(out), "--train.steps", "4", "--train.keep_every", "2"]
    assert main([*words, "-q", "--no-progress"]) == 0
    return out


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "digit.png"
    Image.fromarray(np.full((8, 8), 40, np.uint8)).save(path)
    return path


def entries(run: Path) -> list[str]:
    """Every file of a run folder, checkpoints included."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["resume", "evaluate", "predict", "report", "show"])
def test_no_pickle_in_a_run_folder_runs(
    verb: str, run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = load("runtime/hostile_pickles.py")
    canary = tmp_path / "canary"
    payloads = [payload for payload in hostile.shapes(str(canary)) if payload.live]
    assert len(payloads) >= 25
    words = {
        "resume": ["resume", "-q", "--no-progress"],
        "evaluate": ["evaluate"],
        "predict": ["predict"],
        "report": ["report"],
        "show": ["runs", "show"],
    }[verb]
    benign = hostile.pickled(b"}")
    place, statuses = tmp_path / "run", set()
    for number, name in enumerate(entries(run)):
        payload = payloads[number % len(payloads)]
        writers = hostile.wrapped(payload.data, benign, tmp_path)
        for kind in ("bare.pth", "zip.pth", "polyglot-tensors.safetensors", "pickle-as-header.safetensors"):
            shutil.copytree(run, place)
            if verb == "resume":
                info = json.loads((place / "run.json").read_text())
                (place / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
            (place / name).unlink()
            writers[kind](place / name)
            statuses.add(main([*words, str(place), *([str(picture)] if verb == "predict" else [])]))
            told = capsys.readouterr()
            assert not canary.exists(), (name, kind, payload.name)
            assert "Traceback" not in told.err
            assert "a bug" not in told.err, (name, kind, told.err)
            shutil.rmtree(place)
    assert statuses <= {0, 2, 3, 4}
    assert len(statuses) > 1


@pytest.mark.parametrize("kind", ["bare.pth", "zip.pth", "zip.safetensors", "array.npy", "arrays.npz", "gzip.pth"])
def test_no_pickle_that_is_said_to_be_a_picture_or_a_recipe_runs(
    kind: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = load("runtime/hostile_pickles.py")
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "canary"
    for payload in list(hostile.shapes(str(canary)))[::5]:
        writer = hostile.wrapped(payload.data, hostile.pickled(b"}"), tmp_path)[kind]
        for name, words in {
            "a.png": ["predict", str(run), "a.png"],
            "a.yaml": ["train", "a.yaml", "-o", "out"],
            "a.py": ["train", "digits-softmax", "--model", "a.py:Net", "-o", "out"],
        }.items():
            writer(Path(name))
            status = main(words)
            told = capsys.readouterr()
            assert status in ((2, 3, 5) if name != "a.py" else (2, 3, 4, 5)), (payload.name, name, told.err)
            assert not canary.exists(), payload.name
            assert "Traceback" not in told.err
            assert not Path("out").exists()


def test_two_hundred_damaged_pictures(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mutated = load("data/test_open_image.py").mutated
    rng = np.random.default_rng(3)
    starts = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(buffer, kind)
        starts.append(buffer.getvalue())
    monkeypatch.chdir(tmp_path)
    counts = {0: 0, 3: 0}
    for number in range(200):
        path = Path(f"{number}.png")
        path.write_bytes(mutated(rng, starts[number % len(starts)]))
        status = main(["predict", str(run), str(path), "--json"])
        told = capsys.readouterr()
        counts[status] += 1
        answer = json.loads(told.out)
        assert answer["status"] == status
        assert len(told.err.splitlines()) == (status != 0), told.err
        assert "Traceback" not in told.err
    assert min(counts.values()) >= 20
    assert sorted(os.listdir()) == sorted(f"{number}.png" for number in range(200))
