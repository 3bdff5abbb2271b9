"""Worker processes make the same items; one that dies, hangs or fails is one error that names what it was reading."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from chainrule.core.errors import DataError, OutOfMemoryError
from chainrule.data import Augment, Batch, ImageExamples, Normalization
from chainrule.data._at_hand import at_hand
from chainrule.data._sent import SHARED_BYTES
from chainrule.data.feed import feed
from chainrule.data.folder import folder
from chainrule.data.order import Shuffled
from chainrule.data.workers import from_workers
from chainrule.runtime.world import Alone


class Squares:
    def __getitem__(self, number: int) -> tuple[int, object]:
        if number == 13:
            raise DataError("the thirteenth is missing")
        return os.getpid(), torch.tensor(number**2)


@pytest.mark.parametrize("count", [1, 3])
def test_items_come_in_order(count: int) -> None:
    items = list(from_workers(Squares(), range(20, 60), count))
    assert [int(item) for _, item in items] == [number**2 for number in range(20, 60)]
    assert len({process for process, _ in items} - {os.getpid()}) == count


def test_nothing_wanted() -> None:
    assert list(from_workers(Squares(), range(0), 2)) == []


def test_an_error_of_ours_is_raised_where_it_belongs() -> None:
    items = from_workers(Squares(), range(20), 1)
    assert len([next(items) for _ in range(13)]) == 13
    with pytest.raises(DataError, match="thirteenth"):
        next(items)


def test_what_is_left_unread_ends_quietly() -> None:
    items = from_workers(Squares(), range(20, 100_000), 2)
    process, _ = next(items)
    items.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


LARGE = SHARED_BYTES // 4 + 1
SENT = {
    "large": torch.arange(2.0 * LARGE).view(2, LARGE),
    "small": torch.arange(6.0).view(2, 3),
    "channels last": torch.arange(120.0).view(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "large, channels last": torch.rand(4, 3, 40, 40).contiguous(memory_format=torch.channels_last),
    "part of a large one": torch.arange(10.0 * LARGE)[LARGE:-LARGE].view(8, -1)[3],
    "every second": torch.arange(12)[::2],
    "transposed": torch.rand(3, 4).T,
    "one number": torch.tensor(3.5),
    "nothing": torch.empty(0, 3),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "bool": torch.tensor([True, False]),
}


class Tensors:
    def __getitem__(self, number: int) -> object:
        name = list(SENT)[number]
        return {name: (SENT[name], [SENT[name], "text"])}


def test_tensors_arrive_with_their_bits_and_their_strides() -> None:
    for (name, wanted), item in zip(SENT.items(), from_workers(Tensors(), range(len(SENT)), 2), strict=True):
        found, (again, text) = item[name]
        assert torch.equal(found, wanted), name
        assert found.dtype == wanted.dtype
        assert torch.equal(again, wanted)
        assert text == "text"
        if name != "every second":  # gaps between its numbers stay where they are
            assert found.stride() == wanted.stride(), name
        found.zero_()  # it is memory that may be written


@dataclass
class Plan:
    workers: int
    end: int = 40
    seed: int = 3
    cuts: tuple[tuple[int, int], ...] = ((0, 1),)
    worker_timeout: float = 2.0


class Reading:
    """Forty examples that are read one by one; number 17 does something bad."""

    def __init__(self, bad: Callable[[], object], *, noted: bool = True) -> None:
        self.bad, self.noted = bad, noted

    def __len__(self) -> int:
        return 40

    def fetch(self, index: torch.Tensor, key: torch.Tensor) -> Batch:
        for number in index.tolist():
            if self.noted:
                at_hand(number, f"pictures/{number}.png")
            if number == 17:
                self.bad()
        return Batch(index.float(), index, key, index)


def crash() -> None:
    faulthandler.disable()  # pytest's, which would write where pytest writes
    ctypes.string_at(0)


def hang() -> None:
    time.sleep(1000)


def fail() -> None:
    raise ValueError("no pixels\nat all")


def exhaust() -> None:
    raise MemoryError


BAD = {
    "SIGKILL": (lambda: os.kill(os.getpid(), signal.SIGKILL), "died at EXAMPLE: got SIGKILL"),
    "segmentation fault": (crash, "died at EXAMPLE: got SIGSEGV"),
    "exit 0": (lambda: os._exit(0), "died at EXAMPLE: got exit status 0"),
    "exit 3": (lambda: os._exit(3), "died at EXAMPLE: got exit status 3"),
    "hang": (hang, r"hangs at EXAMPLE: expected it within 2 s \(train.worker_timeout\)"),
    "exception": (fail, r"EXAMPLE cannot be read: got ValueError: no pixels \(test_workers.py:\d+\)"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", BAD)
def test_what_goes_wrong_is_one_error_that_names_the_example(kind: str, workers: int) -> None:
    bad, told = BAD[kind]
    begun = time.monotonic()
    with pytest.raises(DataError, match=told.replace("EXAMPLE", r'example 17 \("pictures/17.png"\)')):
        list(feed(Reading(bad), Shuffled(40, 4, seed=3), Plan(workers), Alone(), first=0))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("kind", ["SIGKILL", "exception"])
def test_examples_that_are_read_all_at_once_are_named_together(kind: str) -> None:
    order = Shuffled(40, 4, seed=3)
    step = next(step for step in range(order.per_epoch) if 17 in order(step)[1].tolist())
    listed = ", ".join(map(str, order(step)[1].tolist()))
    with pytest.raises(DataError, match=rf"one of the training examples {listed} \(step {step + 1}\)"):
        list(feed(Reading(BAD[kind][0], noted=False), order, Plan(1), Alone(), first=0))


def test_without_workers_a_failure_reads_the_same() -> None:
    said = []
    for workers in (0, 2):
        with pytest.raises(DataError) as caught:
            list(feed(Reading(fail), Shuffled(40, 4, seed=3), Plan(workers), Alone(), first=0))
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_lack_of_memory_is_told_as_that(workers: int) -> None:
    with pytest.raises(OutOfMemoryError, match=r'to read example 17 \("pictures/17.png"\)'):
        list(feed(Reading(exhaust), Shuffled(40, 4, seed=3), Plan(workers), Alone(), first=0))


def test_steps_before_the_death_are_not_lost() -> None:
    order = Shuffled(40, 4, seed=3)
    step = next(step for step in range(order.per_epoch) if 17 in order(step)[1].tolist())
    batches = feed(Reading(BAD["SIGKILL"][0]), order, Plan(2), Alone(), first=0)
    for number, (_, parts) in enumerate(islice(batches, step)):
        assert torch.equal(parts[0].index, order(number)[1])
    with pytest.raises(DataError, match="example 17"):
        next(batches)


def test_a_worker_that_is_killed_while_it_waits() -> None:
    items = from_workers(Squares(), range(20, 100_000), 2)
    process, _ = next(items)
    time.sleep(0.2)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(DataError, match="a data worker died at item .* SIGKILL.*take fewer --train.workers"):
        list(items)


def test_any_number_of_workers_gives_the_same_batches_from_any_step(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / f"class {number % 3}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40 + number, 50), (20 * number, 255 - 20 * number, 9)).save(path)
    images = folder(folder=str(tmp_path), size=32)
    normalization = Normalization.measure(images.pictures, torch.arange(12), "channel")
    part = ImageExamples(images, torch.arange(12), normalization, Augment(flip=0.5, shift=2, cutout=5, mixup=0.3))
    order = Shuffled(12, 5, seed=1, parts=2)
    wanted = list(feed(part, order, Plan(0, end=9, cuts=((0, 2),)), Alone(), first=0))
    for workers, first in ((1, 0), (2, 4), (4, 7)):
        found = list(feed(part, order, Plan(workers, end=9, cuts=((0, 2),)), Alone(), first=first))
        for (epoch, parts), (same_epoch, same_parts) in zip(found, wanted[first:], strict=True):
            assert epoch == same_epoch
            for one, other in zip(parts.values(), same_parts.values(), strict=True):
                assert torch.equal(one.inputs, other.inputs)
                assert one.inputs.stride() == other.inputs.stride()
                assert torch.equal(one.targets.share, other.targets.share)
                assert torch.equal(one.index, other.index)


HELD = """
import sys, time, torch
from chainrule.data.workers import from_workers

