"""Captioned pictures: the forms of COCO and Flickr8k, what is wrong with a folder, parts, and batches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from chainrule.core.errors import DataError
from chainrule.data import CAPTIONS, CaptionedImages
from chainrule.data.caption_examples import CaptionExamples
from chainrule.data.coco_captions import coco_captions, read_captions
from chainrule.data.fetch import data_folder
from chainrule.data.flickr8k import flickr8k
from chainrule.data.ragged import Ragged
from chainrule.data.windows import IGNORED


def picture(path: Path, shade: int = 120) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 14), (shade, 40, 200 - shade)).save(path)


TOKENS = """1000_a.jpg#0\tA child in a pink dress is climbing up stairs .
1000_a.jpg#1\tA girl going into a wooden building .
1001_b.jpg#0\tA black dog and a spotted dog are fighting
1002_c.jpg#0\tUn café à Köln — très “chic” .
1002_c.jpg#1\tTwo people at a table
1003_d.jpg#0\tA man on a bicycle
1004_e.jpg.1#0\tA picture that nobody has
"""
PARTS = {"trainImages": ["1000_a.jpg", "1002_c.jpg"], "devImages": ["1001_b.jpg"], "testImages": ["1003_d.jpg"]}


@pytest.fixture
def flickr(tmp_path: Path) -> Path:
    (tmp_path / "Flickr8k.token.txt").write_text(TOKENS, encoding="utf-8")
    for name, pictures in PARTS.items():
        (tmp_path / f"Flickr_8k.{name}.txt").write_text("".join(f"{one}\n" for one in pictures))
        for number, one in enumerate(pictures):
            picture(tmp_path / "Flicker8k_Dataset" / one, 40 * number)
    return tmp_path


def test_flickr8k_with_its_official_parts(flickr: Path) -> None:
    images = flickr8k(folder=str(flickr))
    assert [Path(path).name for path in images.paths] == ["1000_a.jpg", "1002_c.jpg", "1001_b.jpg", "1003_d.jpg"]
    assert images.captions[1] == ["Un café à Köln — très “chic” .", "Two people at a table"]
    assert images.facts["unused"] == 1
    parts = images.split(validation=0.1, test_share=0.1, seed=0)
    assert {name: index.tolist() for name, index in parts.items()} == {"train": [0, 1], "valid": [2], "test": [3]}
    assert images.pictures(8).read(torch.arange(4)).shape == (4, 3, 8, 8)


def test_flickr8k_as_one_table_is_split_here(tmp_path: Path) -> None:
    rows = [f'{n}.jpg,"A dog, number {n} ."\n{n}.jpg,A dog, a field\n' for n in range(20)]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(rows) + '20.jpg,She said "go" .\n')
    for n in range(21):
        picture(tmp_path / "Images" / f"{n}.jpg", n)
    images = flickr8k(folder=str(tmp_path))
    assert images.captions[3] == ["A dog, number 3 .", "A dog, a field"]
    assert images.captions[20] == ['She said "go" .']
    parts = images.split(validation=0.1, test_share=0.2, seed=1)
    assert {name: len(index) for name, index in parts.items()} == {"train": 15, "valid": 2, "test": 4}
    assert sorted(i for index in parts.values() for i in index.tolist()) == list(range(21))
    few = images.split(validation=0.1, test_share=0.2, seed=1, limit=3)
    assert set(few["train"].tolist()) < set(parts["train"].tolist())
    assert len(few["train"]) == 3


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return apply


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "Flickr8k.token.txt").unlink(), "no captions in"),
        (lambda folder: (folder / "Flicker8k_Dataset" / "1002_c.jpg").unlink(), "1 of 4 pictures are missing.*1002_c"),
        (lambda folder: (folder / "Flickr_8k.trainImages.txt").unlink(), "none to learn from.*trainImages"),
        (lambda folder: (folder / "Flickr8k.token.txt").write_bytes(b"a.jpg#0\tA caf\xe9\n"), "line 1 .*UTF-8"),
        (change("Flickr8k.token.txt", "1000_a.jpg#1", "1000_a.jpg#0"), "two captions.*have one number.*1000_a.jpg#0"),
        (change("Flickr8k.token.txt", "#0\tA man", "#0 A man"), "line 6 .*another form.*a tab"),
        (change("Flickr8k.token.txt", "\tA man on a bicycle", "\t "), "line 6 .*another form"),
        (change("Flickr8k.token.txt", "1003_d.jpg#0", "../1003_d.jpg#0"), "line 6 .*another form"),
        (change("Flickr_8k.testImages.txt", "1003_d.jpg", "1009_z.jpg"), "1009_z.jpg.* has no caption"),
        (change("Flickr_8k.testImages.txt", "1003_d.jpg", "1001_b.jpg"), "1001_b.jpg.*named twice"),
    ],
)
def test_what_is_wrong_with_flickr8k_is_said(flickr: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(flickr)
    with pytest.raises(DataError, match=f"(?s){said}"):
        flickr8k(folder=str(flickr))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1 .*image,caption"),
        ("picture,words\n1.jpg,A dog\n", "line 1 .*image,caption"),
        ("image,caption\n1.jpg\n", "line 2 .*a comma"),
        ("image,caption\n1.jpg,\n", "line 2 .*a comma"),
        (f"image,caption\n1.jpg,{'x' * 200_000}\n", "line 2 .*field larger"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "captions.txt").write_text(text)
    with pytest.raises(DataError, match=f"(?s){said}"):
        flickr8k(folder=str(tmp_path))


def coco(count: int, first: int = 1) -> dict[str, Any]:
    images = [{"id": first + n, "file_name": f"{first + n:012d}.jpg"} for n in range(count)]
    texts = [("A “dog” on grass", 0), ("  A dog\n runs ", 1)]
    captions = [
        {"id": 10 * image["id"] + k, "image_id": image["id"], "caption": text} for image in images for text, k in texts
    ]
    return {"images": images, "annotations": captions}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, data in (("train2017", coco(12)), ("val2017", coco(3, 100))):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"captions_{part}.json").write_text(json.dumps(data), encoding="utf-8")
        for image in data["images"]:
            picture(tmp_path / part / image["file_name"], image["id"] % 200)
    (tmp_path / "annotations" / "captions_of_mine.json").write_text("not looked at")
    return tmp_path


def test_coco_with_its_parts(folder: Path) -> None:
    images = coco_captions(folder=str(folder))
    assert len(images) == 15
    assert images.captions[0] == ["A “dog” on grass", "A dog runs"]
    parts = images.split(validation=0.5, test_share=0.25, seed=0)
    assert {name: len(index) for name, index in parts.items()} == {"train": 9, "valid": 3, "test": 3}
    assert parts["valid"].tolist() == [12, 13, 14]
    assert Path(images.paths[12]).parent.name == "val2017"


def test_coco_without_a_folder_of_annotations(tmp_path: Path) -> None:
    data = coco(4)
    (tmp_path / "captions_train.json").write_text(json.dumps(data))
    for image in data["images"]:
        picture(tmp_path / "images" / image["file_name"])
    assert coco_captions(folder=str(tmp_path)).parts == {"train": range(4)}


def broken(**changes: Any) -> dict[str, Any]:
    data = coco(3)
    for key, value in changes.items():
        data[key] = value(data[key])
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "damaged or cut short"),
        ([], 'a list of entries under "images"'),
        ({"images": []}, 'a list of entries under "images"'),
        ({**coco(2), "annotations": [3]}, 'a list of entries under "annotations"'),
        (broken(images=lambda rows: [*rows, {**rows[0], "file_name": "x.jpg"}]), "two pictures have one id.*1"),
        (broken(images=lambda rows: [*rows, {**rows[0], "id": 9}]), "two ids have one file_name"),
        (broken(images=lambda rows: [*rows, {"id": 9, "file_name": "../x.jpg"}]), "this is no picture"),
        (broken(images=lambda rows: [*rows, {"id": True, "file_name": "x.jpg"}]), "this is no picture"),
        (broken(annotations=lambda rows: [*rows, rows[0]]), "two captions have one id.*10"),
        (
            broken(annotations=lambda rows: [*rows, {**rows[0], "id": 7, "image_id": 8}]),
            "caption 7 is about no picture",
        ),
        (broken(annotations=lambda rows: [{"id": 1, "image_id": 1}]), "this is no caption"),
        (broken(annotations=lambda rows: rows[:2]), "2 pictures have no caption.*000000000002"),
    ],
)
def test_what_is_wrong_with_a_file_in_cocos_form_is_said(tmp_path: Path, data: Any, said: str) -> None:
    path = tmp_path / "captions_train2017.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    with pytest.raises(DataError, match=f"(?s){said}"):
        read_captions(path)


def test_what_is_wrong_with_a_folder_in_cocos_form_is_said(folder: Path) -> None:
    with pytest.raises(DataError, match="no captions in"):
        coco_captions(folder=str(folder / "nowhere"))
    (folder / "val2017" / "000000000101.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 3 pictures are missing.*000000000101\.jpg"):
        coco_captions(folder=str(folder))
    (folder / "captions_train2014.json").write_text(json.dumps(coco(2)))
    with pytest.raises(DataError, match="two files for the part train"):
        coco_captions(folder=str(folder))


@pytest.mark.parametrize(
    ("paths", "captions", "said"),
    [
        (["a", "b"], [["x"]], "not captions for each picture"),
        (["a", "b", "a"], [["x"], ["y"], ["z"]], 'a picture is there twice.*"a"'),
        (["a", "b"], [["x"], []], '"b" has no caption'),
        (["a"], [["x", " "]], '"a" has an empty caption'),
    ],
)
def test_pictures_and_captions_belong_together(paths: list[str], captions: list[list[str]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        CaptionedImages("made", paths, captions)


def test_too_few_pictures_for_three_parts() -> None:
    with pytest.raises(DataError, match=r"its part valid is empty.*one picture in each part.*2 pictures"):
        CaptionedImages("made", ["a", "b"], [["x"], ["y"]]).split(validation=0.1, test_share=0.5, seed=0)


def test_a_damaged_picture_is_named(flickr: Path) -> None:
    (flickr / "Flicker8k_Dataset" / "1001_b.jpg").write_bytes(b"no picture")
    pictures = flickr8k(folder=str(flickr)).pictures(8)
    with pytest.raises(DataError, match="1001_b.jpg.* cannot be read"):
        pictures.read(torch.arange(4))


def test_batches_pair_each_caption_with_its_picture() -> None:
    regions = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(2, 3, 4)
    captions = Ragged([torch.tensor([2, 8, 3]), torch.tensor([2, 3]), torch.tensor([2, 5, 6, 3])])
    part = CaptionExamples(regions, captions, torch.tensor([1, 0, 1]))
    assert part.lengths.tolist() == [2, 1, 3]
    index = torch.tensor([2, 1])
    batch = part.fetch(index, index)
    assert torch.equal(batch.inputs.source, regions[[1, 0]])
    assert batch.inputs.target.tolist() == [[2, 5, 6], [2, 3, 0]]
    assert batch.targets.tolist() == [[5, 6, 3], [3, IGNORED, IGNORED]]


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_the_open_pictures_of_coco_are_whole() -> None:
    images = CAPTIONS.resolve("coco-open-captions")()
    assert (len(images), sum(map(len, images.captions))) == (83, 415)
    assert "CC BY" in images.facts["licence"]
    parts = images.split(validation=0.1, test_share=0.1, seed=0)
    assert {name: len(index) for name, index in parts.items()} == {"train": 63, "valid": 7, "test": 13}
    pictures = images.pictures(32)
    assert pictures.read(torch.arange(83)).shape == (83, 3, 32, 32)
    assert len({pictures.inspect(place).digest for place in range(83)}) == 83
