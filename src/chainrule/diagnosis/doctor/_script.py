"""A script of the user's, watched from its first line to its last, in the child process that runs it."""

from __future__ import annotations

import linecache
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch._dynamo  # noqa: F401 - the first optimizer that is made imports it, which takes seconds

from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own
from chainrule.core.paths import shown
from chainrule.core.program import ProgramError, Script, run_script, without_frames
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._ending import error_line, is_training, with_error
from chainrule.diagnosis.doctor._observe import Enough, Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.limits import EXPERIMENTS

AGAIN = 1.0
"""Seconds after which a script that goes on is told again to end."""


def task(script: Script, payload: dict[str, Any]) -> dict[str, Any]:
    """Run the script under observation and say what is wrong with its training.

    Args:
        script: Not yet run.
        payload: `seconds` that it is watched.

    Returns:
        The diagnosis as plain data, and the traceback of the script, if it failed.

    Raises:
        ProgramError: It failed before it trained anything.
        UsageError: It trains nothing.
    """
    seconds, status = float(payload["seconds"]), 0
    path = script.path.absolute()  # before the script goes to another folder
    error: BaseException | None = None
    watch = Watch(seconds=seconds, prints=True)
    try:
        with watch, ended_after(seconds):
            status = call_own(run_script, script)
    except BaseException as caught:  # whatever a script can raise
        error = caught
    _require_training(script, path, watch, error, status)
    case = Case(watch.seen, Source.of(path, script.source.decode(errors="replace")), seconds=EXPERIMENTS)
    diagnosis = diagnose(case, path.name)
    if status:
        diagnosis = replace(diagnosis, seen={**diagnosis.seen, "exit status": status})
    if error is None:
        return {"diagnosis": diagnosis.as_dict(), "traceback": ""}
    line = error_line(error)
    code = linecache.getline(*line).strip() if line else ""
    return {
        "diagnosis": with_error(diagnosis, error, case.place(line), code).as_dict(),
        "traceback": _traceback(error),
    }


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raise `Enough` in what runs here when its time is over, and again until it ends; in the main thread alone.

    Example:
        >>> try:
        ...     with ended_after(0.05):
        ...         while True:
        ...             pass
        ... except Enough:
        ...     print("ended")
        ended
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Enough

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # the first one may itself be told to end
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _require_training(script: Script, path: Path, watch: Watch, error: BaseException | None, status: int) -> None:
    """Go no further with a script that trains nothing, and say why it does not."""
    if is_training(watch.seen):
        return
    name = shown(script.path)
    if error is not None:
        raise _failure(script, path, error)
    if status:
        raise ProgramError(
            f"your file {name} ended itself with status {status} before it trained",
            remedy="what is behind the file's name are its own arguments; options of doctor stand before it",
        )
    if not watch.seen.complete:
        raise UsageError(
            f"your file {name} did not begin to train within {watch.seconds:g} seconds",
            remedy="give it less to do before, or more time with --seconds",
        )
    raise UsageError(
        f"your file {name} trains nothing",
        expected="a script that makes an optimizer and calls backward()",
        remedy="give the script that trains, with its arguments",
    )


def _failure(script: Script, path: Path, error: BaseException) -> ProgramError:
    """What is told when the script failed before it trained."""
    place, line = "", error_line(error)
    if isinstance(error, SyntaxError) and error.filename == str(path):
        place = f" at line {error.lineno}"
    elif line is not None:
        own = line[0] == str(path)
        place = f" at line {line[1]}" + ("" if own else f" of {shown(Path(line[0]).name)}")
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, SyntaxError):
        first = error.msg
    failure = ProgramError(
        f"your file {shown(script.path)} failed{place}: {type(error).__name__}" + (f": {first}" if first else ""),
        remedy="the traceback above is of your code; it failed before it trained",
    )
    failure.user_traceback = _traceback(error)
    return failure


def _traceback(error: BaseException) -> str:
    """Their traceback, without our frames."""
    theirs = without_frames(Path(__file__).parents[2], error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, theirs))
