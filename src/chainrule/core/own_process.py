"""A process of its own for code of the user's: a function of ours works with what their file holds, and reports data.

Code that a person names on the command line runs with all rights that the person has, but not inside of us: it may end
itself, loop for ever, crash, print what it likes or take all memory, and the command still answers in one line.

    answer = run_own("mine.py:forward,backward", "chainrule.analysis.gradcheck.command:task", {"seed": 0}, seconds=60)
    answer = run_own_script("train.py", ["--epochs", "3"], "chainrule.diagnosis.doctor._script:task", {}, seconds=60)

In the child, `task(program, payload)` is called with the loaded `Program` (`objects` in the order of the names,
`module` with everything else in the file), or with the `Script` that has not run yet, and must return plain JSON data.
Wherever it calls code of the user's, also indirectly, it does so through `call_own`; what fails in there is told as
theirs, with their traceback, and what fails elsewhere in the task is a bug of ours. A task may raise any
`ChainruleError`: it arrives whole.
"""

from __future__ import annotations

import codecs
import contextlib
import faulthandler
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from chainrule.core import errors
from chainrule.core.errors import ChainruleError, OutOfMemoryError
from chainrule.core.paths import shown, visible
from chainrule.core.program import (
    Program,
    ProgramError,
    Script,
    Target,
    load_program,
    parse_target,
    read_script,
    their_failure,
)

Task = Callable[[Program, dict[str, Any]], Any] | Callable[[Script, dict[str, Any]], Any]
Show = Callable[[str], object]
"""Takes what the user's code prints, piece by piece, as it comes."""

SECONDS = 60.0
"""How long the user's code may take unless told otherwise."""
SHOWN = 1 << 16
"""Bytes of what the user's code prints that are shown."""
_START_SECONDS = 120.0  # for our own imports in the child, on a loaded machine
_READY, _DONE, _FAILED, _BUG = b"r", b"=", b"!", b"#"


def run_own(target: Target | str, task: str, payload: dict[str, Any], *, seconds: float = SECONDS) -> Any:
    """Load a file of the user's in a child process, call a function of ours with it there, and return its answer.

    What the user's code prints appears on our stderr while it runs, the first `SHOWN` bytes of it.

    Args:
        target: `FILE.py:NAME[,NAME]`, or what `parse_target` made of it.
        task: `module:function`, importable: `(program, payload) -> plain JSON data`.
        payload: Plain JSON data.
        seconds: The longest that loading the file and the task may take together.

    Returns:
        What the task returned.

    Raises:
        ProgramError: The user's code failed, ended the process, crashed, or took too long; `user_traceback` is theirs.
        OutOfMemoryError: It took more memory than there is.
        UsageError: The target, the file or a name is not there.
        ChainruleError: What the task raised.
        RuntimeError: A bug of ours in the task.
    """
    path, names = parse_target(target) if isinstance(target, str) else target
    order = {"path": str(path), "names": names, "task": task, "payload": payload}
    return _run(order, seconds, stdin=subprocess.DEVNULL, show=_to_stderr)


def run_own_script(
    path: str | Path,
    words: Sequence[str],
    task: str,
    payload: dict[str, Any],
    *,
    seconds: float,
    show: Show | None = None,
) -> Any:
    """Call a function of ours with a script of the user's in a child process, where it runs the script (`run_script`).

    The script reads our standard input. What it prints is handed on while it runs, the first `SHOWN` bytes of it.

    Args:
        path: The file.
        words: Its arguments.
        task: `module:function`, importable: `(script, payload) -> plain JSON data`.
        payload: Plain JSON data.
        seconds: The longest that the task may take.
        show: Where to what the script prints goes; our stderr when left out.

    Returns:
        What the task returned.

    Raises:
        UsageError: There is no such file.
        ProgramError: As with `run_own`; as there, so all others.
    """
    read_script(path)  # what cannot be read is said before anything is started
    order = {"path": str(path), "words": list(words), "task": task, "payload": payload}
    return _run(order, seconds, stdin=None, show=show or _to_stderr)


def _run(told: dict[str, Any], seconds: float, *, stdin: int | None, show: Show) -> Any:
    path, order = Path(told["path"]), json.dumps(told).encode()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as input_file, tempfile.TemporaryFile() as stacks, os.fdopen(reading, "rb") as answer:
        input_file.write(order)
        input_file.seek(0)
        try:
            process = _start(input_file.fileno(), writing, stacks.fileno(), stdin)
        finally:
            os.close(writing)
        echo = threading.Thread(target=_echo, args=(process.stdout, show), daemon=True)
        echo.start()
        try:
            kind, body = _wait(process, answer, seconds)
        finally:
            _end(process)
            echo.join(2.0)  # a process that the user's code has left behind may hold the pipe open
        stacks.seek(0)
        return _result(kind, body, process.returncode, path, seconds, stacks.read(1 << 20).decode(errors="replace"))


def call_own(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call code of the user's: what fails from here on is theirs."""
    return function(*args, **options)


def _start(order: int, answer: int, stacks: int, stdin: int | None) -> subprocess.Popen[bytes]:
    search = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    code = f"from chainrule.core.own_process import serve; serve({order}, {answer}, {stacks})"
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-B", "-c", code],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(order, answer, stacks),
        env=os.environ | {"PYTHONPATH": search, "MPLBACKEND": "Agg"},  # a picture's window would wait for ever
        start_new_session=True,
    )


def _to_stderr(text: str) -> None:
    sys.stderr.write(visible(text))
    sys.stderr.flush()


