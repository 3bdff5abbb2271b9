"""A training that several processes share: the same steps, whoever takes them; what goes wrong is named."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.tasks import Run
from chainrule.tasks.runs._train import continue_run
from chainrule.training.checkpoint import _tensors

DEATHS = Path(__file__).with_name("deaths.py")
MACHINES = Path(__file__).with_name("two_machines.sh")
RUNS = Path(__file__).with_name("runs.py")
ODD = Path(__file__).with_name("odd.py")
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the processes")
children = runpy.run_path(str(DEATHS))["children"]
SMALL = ["digits-cnn", "--train.parts", "2", "--train.threads", "1", "-q", "--no-progress", "--train.log_every", "1"]
TWO_PARTS = {"train.parts": 2, "train.threads": 1, "train.log_every": 1}


def torchrun(processes: int, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=280, **more)


def tensors(run: Path, step: int = 7) -> dict[str, torch.Tensor]:
    return _tensors(run / "checkpoints" / f"step-{step:08}", {}, None)


def numbers(record: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in record.items() if isinstance(value, int | float)}


def agree(one: Path, two: Path, *, step: int = 7, tolerance: float = 1e-10) -> None:
    ours, theirs = tensors(one, step), tensors(two, step)
    assert set(ours) == set(theirs)
    assert any(name.startswith("optimizer/") for name in ours)
    for name, value in ours.items():
        scale = float(value.double().abs().max()) if value.numel() else 0.0
        assert torch.allclose(value.double(), theirs[name].double(), rtol=0, atol=tolerance * scale), (two.name, name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shared")
    runpy.run_path(str(RUNS))["inputs"](root)
    subprocess.run([sys.executable, str(RUNS), str(root)], check=True, timeout=200)
    return root


@pytest.fixture(scope="module")
def taken_by(alone: Path) -> Callable[[int], Path]:
    """The same steps by so many processes, beside those of one."""

    @cache
    def taken(processes: int) -> Path:
        done = torchrun(processes, str(RUNS), str(alone))
        assert done.returncode == 0, done.stderr[-3000:]
        return alone

    return taken


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_the_step_is_the_same_whoever_takes_it(taken_by: Callable[[int], Path], processes: int) -> None:
    """Weights, optimizer, averages and what is carried, after seven steps: replicated and laid out over two."""
    alone = taken_by(processes)
    for name in runpy.run_path(str(RUNS))["CASES"]:
        for suffix in (f"-{processes}", f"-{processes}-shard"):
            agree(alone / name, alone / f"{name}{suffix}")
            run = Run.open(alone / f"{name}{suffix}")
            assert run.info["status"] == "finished"
            whole = Run.open(alone / name)
            for line, other in zip(whole.history, run.history, strict=True):
                assert numbers(line) == pytest.approx(numbers(other), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "carried", "transformer"])
def test_one_process_goes_on_where_two_were(taken_by: Callable[[int], Path], tmp_path: Path, name: str) -> None:
    alone = taken_by(2)
    for suffix in ("-2", "-2-shard"):
        taken = tmp_path / f"{name}{suffix}"
        shutil.copytree(alone / f"{name}{suffix}", taken)
        for path in (taken / "checkpoints").iterdir():
            if int(path.name[5:]) > 3:
                shutil.rmtree(path)
        continue_run(taken, Run.open(taken).job())
        agree(alone / name, taken)


def until(condition: Any, seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)
    return found


def started(run: Path, *more: str, steps: int = 400) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "chainrule", "train", *SMALL, "-o", str(run), "--processes", "2"]
    words += ["--train.steps", str(steps), "--train.keep_every", "10", *more]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: program.poll() is not None or any((run / "checkpoints").glob("step-*[1-9]0")))
        assert program.poll() is None, program.communicate()
        yield program
    finally:
        for child in children(program.pid):
            os.kill(child, signal.SIGKILL)
        program.kill()
        program.communicate()


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("restarts", 4), ("launcher", 2), ("stuck", 1), ("signals", 3)])
def test_deaths_at_random_instants(kind: str, count: int) -> None:
    """See `deaths.py`; larger figures stand in `benchmarks/results/survival.json`."""
    done = subprocess.run(
        [sys.executable, str(DEATHS), kind, str(count), "3"], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["done"] >= count
    assert found["bad"] == []


def listening(pids: list[int]) -> list[str]:
    """Addresses at which processes listen."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(entry)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1].split(":")[0])
    return found


@LINUX
@pytest.mark.slow
def test_one_machine_listens_on_the_loopback_alone_and_ends_on_a_signal(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for program in started(run, steps=100_000):
        found = listening([program.pid, *children(program.pid)])
        assert found
        assert set(found) == {"0100007F"}
        program.send_signal(signal.SIGTERM)
        out, err = program.communicate(timeout=60)
        assert program.returncode == 143, err
        assert "stopped by SIGTERM after saving" in err
        assert out == ""
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("recipe", "the recipe of process 1 is not that of process 0"),
        ("data", "the data of process 1 is not that of process 0"),
        ("version", "the chainrule of process 1 is not that of process 0"),
        ("error", "something is wrong in process 1"),
        ("nan", "at step 3 the gradient"),
        ("disk", "cannot write"),
    ],
)
def test_one_process_that_is_not_like_the_others(tmp_path: Path, what: str, said: str) -> None:
    done = torchrun(2, str(ODD), what, str(tmp_path / "run"))
    assert done.returncode != 0
    assert said in done.stdout, done.stdout + done.stderr[-2000:]


@pytest.mark.slow
def test_two_launchers_as_on_two_machines(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    words += [
        "--rdzv-endpoint",
        f"127.0.0.1:{port}",
        "--rdzv-id",
        "two",
        "--local-addr",
        "127.0.0.1",
        "-m",
        "chainrule",
    ]
    words += ["train", *SMALL, "--train.steps", "6", "-o", str(tmp_path / "run")]
    both = [subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [program.communicate(timeout=200)[1] for program in both]
    assert [program.returncode for program in both] == [0, 0], said
    assert Run.open(tmp_path / "run").info["status"] == "finished"


@pytest.mark.slow
def test_two_machines(tmp_path: Path) -> None:
    """Two network namespaces with a cable between them, torchrun in each, as the documentation says."""
    alone = ["unshare", "-rmn"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode or not shutil.which("ip"):
        pytest.skip("needs namespaces (unshare -rmn) and ip")
    words = [*SMALL, "--train.steps", "6", "-o", str(tmp_path / "run")]
    command = [*alone, "bash", str(MACHINES), sys.executable, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert Run.open(tmp_path / "run").info["status"] == "finished"
    chainrule.train(SMALL[0], out=tmp_path / "alone", settings=TWO_PARTS | {"train.steps": 6}, report=False)
    agree(tmp_path / "alone", tmp_path / "run", step=6, tolerance=1e-5)


@pytest.mark.slow
def test_what_processes_cannot_do(tmp_path: Path) -> None:
    train = [sys.executable, "-m", "chainrule", "train", *SMALL, "--train.steps", "2"]
    done = subprocess.run([*train, "--train.shard", "2"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert "one process cannot lay out the weights over 2" in done.stderr
    done = subprocess.run(
        [*train, "--train.shard", "3", "--processes", "2"], capture_output=True, text=True, cwd=tmp_path, timeout=90
    )
    assert done.returncode == 2
    assert "the processes cannot be divided: expected a number that 3 divides, got 2" in done.stderr
    assert not list(tmp_path.glob("runs/*"))
