"""A run on disks that fill up sooner and later, then have room again; run by `test_faults.py`.

    unshare -rm python full_disk.py SIZES       (in a namespace of its own, where it may mount)

Each of the disks is a tmpfs of another size. On it a recipe is trained, and a page of predictions and the report are
written anew. What fails must end with status 5 and one line that names a file on that disk, the reason, and the bytes
that were needed and free; nothing may stand under a final name that is not whole. Then the disk gets larger, and the
run goes on to the bytes of one that was never disturbed. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from saving import scratch

from chainrule.api import train
from chainrule.cli import main as chainrule
from chainrule.core.errors import ChainruleError
from chainrule.core.folder import RunFolder
from chainrule.core.store import newest_whole, read_folder
from chainrule.runtime.weights import read_weights

SETTINGS = {
    "train.steps": 240,
    "train.log_every": 1,
    "train.keep_every": 40,
    "train.evaluate_every": 80,
    "train.threads": 1,
}
EQUAL = ("model.safetensors", "metrics.jsonl", "layers.jsonl")
LINE = re.compile(
    r'chainrule: cannot (?P<action>[a-z ]+) "(?P<path>[^"]+)": the disk is full'
    r"(: expected room for [0-9,]+ bytes, got [0-9,]+ bytes free on the disk)?\. Remedy: free some space.*"
)


def in_child(words: list[str], errors: Path) -> tuple[int, list[str]]:
    """Exit status of the command line in a forked child, and the lines that it wrote to stderr."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with open(errors, "w") as stream:
                os.dup2(stream.fileno(), 2)
                sys.stderr = stream
                with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
                    status = chainrule([*words, "--no-progress"])
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, errors.read_text().splitlines()


def require_told(disk: Path, status: int, lines: list[str], failed: Counter[str]) -> None:
    """A failure is that of the full disk, told in one line."""
    assert status == 5, (status, lines)
    assert "Traceback" not in "".join(lines), lines
    told = LINE.fullmatch(lines[-1])
    assert told is not None, lines
    path = Path(told["path"])
    assert disk in path.parents or path == disk, lines
    failed[re.sub(r"[0-9]+", "N", str(path.relative_to(disk)))] += 1


def require_whole(run: Path) -> None:
    """What stands under a final name is whole."""
    folder = RunFolder(run)
    for path in folder.checkpoints.glob("step-*"):
        if ".tmp-" not in path.name:
            read_folder(path)
    if folder.model.exists():
        read_weights(folder.model)
    for path in run.rglob("*.json"):
        json.loads(path.read_text())
    for page in run.parent.rglob("*.html"):
        assert page.read_text().rstrip().endswith("</html>"), page


def mount(disk: Path, size: int, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(disk)], check=True)


def one_disk(base: Path, size: int, failed: Counter[str]) -> str:
    """Train, predict and report on a disk of that size and again when it is larger; which of them failed."""
    disk = base / "disk"
    disk.mkdir(exist_ok=True)
    mount(disk, size)
    try:
        run, page, errors = disk / "run", disk / "page.html", base / "errors"
        words = [f"--{name}={value}" for name, value in SETTINGS.items()]
        commands = {
            "train": ["train", "digits-softmax", "-o", str(run), *words],
            "predict": ["predict", str(run), str(base / "digit.png"), "-o", str(page)],
            "report": ["report", str(run)],
        }
        stopped = "nothing"
        for name, words in commands.items():
            status, lines = in_child(words, errors)
            if status:
                require_told(disk, status, lines, failed)
                stopped = name
                break
        require_whole(run)
        mount(disk, 64 << 20, "remount")
        try:
            newest_whole(run / "checkpoints")
            again = ["resume", str(run)]
        except ChainruleError:
            assert stopped == "train"
            shutil.rmtree(run, ignore_errors=True)
            again = commands["train"]
        for words in (again, commands["predict"], commands["report"]):
            status, lines = in_child(words, errors)
            assert status == 0, (words, lines)
        for name in EQUAL:
            assert (run / name).read_bytes() == (base / "whole" / name).read_bytes(), name
        require_whole(run)
        assert not [path for path in disk.rglob("*") if ".tmp-" in path.name]
        return stopped
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def main(sizes: int) -> dict[str, Any]:
    """Try disks of sizes from a few pages up to one that is large enough."""
    torch.set_num_threads(1)
    base = scratch()
    failed: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    bad: list[str] = []
    try:
        mount(base, 256 << 20)
        try:
            train("digits-softmax", out=base / "whole", settings=SETTINGS)
            Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3).save(base / "digit.png")
            needed = sum(-(-path.stat().st_size // 4096) * 4096 for path in (base / "whole").rglob("*"))
            for i in range(sizes):
                size = 4096 * max(2, round(1.5 * needed / 4096 * ((i + 1) / sizes) ** 2))  # 0: no limit
                try:
                    stopped[one_disk(base, size, failed)] += 1
                except (AssertionError, ChainruleError, ValueError) as error:
                    bad.append(f"disk of {size} bytes: {error!r}")
            return {"sizes": sizes, "stopped": stopped, "failed": failed, "bad": bad}
        finally:
            subprocess.run(["umount", str(base)], check=True)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
