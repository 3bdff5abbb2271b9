"""How many pictures a second come from a folder, from shards and from Parquet files, and what memory it takes.

Run with CHAINRULE_DATA set: `python benchmarks/shards.py [TURNS] [PICTURES] [--busy]`. The same pictures lie in all
three forms: JPEG files of cifar10-jpeg as they are, and those of fashion-mnist written as PNG. Each contestant makes
the batches of an epoch (64 pictures, in its own training order, normalized), all in turn in one process, with the page
cache as it is, and once more after the files' pages were dropped from it. Memory is that of this process.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import begin, in_turns, medians, write
from PIL import Image

from chainrule.data import DATA, ImageExamples, Normalization, Shuffled, ShuffledWindows, open_image
from chainrule.data.cifar10_jpeg import FILE, read_parts
from chainrule.data.feed import feed
from chainrule.data.fetch import find
from chainrule.runtime.world import Alone

BATCH, SHARDS, PASSES = 64, 10, 10


@dataclass
class Plan:
    """One epoch."""

    end: int
    workers: int
    seed: int = 0
    cuts: tuple[tuple[int, int], ...] = ((0, 1),)
    worker_timeout: float = 120.0


def main(turns: int = 5, count: int = 10_000) -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["CHAINRULE_CACHE"] = str(Path(place) / "cache")
        sets = {"cifar10-jpeg": cifar_files(count), "fashion-mnist": fashion_files(count)}
        found = {name: measured(Path(place) / name, files, turns) for name, files in sets.items()}
    what = f"median pictures a second of {turns} turns of an epoch of {count:,} pictures, batch {BATCH}, one thread"
    write("shards", {"what": what, "pictures": count, "shards": SHARDS, "sets": found})


def cifar_files(count: int) -> list[tuple[bytes, int, str]]:
    """JPEG files of training pictures, their classes and their ending."""
    path = find("cifar10-jpeg", (FILE,))
    assert path is not None, "cifar10-jpeg is not there"
    parts = read_parts(path)
    ends, labels = parts["offsets"], parts["labels"]
    return [(parts["jpeg"][ends[i] : ends[i + 1]].tobytes(), int(labels[i]), "jpg") for i in range(count)]


def fashion_files(count: int) -> list[tuple[bytes, int, str]]:
    """Training pictures as PNG files."""
    images = DATA.resolve("fashion-mnist")()
    files = []
    for i in range(count):
        buffer = io.BytesIO()
        Image.fromarray(images.pictures.read(torch.tensor([i]))[0, 0].numpy()).save(buffer, "PNG")
        files.append((buffer.getvalue(), int(images.labels[i]), "png"))
    return files


def measured(root: Path, files: list[tuple[bytes, int, str]], turns: int) -> dict[str, Any]:
    """The figures of one set of pictures."""
    size = open_image(files[0][0])
    options = {"size": size.width, "channels": 1 if size.mode == "L" else 3}
    sources = {
        "folder": {"folder": write_folder(root / "folder", files)},
        "shards": {"path": write_shards(root / "shards", files)},
        "hub": {"path": write_parquet(root / "hub", files)},
    }
    jobs = {name: Job(name, {**given, **options}) for name, given in sources.items()}
    contestants: dict[str, Callable[[], float]] = {}
    for name, job in jobs.items():
        contestants[name] = job.epoch
        contestants[f"{name}, 2 workers"] = lambda job=job: job.epoch(workers=2)
        contestants[f"{name}, pages dropped"] = lambda job=job, at=root: job.cold_epoch(at)
    in_turns({name: job.epoch for name, job in jobs.items()}, 1)
    seconds = medians(in_turns(contestants, turns))
    memory = [jobs["shards"].memory() for _ in range(PASSES)]
    return {
        "pictures a second": {name: round(len(files) / value) for name, value in seconds.items()},
        "shards over folder": round(seconds["folder"] / seconds["shards"], 3),
        "MB of a file": round(sum(len(data) for data, _, _ in files) / len(files) / 1e6, 6),
        "MB of this process after each of 10 passes over the shards": memory,
    }


class Job:
    """A source, and the batches of an epoch of it."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        images = DATA.resolve(name)(**options)
        index = torch.arange(len(images))
        self.examples = ImageExamples(images, index, Normalization.measure(images.pictures, index[:1000], "channel"))
        self.order: Any = Shuffled(len(images), BATCH, 0)
        if images.groups is not None:
            self.order = ShuffledWindows(images.groups, BATCH, 0, window=images.window)

    def epoch(self, workers: int = 0) -> float:
        """Seconds of an epoch."""
        begun, seen = time.perf_counter(), 0
        for _, parts in feed(self.examples, self.order, Plan(self.order.per_epoch, workers), Alone(), first=0):
            seen += len(parts[0])
        assert seen == len(self.examples)
        return time.perf_counter() - begun

    def cold_epoch(self, root: Path) -> float:
        """Seconds of an epoch after the pages of all files were dropped."""
        os.sync()
        for path in root.parent.rglob("*"):
            if path.is_file():
                fd = os.open(path, os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)
        return self.epoch()

    def memory(self) -> float:
        """Megabytes of this process after an epoch."""
        self.epoch()
        return round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def write_folder(root: Path, files: list[tuple[bytes, int, str]]) -> str:
    """One directory per class."""
    for number, (data, label, ending) in enumerate(files):
        path = root / str(label) / f"{number:06}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root)


def write_shards(root: Path, files: list[tuple[bytes, int, str]]) -> str:
    """Tar files of equal length."""
    root.mkdir(parents=True)
    for shard, numbers in enumerate(np.array_split(np.arange(len(files)), SHARDS)):
        with tarfile.open(root / f"shard-{shard:03}.tar", "w") as archive:
            for number in numbers.tolist():
                data, label, ending = files[number]
                for name, content in ((ending, data), ("cls", str(label).encode())):
                    member = tarfile.TarInfo(f"{number:06}.{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return str(root)


def write_parquet(root: Path, files: list[tuple[bytes, int, str]]) -> str:
    """One Parquet file."""
    import datasets

    datasets.disable_progress_bars()
    root.mkdir(parents=True)
    names = [str(label) for label in range(10)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    rows = {"image": [{"bytes": data, "path": None} for data, _, _ in files], "label": [label for _, label, _ in files]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(root / "train.parquet"))
    return str(root)


if __name__ == "__main__":
    words = [int(word) for word in begin()]
    torch.set_num_threads(1)
    main(*words)
