"""Shards: pictures in tar files, read from their places; hostile and damaged ones are refused, remote ones are kept."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.core.errors import DataError, UsageError
from chainrule.data import ImageExamples, Normalization, check_data
from chainrule.data._bad_examples import SourceLost, replacing
from chainrule.data._shard_index import read_index
from chainrule.data._shard_places import find_shards
from chainrule.data._tar_members import HEADER_AT_MOST, tar_members
from chainrule.data.feed import feed
from chainrule.data.folder import folder
from chainrule.data.shards import shards
from chainrule.runtime.rng import keys
from chainrule.runtime.world import Alone
from chainrule.tasks.images import Classification
from chainrule.tasks.tables import open_recipe


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_OFFLINE", raising=False)
    return tmp_path / "cache"


def png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, members: list[tuple[str, bytes]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def a_shard(path: Path, first: int, count: int = 6, classes: int = 2) -> Path:
    every = range(first, first + count)
    return write(path, [m for i in every for m in ((f"{i:04}.png", png(i)), (f"{i:04}.cls", b"%d" % (i % classes)))])


def some_shards(root: Path, number: int = 4, count: int = 6) -> Path:
    for shard in range(number):
        a_shard(root / f"pets-{shard:03}.tar", shard * count, count)
    return root


def the_same_folder(root: Path, count: int) -> Any:
    for number in range(count):
        path = root / str(number % 2) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return folder(folder=str(root), size=5)


def test_pictures_and_classes_are_those_of_the_files(tmp_path: Path) -> None:
    images = shards(path=str(some_shards(tmp_path / "s")), size=5)
    files = the_same_folder(tmp_path / "f", 24)
    assert images.labels.tolist() == [number % 2 for number in range(24)]
    assert images.classes == ("0", "1")
    by_name = {Path(path).stem: number for number, path in enumerate(files.pictures.paths)}
    order = torch.tensor([by_name[f"{number:04}"] for number in range(24)])
    mixed = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(images.pictures.read(mixed), files.pictures.read(order[mixed]))
    assert images.pictures.read(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 5, 5)
    assert images.pictures.where(7) == str(tmp_path / "s" / "pets-001.tar") + "/0007"
    assert images.groups is not None
    assert images.groups.tolist() == [number // 6 for number in range(24)]
    assert check_data(images).sizes == {"9x7": 24}


def test_the_forms_of_examples(tmp_path: Path) -> None:
    members = [
        ("a/x.1.JPG", b"ignored: its ending is 1.JPG"),
        ("a/x.json", json.dumps({"label": "dog", "id": 3}).encode()),
        ("a/x.png", png(0)),
        ("b/x.webp", png(1)),
        ("b/x.cls", b" cat \n"),
        ("only.json", b"{}"),
        ("._hidden.png", b"?"),
        ("text.txt", b"?"),
    ]
    images = shards(path=str(write(tmp_path / "s.tar", members)), size=4)
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [1, 0]
    assert [images.pictures.where(i).rpartition(".tar/")[2] for i in range(2)] == ["a/x", "b/x"]
    assert sorted(images.facts["ignored"]) == ["s.tar/only.json", "s.tar/text.txt"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_odd_ones(tmp_path: Path, form: int) -> None:
    long = "d" * 90 + "/" + "é" * 40 if form == tarfile.USTAR_FORMAT else "d" * 300 + "/é" + "x" * 200
    members = [(f"{long}.png", png(0)), (f"{long}.cls", b"0"), ("b.png", png(1)), ("b.cls", b"1")]
    images = shards(path=str(write(tmp_path / "s.tar", members, format=form)), size=4)
    assert [images.pictures.keys[i] for i in range(2)] == [long, "b"]
    assert images.pictures.read(torch.arange(2)).shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", b"x")], 'example "a" of the shard .* has no class'),
        ([("a.png", b"x"), ("a.json", b"[1]")], "has no class"),
        ([("a.png", b"x"), ("a.json", b"{")], "KEY.json is damaged"),
        ([("a.png", b"x"), ("a.json", b"[" * 100_000)], "KEY.json is damaged"),
        ([("a.png", b"x"), ("a.json", b" " * (2**20 + 1))], "KEY.json is too long"),
        ([("a.png", b"x"), ("a.cls", b"\xff")], "KEY.cls is damaged"),
        ([("a.png", b"x"), ("a.png", b"y"), ("a.cls", b"0")], '"a.png" twice'),
        ([("a.png", b"x"), ("a.jpg", b"y"), ("a.cls", b"0")], "more than one picture.*--data.picture"),
        ([("a.txt", b"x")], "there are no pictures in the shards"),
        ([], "there are no pictures in the shards"),
    ],
)
def test_examples_that_make_no_sense(tmp_path: Path, members: list[tuple[str, bytes]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        shards(path=str(write(tmp_path / "s.tar", members)))


def test_which_picture_is_meant_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tar", [("a.png", png(0)), ("a.jpg", png(1)), ("a.cls", b"0")])
    seen = [shards(path=str(path), size=4, picture=ending).pictures.read(torch.arange(1)) for ending in ("png", "jpg")]
    assert not torch.equal(*seen)


def test_names_of_the_classes(tmp_path: Path) -> None:
    root = some_shards(tmp_path / "s", 1)
    (root / "classes.txt").write_text("cat\n\ndog\nhorse\n")
    assert shards(path=str(root)).classes == ("cat", "dog", "horse")
    (tmp_path / "few.txt").write_text("cat\n")
    with pytest.raises(DataError, match="out of range: expected 0 to 0, got 1"):
        shards(path=str(root), classes=str(tmp_path / "few.txt"))
    with pytest.raises(DataError, match="cannot be read"):
        shards(path=str(root), classes=str(tmp_path / "none.txt"))
    words = write(tmp_path / "w.tar", [("a.png", png(0)), ("a.cls", b"cow")])
    with pytest.raises(DataError, match='not in the list of classes: got "cow"'):
        shards(path=str(words), classes=str(root / "classes.txt"))


def test_patterns(tmp_path: Path) -> None:
    for name in ("train-008.tar", "train-009.tar", "train-010.tar", "val-0.tar", "test-0.tar"):
        a_shard(tmp_path / name, 0, 2)
    at = f"{tmp_path}/"
    names = lambda pattern: [shard.name for shard in find_shards(at + pattern)]  # noqa: E731
    assert names("train-{008..010}.tar") == ["train-008.tar", "train-009.tar", "train-010.tar"]
    assert names("{val,test}-0.tar") == ["val-0.tar", "test-0.tar"]
    assert names("train-*.tar") == ["train-008.tar", "train-009.tar", "train-010.tar"]
    assert [shard.part for shard in find_shards(str(tmp_path))] == ["test", "train", "train", "train", "valid"]
    assert {shard.part for shard in find_shards(at + "{val,test}-0.tar")} == {
        "train"
    }  # nothing to learn from otherwise
    images = shards(path=at + "{train-008,train-009,train-010,val-0,test-0}.tar", size=4)
    assert (len(images.train), len(images.valid), len(images.test)) == (6, 2, 2)
    for pattern, error in (
        ("train-{010..008}.tar", "counts down"),
        ("train-{8}.tar", "no choice"),
        ("train-{8,9.tar", "do not match"),
        ("train-{1..999999999}.tar", "too many shards|does not exist"),
        ("train-{008,008}.tar", "a shard twice"),
        ("train-{008..020}.tar", "does not exist"),
        ("no-*.tar", "there are no shards"),
    ):
        with pytest.raises((DataError, UsageError), match=error):
            find_shards(at + pattern)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no shards in the folder"):
        find_shards(at + "empty")


def header(**changes: Any) -> bytes:
    member = tarfile.TarInfo(changes.pop("name", "a.png"))
    for name, value in changes.items():
        setattr(member, name, value)
    return member.tobuf(tarfile.GNU_FORMAT)


END = bytes(1024)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged or no tar file"),
        (b"not a tar file at all", "damaged or no tar file"),
        (os.urandom(4096), "damaged or no tar file"),
        (header(size=5), "cut short"),
        (header(size=5) + b"12345" + bytes(507), "cut short"),
        (header(size=2**40) + END, "bytes|cut short"),
        (header(size=0) + b"x" * 512 + END, "a damaged header at byte 512"),
        (header(size=0, type=tarfile.GNUTYPE_LONGNAME) + END, "damaged|cut short"),
        (header(size=2**33, type=tarfile.GNUTYPE_LONGNAME) + END, "a header of 8,589,93"),
        (header(size=2**33, type=tarfile.XHDTYPE) + END, "a header of 8,589,93"),
        (header(size=HEADER_AT_MOST + 1, type=tarfile.XHDTYPE) + END, "a header of"),
        (header(size=-512) + END, "a header that leads back|damaged|cut short"),
        (header(size=-1024, type=tarfile.XHDTYPE) + END, "a header of -|damaged"),
        (b"\x1f\x8b" + bytes(2000), "damaged or no tar file"),
    ],
)
def test_hostile_tar_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "s.tar"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        list(tar_members(path))


def test_what_is_no_regular_file_is_passed_over(tmp_path: Path) -> None:
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
    path = tmp_path / "s.tar"
    links = b"".join(header(name=f"{n}.png", type=kind, linkname="/etc/passwd") for n, kind in enumerate(kinds))
    path.write_bytes(links + header(name="../../up.png", size=3) + b"abc" + bytes(509) + END)
    (member,) = tar_members(path)
    assert (member.name, member.size) == ("../../up.png", 3)
    assert path.read_bytes()[member.offset : member.offset + 3] == b"abc"
    assert sorted(os.listdir(tmp_path)) == ["s.tar"]


def test_every_cut_of_a_shard_is_noticed(tmp_path: Path) -> None:
    whole = a_shard(tmp_path / "s.tar", 0, 2).read_bytes()
    path = tmp_path / "cut.tar"
    last = len(whole.rstrip(b"\0"))
    for length in range(0, last, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            list(tar_members(path))


def test_the_index_is_built_once_and_again_when_the_shard_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_shard(tmp_path / "s.tar", 0)
    first = shards(path=str(path), size=4)
    (file,) = cache.rglob("index-*")
    read = Counter[str]()
    real = chainrule.data.shards.read_shard
    monkeypatch.setattr("chainrule.data.shards.read_shard", lambda *a, **k: read.update("x") or real(*a, **k))
    assert torch.equal(shards(path=str(path), size=4).labels, first.labels)
    assert not read
    status = path.stat()
    data = bytearray(path.read_bytes())
    place = data.index(b"0000.cls") + 512
    data[place : place + 1] = b"1"
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the same length, the same time, other bytes
    assert shards(path=str(path), size=4).labels.tolist() == [1, 1, 0, 1, 0, 1]
    assert read["x"] == 1
    damaged = bytearray(file.read_bytes())
    damaged[-20] ^= 1
    file.write_bytes(damaged)
    assert read_index(file) is None
    assert shards(path=str(path), size=4).labels.tolist() == [1, 1, 0, 1, 0, 1]
    assert read["x"] == 2


def test_a_shard_that_changes_while_it_is_used(tmp_path: Path) -> None:
    path = a_shard(tmp_path / "s.tar", 0)
    images = shards(path=str(path), size=4)
    a_shard(path, 50)
    with pytest.raises(SourceLost, match="has changed since the run began"):
        images.pictures.read(torch.arange(1))
    path.unlink()
    with pytest.raises(SourceLost, match="cannot be read"):
        images.pictures.read(torch.arange(1))


def test_checksums(tmp_path: Path) -> None:
    path = a_shard(tmp_path / "s.tar", 0)
    listed = tmp_path / "SHA256SUMS"
    listed.write_text(f"# mine\n{hashlib.sha256(path.read_bytes()).hexdigest()} *s.tar\n")
    assert len(shards(path=str(path))) == 6
    a_shard(path, 50)
    with pytest.raises(DataError, match="is not the one of the list"):
        shards(path=str(path))
    listed.write_text("nonsense\n")
    with pytest.raises(DataError, match="line 1 of the list of checksums"):
        shards(path=str(path))


def test_damaged_pictures_are_named_and_can_be_replaced(tmp_path: Path) -> None:
    members = [m for i in range(9) for m in ((f"{i}.png", b"bad" if i == 4 else png(i)), (f"{i}.cls", b"%d" % (i % 2)))]
    images = shards(path=str(write(tmp_path / "s.tar", members)), size=4)
    with pytest.raises(DataError, match=r's\.tar/4" cannot be read'):
        images.pictures.read(torch.arange(9))
    assert check_data(images).unreadable == ((f"{tmp_path}/s.tar/4", "another format, or a damaged header"),)
    normalization = Normalization.measure(images.pictures, torch.arange(4), "channel")
    part = ImageExamples(images, torch.arange(9), normalization, reading=replacing)
    batch = part.fetch(torch.arange(9), keys(0, 0, torch.arange(9), "example"))
    assert batch.skipped[0] == f'example 4 ("{tmp_path}/s.tar/4")'


def test_many_shards_need_few_open_files_and_can_be_sent(tmp_path: Path) -> None:
    images = shards(path=str(some_shards(tmp_path / "s", 40, 2)), size=4)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    wanted = images.pictures.read(torch.arange(80).flip(0))
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 16
    twin = pickle.loads(pickle.dumps(images.pictures))
    assert torch.equal(twin.read(torch.arange(80).flip(0)), wanted)
    images.pictures.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 16  # those of the twin


class Served:
    """A folder on the net of this machine, and how often each file was asked for."""

    def __init__(self, root: Path) -> None:
        self.asked: Counter[str] = Counter()
        served = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                served.asked.update([self.path.rpartition("/")[2]])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    site = Served(tmp_path / "site")
    yield site
    site.server.shutdown()
    site.server.server_close()


def test_shards_from_the_net_are_kept(tmp_path: Path, cache: Path, served: Served) -> None:
    root = some_shards(tmp_path / "site")
    images = shards(path=served.address + "/pets-{000..003}.tar", size=5)
    near = shards(path=str(root), size=5)
    assert torch.equal(images.labels, near.labels)
    assert torch.equal(images.pictures.read(torch.arange(24)), near.pictures.read(torch.arange(24)))
    shards(path=served.address + "/pets-{000..003}.tar", size=5).pictures.read(torch.arange(24))
    assert set(served.asked.values()) == {1}


def test_the_cache_is_bounded_and_each_shard_is_fetched_once_an_epoch(
    tmp_path: Path, cache: Path, served: Served
) -> None:
    root = some_shards(tmp_path / "site", number=8)
    one = (root / "pets-000.tar").stat().st_size
    path = served.address + "/pets-{000..007}.tar"
    data = {"name": "shards", "path": path, "size": 8, "cache": 3.5 * one / 1e9, "window": 2}
    recipe = open_recipe("digits-cnn", {f"data.{key}": value for key, value in data.items()})
    job = Classification(recipe)
    assert max(served.asked.values()) == 1  # the index
    order = job.task().orders["train"]
    job.examples("train")  # mean and deviation
    served.asked.clear()
    kept = lambda: sum(file.stat().st_size for file in cache.rglob("shard.tar"))  # noqa: E731

    class Plan:
        end, seed, cuts, workers, worker_timeout = order.per_epoch, 0, ((0, 1),), 0, 60.0

    for _ in feed(job.examples("train"), order, Plan(), Alone(), first=0):
        assert kept() <= 3.5 * one
    assert max(served.asked.values()) == 1
    assert len(served.asked) >= 5  # the cache holds three of eight


def test_a_shard_that_is_another_one_now_or_gone(tmp_path: Path, cache: Path, served: Served) -> None:
    root = some_shards(tmp_path / "site", 1)
    images = shards(path=served.address + "/pets-000.tar", size=5)
    (file,) = cache.rglob("shard.tar")
    file.unlink()
    a_shard(root / "pets-000.tar", 50)
    with pytest.raises(SourceLost, match="is not the known file"):
        images.pictures.read(torch.arange(1))
    (root / "pets-000.tar").unlink()
    with pytest.raises(SourceLost, match="cannot be had: the server says 404"):
        images.pictures.read(torch.arange(1))


def test_a_shard_larger_than_the_cache_and_one_that_must_not_be_fetched(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "site" / "large.tar", [("a.png", bytes(4_000_000)), ("a.cls", b"0")])
    with pytest.raises(SourceLost, match="at most 1,000,000 bytes"):
        shards(path=served.address + "/large.tar", cache=1e-3)
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    with pytest.raises(SourceLost, match="downloads are switched off"):
        shards(path=served.address + "/large.tar")


def test_a_checksum_guards_what_comes_from_the_net(tmp_path: Path, served: Served) -> None:
    some_shards(tmp_path / "site", 1)
    listed = tmp_path / "sums"
    listed.write_text(f"{'0' * 64}  pets-000.tar\n")
    with pytest.raises(SourceLost, match="expected the SHA-256 0000"):
        shards(path=served.address + "/pets-000.tar", checksums=str(listed))


def test_a_training_from_shards_goes_on_exactly(tmp_path: Path) -> None:
    root = some_shards(tmp_path / "s", 5, 12)
    recipe = {
        "data": {"name": "shards", "path": str(root), "size": 8, "window": 2},
        "model": {"name": "cnn", "widths": [4]},
        "optim": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 3, "batch": 5, "keep_every": 2, "threads": 1},
    }

    def cut(seen: Any) -> None:
        if seen.step == 11:
            raise KeyboardInterrupt

    whole = chainrule.train(recipe, out=tmp_path / "whole", report=False)
    more = {"train.workers": 2}
    with pytest.raises(KeyboardInterrupt):
        chainrule.train(recipe, out=tmp_path / "cut", settings=more, report=False, observers=[cut])
    again = chainrule.resume(tmp_path / "cut")
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
