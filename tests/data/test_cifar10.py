"""CIFAR-10: the binary files, the archive they come in, and the lossy form."""

import contextlib
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from chainrule.core.errors import DataError
from chainrule.data import DATA, cifar10, cifar10_jpeg
from chainrule.data.fetch import no_downloads
from chainrule.data.known import KNOWN

NAMES = KNOWN["cifar10"].names


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A data folder and a cache of this test alone, and files of 20 images."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cifar10, "IMAGES", 20)
    return tmp_path


def batch_bytes(seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, images = rng.integers(0, 10, 20, dtype=np.uint8), rng.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    return b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images)), images, labels


def archive(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def published() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(f"cifar-10-batches-bin/{name}", batch_bytes(i)[0]) for i, name in enumerate(NAMES)]


@pytest.mark.parametrize("subfolder", ["", "cifar-10-batches-bin"])
def test_the_files_in_the_data_folder_are_read(places, subfolder) -> None:
    folder = places / "data" / "cifar10" / subfolder
    folder.mkdir(parents=True)
    for i, name in enumerate(NAMES):
        (folder / name).write_bytes(batch_bytes(i)[0])
    images = DATA.resolve("cifar10")()
    assert images.shape == (3, 32, 32)
    assert (len(images.train), len(images.test)) == (100, 20)
    assert images.facts["lossy"] is False
    for i in range(6):
        _, pixels, labels = batch_bytes(i)
        some = torch.arange(20 * i, 20 * i + 20)
        np.testing.assert_array_equal(images.pictures.read(some).numpy(), pixels)
        np.testing.assert_array_equal(images.labels[some].numpy(), labels)
    assert not (places / "cache").exists()  # nothing to keep


def test_the_archive_is_copied_file_by_file(places) -> None:
    folder = places / "data" / "cifar10"
    folder.mkdir(parents=True)
    hostile = [
        member("../../escape", b"x"),
        member("/tmp/escape", b"x"),
        member("cifar-10-batches-bin/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("cifar-10-batches-bin/data_batch_1.bin", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("cifar-10-batches-bin/fifo", kind=tarfile.FIFOTYPE),
        member("cifar-10-batches-bin/readme.html", b"<html>"),
    ]
    (folder / "cifar-10-binary.tar.gz").write_bytes(archive([*hostile, *published()]))
    images = DATA.resolve("cifar10")()
    assert len(images) == 120
    kept = sorted(path.name for path in (places / "cache" / "cifar10").iterdir())
    assert kept == sorted(NAMES)
    assert not any(path.is_symlink() for path in (places / "cache" / "cifar10").iterdir())
    assert sorted(path.name for path in places.iterdir()) == ["cache", "data"]
    (folder / "cifar-10-binary.tar.gz").unlink()
    assert torch.equal(DATA.resolve("cifar10")().labels, images.labels)  # from the cache


def test_damaged_archives_are_refused_and_leave_nothing_half(places) -> None:
    whole = archive(published())
    path = places / "a.tar.gz"
    for length in [*range(0, 200, 7), *range(200, len(whole) - 20, len(whole) // 40)]:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.tar\.gz"):
            cifar10.unpack(path, places / "out", NAMES)
    for kept in (places / "out").iterdir():
        assert kept.stat().st_size == 20 * cifar10.RECORD
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):  # nothing else may be raised
            cifar10.unpack(path, places / "again", NAMES)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "lacks data_batch_1.bin"),
        (published()[:5], "lacks test_batch.bin"),
        ([member("big", b"0" * 100_000)], "not the published archive"),
        ([member(f"m{i}") for i in range(100)], "not the published archive"),
        ([member("cifar-10-batches-bin/data_batch_1.bin", b"short"), *published()[1:]], "lacks data_batch_1.bin"),
    ],
)
def test_archives_of_other_things_are_refused(places, members, message) -> None:
    (places / "a.tar.gz").write_bytes(archive(members))
    with pytest.raises(DataError, match=message):
        cifar10.unpack(places / "a.tar.gz", places / "out", NAMES)


def test_a_file_of_another_length_or_with_wrong_labels_is_named(places) -> None:
    path = places / "data_batch_3.bin"
    data = batch_bytes(0)[0]
    for changed, message in (
        (data[:-1], "cut short: expected 61460 bytes, got 61459"),
        (data + b"x", "too long"),
        (b"", "cut short"),
        (
            data[: 3073 * 7] + bytes([10]) + data[3073 * 7 + 1 :],
            "label out of range in record 7: expected 0 to 9, got 10",
        ),
    ):
        path.write_bytes(changed)
        with pytest.raises(DataError, match=message) as caught:
            cifar10.read_batch(path)
        assert "data_batch_3.bin" in str(caught.value)
    with pytest.raises(DataError, match="is missing"):
        cifar10.read_batch(places / "no.bin")