class Items:
    def __getitem__(self, number):
        {body}

"""


def begin(tmp_path: Path, body: str, rest: str, *before: str) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(HELD.format(body=body) + rest)
    return subprocess.Popen([*before, sys.executable, str(script)], stdout=-1, stderr=-1, text=True)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    body = "time.sleep(1000) if number > 1 else 0; import os; return os.getpid()"
    rest = "items = from_workers(Items(), range(90), 2)\nprint(next(items), next(items), flush=True)\nnext(items)"
    program = begin(tmp_path, body, rest)
    assert program.stdout is not None
    workers = [int(number) for number in program.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(alive, workers))
    program.kill()
    program.communicate()
    deadline = time.monotonic() + 10
    while any(map(alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_loop_that_is_left_half_way_lets_the_program_end(tmp_path: Path) -> None:
    rest = "items = from_workers(Items(), range(9000), 2)\nnext(items)\nprint('end')"
    program = begin(tmp_path, "return torch.zeros(100_000)", rest)
    out, err = program.communicate(timeout=60)
    assert (out, err, program.returncode) == ("end\n", "", 0)


def may_mount() -> bool:
    try_out = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    return shutil.which("unshare") is not None and subprocess.run(try_out, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs a namespace in which /dev/shm can be mounted anew")
def test_shared_memory_that_is_too_small_costs_nothing_but_time(tmp_path: Path) -> None:
    # five items of 40 MB in 64 MB: what does not fit goes another way
    body = "return torch.full((10_000_000,), float(number)), torch.arange(number)"
    rest = """
held = []
for number, (large, small) in enumerate(from_workers(Items(), range(5), 2)):
    assert len(small) == number and float(large.min()) == float(large.max()) == number
    held.append(large)
print("done")
"""
    mounted = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
    program = begin(tmp_path, body, rest, "unshare", "-m", "sh", "-c", mounted, "sh")
    out, err = program.communicate(timeout=90)
    assert (out, err) == ("done\n", "")


class Megabytes:
    def __getitem__(self, number: int) -> dict[int, torch.Tensor]:
        return {part: torch.full((250_000,), float(number)) for part in range(2)}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_memory_and_open_files_stay_what_they_were() -> None:
    def epoch() -> tuple[int, int]:
        for number, item in enumerate(from_workers(Megabytes(), range(24), 4)):
            assert float(item[1][-1]) == number
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return len(os.listdir("/proc/self/fd")), resident

    first = [epoch() for _ in range(3)][-1]
    last = [epoch() for _ in range(17)][-1]
    assert last[0] == first[0]
    assert last[1] < 1.05 * first[1]
