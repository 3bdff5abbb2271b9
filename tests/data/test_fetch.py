"""Finding and fetching: data folder, cache, then a verified download; nothing half is ever kept."""

import gzip
import hashlib
import multiprocessing
import os
import time

import numpy as np
import pytest
import requests
import torch

from chainrule.core.errors import DataError, StorageError
from chainrule.core.store import Lock
from chainrule.data import DATA, fetch
from chainrule.data.known import CIFAR10_ARCHIVE, KNOWN, Download, Known, KnownSet

CONTENT = b"0123456789" * 300
URL = "http://example.invalid/file.bin"
WANTED = Download(URL, "file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_OFFLINE", raising=False)
    return tmp_path


class Server:
    """Stands for the network: what it sends, and how often it was asked."""

    def __init__(
        self, monkeypatch, content: bytes = CONTENT, *, status: int = 200, error: Exception | None = None
    ) -> None:
        self.content, self.status, self.error, self.asked = content, status, error, 0
        monkeypatch.setattr(requests, "get", self.get)

    def get(self, url, **options):
        assert options["timeout"] > 0
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self

    @property
    def headers(self):
        return {"content-length": str(len(self.content))}

    def raise_for_status(self) -> None:
        if self.status != 200:
            raise requests.HTTPError(f"{self.status} for {URL}")

    def iter_content(self, chunk_size):
        for begin in range(0, len(self.content), chunk_size):
            yield self.content[begin : begin + chunk_size]


def kept(places) -> list[str]:
    folder = places / "cache" / "mnist"
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


def test_a_download_is_verified_kept_and_not_repeated(places, monkeypatch) -> None:
    server, seen = Server(monkeypatch), []
    path = fetch.download("mnist", WANTED, progress=lambda *told: seen.append(told))
    assert path == places / "cache" / "mnist" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert kept(places) == ["file.bin"]
    assert seen[-1] == ("file.bin", 3000, 3000)
    assert fetch.download("mnist", WANTED) == path
    assert server.asked == 1


@pytest.mark.parametrize(
    "content", [CONTENT[:-1], CONTENT + b"x", b"", CONTENT[:-1] + b"x", b"<html>not here</html>", b"x" * 5_000_000]
)
def test_other_bytes_are_never_kept(places, monkeypatch, content) -> None:
    Server(monkeypatch, content)
    with pytest.raises(DataError, match=r"is not the known file file\.bin"):
        fetch.download("mnist", WANTED)
    assert kept(places) == []
    Server(monkeypatch)
    assert fetch.download("mnist", WANTED).read_bytes() == CONTENT  # and it may be tried again


def test_an_endless_answer_is_cut_off(places, monkeypatch) -> None:
    server = Server(monkeypatch)
    sent = []

    def endless(chunk_size):
        while True:
            sent.append(chunk_size)
            yield b"x" * chunk_size

    monkeypatch.setattr(server, "iter_content", endless)
    with pytest.raises(DataError, match="is not the known file"):
        fetch.download("mnist", WANTED)
    assert len(sent) < 5


@pytest.mark.parametrize(
    "failure", [{"status": 404}, {"error": requests.ConnectionError("no route")}, {"error": requests.Timeout("slow")}]
)
def test_a_server_that_does_not_answer(places, monkeypatch, failure) -> None:
    Server(monkeypatch, **failure)
    with pytest.raises(DataError, match=r"file\.bin is missing and cannot be downloaded") as caught:
        fetch.download("mnist", WANTED)
    for part in (str(places / "data" / "mnist"), str(places / "cache" / "mnist"), URL):
        assert part in str(caught.value)
    assert kept(places) == []


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_offline_asks_nobody(places, monkeypatch, by) -> None:
    server = Server(monkeypatch)
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1" if by == "variable" else "0")
    with fetch.no_downloads(by == "argument"), pytest.raises(DataError, match="downloads are switched off"):
        fetch.download("mnist", WANTED)
    assert server.asked == 0
    assert not (places / "cache").exists()


def test_a_cache_that_cannot_be_written(places, monkeypatch) -> None:
    Server(monkeypatch)
    (places / "file").write_text("x")
    monkeypatch.setenv("CHAINRULE_CACHE", str(places / "file"))
    with pytest.raises(StorageError, match="cannot write"):
        fetch.download("mnist", WANTED)


def _hold(folder, seconds) -> None:
    with Lock(folder):
        (folder / "ready").write_text("x")
        time.sleep(seconds)
        (folder / "file.bin").write_bytes(CONTENT)
        (folder / "ready").unlink()
    os._exit(0)


def test_two_processes_fetch_once(places, monkeypatch) -> None:
    folder = places / "cache" / "mnist"
    folder.mkdir(parents=True)
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(folder, 0.5))
    other.start()
    while not (folder / "ready").exists():
        time.sleep(0.01)
    server = Server(monkeypatch)
    assert fetch.download("mnist", WANTED).read_bytes() == CONTENT  # waits for the other one
    assert server.asked == 0
    other.join()


