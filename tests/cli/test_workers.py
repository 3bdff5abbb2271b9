"""A process that prepares data and dies or fails ends the training with a message, never with a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(stat[1]) == pid:
                found.append(int(entry.name))
    return found


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
            pixels[..., number] += 100
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the process")
def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chainrule", "train", "digits-cnn", "-o", str(tmp_path / "run")]
    command += ["--train.workers", "1", "--train.steps", "100000", "--train.keep_every", "5", "--train.threads", "1"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        log = tmp_path / "run" / "metrics.jsonl"
        deadline = time.monotonic() + 90
        while not (log.exists() and log.stat().st_size > 200):
            assert time.monotonic() < deadline
            assert program.poll() is None
            time.sleep(0.05)
        for child in children(program.pid):
            os.kill(child, signal.SIGKILL)
        _, err = program.communicate(timeout=90)
    finally:
        program.kill()
    line = err.splitlines()[-1]
    assert program.returncode == 3, err
    assert "Traceback" not in err
    assert "chainrule: " in line
    assert "a data worker died" in line
    assert "SIGKILL" in line


@pytest.mark.slow
def test_a_picture_that_is_gone_when_a_worker_wants_it(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    base = [sys.executable, "-m", "chainrule"]
    run = str(tmp_path / "run")
    settings = ["--train.steps", "4", "--train.workers", "1", "--train.keep_every", "1"]
    done = subprocess.run(
        [*base, "train", "--data.folder", str(folder), "-o", run, "-q", *settings],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    info = tmp_path / "run" / "run.json"
    info.write_text(info.read_text().replace('"finished"', '"interrupted"'))
    for step in (2, 3, 4):
        for path in (tmp_path / "run" / "checkpoints" / f"step-{step:08d}",):
            if path.exists():
                for file in path.iterdir():
                    file.unlink()
                path.rmdir()
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"damaged")
    done = subprocess.run([*base, "resume", run, "-q"], capture_output=True, text=True, timeout=120)
    assert done.returncode in (3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("chainrule: ")


def settings_of(folder: Path, workers: int) -> list[str]:
    chosen = {
        "steps": 24,
        "batch": 4,
        "workers": workers,
        "keep_every": 1,
        "evaluate_every": 8,
        "threads": 1,
        "seed": 5,
    }
    words = [f"--train.{name}={value}" for name, value in chosen.items()]
    return ["--data.folder", str(folder), "--data.size", "16", "--augment.mixup", "0.3", "-q", *words]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the processes")
def test_a_signal_to_all_processes_and_a_resume_with_more_of_them(tmp_path: Path) -> None:
    """One process saves and speaks; what comes out is what a run without workers gives."""
    folder = photos(tmp_path / "photos")
    base = [sys.executable, "-m", "chainrule"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    done = subprocess.run([*base, "train", *settings_of(folder, 0), "-o", str(whole)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = [*base, "train", *settings_of(folder, 2), "-o", str(run)]
    program = subprocess.Popen(words, stdout=-1, stderr=-1, text=True, start_new_session=True)
    deadline = time.monotonic() + 90
    while not (run / "checkpoints" / "step-00000003").exists():
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.005)
    workers = children(program.pid)
    os.killpg(program.pid, signal.SIGTERM)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (143, "")
    assert len(err.splitlines()) == 1
    assert "stopped by SIGTERM after saving" in err
    assert len(workers) == 2
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    go_on = [*base, "resume", str(run), "--train.workers", "4", "-q"]
    done = subprocess.run(go_on, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "metrics.jsonl", "layers.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