def _echo(stream: IO[bytes] | None, show: Show) -> None:
    """Show what the user's code prints as it comes, up to the limit, and let the rest go by."""
    if stream is None:
        return
    left, decoder = SHOWN, codecs.getincrementaldecoder("utf-8")("backslashreplace")
    with stream, contextlib.suppress(OSError, ValueError):
        while piece := os.read(stream.fileno(), 1 << 14):
            if left > 0:
                show(decoder.decode(piece[:left]))
                left -= len(piece)
                if left <= 0:
                    show("\n(your code prints more than is shown)\n")


def _wait(process: subprocess.Popen[bytes], answer: IO[bytes], seconds: float) -> tuple[bytes, bytes]:
    """The child's answer; `b"", b""` if it ended without one, or ran out of time."""
    kind, _ = _frame(answer, time.monotonic() + _START_SECONDS)
    if kind != _READY:
        return kind, _
    kind, body = _frame(answer, time.monotonic() + seconds)
    if not kind and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # it may just be ending
        if process.returncode is None:
            os.kill(process.pid, signal.SIGUSR1)  # it writes down where it is
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            return _READY, b""
    return kind, body


def _frame(answer: IO[bytes], until: float) -> tuple[bytes, bytes]:
    descriptor, data, size = answer.fileno(), b"", 9
    while len(data) < size:
        if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            return b"", b""
        piece = os.read(descriptor, size - len(data))
        if not piece:
            return b"", b""
        data += piece
        if len(data) == 9:
            size = 9 + int.from_bytes(data[1:9], "little")
    return data[:1], data[9:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it has left behind


def _result(kind: bytes, body: bytes, status: int, path: Path, seconds: float, stacks: str) -> Any:
    if kind == _DONE:
        return json.loads(body)
    if kind == _FAILED:
        raise _rebuilt(json.loads(body))
    if kind == _BUG:
        raise RuntimeError(body.decode(errors="replace").rstrip())
    place = _place(stacks, path)
    if kind == _READY:
        failure = ProgramError(
            f"your file {shown(path)} did not end within {seconds:g} seconds{place}",
            remedy="look for a loop without end there, give smaller inputs, or allow more with --seconds",
        )
    elif status == -signal.SIGKILL:
        raise OutOfMemoryError(
            f"your file {shown(path)} was ended by the system with SIGKILL, as it does where memory is short",
            remedy="give smaller inputs",
        )
    else:
        end = (
            f"crashed with {signal.Signals(-status).name}" if status < 0 else f"ended its process with status {status}"
        )
        failure = ProgramError(f"your file {shown(path)} {end}{place}", remedy="run it with python")
    failure.user_traceback = stacks.strip()
    raise failure


def _place(stacks: str, path: Path) -> str:
    """Where in the user's file it was, of the innermost frame: ", at line 3 in f"."""
    names = (f'"{path}"', f'"{path.absolute()}"')
    found = [line for line in stacks.splitlines() if any(name in line for name in names)]
    return f", at {found[0].partition(chr(34) + ', ')[2]}" if found else ""


def _rebuilt(told: dict[str, Any]) -> ChainruleError:
    kind = ProgramError if told["class"] == ProgramError.__name__ else getattr(errors, told["class"], ChainruleError)
    what, expected, got, remedy = told["parts"]
    error = kind(what, expected=expected, got=got, remedy=remedy)
    if isinstance(error, ProgramError):
        error.user_traceback = told["traceback"]
    return error


def serve(order: int, answer: int, stacks: int) -> NoReturn:
    """The child: read the order, load the user's file, call the task, answer, end."""
    faulthandler.enable(file=stacks)
    faulthandler.register(signal.SIGUSR1, file=stacks)
    for descriptor in (answer, stacks):
        os.set_inheritable(descriptor, False)
    with os.fdopen(order, "rb") as file:
        told = json.load(file)
    path = Path(told["path"])
    kind, body = _BUG, b""
    try:
        module, _, name = told["task"].partition(":")
        task: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
        _write(answer, _READY, b"")
        kind, body = _DONE, json.dumps(task(_given(path, told), told["payload"])).encode()
    except BaseException as error:  # SystemExit too: it is told as what it is
        kind, body = _told(path, error)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    _write(answer, kind, body)
    os._exit(0)  # threads of theirs are not waited for


def _given(path: Path, told: dict[str, Any]) -> Program | Script:
    """What the task works with: a script that it will run, or a file that is run now for the names in it."""
    if "words" in told:
        return read_script(path, tuple(told["words"]))
    sys.argv = [str(path)]
    sys.path.insert(0, str(path.resolve().parent))  # what their functions import when they are called
    return load_program(Target(path, tuple(told["names"])))


def _told(path: Path, error: BaseException) -> tuple[bytes, bytes]:
    """How an error crosses over: one of ours whole, one of theirs with their traceback, a bug with ours."""
    if not isinstance(error, ChainruleError) and _in_own_code(error):
        if isinstance(error, MemoryError):
            error = OutOfMemoryError(
                f"your file {shown(path)} needs more memory than there is", remedy="smaller inputs"
            )
        else:
            error = their_failure(path, error)
    if not isinstance(error, ChainruleError):
        return _BUG, "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
    parts = [None if part is None else str(part) for part in (error.what, error.expected, error.got, error.remedy)]
    theirs = getattr(error, "user_traceback", "")
    return _FAILED, json.dumps({"class": type(error).__name__, "parts": parts, "traceback": theirs}).encode()


def _in_own_code(error: BaseException) -> bool:
    """Whether it came through `call_own`."""
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code is call_own.__code__:
            return True
        frames = frames.tb_next
    return False


def _write(descriptor: int, kind: bytes, body: bytes) -> None:
    rest = memoryview(kind + len(body).to_bytes(8, "little") + body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
