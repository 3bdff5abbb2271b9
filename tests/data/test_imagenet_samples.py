"""Photographs with classes of ImageNet: their three files, whole, damaged and hostile; a set to measure on."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chainrule.core.errors import DataError, UsageError
from chainrule.data import DATA, Files, check_data, imagenet_samples, split
from chainrule.data.fetch import data_folder, no_downloads
from chainrule.data.imagenet_samples import read_classes, read_labels, read_photographs
from chainrule.data.images import fitted

INDEX = {str(i): [f"n{i:08}", f"thing {i}", f"thing {i}, it"] for i in range(30)}
INDEX["7"][1] = INDEX["21"][1] = "crane"


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def rows(classes: list[int]) -> list[dict[str, Any]]:
    return [{"file": f"{i}.jpg", "index": k, "wnid": INDEX[str(k)][0], "label": "?"} for i, k in enumerate(classes)]


def zipped(members: dict[str, bytes], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six photographs in 30 classes, in a data folder of this test alone."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "imagenet_samples").mkdir()
    (tmp_path / "imagenet_labels").mkdir()
    (tmp_path / "imagenet_labels" / "imagenet_class_index.json").write_text(json.dumps(INDEX))
    labels = rows([0, 3, 7, 7, 21, 29])
    (tmp_path / "imagenet_samples" / "labels.json").write_text(json.dumps(labels))
    members = {row["file"]: jpeg(i) for i, row in enumerate(labels)}
    (tmp_path / "imagenet_samples" / "images.zip").write_bytes(zipped({"other.txt": b"?", **members}))
    return tmp_path


def test_a_set_to_measure_on(places: Path) -> None:
    images = DATA.resolve("imagenet-samples")(size=16, resize=20)
    assert (len(images), images.shape, images.resize) == (6, (3, 16, 16), 20)
    assert images.labels.tolist() == [0, 3, 7, 7, 21, 29]
    assert images.classes[7] == "crane (n00000007)"
    assert images.classes[21] == "crane (n00000021)"
    assert len(set(images.classes)) == 30
    parts = split(images.labels, train=images.train, test=images.test, classes=images.classes)
    assert {name: index.tolist() for name, index in parts.items()} == {"test": list(range(6))}
    wanted = fitted(Image.open(io.BytesIO(jpeg(4))), (3, 16, 16), resize=20)
    assert torch.equal(images.pictures.read(torch.tensor([4]))[0], wanted)
    report = check_data(images, parts)
    assert report.good
    assert report.sizes == {"30x40": 6}
    assert "there is no training part: it can be measured on, not trained on" in report.notes
    assert "5 of 30 classes have pictures" in report.notes


def test_a_missing_file_says_where_it_belongs(places: Path) -> None:
    with no_downloads():
        for folder, file in (
            ("imagenet_samples", "images.zip"),
            ("imagenet_samples", "labels.json"),
            ("imagenet_labels", "imagenet_class_index.json"),
        ):
            path = places / folder / file
            content = path.read_bytes()
            path.unlink()
            with pytest.raises(DataError) as caught:
                imagenet_samples.imagenet_samples()
            assert str(path) in str(caught.value)
            assert "docs/data.md says how it is made" in str(caught.value)
            path.write_bytes(content)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.jpg": b"x"}, 'lacks 1 of 2 photographs: expected "b.jpg"'),
        ({"../b.jpg": b"x", "/a.jpg": b"x"}, "lacks 2 of 2 photographs"),
        ({"a.jpg": b"\0" * (2**26 + 1), "b.jpg": b"x"}, "claims more than is allowed"),
    ],
)
def test_hostile_archives(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(zipped(members, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match=message):
        read_photographs(path, ["a.jpg", "b.jpg"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["images.zip"], "nothing is unpacked"


def test_an_archive_that_understates_itself(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.jpg": b"\0" * 2**20}, compression=zipfile.ZIP_DEFLATED))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + place, 10)
    (tmp_path / "images.zip").write_bytes(data)
    with pytest.raises(DataError, match="damaged or cut short"):
        read_photographs(tmp_path / "images.zip", ["a.jpg"])


def test_cut_and_flipped_archives_give_one_kind_of_error(tmp_path: Path) -> None:
    whole, path = zipped({"a.jpg": jpeg(0), "b.jpg": jpeg(1)}), tmp_path / "images.zip"
    rng = np.random.default_rng(0)
    said = []
    for number in range(120):
        damaged = bytearray(whole)
        if number % 2:
            damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        else:
            del damaged[int(rng.integers(len(whole))) :]
        path.write_bytes(damaged)
        try:
            assert list(read_photographs(path, ["a.jpg", "b.jpg"])) == ["images.zip/a.jpg", "images.zip/b.jpg"]
        except DataError as error:
            said.append(str(error))
    assert len(said) > 60
    assert all("images.zip" in text and "\n" not in text for text in said)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_photographs(path, ["a.jpg"])


def test_a_photograph_that_is_none_is_named(places: Path) -> None:
    members = {row["file"]: jpeg(i) for i, row in enumerate(rows([0, 3, 7, 7, 21, 29]))}
    archive = places / "imagenet_samples" / "images.zip"
    archive.write_bytes(zipped({**members, "2.jpg": b"no picture"}))
    images = imagenet_samples.imagenet_samples(size=8, resize=None)
    with pytest.raises(DataError, match='the picture "images.zip/2.jpg" cannot be read'):
        images.pictures.read(torch.arange(6))
    assert [where for where, _ in check_data(images).unreadable] == ["images.zip/2.jpg"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None, max_examples=120, derandomize=True)
def test_other_json_is_refused(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "some.json"
    path.write_text(json.dumps(content))
    for read in (read_classes, lambda path: read_labels(path, [row[0] for row in INDEX.values()])):
        with pytest.raises(DataError) as caught:
            read(path)
        assert "some.json" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 30}, "another class than its WordNet id: expected 0 to 29"),
        ({"index": -1}, "another class than its WordNet id"),
        ({"index": 4}, "expected n00000004, got 4"),
        ({"index": True}, "row 1 .*is no label"),
        ({"index": 3.0}, "row 1 .*is no label"),
        ({"file": "0.jpg"}, "each file once"),
        ({"file": None}, "row 1 .*is no label"),
        ({"wnid": None}, "another class"),
    ],
)
def test_wrong_labels(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    labels = rows([0, 3])
    labels[1] |= change
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "labels.json", [row[0] for row in INDEX.values()])


def test_json_that_is_cut_nested_or_long(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    for text in (json.dumps(INDEX)[:-9], "[" * 200_000, " " * (2**22 + 1), "\xff", ""):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError, match="index.json"):
            read_classes(path)
    path.write_text(json.dumps({**INDEX, "3": INDEX["4"]}))
    with pytest.raises(DataError, match="each id once"):
        read_classes(path)


class TestResize:
    """The shorter side scaled, then the middle cut out: as published networks were measured."""

    @pytest.mark.parametrize("size", [(40, 30), (30, 40), (31, 31), (333, 20), (16, 16), (5, 7)])
    def test_by_hand(self, size: tuple[int, int]) -> None:
        picture = Image.open(io.BytesIO(jpeg(3, size)))
        factor = 20 / min(size)
        whole = picture.resize([round(side * factor) for side in size], Image.Resampling.BILINEAR)
        left, top = ((side - 16) // 2 for side in whole.size)
        wanted = np.asarray(whole)[top : top + 16, left : left + 16]
        found = fitted(picture, (3, 16, 16), resize=20)
        if max(size) <= 16 * min(size):
            np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), wanted)
        assert found.shape == (3, 16, 16)

    def test_a_line_of_pixels_takes_no_memory(self) -> None:
        line = Image.new("L", (4_000_000, 1), 7)
        assert fitted(line, (1, 224, 224), resize=256).unique().tolist() == [7]

    @pytest.mark.parametrize("resize", [0, -1, 31, 8193])
    def test_refused(self, resize: int) -> None:
        with pytest.raises(UsageError, match="resize is what the shorter side is scaled to"):
            Files(["a.png"], 32, resize=resize)


class TestWithoutTraining:
    def test_official_parts_stay(self) -> None:
        labels = torch.tensor([0, 1, 0, 1, 0])
        parts = split(labels, train=torch.arange(0), valid=torch.tensor([0, 1]), test=torch.tensor([2, 4]), classes=2)
        assert {name: index.tolist() for name, index in parts.items()} == {"valid": [0, 1], "test": [2, 4]}

    def test_no_part_at_all(self) -> None:
        with pytest.raises(DataError, match="they belong to no part"):
            split(torch.tensor([0, 1]), train=torch.arange(0))

    def test_labels_are_still_checked(self) -> None:
        with pytest.raises(DataError, match="out of range"):
            split(torch.tensor([0, 9]), train=torch.arange(0), test=torch.arange(2), classes=3)


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_the_photographs_themselves() -> None:
    from chainrule.data.fetch import find_known, verify
    from chainrule.data.known import KNOWN

    for file in KNOWN["imagenet-samples"].files:
        path = find_known("imagenet-samples", file)
        assert path is not None
        assert verify(path, file) is None
    images = DATA.resolve("imagenet-samples")()
    assert (len(images), len(images.classes), images.shape) == (40, 1000, (3, 224, 224))
    assert images.classes[0] == "tench"
    assert check_data(images).good
