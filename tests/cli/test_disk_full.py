"""A disk that fills up during a training: a clear message, and afterwards the run goes on to the same bytes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = ["--train.steps", "60", "--train.keep_every", "10", "--train.evaluate_every", "20", "--threads", "1"]


def chainrule(*words: str, largest_file: int | None = None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    command = [sys.executable, "-m", "chainrule", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, preexec_fn=limit, env={**os.environ})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    done = chainrule("train", "digits-mlp", "-o", str(out), "-q", *SETTINGS)
    assert done.returncode == 0, done.stderr
    return out


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 5, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("chainrule: cannot ")
    assert "Remedy: " in line
    return line


def test_no_room_for_the_first_checkpoint(tmp_path: Path) -> None:
    done = chainrule("train", "digits-mlp", "-o", str(tmp_path / "run"), "-q", *SETTINGS, largest_file=100_000)
    assert "may write" in said(done)
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("room", [5_000, 9_000, 300_000])
def test_a_run_that_met_a_full_disk_goes_on_to_the_same_bytes(room: int, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stop = ["--train.steps", "60", *SETTINGS[2:]]
    done = chainrule("train", "digits-mlp", "-o", str(run), "-q", *stop, largest_file=None if room < 100_000 else room)
    if room >= 100_000:
        said(done)  # the checkpoint of step 0 has no optimizer's state yet and fits, the next one does not
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000000"]
    else:
        assert done.returncode == 0
        (run / "run.json").write_text((run / "run.json").read_text().replace('"finished"', '"interrupted"'))
        (run / "model.safetensors").unlink()
        said(chainrule("resume", str(run), "-q", largest_file=room))
        assert not (run / "model.safetensors").exists()
    done = chainrule("resume", str(run), "-q")
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "metrics.jsonl", "layers.jsonl"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]