def test_the_data_folder_comes_first_and_then_the_cache(places, monkeypatch) -> None:
    server = Server(monkeypatch)
    file = Known("file.bin", len(CONTENT), WANTED.sha256, WANTED)
    (places / "data" / "fashion_mnist").mkdir(parents=True)
    (places / "cache" / "fashion_mnist").mkdir(parents=True)
    (places / "cache" / "fashion_mnist" / "file.bin").write_bytes(CONTENT)
    assert fetch.locate("fashion-mnist", file) == places / "cache" / "fashion_mnist" / "file.bin"
    (places / "data" / "fashion_mnist" / "file.bin.gz").write_bytes(gzip.compress(CONTENT))
    assert fetch.locate("fashion-mnist", file) == places / "data" / "fashion_mnist" / "file.bin.gz"
    assert server.asked == 0
    assert fetch.locate("mnist", file).read_bytes() == CONTENT
    assert server.asked == 1
    monkeypatch.delenv("CHAINRULE_DATA")
    assert fetch.data_folder() is None
    assert len(fetch.places("mnist")) == 1


def test_a_file_without_a_source(places) -> None:
    with pytest.raises(DataError, match="the file lost is missing"):
        fetch.locate("own", Known("lost", 1, ""))


def test_verify_looks_at_every_byte_and_no_further(tmp_path) -> None:
    file = Known("file", len(CONTENT), WANTED.sha256)
    path = tmp_path / "file"

    def told(data: bytes) -> str | None:
        path.write_bytes(data)
        return fetch.verify(path, file)

    assert told(CONTENT) is None
    assert told(gzip.compress(CONTENT)) is None
    assert "not the published one" in told(b"x" + CONTENT[1:])
    assert "only 2999 bytes" in told(CONTENT[:-1])
    assert "more than 3000 bytes" in told(CONTENT + b"x") or "more than" in told(CONTENT + b"x")
    assert "more than" in told(gzip.compress(b"\0" * 50_000_000))
    assert "damaged or cut short" in told(gzip.compress(CONTENT)[:-9])
    assert told(gzip.compress(CONTENT)[:-1]) is not None
    path.unlink()
    assert "No such file" in fetch.verify(path, file)


def test_the_published_facts_are_consistent() -> None:
    for known in KNOWN.values():
        for file in known.files:
            assert len(file.sha256) == 64
            if file.download is None:
                assert known.source is None or "://" in known.source, "docs/data.md, or a place, says how to come by it"
                continue
            assert len(file.download.sha256) == 64
            assert file.download.url.rsplit("/", 1)[1] == file.download.name
    hashes = [file.sha256 for known in KNOWN.values() for file in known.files]
    assert len(set(hashes)) == len(hashes)
    assert CIFAR10_ARCHIVE.url.startswith("https://")


def idx(values: np.ndarray) -> bytes:
    shape = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()


@pytest.fixture
def small_mnist(places, monkeypatch):
    """Four small files in the place of MNIST's."""
    rng = np.random.default_rng(0)
    folder = places / "data" / "mnist"
    folder.mkdir(parents=True)
    arrays = [
        rng.integers(0, 256, (30, 4, 4), dtype=np.uint8),
        (np.arange(30) % 10).astype(np.uint8),
        rng.integers(0, 256, (10, 4, 4), dtype=np.uint8),
        np.arange(10, dtype=np.uint8),
    ]
    files = []
    for file, values in zip(KNOWN["mnist"].files, arrays):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(idx(values)))
        files.append(Known(file.name, len(idx(values)), hashlib.sha256(idx(values)).hexdigest(), file.download))
    monkeypatch.setitem(KNOWN, "mnist", KnownSet(tuple(files), "test"))
    return folder, arrays


def test_four_idx_files_make_a_set(small_mnist) -> None:
    folder, arrays = small_mnist
    images = DATA.resolve("mnist")()
    assert images.shape == (1, 4, 4)
    assert (len(images.train), len(images.test)) == (30, 10)
    np.testing.assert_array_equal(images.pictures.read(images.test).numpy()[:, 0], arrays[2])
    np.testing.assert_array_equal(images.labels[images.train].numpy(), arrays[1])
    first = folder / "train-images-idx3-ubyte.gz"
    plain = gzip.decompress(first.read_bytes())
    first.unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(plain)
    assert torch.equal(DATA.resolve("mnist")().pictures.tensor, images.pictures.tensor)


@pytest.mark.parametrize(
    ("number", "values", "message"),
    [
        (1, np.zeros(29, np.uint8), "has not one label for each image of .*train-images.*expected 30, got 29"),
        (1, np.full(30, 10, np.uint8), "label out of range: expected 0 to 9, got 10"),
        (2, np.zeros((10, 5, 4), np.uint8), "different sizes"),
        (0, np.zeros(30, np.uint8), "wrong number of dimensions: expected 3, got 1"),
    ],
)
def test_files_that_do_not_belong_together(small_mnist, number, values, message) -> None:
    folder, _ = small_mnist
    (folder / f"{KNOWN['mnist'].files[number].name}.gz").write_bytes(gzip.compress(idx(values)))
    with pytest.raises(DataError, match=message):
        DATA.resolve("mnist")()


def test_a_missing_file_names_its_place_and_source(small_mnist, monkeypatch) -> None:
    folder, _ = small_mnist
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    with pytest.raises(DataError) as caught:
        DATA.resolve("mnist")()
    text = str(caught.value)
    assert text.startswith("mnist: the file t10k-labels-idx1-ubyte.gz is missing")
    assert str(folder) in text
    assert "ossci-datasets" in text
    assert "\n" not in text
