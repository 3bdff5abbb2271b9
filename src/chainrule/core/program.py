"""Code of users: run only because a person named the file, as `FILE.py:NAME`, and shown as theirs when it fails.

This is the one place where text becomes running code. Recipes, run folders, weights and pages never reach it: what they
hold is data.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

from chainrule.core.errors import UsageError, unknown
from chainrule.core.paths import shown


class Target(NamedTuple):
    """A file of code and the names wanted from it."""

    path: Path
    names: tuple[str, ...]


class Program(NamedTuple):
    """What a file of code gave: the objects asked for, the SHA-256 of exactly the bytes that ran, and all its names."""

    path: Path
    objects: list[Any]
    source: bytes
    source_hash: str
    module: ModuleType


class Script(NamedTuple):
    """A file that is run as a program: `python FILE WORD ...`."""

    path: Path
    words: tuple[str, ...]
    source: bytes


class ProgramError(UsageError):
    """The user's file failed while it ran; its own traceback is kept, to be shown as theirs."""

    user_traceback = ""  # from their file on


def parse_target(text: str) -> Target:
    r"""Split `FILE.py:NAME[,NAME]` at its last colon; `FILE.py` alone names nothing.

    Raises:
        UsageError: It is not of that form.

    Example:
        >>> parse_target("nets/own.py:Net,data").names
        ('Net', 'data')
        >>> str(parse_target(r"C:\nets\own.py:Net").path)
        'C:\\nets\\own.py'
    """
    file, colon, listed = (text, "", "") if text.endswith(".py") else text.rpartition(":")
    names = tuple(name.strip() for name in listed.split(",")) if colon else ()
    if not file.endswith(".py") or "\0" in text or not all(name.isidentifier() for name in names):
        raise UsageError(f"{shown(text)} names no code", expected="FILE.py:NAME", remedy="write it like net.py:Net")
    if len(set(names)) != len(names):
        raise UsageError(f"{shown(text)} has a name twice")
    return Target(Path(file), names)


def source_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file of code, in hexadecimal.

    Raises:
        UsageError: It cannot be read.
    """
    return hashlib.sha256(_source(Path(path))).hexdigest()


def load_target(target: Target | str) -> list[Any]:
    """Run a file of the user's and return the objects that were named.

    Raises:
        UsageError: The target, the file or a name is not there.
        ProgramError: The file failed while it ran.
    """
    return load_program(target).objects


def load_program(target: Target | str) -> Program:
    """Run a file of the user's as a module of its own.

    Its folder stands first on `sys.path` while it runs, and not afterwards. It is run anew at each call, from its
    source: no compiled copy is looked for or left behind.

    Args:
        target: `FILE.py:NAME[,NAME]`, or what `parse_target` made of it.

    Returns:
        The objects in the order of the names, with the source that ran.

    Raises:
        UsageError: The target, the file or a name is not there.
        ProgramError: The file failed while it ran.
    """
    path, names = parse_target(target) if isinstance(target, str) else target
    if not names:
        raise UsageError(f"{shown(path)} says not what to use of it", remedy=f"write {path.name}:NAME")
    source = _source(path)
    module = run_source(path, source)
    found = vars(module)
    options = [name for name, value in found.items() if name[0] != "_" and not isinstance(value, ModuleType)]
    for name in names:
        if name not in found:
            raise UsageError(f'{shown(path)} has no "{name}"', remedy=unknown("name", name, options))
    return Program(path, [found[name] for name in names], source, hashlib.sha256(source).hexdigest(), module)


def run_source(path: Path, source: bytes) -> ModuleType:
    """Run source code as the module of `path` and return it.

    Raises:
        ProgramError: It failed.
    """
    name = f"user_program_{path.stem}_{hashlib.sha256(str(path.resolve()).encode('utf-8', 'replace')).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickle look a class up by its module
    try:
        with _first_on_path(str(path.resolve().parent)):
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - the person asked for it
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a script that ends itself must not end us
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        raise their_failure(path, error) from error
    return module


def read_script(path: str | Path, words: tuple[str, ...] = ()) -> Script:
    """Read a script of the user's; nothing is run yet.

    Args:
        path: Its file.
        words: What it is called with.

    Raises:
        UsageError: It cannot be read.
    """
    return Script(Path(path), words, _source(Path(path)))


def run_script(script: Script) -> int:
    """Run a script as Python would, as `__main__`; what it raises arrives here, but for `SystemExit`.

    This process is the script's from then on: `sys.argv`, `sys.path` and `__main__` stay as it needs them. A process
    that it forks and that comes to the end of the script ends there.

    Returns:
        The exit status: 0 where it came to its end.
    """
    path = script.path.absolute()
    module, owner = ModuleType("__main__"), os.getpid()
    module.__file__ = str(path)
    sys.modules["__main__"] = module  # what multiprocessing and pickle look a class of the script up in
    sys.argv = [str(script.path), *script.words]
    sys.path.insert(0, str(path.resolve().parent))
    status = 1
    try:
        exec(compile(script.source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - the person asked for it
        status = 0
    except SystemExit as stop:
        status = _exit_status(stop)
    finally:
        if os.getpid() != owner:
            _end_of_fork(status)
    return status


def _exit_status(stop: SystemExit) -> int:
    """As Python has it: a text is printed, and stands for 1."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


def _end_of_fork(status: int) -> None:
    if sys.exc_info()[0] is not None:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise UsageError(f"cannot read the code in {shown(path)}: {reason}", remedy="check the path") from error


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    compiled = sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True  # for the files beside it that it imports
    try:
        yield
    finally:
        sys.dont_write_bytecode = compiled
        if folder in sys.path:
            sys.path.remove(folder)


def their_failure(path: Path, error: BaseException) -> ProgramError:
    """What is told when code of the user's failed: where in their file, and their own traceback from there on.

    Args:
        path: Their file.
        error: What it raised, at any depth.
    """
    names = (str(path), str(path.absolute()))
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename not in names:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    reason = (str(error).splitlines() or [""])[0]
    where = f" at line {frames.tb_lineno}" if frames is not None else ""
    if isinstance(error, SyntaxError) and error.filename in names:
        where, reason = f" at line {error.lineno}", error.msg
    failure = ProgramError(
        f"your file {shown(path)} failed{where}: {type(error).__name__}" + (f": {reason}" if reason else ""),
        remedy="the traceback above is of your code; run the file with python to see it alone",
    )
    failure.user_traceback = text
    return failure


def without_frames(folder: Path, trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of files in a folder."""
    if trace is None:
        return None
    rest = without_frames(folder, trace.tb_next)
    if Path(trace.tb_frame.f_code.co_filename).is_relative_to(folder):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
