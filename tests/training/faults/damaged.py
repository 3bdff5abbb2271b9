"""Bytes of a checkpoint that change: each change is found and named, and the one before is loaded.

    python damaged.py bits|blocks COUNT SEED

`bits`: single bits at random places of all files of a checkpoint. `blocks`: files cut at every length or at random
ones, 4 KiB of zeros, of ones, doubled or exchanged, files of another checkpoint, folders and links in their place.
Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from saving import LAYOUTS, RUN, begin, scratch, state_of

from chainrule.core.errors import CheckpointCorrupt, CheckpointError
from chainrule.core.store import read_folder
from chainrule.training.checkpoint import load_checkpoint, step_folder

PAGE = 4096
Damage = tuple[str, str, Callable[[bytes], bytes | None]]
"""(kind, file, what becomes of its bytes; None: something else than a file stands there)."""


def bits(folder: Path, chance: random.Random) -> Iterator[Damage]:
    """One bit, of any file: as many of each as the file is long."""
    sizes = {name: (folder / name).stat().st_size for name in sorted(os.listdir(folder))}
    rare = sorted(set(sizes) - {max(sizes, key=lambda name: sizes[name])})
    while True:
        name = chance.choice(rare) if chance.random() < 0.5 else max(sizes, key=lambda name: sizes[name])
        place, bit = chance.randrange(sizes[name]), chance.randrange(8)
        yield "bit", name, lambda data, p=place, b=bit: data[:p] + bytes([data[p] ^ (1 << b)]) + data[p + 1 :]


def blocks(folder: Path, chance: random.Random) -> Iterator[Damage]:
    """The small files cut at every length first, then all kinds in turn."""
    names = sorted(os.listdir(folder))
    for name in ("manifest.json", "state.json"):
        for length in range((folder / name).stat().st_size):
            yield "cut", name, lambda data, n=length: data[:n]
    other = sorted(folder.parent.iterdir())[0]
    assert other != folder
    while True:
        name = chance.choice(names)
        size = (folder / name).stat().st_size
        length, more = chance.randrange(size), chance.randbytes(chance.randrange(1, 9999))
        yield "cut", name, lambda data, n=length: data[:n]
        yield "longer", name, lambda data, more=more: data + more
        yield "of another checkpoint", name, lambda data, p=other / name: p.read_bytes()
        yield "no file", name, lambda data: None
        large = max(names, key=lambda name: (folder / name).stat().st_size)
        pages = (folder / large).stat().st_size // PAGE
        a, b = sorted(PAGE * n for n in chance.sample(range(pages), 2))
        yield "zeros", large, lambda data, a=a: data[:a] + bytes(PAGE) + data[a + PAGE :]
        yield "ones", large, lambda data, a=a: data[:a] + b"\xff" * PAGE + data[a + PAGE :]
        yield "doubled", large, lambda data, a=a, b=b: data[:a] + data[b : b + PAGE] + data[a + PAGE :]
        yield (
            "exchanged",
            large,
            lambda data, a=a, b=b: (
                data[:a] + data[b : b + PAGE] + data[a + PAGE : b] + data[a : a + PAGE] + data[b + PAGE :]
            ),
        )


def put(path: Path, data: bytes | None, chance: random.Random) -> None:
    """Let something else stand under a name."""
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    elif (what := chance.randrange(4)) == 0:
        path.mkdir()
    elif what == 1:
        path.symlink_to("nowhere")
    elif what == 2:
        os.mkfifo(path)


def main(how: str, count: int, seed: int) -> dict[str, Any]:
    """Damage, look and mend."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    base = scratch()
    layout = LAYOUTS["blocks" if how == "blocks" else "small"]._replace(steps=(0, 10), keep=2)
    try:
        parent = begin(base, layout).checkpoints
        folder = step_folder(parent, 10)
        found: Counter[str] = Counter()
        bad: list[str] = []
        done = 0
        for kind, name, change in (bits if how == "bits" else blocks)(folder, chance):
            path = folder / name
            before = path.read_bytes()
            after = change(before)
            if after == before:
                continue
            put(path, after, chance)
            try:
                read_folder(folder)
                bad.append(f"{kind} of {name} was not found")
            except CheckpointCorrupt as error:
                if name not in str(error) and kind != "of another checkpoint":
                    bad.append(f"{kind} of {name} is told without its name: {error}")
            except (CheckpointError, OSError, ValueError) as error:
                bad.append(f"{kind} of {name}: {error!r}")
            if done % 50 == 0:
                state = state_of(layout, 1)
                whole = load_checkpoint(parent, state, run=RUN)
                if state.step != 0 or [p.name for p, _ in whole.passed_over] != [folder.name]:
                    bad.append(f"{kind} of {name}: the one before is not used")
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            path.write_bytes(before)
            found[f"{kind}, {name}"] += 1
            done += 1
            if done == count:
                break
        read_folder(folder)  # what is mended is accepted
        return {"how": how, "seed": seed, "changes": done, "found": found, "bad": bad}
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
