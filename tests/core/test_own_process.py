"""Whatever a user's code does in its own process, it is told in one line, as theirs, and soon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from chainrule.core.errors import CheckFailed, OutOfMemoryError, UsageError
from chainrule.core.own_process import SHOWN, call_own, run_own
from chainrule.core.program import Program, ProgramError

HERE = "test_own_process_tasks:{}"


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks of this file, where the child can import them, and a folder of the user's."""
    text = Path(__file__).read_text(encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "test_own_process_tasks.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "tasks"))
    return tmp_path


def call(program: Program, payload: dict[str, Any]) -> Any:
    """The task of most tests: call the first object with the payload's numbers."""
    return {"result": call_own(program.objects[0], *payload.get("with", []))}


def names(program: Program, payload: dict[str, Any]) -> Any:
    return [program.path.name, len(program.objects), hasattr(program.module, "extra")]


def refuse(program: Program, payload: dict[str, Any]) -> Any:
    raise CheckFailed("it is wrong", expected="1", got=2, remedy="look")


def slip(program: Program, payload: dict[str, Any]) -> Any:
    return {}["ours"]


def run(folder: Path, source: str, *, task: str = "call", seconds: float = 20.0, **payload: Any) -> Any:
    path = folder / "mine.py"
    path.write_text(source, encoding="utf-8")
    return run_own(f"{path}:f", HERE.format(task), payload, seconds=seconds)


def test_a_result_comes_back(tmp_path: Path) -> None:
    assert run(tmp_path, "def f(a, b): return [a + b, 'ä', None, 1e300]", **{"with": [1, 2.5]}) == {
        "result": [3.5, "ä", None, 1e300]
    }


def test_the_task_sees_all_of_the_file(tmp_path: Path) -> None:
    assert run(tmp_path, "extra = 1\ndef f(): ...", task="names") == ["mine.py", 1, True]


def test_what_is_imported_beside_it_late(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 7")
    assert run(tmp_path, "def f():\n    import beside\n    return beside.value") == {"result": 7}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def f(:", "failed at line 1: SyntaxError"),
        ("import nosuchthing_at_all", "failed at line 1: ModuleNotFoundError: No module named"),
        ("def f(): \n    return 1 / 0", "failed at line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", "failed at line 2: SystemExit: 3"),
        ("import sys\ndef f(): sys.exit()", "failed at line 2: SystemExit"),
        ("import os\ndef f(): os._exit(0)", "ended its process with status 0"),
        (
            "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGSEGV)",
            "crashed with SIGSEGV, at line 3 in f",
        ),
        ("def f(): return input()", "EOFError"),
        ("def f():\n    f()", "RecursionError"),
    ],
)
def test_failures_are_theirs(tmp_path: Path, source: str, told: str) -> None:
    with pytest.raises(ProgramError) as failed:
        run(tmp_path, source)
    assert told in str(failed.value)
    assert "mine.py" in str(failed.value)
    assert "\n" not in str(failed.value)
    if "_exit" not in source:
        assert "mine.py" in failed.value.user_traceback
        assert "chainrule" not in failed.value.user_traceback.partition("mine.py")[0]


def test_a_loop_without_end_is_ended_and_placed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ProgramError, match=r"did not end within 0\.5 seconds, at line [23] in f\."):
        run(tmp_path, "def f():\n    while True:\n        pass", seconds=0.5)
    assert time.monotonic() - began < 15


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys\n"
        "def f():\n"
        "    return subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid"
    )
    pid = run(tmp_path, source)["result"]
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat").read_text().split()[2] if Path(f"/proc/{pid}").exists() else "Z"
        if state == "Z":
            break
        time.sleep(0.1)
    assert state == "Z"


def test_a_system_that_ends_it_for_its_memory(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError, match="SIGKILL"):
        run(tmp_path, "import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(OutOfMemoryError, match="more memory than there is"):
        run(tmp_path, "def f(): raise MemoryError")


def test_what_it_prints_is_shown_and_not_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "def f():\n    print('\\x1b[31mhello')\n    return 1") == {"result": 1}
    out, err = capsys.readouterr()
    assert out == ""
    assert "\\x1b[31mhello" in err


def test_endless_printing_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "def f():\n    for i in range(200):\n        print('x' * 9999)") == {"result": None}
    err = capsys.readouterr().err
    assert SHOWN <= len(err) < SHOWN + 1000
    assert "prints more than is shown" in err


def test_our_errors_arrive_whole(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as failed:
        run(tmp_path, "def f(): ...", task="refuse")
    assert str(failed.value) == "it is wrong: expected 1, got 2. Remedy: look."
    assert failed.value.exit_status == 9


def test_a_bug_of_ours_is_no_fault_of_theirs(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'ours'"):
        run(tmp_path, "def f(): ...", task="slip")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='has no "f"'):
        run(tmp_path, "g = 1")
    with pytest.raises(UsageError, match="no such file"):
        run_own(f"{tmp_path / 'none.py'}:f", HERE.format("call"), {})


def test_threads_of_theirs_are_not_waited_for(tmp_path: Path) -> None:
    source = (
        "import threading, time\ndef f():\n    threading.Thread(target=time.sleep, args=(600,)).start()\n    return 5"
    )
    assert run(tmp_path, source) == {"result": 5}
