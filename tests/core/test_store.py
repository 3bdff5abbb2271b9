"""Files and folders appear whole or not at all, and every failure says why."""

from __future__ import annotations

import errno
import itertools
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chainrule.core.errors import CheckpointCorrupt, CheckpointError, StorageError, UsageError
from chainrule.core.store import (
    filled_folder,
    newest_whole,
    publish_folder,
    read_folder,
    remove_folder,
    set_aside,
    verify_folder,
    write_file,
)


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


# ---------------------------------------------------------------------------------------------------------- one file


@pytest.mark.parametrize(
    "data", [b"", b"abc", "grüße\n", bytearray(b"\0\xff"), memoryview(b"abc")[::1], [b"ab", b"", b"c"]]
)
def test_a_file_has_exactly_the_bytes(tmp_path: Path, data: object) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"what was there before, and longer")
    write_file(path, data)  # type: ignore[arg-type]
    expected = data.encode() if isinstance(data, str) else b"".join(data) if isinstance(data, list) else bytes(data)  # type: ignore[call-overload]
    assert path.read_bytes() == expected
    assert os.listdir(tmp_path) == ["f"]


NAMES = [
    " ",
    "a b",
    "grüße 猫",
    "line\nend",
    "tab\t",
    "-rf",
    "*?[x]",
    "'\"`$(x)",
    "x" * 255,
    "é" * 127,
    "a.tmp-x",
    b"\xff\xfe".decode("utf-8", "surrogateescape"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_odd_names(tmp_path: Path, name: str) -> None:
    write_file(tmp_path / name, b"1")
    write_file(tmp_path / name, b"2")
    assert (tmp_path / name).read_bytes() == b"2"
    assert os.listdir(tmp_path) == [name]
    folder = tmp_path / "folders"
    folder.mkdir()
    publish_folder(folder / name, {"a": b"1"}, {"name": "x"})
    assert read_folder(folder / name)[0] == {"a": b"1"}
    assert os.listdir(folder) == [name]
    remove_folder(folder / name)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/f", "the folder does not exist"),
        ("file/f", "a part of the path is a file"),
        ("folder", "it exists and is no file"),
        ("x" * 256, "the name is too long"),
        ("a\0b", "it is no name for a file"),
        ("loop/f", "links lead in a circle"),
        ("fifo", "it exists and is no file"),
    ],
    ids=ascii,
)
def test_a_path_that_cannot_be_written(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(StorageError, match=why) as caught:
        write_file(tmp_path / path, b"abc")
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(StorageError, match="it exists and is no file"):
        write_file("/dev/null", b"abc")
    assert not Path("/dev/null").is_file()


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"2")
    assert (tmp_path / "real").read_bytes() == b"1"
    assert not (tmp_path / "link").is_symlink()


def test_a_folder_removed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    publish_folder(folder / "step-1", {}, {})
    remove_folder(folder)
    with pytest.raises(StorageError, match="the folder does not exist"):
        publish_folder(folder / "step-2", {"a": b"1"}, {})
    with pytest.raises(StorageError, match="it is no folder"):
        remove_folder(folder)


# -------------------------------------------------------------------------------------------------------- a full disk


