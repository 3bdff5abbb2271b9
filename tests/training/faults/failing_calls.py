"""Real system calls of a save fail, one after the other, until the save passes untouched; run by `test_faults.py`.

    python failing_calls.py LAYOUT [--forever]

A forked child saves; strace, attached to it, lets the n-th call of one kind fail with one error, or kills the child
there (`-e inject=CALL:error=E:when=N`); with `--forever` that call and all later ones of its kind
(not with EINTR, after which Python tries again). Afterwards the
folder must hold the old or the new state, whole; what was said to be saved must be there; the error must name the
cause; and the same save must then succeed. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import json
import mmap
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from saving import LAYOUTS, Layout, begin, check, save, scratch, state_of

from chainrule.core.errors import ChainruleError, StorageError
from chainrule.core.folder import RunFolder

CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EIO: "the disk reports an error",
    errno.EDQUOT: "your quota on this disk is used up",
    errno.EINTR: os.strerror(errno.EINTR),
}
CALLS = re.compile(
    r"open|openat|write|pwrite64|fsync|rename|renameat2?|close|mkdir|mkdirat|unlink|unlinkat|rmdir|ftruncate|getdents64"
)
"""Calls that work on files, by their names on different processors."""
SAVED, REFUSED = 1, 2


class Attempt:
    """A child that saves while strace interferes.

    Args:
        folder: The run.
        layout: Of the run.
        rules: Arguments of strace.
    """

    def __init__(self, folder: RunFolder, layout: Layout, rules: list[str]) -> None:
        state = state_of(layout, layout.new)
        shared = mmap.mmap(-1, 4096)  # the child's answer needs no system call
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            try:
                save(folder, layout, state)
                shared[0] = SAVED
            except StorageError as error:
                text = str(error).encode()[:4000]
                shared[1 : 1 + len(text)] = text
                shared[0] = REFUSED
            finally:
                os._exit(0)
        log = folder.path.with_name("strace.log")
        command = ["strace", "-o", str(log), *rules, "-p", str(child)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            os.write(writer, b".")
            status = os.waitpid(child, 0)[1]
            rest = tracer.stderr.read()
        os.close(reader)
        os.close(writer)
        if "attached" not in attached:
            raise SystemExit(f"strace cannot trace here: {attached.strip()} {rest.strip()}")
        self.killed = os.WIFSIGNALED(status)
        self.said = shared[0]
        self.text = shared[1:].rstrip(b"\0").decode(errors="replace")
        self.log = log.read_text()
        self.touched = self.killed or "(INJECTED)" in self.log


def calls_of(root: Path, layout: Layout) -> dict[str, int]:
    """How often an untouched save makes each call on files."""
    attempt = Attempt(begin(root, layout), layout, [])
    assert attempt.said == SAVED, attempt.text
    made = Counter(re.findall(r"^(\w+)\(", attempt.log, re.MULTILINE))
    return {name: number for name, number in sorted(made.items()) if CALLS.fullmatch(name)}


def main(name: str, forever: bool) -> dict[str, Any]:
    """Let each call fail in each way, and return what was found."""
    torch.set_num_threads(1)
    layout = LAYOUTS[name]
    base = scratch()
    try:
        begin(base / "warm", layout)  # what Python imports late must not be met by a fault
        save(RunFolder(base / "warm" / "run"), layout, state_of(layout, layout.new))
        check(RunFolder(base / "warm" / "run"), layout)
        begin(base / "begun", layout)
        calls = calls_of(base / "calls", layout)
        states: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        bad: list[str] = []
        ways = [fault for fault in (*CAUSES, None) if not (forever and fault in (errno.EINTR, None))]
        for call, fault in itertools.product(calls, ways):
            for n in itertools.count(1):
                if not attempt_one(base, layout, (call, fault, f"{n}+" if forever else str(n)), states, bad):
                    break
                faults[call] += 1
        return {"layout": name, "forever": forever, "calls": calls, "faults": faults, "states": states, "bad": bad}
    finally:
        shutil.rmtree(base)


def attempt_one(
    base: Path, layout: Layout, fault: tuple[str, int | None, str], states: Counter[str], bad: list[str]
) -> bool:
    """Whether the call was reached; what the folder then holds is checked, and counted or told."""
    call, code, when = fault
    root = base / "trial"
    shutil.copytree(base / "begun", root)
    folder = RunFolder(root / "run")
    how = "signal=KILL" if code is None else f"error={errno.errorcode[code]}"
    attempt = Attempt(folder, layout, ["-e", f"trace={call}", "-e", f"inject={call}:{how}:when={when}"])
    try:
        step = require_legal(folder, layout, attempt, code)
        if attempt.touched:
            states["new" if step == layout.new else "old"] += 1
    except (AssertionError, ChainruleError) as error:
        bad.append(f"{call} {how} when={when}: {error!r} {attempt.text}\n{attempt.log}")
    shutil.rmtree(root)
    return attempt.touched


def require_legal(folder: RunFolder, layout: Layout, attempt: Attempt, code: int | None) -> int:
    """Return the step that is there: the old or the new one, and the new one if it was said to be saved."""
    step = check(folder, layout)
    assert step in (layout.old, layout.new)
    if attempt.said == SAVED:
        assert step == layout.new, "what was said to be saved is not there"
    elif not attempt.killed:
        assert attempt.said == REFUSED, "ended with an error that is none of ours"
        assert attempt.touched, "refused without a reason"
        assert code is not None
        assert CAUSES[code] in attempt.text, "the cause is not told"
    if step == layout.old:
        save(folder, layout, state_of(layout, layout.new))
        assert check(folder, layout) == layout.new, "the same save does not succeed afterwards"
    return step


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("--forever", action="store_true")
    words = parser.parse_args()
    print(json.dumps(main(words.layout, words.forever)))
