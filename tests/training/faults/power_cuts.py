"""Simulated power cuts during the saves of a run: what a disk may hold then loads, old or new; run by `test_faults.py`.

    python power_cuts.py LAYOUT STATES SEED

The file operations of a run that begins and saves are recorded. A disk after a cut holds all that was fsynced before,
and of the rest any part: of the writes to a file each may be lost, torn at 512 bytes, or kept without those before it;
of the names made, renamed or removed in a folder likewise, as long as the folder was not fsynced. Different ones are
built for cuts after each operation, drawn from the seed; each must hold a whole checkpoint that is no older than the
newest one said to be saved, with its logs. Prints one line of JSON.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from saving import INFO, LAYOUTS, Layout, check, save, scratch, state_of

from chainrule.core.errors import ChainruleError
from chainrule.core.folder import RunFolder

SECTOR = 512
TRIES = 20
"""Draws one after the other that give no new disk: then the next place of the cut is looked at."""
Operation = tuple[Any, ...]
"""(what, number of the file or folder, arguments): write offset data, cut length, name, drop, move, sync, said step."""


class Recorder:
    """Replaces the functions of `os` that change files below a folder by ones that write down what they do.

    Files and folders have numbers, the root is 0; a name that is removed and made again is another one.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.log: list[Operation] = []
        self.folders: dict[int, dict[str, int]] = {0: {}}
        self.open: dict[int, list[int]] = {}  # descriptor -> [number, position]

    def find(self, path: Any, dir_fd: int | None = None) -> tuple[int, str] | None:
        """The number of the folder of a path, and the name in it; None for what lies elsewhere."""
        text = os.fspath(path)
        if dir_fd is not None:
            return (self.open[dir_fd][0], text) if dir_fd in self.open else None
        if os.path.commonpath([self.root, os.path.abspath(text)]) != self.root or text == self.root:
            return None
        *above, name = os.path.relpath(text, self.root).split(os.sep)
        at = 0
        for part in above:
            at = self.folders[at][part]
        return at, name

    def number(self, path: Any, dir_fd: int | None = None) -> int | None:
        if dir_fd is None and os.fspath(path) == self.root:
            return 0
        place = self.find(path, dir_fd)
        return None if place is None else self.folders[place[0]].get(place[1])

    def made(self, place: tuple[int, str], *, folder: bool) -> int:
        new = len(self.log) + 1  # grows, so never used twice
        self.log.append(("name", place[0], place[1], new))
        self.folders[place[0]][place[1]] = new
        if folder:
            self.folders[new] = {}
            self.log.append(("folder", new))
        return new

    @contextmanager
    def on(self) -> Iterator[None]:
        """Record while the block runs."""
        names = ("open", "close", "write", "pwrite", "ftruncate", "fsync", "mkdir", "rename", "replace")
        real = {name: getattr(os, name) for name in (*names, "unlink", "rmdir")}
        try:
            for name, function in real.items():
                setattr(os, name, getattr(self, f"_{name}")(function))
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            place, there = self.find(path, dir_fd), self.number(path, dir_fd)
            fd = real(path, flags, mode, dir_fd=dir_fd)
            if there is None and place is not None and flags & os.O_CREAT:
                there = self.made(place, folder=False)
            if there is not None:
                assert not flags & (os.O_TRUNC | os.O_APPEND)
                self.open[fd] = [there, 0]
            return fd

        return call

    def _close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            self.open.pop(fd, None)
            real(fd)

        return call

    def _write(self, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def call(fd: int, data: Any) -> int:
            count = real(fd, data)
            if fd in self.open:
                number, position = self.open[fd]
                self.log.append(("write", number, position, bytes(data[:count])))
                self.open[fd][1] += count
            return count

        return call

    def _pwrite(self, real: Callable[[int, Any, int], int]) -> Callable[[int, Any, int], int]:
        def call(fd: int, data: Any, offset: int) -> int:
            count = real(fd, data, offset)
            if fd in self.open:
                self.log.append(("write", self.open[fd][0], offset, bytes(data[:count])))
            return count

        return call

    def _ftruncate(self, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def call(fd: int, length: int) -> None:
            real(fd, length)
            if fd in self.open:
                self.log.append(("cut", self.open[fd][0], length))

        return call

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            if fd in self.open:  # the real disk need not sync
                self.log.append(("sync", self.open[fd][0]))
            else:
                real(fd)

        return call

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            real(path, mode, dir_fd=dir_fd)
            if (place := self.find(path, dir_fd)) is not None:
                self.made(place, folder=True)

        return call

    def _rename(self, real: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def call(source: Any, target: Any) -> None:
            real(source, target)
            old, new = self.find(source), self.find(target)
            assert (old is None) == (new is None)
            if old is not None and new is not None:
                assert old[0] == new[0], "renamed into another folder"
                names = self.folders[old[0]]
                names[new[1]] = names.pop(old[1])
                self.log.append(("move", old[0], old[1], new[1], names[new[1]]))

        return call

    _replace = _rename

    def _unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *, dir_fd: int | None = None) -> None:
            real(path, dir_fd=dir_fd)
            if (place := self.find(path, dir_fd)) is not None:
                del self.folders[place[0]][place[1]]
                self.log.append(("drop", *place))

        return call

    _rmdir = _unlink


@dataclass
class Disk:
    """What a disk is sure to hold after some operations, and what it may hold as well."""

    names: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    contents: dict[int, bytes] = field(default_factory=dict)
    pending: dict[int, list[Operation]] = field(default_factory=dict)
    said: int = -1

    def take(self, operation: Operation) -> None:
        """The next operation that was recorded."""
        what, number = operation[:2]
        if what == "said":
            self.said = number
        elif what == "folder":
            self.names[number] = {}
        elif what == "sync":
            content = bytearray(self.contents.get(number, b""))
            for kept in self.pending.pop(number, []):
                apply(kept, self.names.get(number), content)
            self.contents[number] = bytes(content)
        else:
            self.pending.setdefault(number, []).append(operation)

    def after_cut(self, chance: random.Random) -> dict[str, bytes | None]:
        """One of the things that it may hold: files by path, None for a folder."""
        names = {number: dict(entries) for number, entries in self.names.items()}
        contents = dict(self.contents)
        for number, operations in self.pending.items():
            share = chance.choice([0.0, 0.5, 0.8, 1.0])
            kept = [operation for operation in operations if chance.random() < share]
            if number not in names and share < 1:
                chance.shuffle(kept)  # writes reach the disk in any order
            content = bytearray(contents.get(number, b""))
            for operation in kept:
                torn = operation[0] == "write" and share < 1 and chance.random() < 0.5
                for piece in sectors(operation, chance) if torn else [operation]:
                    apply(piece, names.get(number), content)
            contents[number] = bytes(content)
        found: dict[str, bytes | None] = {}
        pending = [("", 0)]
        while pending:
            path, number = pending.pop()
            for name, inner in names[number].items():
                place = f"{path}/{name}"
                found[place] = None if inner in names else contents.get(inner, b"")
                if inner in names:
                    pending.append((place, inner))
        return found


def apply(operation: Operation, names: dict[str, int] | None, content: bytearray) -> None:
    """Let an operation reach a folder's names, or a file's bytes."""
    match operation:
        case ("write", _, int(offset), bytes(data)):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        case ("cut", _, int(length)):
            content.extend(bytes(max(0, length - len(content))))
            del content[length:]
        case ("name", _, name, number) if names is not None:
            names[name] = number
        case ("drop", _, name) if names is not None:
            names.pop(name, None)
        case ("move", _, old, new, number) if names is not None:
            names.pop(old, None)
            names[new] = number
        case _:
            raise AssertionError(operation)


def sectors(operation: Operation, chance: random.Random) -> list[Operation]:
    """About half of the 512-byte sectors of a write."""
    _, number, offset, data = operation
    cuts = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    pieces = [("write", number, offset + a, data[a:b]) for a, b in itertools.pairwise(cuts)]
    return [piece for piece in pieces if chance.random() < 0.5]


def recorded(root: Path, layout: Layout) -> list[Operation]:
    """The operations of a run that begins, and saves all the layout's checkpoints and the new one."""
    recorder = Recorder(root)
    states = [state_of(layout, step) for step in (*layout.steps, layout.new)]
    with recorder.on():
        folder = RunFolder(root / "runs" / "run")
        folder.create(dict(INFO))
        for number, state in enumerate(states):
            save(folder, layout, state)
            recorder.log.append(("said", state.step))
            folder.update(resumed=number)
    return recorder.log


def digest(said: int, found: dict[str, bytes | None]) -> bytes:
    """What tells disks apart."""
    sums = hashlib.sha256(str(said).encode())
    for path, data in sorted(found.items()):
        sums.update(f"{path} {None if data is None else len(data)} ".encode() + (data or b""))
    return sums.digest()


def build(root: Path, found: dict[str, bytes | None]) -> None:
    """Put a simulated disk into a real folder."""
    root.mkdir()
    for path, data in sorted(found.items()):
        if data is None:
            Path(f"{root}{path}").mkdir()
        else:
            Path(f"{root}{path}").write_bytes(data)


def require_legal(folder: RunFolder, layout: Layout, said: int, *, go_on: bool) -> str:
    """Return what is there: nothing yet, or a checkpoint that is no older than what was said to be saved."""
    try:
        step = check(folder, layout)
    except ChainruleError:
        assert said < 0, "what was said to be saved does not load"
        return "none yet"
    assert step >= said, f"step {said} was said to be saved, step {step} is there"
    if go_on and step < layout.new:
        following = next(s for s in (*layout.steps, layout.new) if s > step)
        save(folder, layout, state_of(layout, following))
        assert check(folder, layout) == following, "the run does not go on"
    return "as said" if step == said else "newer than said"


def main(name: str, states: int, seed: int) -> dict[str, Any]:
    """Build the disks and check them."""
    torch.set_num_threads(1)
    layout, chance = LAYOUTS[name], random.Random(seed)
    base = scratch()
    try:
        (base / "recorded").mkdir()
        log = recorded(base / "recorded", layout)
        disk, kinds, bad = Disk(), Counter[str](), list[str]()
        seen: set[bytes] = set()
        for place, operation in enumerate(log):
            disk.take(operation)
            wanted = round(
                states * (place + 1) / len(log)
            )  # where there are few different ones, later places have more
            misses = 0
            while len(seen) < wanted and misses < TRIES:
                found = disk.after_cut(chance)
                key = digest(disk.said, found)
                misses = misses + 1 if key in seen else 0
                if misses:
                    continue
                seen.add(key)
                root = base / str(len(seen))
                build(root, found)
                go_on = len(seen) % 5 == 0
                try:
                    kinds[require_legal(RunFolder(root / "runs" / "run"), layout, disk.said, go_on=go_on)] += 1
                except (AssertionError, ChainruleError) as error:
                    bad.append(f"after operation {place} {operation[:3]}: {error!r}; there: {sorted(found)}")
                shutil.rmtree(root)
        operations = Counter(operation[0] for operation in log)
        return {
            "layout": name,
            "seed": seed,
            "operations": operations,
            "states": len(seen),
            "found": kinds,
            "bad": bad,
        }
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