@pytest.mark.parametrize("size", [1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_limit_on_file_sizes(tmp_path: Path, size: int) -> None:
    """RLIMIT_FSIZE stands in for a full disk: the kernel itself refuses the bytes, after it took some."""
    result = python(
        """
        import resource, signal, sys
        from chainrule.core.errors import StorageError
        from chainrule.core.store import publish_folder, write_file
        from chainrule.core.journal import Journal
        root, size = sys.argv[1], int(sys.argv[2])
        write_file(root + "/f", b"old")
        publish_folder(root + "/step-1", {"a": b"old"}, {})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        journal = Journal(root + "/j")
        def log():
            journal.append({"text": "x" * size})
            journal.sync()
        for act in (lambda: write_file(root + "/f", bytes(size)),
                    lambda: publish_folder(root + "/step-2", {"a": bytes(size)}, {}), log):
            try:
                act()
                print("done")
            except StorageError as error:
                print(error)
        """,
        tmp_path,
        size,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    for line, path in zip(lines, ["f", "step-2", "j"], strict=True):
        assert f'"{tmp_path / path}": the file would be longer' in line
        needed = re.search(r"room for ([0-9,]+) bytes, got [0-9,]+ bytes free", line)
        assert needed is not None
        assert int(needed[1].replace(",", "")) >= size
    assert (tmp_path / "f").read_bytes() == b"old"
    assert read_folder(tmp_path / "step-1")[0] == {"a": b"old"}
    assert (tmp_path / "j").read_bytes() == b""
    assert sorted(os.listdir(tmp_path)) == ["f", "j", "step-1"]


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """/dev/full lies behind the temporary file: the kernel answers each write with ENOSPC."""
    write_file(tmp_path / "f", b"old")
    real = os.open

    def full(path: os.PathLike[str], flags: int, mode: int = 0o777, **options: int) -> int:
        if flags & os.O_CREAT:
            os.close(real(path, flags, mode))
            return real("/dev/full", os.O_WRONLY)
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", full)
    for act in (
        lambda: write_file(tmp_path / "f", bytes(size)),
        lambda: publish_folder(tmp_path / "s", {"a": bytes(size)}, {}),
    ):
        with pytest.raises(
            StorageError, match=r"the disk is full: expected room for .* bytes, got .* bytes free on the disk"
        ) as caught:
            act()
        assert caught.value.exit_status == 5
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


# ----------------------------------------------------------------------------------------------------------- folders


def test_a_folder_comes_back_as_it_was_written(tmp_path: Path) -> None:
    files = {"empty": b"", "block": bytes(1 << 20), "more": os.urandom((2 << 20) + 17), "state.json": b"{}"}
    facts = {"step": 3, "history": [[1, 0.1]], "torch": "2.13", "deep": {"a": [None, True]}}
    publish_folder(tmp_path / "s", files, facts)
    assert read_folder(tmp_path / "s") == (files, facts)
    assert verify_folder(tmp_path / "s") == facts


def test_buffers_are_joined_across_blocks(tmp_path: Path) -> None:
    data = os.urandom((3 << 20) + 5)
    cuts = [0, 1, 1, 700_000, 1 << 20, (1 << 20) + 1, 3 << 20, len(data)]
    parts = [memoryview(data)[a:b] for a, b in itertools.pairwise(cuts)]
    publish_folder(tmp_path / "cut", {"a": parts}, {})
    publish_folder(tmp_path / "one", {"a": data}, {})
    assert read_folder(tmp_path / "cut")[0]["a"] == data
    assert (tmp_path / "cut/manifest.json").read_bytes() == (tmp_path / "one/manifest.json").read_bytes()


def test_numbers_that_json_lacks_do_not_stop_a_save(tmp_path: Path) -> None:
    publish_folder(tmp_path / "s", {}, {"loss": float("nan"), "best": (float("inf"), -float("inf"))})
    assert verify_folder(tmp_path / "s") == {"loss": "NaN", "best": ["Infinity", "-Infinity"]}


def test_facts_that_are_no_data_fail_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        publish_folder(tmp_path / "s", {"a": b"1"}, {"x": object()})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "/a", "manifest.json", ".hidden", "a\0", "a\n", "x" * 201, "ü"]
)
def test_names_in_a_folder_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no plain name"):
        publish_folder(tmp_path / "s", {name: b""}, {})
    assert os.listdir(tmp_path) == []


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("nowhere")
    publish_folder(tmp_path / "s", {"a": b"1"}, {})
    before = sorted(os.listdir(tmp_path))
    for name in ("empty", "file", "link", "s"):
        with pytest.raises(StorageError, match="the name is taken"):
            publish_folder(tmp_path / name, {"a": b"2"}, {})
    assert sorted(os.listdir(tmp_path)) == before
    assert read_folder(tmp_path / "s")[0] == {"a": b"1"}


def test_what_fails_while_a_folder_is_filled_is_told_as_it_is_and_leaves_nothing(tmp_path: Path) -> None:
    def fill(error: Exception, name: str) -> None:
        with filled_folder(tmp_path / name) as folder:
            (folder / "a").write_bytes(b"1")
            raise error

    with pytest.raises(ValueError, match="of the library"):
        fill(ValueError("of the library"), "new")
    with pytest.raises(StorageError, match="the disk is full"):
        fill(OSError(errno.ENOSPC, ""), "new")
    with pytest.raises(StorageError, match="it is no name for a file"):
        fill(ValueError("never reached"), "a\0b")
    with pytest.raises(StorageError, match="the folder does not exist"):
        fill(ValueError("never reached"), "no/new")
    assert os.listdir(tmp_path) == []
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="the name is taken"):
        fill(ValueError("never reached"), "taken")
    assert os.listdir(tmp_path) == ["taken"]