def test_a_missing_set_says_where_it_belongs_and_where_it_comes_from(places) -> None:
    with no_downloads(), pytest.raises(DataError) as caught:
        DATA.resolve("cifar10")()
    text = str(caught.value)
    for part in ("cifar-10-binary.tar.gz", str(places / "data" / "cifar10"), str(places / "cache"), "cs.toronto.edu"):
        assert part in text


def jpegs(count: int = 8) -> dict[str, np.ndarray]:
    data, offsets = b"", [0]
    for i in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), (20 * i, 100, 255 - 20 * i)).save(buffer, "JPEG")
        data += buffer.getvalue()
        offsets.append(len(data))
    return {
        "jpeg": np.frombuffer(data, np.uint8),
        "offsets": np.array(offsets),
        "labels": (np.arange(count) % 10).astype(np.uint8),
        "split": (np.arange(count) >= count - 2).astype(np.uint8),
        "classes": np.array(cifar10.CLASSES),
    }


@pytest.fixture
def lossy(places):
    path = places / "data" / "cifar10_jpeg" / "cifar10_jpeg.npz"
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, **jpegs())
    return path


def test_the_lossy_form_is_decoded_once_and_says_that_it_is_lossy(lossy, places, monkeypatch) -> None:
    images = DATA.resolve("cifar10-jpeg")()
    assert images.facts["lossy"] is True
    assert (images.train.tolist(), images.test.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7])
    colors = images.pictures.read(torch.arange(8)).float().mean((2, 3))
    assert float((colors[:, 0] - 20 * torch.arange(8)).abs().max()) < 3
    (kept,) = (places / "cache" / "cifar10_jpeg").iterdir()
    monkeypatch.setattr(cifar10_jpeg, "open_image", None)  # it may not be decoded again
    again = DATA.resolve("cifar10-jpeg")()
    assert torch.equal(again.pictures.tensor, images.pictures.tensor)
    monkeypatch.undo()
    whole = kept.read_bytes()
    for damaged in (whole[:-1], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], b""):
        kept.write_bytes(damaged)
        monkeypatch.setenv("CHAINRULE_DATA", str(places / "data"))
        monkeypatch.setenv("CHAINRULE_CACHE", str(places / "cache"))
        assert torch.equal(DATA.resolve("cifar10-jpeg")().pictures.tensor, images.pictures.tensor)
        assert kept.read_bytes() == whole  # made again


def test_a_cache_that_cannot_be_written_is_no_error(lossy, places, monkeypatch) -> None:
    (places / "file").write_text("x")
    monkeypatch.setenv("CHAINRULE_CACHE", str(places / "file"))
    assert len(DATA.resolve("cifar10-jpeg")()) == 8


def test_other_content_is_not_taken_from_the_cache(lossy, places) -> None:
    first = DATA.resolve("cifar10-jpeg")()
    np.savez(lossy, **{**jpegs(), "jpeg": jpegs()["jpeg"], "labels": np.zeros(8, np.uint8)})
    assert DATA.resolve("cifar10-jpeg")().labels.tolist() == [0] * 8
    assert first.labels.tolist() != [0] * 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": np.array([0, 5])}, "do not fit together"),
        ({"offsets": np.arange(9)[::-1].copy()}, "do not fit together"),
        ({"labels": np.full(8, 10, np.uint8)}, "label out of range"),
        ({"split": np.full(8, 2, np.uint8)}, "label out of range"),
        ({"labels": np.zeros(8, np.float32)}, "do not fit together"),
        ({"labels": np.zeros((8, 1), np.uint8)}, "damaged"),
        ({"jpeg": jpegs()["jpeg"] * 0}, "image 0 of .* cannot be read"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(lossy, change, message) -> None:
    np.savez(lossy, **{**jpegs(), **change})
    with pytest.raises(DataError, match=message):
        DATA.resolve("cifar10-jpeg")()


def test_missing_and_cut_short(lossy, places) -> None:
    whole = lossy.read_bytes()
    for length in range(0, len(whole), len(whole) // 50):
        lossy.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged or cut short"):
            DATA.resolve("cifar10-jpeg")()
    lossy.unlink()
    with pytest.raises(DataError, match=r"cifar10_jpeg\.npz is missing.*docs/data\.md"):
        DATA.resolve("cifar10-jpeg")()
