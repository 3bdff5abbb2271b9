"""Saves that are killed before, or in the middle of, their n-th file operation; run by `test_store_faults.py`.

For each n a forked child does the work and dies at operation n. The parent checks that what is on the disk is the old
or the new state, whole, that a restart cleans up, and that the same work then succeeds. Prints {"kills": ..., "old":
..., "new": ...} as JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from chainrule.core.store import clean_stale, newest_whole, publish_folder, read_folder, remove_folder, write_file

CALLS = ("open", "write", "fsync", "replace", "rename", "close", "mkdir", "unlink", "rmdir")
OLD = {"model": b"old" * 1000, "state": b"1"}
NEW = {"model": [b"new" * 1000, b"!" * ((1 << 20) + 5)], "state": b"2"}


def die_at(n: int, torn: bool) -> None:
    """Make this process kill itself at the n-th operation; `torn`: a write first gets half of its bytes out."""
    counter = itertools.count(1)

    def wrapped(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if next(counter) == n:
                if torn and name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])  # type: ignore[index, arg-type]
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))


def save(root: Path) -> None:
    write_file(root / "latest.txt", b"two" * 300)
    publish_folder(root / "step-2", NEW, {"step": 2})
    remove_folder(root / "step-1")


def joined(files: dict[str, object]) -> dict[str, bytes]:
    return {name: b"".join(data) if isinstance(data, list) else data for name, data in files.items()}  # type: ignore[misc]


def check(root: Path) -> str:
    """Which state is on the disk: it must be one of the two, whole."""
    found = newest_whole(root)
    assert found.passed_over == [], found.passed_over
    assert found.files == joined(NEW if found.facts["step"] == 2 else OLD)
    assert (root / "latest.txt").read_bytes() in (b"one", b"two" * 300)
    for name in os.listdir(root):
        if name.startswith("step-") and ".tmp-" not in name:
            read_folder(root / name)
    clean_stale(root)
    assert not [name for name in os.listdir(root) if ".tmp-" in name]
    return "new" if found.facts["step"] == 2 else "old"


def main() -> None:
    counts = {"kills": 0, "old": 0, "new": 0}
    for torn in (False, True):
        for n in itertools.count(1):
            with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
                root = Path(folder)
                write_file(root / "latest.txt", b"one")
                publish_folder(root / "step-1", OLD, {"step": 1})
                child = os.fork()
                if child == 0:
                    die_at(n, torn)
                    save(root)
                    os._exit(0)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                state = check(root)
                if status == 0:
                    assert state == "new", "a save that said nothing was lost"
                    assert not (root / "step-1").exists()
                    break
                assert status == -signal.SIGKILL
                counts["kills"] += 1
                counts[state] += 1
                if state == "old":
                    publish_folder(root / "step-2", NEW, {"step": 2})
                assert check(root) == "new"
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
