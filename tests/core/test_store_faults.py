"""The n-th file operation of a save fails or the process is killed there, for every n until the save passes untouched.

The method is SQLite's: whatever fails, what is on the disk afterwards is the old state or the new one, whole.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainrule.core.errors import StorageError
from chainrule.core.journal import Journal, read_journal
from chainrule.core.store import (
    clean_stale,
    filled_folder,
    newest_whole,
    publish_folder,
    read_folder,
    remove_folder,
    write_file,
)

CALLS = ("open", "write", "pwrite", "fsync", "replace", "rename", "close", "mkdir", "ftruncate")
ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EINTR]
FAULTS = [(code, forever, torn) for code in ERRORS for forever in (False, True) for torn in (False, True)]


class Faults:
    """Counts file operations and lets the n-th fail: before it does anything, or (`torn`) after half of a write."""

    def __init__(self, n: int, code: int, *, forever: bool, torn: bool) -> None:
        self.n, self.code, self.forever, self.torn = n, code, forever, torn
        self.count = 0
        self.failed: list[str] = []

    def wrapped(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            self.count += 1
            if self.count < self.n or (self.count > self.n and not self.forever):
                return real(*arguments, **options)
            self.failed.append(name)
            if name == "close":
                real(*arguments)  # Linux closes even when it reports an error
            if self.torn and name in ("write", "pwrite"):
                data = arguments[1]
                real(arguments[0], data[: len(data) // 2], *arguments[2:])  # type: ignore[index, arg-type]
            raise OSError(self.code, os.strerror(self.code))

        return call

    @contextmanager
    def on(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in CALLS}
        try:
            for name, function in real.items():
                setattr(os, name, self.wrapped(name, function))
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)


def attempts(
    code: int, forever: bool, torn: bool, act: Callable[[Path], None], root: Path
) -> Iterator[tuple[Path, Faults, bool]]:
    """Yield (folder, what failed, whether the work said it succeeded) for n = 1, 2, ... until nothing fails."""
    for n in itertools.count(1):
        folder = root / str(n)
        folder.mkdir()
        write_file(folder / "f", b"old" * 100)
        publish_folder(folder / "step-1", {"a": b"old" * 100, "b": b"1"}, {"step": 1})
        faults = Faults(n, code, forever=forever, torn=torn)
        said = True
        with faults.on():
            try:
                act(folder)
            except StorageError:
                said = False
        yield folder, faults, said
        if not faults.failed:
            assert said
            return


NEW = {"a": [b"new" * 100, b"x" * 5], "b": b"2", "c": b""}


def fill(path: Path) -> None:
    with filled_folder(path) as folder:
        (folder / "a").write_bytes(b"new" * 100)
        (folder / "in").mkdir()
        (folder / "in" / "b").write_bytes(b"")


@pytest.mark.parametrize(("code", "forever", "torn"), FAULTS)
def test_a_folder_that_others_fill(tmp_path: Path, code: int, forever: bool, torn: bool) -> None:
    states = {True: 0, False: 0}
    for folder, faults, said in attempts(code, forever, torn, lambda p: fill(p / "new"), tmp_path):
        clean_stale(folder)
        there = (folder / "new").exists()
        assert sorted(os.listdir(folder)) == (["f", "new", "step-1"] if there else ["f", "step-1"]), faults.failed
        assert there or not said, faults.failed
        if there:
            assert (folder / "new" / "a").read_bytes() == b"new" * 100
            assert (folder / "new" / "in" / "b").read_bytes() == b""
        states[there] += 1
    assert states[False] > 8
    assert states[True] >= 1


@pytest.mark.parametrize(("code", "forever", "torn"), FAULTS)
def test_a_checkpoint(tmp_path: Path, code: int, forever: bool, torn: bool) -> None:
    states = {"old": 0, "new": 0}
    for folder, faults, said in attempts(
        code, forever, torn, lambda p: publish_folder(p / "step-2", NEW, {"step": 2}), tmp_path
    ):
        found = newest_whole(folder)
        assert found.passed_over == []
        new = found.facts["step"] == 2
        assert found.files == (
            {"a": b"new" * 100 + b"x" * 5, "b": b"2", "c": b""} if new else {"a": b"old" * 100, "b": b"1"}
        )
        assert new or not said, faults.failed
        if not forever:
            assert sorted(os.listdir(folder)) == ["f", "step-1", "step-2"][: 3 if new else 2], faults.failed
        clean_stale(folder)
        assert sorted(os.listdir(folder)) == ["f", "step-1", "step-2"][: 3 if new else 2], faults.failed
        assert read_folder(folder / "step-1")[0] == {"a": b"old" * 100, "b": b"1"}
        states["new" if new else "old"] += 1
    assert states["old"] > 15
    assert states["new"] >= 1


@pytest.mark.parametrize(("code", "forever", "torn"), FAULTS)
def test_a_file(tmp_path: Path, code: int, forever: bool, torn: bool) -> None:
    states = {b"old" * 100: 0, b"new" * 99: 0}
    for folder, faults, said in attempts(code, forever, torn, lambda p: write_file(p / "f", b"new" * 99), tmp_path):
        content = (folder / "f").read_bytes()
        states[content] += 1
        assert content == b"new" * 99 or not said, faults.failed
        clean_stale(folder)
        assert sorted(os.listdir(folder)) == ["f", "step-1"]
    assert min(states.values()) >= 1


@pytest.mark.parametrize(("code", "forever", "torn"), FAULTS)
def test_a_removal(tmp_path: Path, code: int, forever: bool, torn: bool) -> None:
    for folder, faults, said in attempts(code, forever, torn, lambda p: remove_folder(p / "step-1"), tmp_path):
        if (folder / "step-1").exists():
            assert not said, faults.failed
            assert read_folder(folder / "step-1")[1] == {"step": 1}
        clean_stale(folder)
        assert set(os.listdir(folder)) <= {"f", "step-1"}


@pytest.mark.parametrize(("code", "forever", "torn"), FAULTS)
def test_a_log(tmp_path: Path, code: int, forever: bool, torn: bool) -> None:
    """What was synced stays; what was not is whole lines of what was appended; a later sync brings all of it."""
    for n in itertools.count(1):
        path = tmp_path / f"{n}.jsonl"
        journal = Journal(path)
        journal.append({"n": 0})
        length, crc = journal.sync()
        faults = Faults(n, code, forever=forever, torn=torn)
        said = 0
        with faults.on():
            for i in range(1, 4):
                journal.append({"n": i, "text": "x" * 50})
                try:
                    journal.sync()
                    said = i
                except StorageError:
                    continue
        records = [record["n"] for record in read_journal(path)]
        assert records[: said + 1] == list(range(said + 1)), faults.failed
        assert records == list(range(len(records)))
        end = journal.sync()
        journal.close()
        assert [record["n"] for record in read_journal(path)] == [0, 1, 2, 3]
        Journal.cut(path, *end)
        Journal.cut(path, length, crc)
        assert read_journal(path) == [{"n": 0}]
        if not faults.failed:
            break
    assert n > 4


def test_killed_at_every_operation(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_writer.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, str(script), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)
    assert counts["kills"] == counts["old"] + counts["new"] > 60
    assert min(counts["old"], counts["new"]) > 5
