"""What happens to a run's folder while it is used, or before: read-only, removed, in use, odd times and names."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.cli import main

SHORT = ["--train.steps", "12", "--train.keep_every", "4", "--threads", "1", "-q", "--no-progress"]
LONG = [
    "--train.steps",
    "100000",
    "--train.keep_every",
    "20",
    "--train.evaluate_every",
    "50000",
    "--threads",
    "1",
    "-q",
]
BYTES = ("model.safetensors", "metrics.jsonl", "layers.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "digits-softmax", *SHORT, "-o", str(out)]) == 0
    return out


@pytest.fixture
def unfinished(whole: Path, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    (run / "model.safetensors").unlink()
    (run / "run.json").write_text((run / "run.json").read_text().replace('"finished"', '"interrupted"'))
    return run


def begun(run: Path) -> subprocess.Popen[str]:
    """A training in a process of its own that has saved something."""
    command = [sys.executable, "-m", "chainrule", "train", "digits-softmax", *LONG, "-o", str(run)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if list(run.glob("checkpoints/step-*[1-9]0")) or process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.poll() is None, process.stderr.read() if process.stderr else ""
    return process


def test_a_folder_in_use_names_its_user_and_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    process = begun(run)
    try:
        assert main(["resume", str(run), "-q", "--no-progress"]) == 5
        said = capsys.readouterr().err
        assert f'"{run}" is in use by another process: got process {process.pid}. Remedy' in said
        assert json.loads((run / "run.json").read_text())["status"] == "running"
        process.terminate()
        assert process.wait(timeout=60) == 128 + 15, "the first one is not disturbed"
    finally:
        process.kill()
        process.communicate()


def test_a_folder_removed_meanwhile_ends_with_its_name(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = begun(run)
    try:
        run.rename(tmp_path / "elsewhere")
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 5, said
    last = said.splitlines()[-1]
    assert str(run) in last
    assert "the folder does not exist. Remedy" in last
    assert "Traceback" not in said
    assert not run.exists()


def read_only(run: Path) -> subprocess.CompletedProcess[str]:
    """`chainrule resume` of a folder that is mounted read-only: permissions do not bind a superuser."""
    place = shlex.quote(str(run))
    resume = f"{shlex.quote(sys.executable)} -m chainrule resume {place} -q"
    script = f"mount --bind {place} {place} && mount -o remount,bind,ro {place} && echo mounted && {resume}"
    return subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=100)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare to mount a folder read-only with")
def test_a_read_only_folder_is_named_and_nothing_changes(unfinished: Path, whole: Path) -> None:
    before = {path: path.read_bytes() for path in unfinished.rglob("*") if path.is_file()}
    done = read_only(unfinished)
    if "mounted" not in done.stdout:
        pytest.skip(f"a folder cannot be mounted here: {done.stderr.strip()}")
    assert done.returncode == 5, done.stderr
    assert f'cannot lock "{unfinished}": the disk is read-only. Remedy: choose another folder.' in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in unfinished.rglob("*") if path.is_file()} == before
    assert main(["resume", str(unfinished), "-q", "--no-progress"]) == 0
    for name in BYTES:
        assert (unfinished / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("years", [-40, 40])
def test_the_clock_does_not_matter(years: int, unfinished: Path, whole: Path) -> None:
    """As after a clock that was set back, or stood wrong: times of the future and the past, the oldest step newest."""
    moment = time.time() + years * 365 * 24 * 3600
    stale = unfinished / "checkpoints" / "step-00000012.tmp-1-0"
    stale.mkdir()
    for i, path in enumerate(sorted(unfinished.rglob("*"))):
        os.utime(path, (moment - 3600 * i,) * 2)
    assert main(["resume", str(unfinished), "-q", "--no-progress"]) == 0
    assert json.loads((unfinished / "events.jsonl").read_text().splitlines()[-1]) == {"event": "resumed", "step": 8}
    assert not stale.exists(), "its writer is dead, whatever its time says"
    for name in BYTES:
        assert (unfinished / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("name", ["two words", "line\nend", "-q", "x" * 255, "é" * 127, "*?[x]", "'\"`$(x)"], ids=ascii)
def test_odd_names_of_runs(name: str, unfinished: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = unfinished.rename(unfinished.with_name(name))
    monkeypatch.chdir(run.parent)
    assert main(["resume", str(run), "-q", "--no-progress"]) == 0
    for file in BYTES:
        assert (run / file).read_bytes() == (whole / file).read_bytes()


def test_a_name_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / os.fsdecode(b"\xff\xfe")
    assert main(["train", "digits-softmax", *SHORT, "-o", str(out)]) in (2, 5)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "\\udcff" in said[0]
    assert "Remedy" in said[0]
    assert os.listdir(tmp_path) == []
