"""The guarded child: what it returns arrives, and what it may not do ends it."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path

import pytest

from chainrule.core.child import run_guarded
from chainrule.core.errors import CheckpointError, DataError, WeightsError

WORKS = """
    import ctypes, io, json, os, pickle, socket, subprocess, sys, threading, time, mmap, shutil
    from chainrule.core.errors import DataError

    native_open_call, native_socket_call = ctypes.CDLL(None).open, ctypes.CDLL(None).socket
    canary = os.environ["HOME"] + "/canary"

    def echo(): return lambda payload: payload
    def shout(): return lambda payload: (print("noise"), os.write(1, b"noise"), payload[::-1])[-1]
    def fail(): return lambda payload: json.loads(payload)
    def refuse():
        def work(payload): raise DataError("the third part is odd", expected="1", got="2", remedy="mend it")
        return work
    def broken(): raise RuntimeError("cannot even start")
    def crash(): return lambda payload: os.kill(os.getpid(), 11)
    def spin():
        def work(payload):
            while True: pass
        return work
    def hog(): return lambda payload: bytes(1 << 30)
    def collect(): return lambda payload: b"x" * (30 << 20)
    def quiet_exit(): return lambda payload: os._exit(0)
    def swallow():
        def work(payload):
            try: open(canary, "w")
            except BaseException: pass
            return b"went on"
        return work
    def native_open(): return lambda payload: str(native_open_call(canary.encode(), 0o101, 0o644)).encode()
    def native_socket(): return lambda payload: str(native_socket_call(2, 1, 0)).encode()

    ACTS = {
        "open-w": lambda p: open(canary, "w"),
        "open-r": lambda p: open("/etc/passwd"),
        "os.open": lambda p: os.open(canary, os.O_CREAT),
        "mkdir": lambda p: os.mkdir(canary),
        "system": lambda p: os.system("touch " + canary),
        "popen": lambda p: subprocess.Popen(["touch", canary]),
        "fork": lambda p: os.fork(),
        "exec": lambda p: os.execv("/bin/touch", ["touch", canary]),
        "spawn": lambda p: os.posix_spawn("/bin/touch", ["touch", canary], {}),
        "socket": lambda p: socket.socket(),
        "resolve": lambda p: socket.getaddrinfo("localhost", 80),
        "eval": lambda p: eval("1+1"),
        "exec-text": lambda p: exec("x = 1"),
        "compile": lambda p: compile("1", "x", "eval"),
        "import": lambda p: __import__("wave"),
        "ctypes": lambda p: ctypes.CDLL(None),
        "ctypes-call": lambda p: ctypes.string_at(id(p), 8),
        "rename": lambda p: os.rename("/etc/passwd", canary),
        "remove": lambda p: os.remove(canary),
        "listdir": lambda p: os.listdir("/"),
        "chmod": lambda p: os.chmod("/tmp", 0o777),
        "symlink": lambda p: os.symlink("/etc", canary),
        "putenv": lambda p: os.putenv("A", "B"),
        "kill-parent": lambda p: os.kill(os.getppid(), 0),
        "pickle": lambda p: pickle.loads(pickle.dumps(os.getcwd)),
        "hook": lambda p: sys.addaudithook(print),
        "mmap": lambda p: mmap.mmap(-1, 10),
        "copy": lambda p: shutil.copy("/etc/passwd", canary),
        "settrace": lambda p: sys.settrace(None),
        "frames": lambda p: sys._current_frames(),
    }
    def named(): return lambda payload: (ACTS[payload.decode()](payload), b"went on")[-1]
    """


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "guarded_works.py").write_text(textwrap.dedent(WORKS))
    monkeypatch.syspath_prepend(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def run(name: str, payload: bytes = b"", *, memory: int = 64 << 20, seconds: float = 20) -> bytes:
    return run_guarded(
        f"guarded_works:{name}", payload, subject='"w.pth"', memory=memory, seconds=seconds, error=WeightsError
    )


def test_bytes_go_through_unchanged(works: Path) -> None:
    for payload in (b"", b"abc\n\0", os.urandom(5 << 20)):
        assert run("echo", payload) == payload
    assert run("shout", b"abc") == b"cba"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fail", '"w.pth" cannot be read: JSONDecodeError: Expecting value'),
        ("refuse", '"w.pth" cannot be read: the third part is odd: expected 1, got 2. Remedy: mend it.'),
        (
            "broken",
            '"w.pth" cannot be read: the process that read it ended with status 1: got RuntimeError: cannot even start',
        ),
        ("hog", '"w.pth" cannot be read: it needs more than 64 MiB of memory'),
        ("quiet_exit", '"w.pth" cannot be read: the process that read it ended with status 0'),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_failures_say_which_file(works: Path, name: str, said: str) -> None:
    with pytest.raises(WeightsError) as caught:
        run(name, b"x")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_error_s_class_is_the_caller_s(works: Path) -> None:
    with pytest.raises(DataError):
        run_guarded("guarded_works:fail", b"x", subject="x", memory=1 << 26, seconds=5, error=DataError)
    with pytest.raises(CheckpointError):
        run_guarded("guarded_works:fail", b"x", subject="x", memory=1 << 26, seconds=5)


def test_memory_within_the_limit_is_there(works: Path) -> None:
    assert len(run("collect", memory=128 << 20)) == 30 << 20


def test_time_is_limited(works: Path) -> None:
    start = time.monotonic()
    with pytest.raises(WeightsError, match="took longer to read than 1 seconds"):
        run("spin", seconds=1)
    assert time.monotonic() - start < 30


ACTS = [
    "open-w",
    "open-r",
    "os.open",
    "mkdir",
    "system",
    "popen",
    "fork",
    "exec",
    "spawn",
    "socket",
    "resolve",
    "eval",
    "exec-text",
    "compile",
    "import",
    "ctypes",
    "ctypes-call",
    "rename",
    "remove",
    "listdir",
    "chmod",
    "symlink",
    "putenv",
    "kill-parent",
    "pickle",
    "hook",
    "mmap",
    "copy",
    "settrace",
    "frames",
]


@pytest.mark.parametrize("act", ACTS)
def test_what_it_may_not_do_ends_it(works: Path, act: str) -> None:
    with pytest.raises(WeightsError, match=r'"w\.pth" is refused: reading it tried '):
        run("named", act.encode())
    assert os.listdir(works) == []


def test_a_refusal_cannot_be_caught(works: Path) -> None:
    with pytest.raises(WeightsError, match="reading it tried open"):
        run("swallow")
    assert os.listdir(works) == []


def test_a_crash_is_an_error(works: Path) -> None:
    with pytest.raises(WeightsError, match=r"reading it tried os.kill|ended with SIGSEGV"):
        run("crash")


@pytest.mark.parametrize("name", ["native_open", "native_socket"])
def test_the_kernel_refuses_what_python_does_not_see(works: Path, name: str) -> None:
    """A call that raises no audit event, as native code makes them, still finds no free descriptor."""
    assert run(name) == b"-1"
    assert os.listdir(works) == []
