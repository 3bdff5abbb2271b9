"""Every changed bit and every missing byte of a published folder is found, as one kind of error that names the file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainrule.core.errors import CheckpointCorrupt
from chainrule.core.store import newest_whole, publish_folder, read_folder

SEED = 20


def parts(seed: int, large: int = (1 << 20) + 4096 * 8) -> dict[str, bytes]:
    rng = random.Random(seed)
    return {
        "model.safetensors": rng.randbytes(large),
        "optimizer.safetensors": rng.randbytes(3000),
        "state.json": json.dumps({"step": seed, "history": [[i, 0.5] for i in range(20)]}).encode(),
        "empty.bin": b"",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_folder(tmp_path / "step-2", parts(2), {"step": 2, "threads": 1, "torch": "2.13.0"})
    return tmp_path / "step-2"


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    before = path.read_bytes()
    after = change(before)
    assert after != before
    path.write_bytes(after)
    yield
    path.write_bytes(before)


def assert_found(folder: Path, *named: str) -> None:
    with pytest.raises(CheckpointCorrupt) as caught:
        read_folder(folder)
    text = str(caught.value)
    assert all(name in text for name in named), text
    assert "\n" not in text


def flip(position: int, bit: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]


def test_two_thousand_flipped_bits(folder: Path) -> None:
    rng = random.Random(SEED)
    names = sorted(name for name in os.listdir(folder) if name != "empty.bin")
    for _ in range(2000):
        path = folder / rng.choice(names)
        with changed(path, flip(rng.randrange(path.stat().st_size), rng.randrange(8))):
            assert_found(folder, path.name)
    assert read_folder(folder)[0] == parts(2)  # the reader accepts what is whole


def test_every_bit_of_a_manifest(tmp_path: Path) -> None:
    publish_folder(tmp_path / "step-1", {"a": b"12"}, {"step": 1})
    path = tmp_path / "step-1/manifest.json"
    for position in range(path.stat().st_size):
        for bit in range(8):
            with changed(path, flip(position, bit)):
                assert_found(tmp_path / "step-1", "manifest.json")


def test_every_truncation_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "step-2"
    publish_folder(folder, parts(2, large=700), {"step": 2})
    for name in sorted(os.listdir(folder)):
        size = (folder / name).stat().st_size
        for length in range(size):
            with changed(folder / name, lambda data, n=length: data[:n]):  # type: ignore[misc]
                assert_found(folder, name)


def test_truncations_and_additions_of_a_large_file(folder: Path) -> None:
    rng = random.Random(SEED)
    path = folder / "model.safetensors"
    size = path.stat().st_size
    for length in [size - 1, 1 << 20, (1 << 20) - 1, 4096, 0, *(rng.randrange(size) for _ in range(100))]:
        with changed(path, lambda data, n=length: data[:n]):  # type: ignore[misc]
            assert_found(folder, path.name, f"expected {size} bytes, got {length} bytes")
    for tail in (b"\0", b"x" * 4096, path.read_bytes()):
        for name in sorted(os.listdir(folder)):
            with changed(folder / name, lambda data, t=tail: data + t):  # type: ignore[misc]
                assert_found(folder, name)


def block_changes() -> dict[str, Callable[[bytearray, int, int], None]]:
    def fill(byte: int) -> Callable[[bytearray, int, int], None]:
        def change(data: bytearray, a: int, b: int) -> None:
            data[a : a + 4096] = bytes([byte]) * 4096

        return change

    def duplicate(data: bytearray, a: int, b: int) -> None:
        data[b : b + 4096] = data[a : a + 4096]

    def swap(data: bytearray, a: int, b: int) -> None:
        data[a : a + 4096], data[b : b + 4096] = data[b : b + 4096], data[a : a + 4096]

    return {"zeros": fill(0), "ones": fill(255), "duplicate": duplicate, "swap": swap}


@pytest.mark.parametrize("kind", block_changes())
def test_damaged_blocks(folder: Path, kind: str) -> None:
    rng = random.Random(SEED)
    path = folder / "model.safetensors"
    blocks = path.stat().st_size // 4096
    for _ in range(60):
        a, b = (4096 * n for n in rng.sample(range(blocks), 2))

        def change(data: bytes, a: int = a, b: int = b) -> bytes:
            content = bytearray(data)
            block_changes()[kind](content, a, b)
            return bytes(content)

        touched = [b] if kind == "duplicate" else [a] if kind in ("zeros", "ones") else [a, b]
        first = min(touched) >> 20
        with changed(path, change):
            assert_found(folder, path.name, f"damaged in block {first} (bytes {first << 20} to ", "expected CRC-32")


def test_files_of_two_checkpoints_mixed(tmp_path: Path) -> None:
    for step in (1, 2):
        publish_folder(tmp_path / f"step-{step}", parts(step, large=5000), {"step": step})
    names = [name for name in os.listdir(tmp_path / "step-1") if name != "empty.bin"]
    for name in names:
        shutil.copytree(tmp_path / "step-2", tmp_path / "mixed")
        shutil.copy(tmp_path / "step-1" / name, tmp_path / "mixed" / name)
        assert_found(tmp_path / "mixed")
        shutil.rmtree(tmp_path / "mixed")


def test_missing_additional_and_odd_files(folder: Path) -> None:
    for name in sorted(os.listdir(folder)):
        (folder / name).rename(folder.parent / "aside")
        assert_found(folder, name)
        for make in (
            Path.mkdir,
            lambda p: p.symlink_to("nowhere"),
            lambda p: p.symlink_to(folder.parent / "aside"),
            os.mkfifo,
        ):
            make(folder / name)
            assert_found(folder, name)
            (folder / name).rmdir() if (folder / name).is_dir() else (folder / name).unlink()
        (folder / name).touch()
        if name != "empty.bin":
            assert_found(folder, name)
        (folder.parent / "aside").rename(folder / name)
    for name in ("extra", "model.safetensors ", "a\nb", ".hidden"):
        (folder / name).touch()
        assert_found(folder, "does not belong in")
        (folder / name).unlink()
    assert read_folder(folder)[0] == parts(2)


def test_what_is_no_folder_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "link", "empty", "loop"):
        assert_found(tmp_path / name, name)


def sealed(body: object) -> bytes:
    """A manifest whose digest is right, whatever it says."""
    text = (body if isinstance(body, bytes) else json.dumps(body).encode())[1:]
    return b'{"digest":"' + hashlib.sha256(text).hexdigest().encode() + b'",' + text


ENTRY = {"bytes": 1, "crc32": ["e8b7be43"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"{[[[[[[[",
        b"{" + b'"a":[' * 100_000,
        b'{"format":1e999,"files":{},"facts":{}}',
        b'{"format":NaN,"files":{},"facts":{}}',
        {"format": 0, "files": {}, "facts": {}},
        {"format": True, "files": {}, "facts": {}},
        {"format": "1", "files": {}, "facts": {}},
        {"format": 1, "files": [], "facts": {}},
        {"format": 1, "files": {}, "facts": []},
        {"format": 1, "files": {"a": {}}, "facts": {}},
        {"format": 1, "files": {"a": None}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"bytes": "1"}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"bytes": True}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"bytes": -1}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"bytes": 2**70}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"crc32": []}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"crc32": ["e8b7be43", "e8b7be43"]}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"crc32": [3904355907]}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY | {"crc32": "e8b7be43"}}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY, "../b": ENTRY}, "facts": {}},
        {"format": 1, "files": {"a": ENTRY, "manifest.json": ENTRY}, "facts": {}},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_manifest_with_a_right_digest_that_says_nonsense(tmp_path: Path, body: object) -> None:
    publish_folder(tmp_path / "step-1", {"a": b"a"}, {})
    good = tmp_path / "step-1/manifest.json"
    content = json.loads(good.read_bytes())
    del content["digest"]
    assert content["files"]["a"] == ENTRY
    good.write_bytes(sealed(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()))
    assert read_folder(tmp_path / "step-1")[0] == {"a": b"a"}  # the test's seal is the product's
    good.write_bytes(sealed(body))
    assert_found(tmp_path / "step-1")


def test_the_one_before_is_used_when_the_newest_is_damaged(folder: Path) -> None:
    publish_folder(folder.parent / "step-3", parts(3), {"step": 3})
    with changed(folder.parent / "step-3/model.safetensors", flip(1 << 20, 0)):
        path, files, facts, passed_over = newest_whole(folder.parent)
        assert (path, files, facts["step"]) == (folder, parts(2), 2)
        assert [p.name for p, _ in passed_over] == ["step-3"]
        assert "model.safetensors" in passed_over[0][1]
    assert newest_whole(folder.parent).path.name == "step-3"
