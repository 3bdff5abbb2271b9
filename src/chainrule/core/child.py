"""A guarded child process: a function of ours reads a file from outside where it can do no harm.

The child imports what it needs, receives all bytes, and then closes the doors behind itself, before the function sees a
byte. From then on the kernel refuses it new files and sockets (no free descriptor), more memory, more processor time,
more processes (not for root) and file contents; and Python's audit hook ends it at any event that is not on a short
list: opening, importing, compiling, starting, connecting, calling C. What it returns comes back over a pipe as bytes.

Not covered: a fault in native code that takes over the process keeps what it already has, the payload and a pipe to us,
and the system calls that need neither descriptor nor memory. macOS enforces no limit on memory.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.core.paths import shown

Work = Callable[[bytes], bytes]

_START_SECONDS = 120.0  # for the child's imports, on a loaded machine
_HARMLESS = {"sys._getframe", "sys._getframemodulename", "object.__getattr__", "builtins.id"}
_DONE, _FAILED, _BARRED = b"=", b"!", b"#"
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")


def run_guarded(
    target: str,
    payload: bytes,
    *,
    subject: str,
    memory: int,
    seconds: float,
    error: type[ChainruleError] = CheckpointError,
) -> bytes:
    """Run a function of ours on bytes from outside, in a process that can neither write, connect nor start anything.

    Args:
        target: `module:function`, importable. The function takes nothing, imports and warms up what the work needs, and
            returns the work: bytes -> bytes, called once the doors are closed.
        payload: What the work is called with.
        subject: What the bytes are, as errors name it: the file.
        memory: Bytes that the work may take beyond the payload.
        seconds: Processor time of the work.
        error: The class of the error.

    Returns:
        What the work returned.

    Raises:
        ChainruleError: Of the class `error`: the work failed, crashed, took too much, or tried what it may not.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    search = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    environment = kept | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-B", "-m", "chainrule.core.child", target, str(memory), str(seconds)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    with process:
        try:
            answer, complaint = process.communicate(payload, timeout=_START_SECONDS + 4 * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise error(f"{subject} took longer to read than {seconds:g} seconds", remedy="do not use it") from None
        except BaseException:
            process.kill()
            raise
    return _result(answer, complaint, process.returncode, subject, seconds, error)


def _result(
    answer: bytes, complaint: bytes, status: int, subject: str, seconds: float, error: type[ChainruleError]
) -> bytes:
    kind, body = answer[:1], answer[9:]
    if len(answer) >= 9 and int.from_bytes(answer[1:9], "little") == len(body):
        if kind == _DONE:
            return body
        what, expected, got, remedy = (_line(part) for part in json.loads(body))
        if kind == _BARRED:
            raise error(
                f"{subject} is refused: reading it tried {what}", remedy="it is hostile or damaged: do not use it"
            )
        raise error(f"{subject} cannot be read: {what}", expected=expected, got=got, remedy=remedy)
    if status == -signal.SIGXCPU:
        raise error(f"{subject} took longer to read than {seconds:g} seconds", remedy="do not use it")
    end = signal.Signals(-status).name if status < 0 else f"status {status}"
    last = (complaint.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    raise error(f"{subject} cannot be read: the process that read it ended with {end}", got=_line(last[:300]))


def _line(text: str | None) -> str | None:
    return None if text is None else shown(text)[1:-1]


def close_doors(memory: int, seconds: float, barred: Callable[[str], NoReturn]) -> None:
    """Give up, for good, all that reading bytes does not need.

    Args:
        memory: Bytes beyond what the process has now.
        seconds: Processor time beyond what it has used.
        barred: Called with what was tried; it must not return.
    """
    warnings.simplefilter("ignore")  # a warning would open the source file of its line
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_CPU", int(used + seconds) + 1, grace=5)  # the first signal says that it was the time
    size = _address_space()
    if size is not None:
        _limit("RLIMIT_AS", size + memory)
    _limit("RLIMIT_NPROC", 0)
    _limit("RLIMIT_NOFILE", 0)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _HARMLESS:
            about = f" {arguments[0]!r}"[:120] if arguments and isinstance(arguments[0], str) else ""
            barred(event + about)

    sys.addaudithook(watch)


def _limit(name: str, value: int, *, grace: int = 0) -> None:
    kind = getattr(resource, name, None)
    if kind is not None:
        with contextlib.suppress(OSError, ValueError):  # a lower limit is already set, or the system has none
            resource.setrlimit(kind, (value, value + grace))


def _address_space() -> int | None:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _serve(target: str, memory: int, seconds: float) -> NoReturn:
    """The child: import, read, close the doors, work, answer, end."""
    out = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # so that nothing that prints can write into the answer

    def reply(kind: bytes, body: bytes) -> NoReturn:
        rest = memoryview(kind + len(body).to_bytes(8, "little") + body)
        while rest:
            rest = rest[os.write(out, rest) :]
        os._exit(0 if kind == _DONE else 1)

    module, _, name = target.partition(":")
    work: Work = getattr(importlib.import_module(module), name)()
    payload = sys.stdin.buffer.read()
    close_doors(memory, seconds, lambda what: reply(_BARRED, _reason(what)))
    try:
        body = work(payload)
    except MemoryError:
        reply(_FAILED, _reason(f"it needs more than {memory >> 20} MiB of memory"))
    except ChainruleError as error:
        reply(_FAILED, _reason(error.what, error.expected, error.got, error.remedy))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:300]
        reply(_FAILED, _reason(f"{type(error).__name__}: {first}"))
    reply(_DONE, body)


def _reason(what: str, expected: object = None, got: object = None, remedy: str | None = None) -> bytes:
    parts = [None if part is None else str(part) for part in (what, expected, got, remedy)]
    return json.dumps(parts).encode("ascii")


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
