"""A script of the user's runs as Python would run it, and whatever it does is told in one line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chainrule.core.errors import OutOfMemoryError, UsageError
from chainrule.core.own_process import SHOWN, call_own, run_own_script
from chainrule.core.program import ProgramError, Script, read_script, run_script

TASK = "test_own_script_tasks:task"
Run = Callable[..., Any]


def task(script: Script, payload: dict[str, Any]) -> Any:
    """Run the script and tell how it ended."""
    return {"status": call_own(run_script, script), "name": script.path.name}


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> Run:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "test_own_script_tasks.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))

    def call(source: str, *words: str, name: str = "train.py", seconds: float = 20.0) -> Any:
        path = tmp_path / "own folder" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return run_own_script(path, words, TASK, {}, seconds=seconds, show=shown.append)

    return call


def test_it_runs_as_python_runs_it(run: Run, shown: list[str], tmp_path: Path) -> None:
    (tmp_path / "own folder").mkdir()
    (tmp_path / "own folder" / "beside.py").write_text("word = 'beside'")
    source = """
import os, pickle, sys
import beside
class Thing: pass
os.chdir("/")
if __name__ == "__main__":
    assert sys.path[0] == os.path.dirname(__file__) and os.path.isabs(__file__)
    assert sys.modules["__main__"].Thing is Thing and isinstance(pickle.loads(pickle.dumps(Thing())), Thing)
    print(beside.word, sys.argv[1:], sys.argv[0].endswith("train.py"), "ünï☃")
"""
    assert run(source, "--epochs", "3", "--json", "") == {"status": 0, "name": "train.py"}
    assert "".join(shown).split("\n")[0] == "beside ['--epochs', '3', '--json', ''] True ünï☃"
    assert sorted(path.name for path in (tmp_path / "own folder").iterdir()) == ["beside.py", "train.py"]


@pytest.mark.parametrize(
    ("source", "status"),
    [("", 0), ("import sys; sys.exit()", 0), ("raise SystemExit(4)", 4), ("import sys; sys.exit('no data')", 1)],
)
def test_how_it_ends_is_told(run: Run, shown: list[str], source: str, status: int) -> None:
    assert run(source)["status"] == status
    assert ("no data" in "".join(shown)) == ("no data" in source)


def test_a_copy_of_itself_ends_where_the_script_ends(run: Run, shown: list[str]) -> None:
    source = """
import os, sys
pid = os.fork()
if pid == 0:
    {end}
    print("never said")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print("ended with", status)
"""
    assert run(source.format(end="sys.exit(7)"))["status"] == 0
    assert "ended with 7" in "".join(shown)
    assert run(source.format(end="raise ValueError('in the copy')"))["status"] == 0
    text = "".join(shown)
    assert "ValueError: in the copy" in text
    assert "ended with 1" in text
    assert "never said" not in text


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_its_own_work(run: Run, shown: list[str], method: str) -> None:
    source = f"""
import multiprocessing
def double(x): return 2 * x
if __name__ == "__main__":
    with multiprocessing.get_context("{method}").Pool(1) as pool:
        print(pool.map(double, [1, 2]))
"""
    assert run(source)["status"] == 0
    assert "[2, 4]" in "".join(shown)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\nraise KeyError('a')", "failed at line 2: KeyError: 'a'"),
        ("x = (", "failed at line 1: SyntaxError: '(' was never closed"),
        ("import os; os._exit(3)", "ended its process with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed with SIGSEGV, at line 1 in <module>"),
    ],
)
def test_what_goes_wrong_is_theirs(run: Run, source: str, said: str) -> None:
    with pytest.raises(ProgramError) as caught:
        run(source)
    assert said in str(caught.value)
    assert '"train.py"' not in str(caught.value)  # the path as it was given
    assert "train.py" in str(caught.value)


def test_what_ends_from_outside(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError, match="SIGKILL"):
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    begun = time.monotonic()
    with pytest.raises(ProgramError, match="did not end within 0.5 seconds, at line 3"):
        run("import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, file=open('../pid', 'w'))\n"
            "while True: pass".replace("'../pid'", repr(str(tmp_path / "pid"))), seconds=0.5)  # fmt: skip
    assert time.monotonic() - begun < 10
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not alive(pid):
            break
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_unicode_path_and_much_output(run: Run, shown: list[str]) -> None:
    assert run("print('x' * 200_000)", name="trän ☃.py")["name"] == "trän ☃.py"
    text = "".join(shown)
    assert text.count("x") == SHOWN
    assert text.endswith("(your code prints more than is shown)\n")


def test_it_reads_our_input(run: Run, shown: list[str], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("bob\n")
    kept = os.dup(0)
    try:
        with open(tmp_path / "in.txt") as file:
            os.dup2(file.fileno(), 0)
            assert run("print('hello', input())")["status"] == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert "hello bob" in "".join(shown)


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        run_own_script(tmp_path / "no.py", [], TASK, {}, seconds=1)
    with pytest.raises(UsageError):
        read_script(tmp_path)