def test_only_whole_folders_are_removed_by_rename(tmp_path: Path) -> None:
    publish_folder(tmp_path / "s", {"a": b"1"}, {})
    (tmp_path / "link").symlink_to("s")
    with pytest.raises(StorageError, match="it is no folder"):
        remove_folder(tmp_path / "link")
    remove_folder(tmp_path / "s")
    assert os.listdir(tmp_path) == ["link"]


# ------------------------------------------------------------------------------------------------------- newest whole


def test_the_newest_whole_one_is_found_and_the_others_are_named(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9):
        publish_folder(tmp_path / f"step-{step:08d}", {"a": str(step).encode()}, {"step": step})
    (tmp_path / "step-00000011.tmp-1-1").mkdir()
    (tmp_path / "best-00000099").mkdir()
    (tmp_path / "step-x").mkdir()
    found = newest_whole(tmp_path)
    assert (found.path.name, found.facts, found.files, found.passed_over) == (
        "step-00000010",
        {"step": 10},
        {"a": b"10"},
        [],
    )
    (tmp_path / "step-00000010/a").write_bytes(b"11")
    (tmp_path / "step-00000009/manifest.json").unlink()
    path, _, facts, passed_over = newest_whole(tmp_path)
    assert (path.name, facts) == ("step-00000002", {"step": 2})
    assert [p.name for p, _ in passed_over] == ["step-00000010", "step-00000009"]
    assert "damaged in block 0 (bytes 0 to 1)" in passed_over[0][1]
    assert "no manifest.json" in passed_over[1][1]


def test_none_whole(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        newest_whole(tmp_path / "missing")
    with pytest.raises(CheckpointError, match=r"no whole checkpoint in .*an empty folder"):
        newest_whole(tmp_path)
    (tmp_path / "step-3").mkdir()
    with pytest.raises(CheckpointError, match=r"no whole checkpoint in .*step-3.*no manifest"):
        newest_whole(tmp_path)


def test_a_newer_format_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.core.sealed.FORMAT", 7)
    publish_folder(tmp_path / "step-7", {"a": b"1"}, {})
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match="newer version of chainrule: expected format 1 or older, got format 7"
    ) as caught:
        newest_whole(tmp_path)
    assert not isinstance(caught.value, CheckpointCorrupt)


def test_what_is_set_aside_frees_its_name_and_keeps_its_bytes(tmp_path: Path) -> None:
    for expected in ("damaged-x", "damaged-x-1", "damaged-x-2"):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "part").write_text(expected)
        aside = set_aside(tmp_path / "x", "damaged")
        assert aside.name == expected
        assert (aside / "part").read_text() == expected
        assert not (tmp_path / "x").exists()
    with pytest.raises(StorageError, match="cannot rename"):
        set_aside(tmp_path / "x", "damaged")
