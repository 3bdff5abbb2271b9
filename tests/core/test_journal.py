"""A log is lines that were appended, in order, and can be cut back to any place that was synced."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import CheckpointCorrupt, StorageError
from chainrule.core.journal import Journal, read_journal

RECORDS = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.text(max_size=20), max_size=4)
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(records=RECORDS, cuts=st.lists(st.sampled_from(["sync", "flush", "reopen", ""]), max_size=40))
def test_what_is_appended_is_read_and_the_checksum_is_the_file_s(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], cuts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("log") / "m.jsonl"
    journal = Journal(path)
    for i, record in enumerate(records):
        journal.append(record)
        act = cuts[i] if i < len(cuts) else ""
        if act == "reopen":
            journal.close()
            journal = Journal(path)
        elif act:
            getattr(journal, act)()
    length, crc = journal.sync()
    journal.close()
    data = path.read_bytes()
    assert (length, crc) == (len(data), zlib.crc32(data))
    finite = [
        {k: str(v).replace("inf", "Infinity") if v in (float("inf"), -float("inf")) else v for k, v in r.items()}
        for r in records
    ]
    assert read_journal(path) == finite


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    with Journal(tmp_path / "a") as a, Journal(tmp_path / "b") as b:
        a.append({"x": 0.1, "y": float("nan")})
        b.append({"y": float("nan"), "x": 0.1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b'{"x":0.1,"y":"NaN"}\n'


def test_long_logs_reach_the_file_without_a_flush(tmp_path: Path) -> None:
    with Journal(tmp_path / "a") as journal:
        for i in range(5000):
            journal.append({"step": i, "loss": i / 7})
        assert (tmp_path / "a").stat().st_size > 60_000
        assert [r["step"] for r in read_journal(tmp_path / "a")] == list(range(len(read_journal(tmp_path / "a"))))
    assert len(read_journal(tmp_path / "a")) == 5000


def test_every_cut_of_the_last_line_is_forgiven_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with Journal(path) as journal:
        for i in range(3):
            journal.append({"step": i})
    whole = path.read_bytes()
    lines = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        complete = sum(end <= length for end in lines) - 1
        assert read_journal(path) == [{"step": i} for i in range(complete)]
        with Journal(path) as journal:  # a writer goes on behind the last whole line
            journal.append({"step": 9})
        assert read_journal(path) == [*({"step": i} for i in range(complete)), {"step": 9}]


@pytest.mark.parametrize("bad", [b"", b"{", b"[1]", b"1", b"\xff", b"[" * 100_000, b'{"a":1}{"a":1}', b"1" * 5000])
def test_a_bad_line_is_named(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "m").write_bytes(b'{"a":1}\n' + bad + b'\n{"a":2}\n')
    with pytest.raises(CheckpointCorrupt, match=r'line 2 of .*/m" is no ') as caught:
        read_journal(tmp_path / "m")
    assert len(str(caught.value)) < 300


def synced(path: Path, count: int) -> list[tuple[int, int]]:
    with Journal(path) as journal:
        ends = [journal.sync()]
        for i in range(count):
            journal.append({"step": i, "loss": 1 / (i + 1)})
            ends.append(journal.sync())
    return ends


def test_cutting_gives_the_log_of_that_moment(tmp_path: Path) -> None:
    path = tmp_path / "m"
    ends = synced(path, 10)
    whole = path.read_bytes()
    for n in range(10, -1, -1):
        Journal.cut(path, *ends[n])
        Journal.cut(path, *ends[n])
        assert [r["step"] for r in read_journal(path)] == list(range(n))
        with Journal(path) as journal:
            for i in range(n, 10):
                journal.append({"step": i, "loss": 1 / (i + 1)})
            assert journal.sync() == ends[10]
        assert path.read_bytes() == whole
    Journal.cut(tmp_path / "none", 0, 0)
    assert read_journal(tmp_path / "none") == []


def test_a_changed_beginning_is_found_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m"
    length, crc = synced(path, 20)[12]
    whole = path.read_bytes()
    rng = random.Random(3)
    for _ in range(300):
        position, bit = rng.randrange(length), rng.randrange(8)
        damaged = whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :]
        path.write_bytes(damaged)
        with pytest.raises(CheckpointCorrupt, match=f"was changed within its first {length} bytes"):
            Journal.cut(path, length, crc)
        assert path.read_bytes() == damaged
    for short in range(length):
        path.write_bytes(whole[:short])
        with pytest.raises(CheckpointCorrupt, match=f"is cut short: expected {length} bytes, got {short} bytes"):
            Journal.cut(path, length, crc)
    path.unlink()
    with pytest.raises(CheckpointCorrupt, match="is missing"):
        Journal.cut(path, length, crc)
    path.write_bytes(whole[:length] + b"garbage that no resume needs")
    Journal.cut(path, length, crc)
    assert path.read_bytes() == whole[:length]


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for act in (Journal, read_journal, lambda p: Journal.cut(p, 0, 0)):
        for name in ("missing/m", "file/m", "x" * 256, "a\0"):
            with pytest.raises(StorageError):
                act(tmp_path / name)
        with pytest.raises(StorageError):
            act(tmp_path)


def test_a_killed_writer_loses_nothing_that_was_synced(tmp_path: Path) -> None:
    code = """
        import sys
        from chainrule.core.journal import Journal
        journal = Journal(sys.argv[1])
        for i in range(10**9):
            journal.append({"step": i, "text": "x" * (i % 97)})
            if i % 50 == 49:
                print(*journal.sync(), i, flush=True)
        """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for trial in range(5):
        path = tmp_path / str(trial)
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), path], stdout=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdout is not None
            for _ in range(7 * (trial + 1)):
                told = process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            told = (process.stdout.read().rpartition(b"\n")[0].rpartition(b"\n")[2]) or told
        length, crc, last = map(int, told.split())
        assert [r["step"] for r in read_journal(path)][: last + 1] == list(range(last + 1))
        Journal.cut(path, length, crc)
        assert json.loads(path.read_bytes().splitlines()[-1])["step"] == last
