"""Folders of pictures: one directory per class, whatever else lies in them."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Files, check_data, split
from chainrule.data.folder import folder, natural, scan


def picture(path, color="red", size=(8, 6), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


def test_classes_are_directories_in_natural_order(tmp_path) -> None:
    for name in ("class 10", "class 9", "Class 2", "b"):
        for number in (10, 9):
            picture(tmp_path / name / f"{number}.png", size=(number, 6))
    images = folder(folder=str(tmp_path), size=4)
    assert images.classes == ("b", "Class 2", "class 9", "class 10")
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [path.rsplit("/", 1)[1] for path in images.pictures.paths[:2]] == ["9.png", "10.png"]
    assert images.name == tmp_path.name
    assert (images.test, images.valid) == (None, None)
    assert torch.equal(images.train, torch.arange(8))
    assert images.pictures.read(torch.tensor([0, 7])).shape == (2, 3, 4, 4)


def test_hidden_things_are_passed_over_and_others_listed(tmp_path) -> None:
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cat" / "deep" / "er" / "2.JPG")
    picture(tmp_path / "dog" / "1.png")
    picture(tmp_path / ".ipynb_checkpoints" / "1.png")
    picture(tmp_path / "cat" / ".ipynb_checkpoints" / "1.png")
    picture(tmp_path / "dog" / ".hidden.png")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "cat" / "Thumbs.db").write_text("x")
    picture(tmp_path / "dog" / "scan.tif")
    images = folder(folder=str(tmp_path))
    assert images.classes == ("cat", "dog")
    assert len(images) == 3
    assert sorted(os.path.basename(path) for path in images.facts["ignored"]) == ["Thumbs.db", "notes.txt", "scan.tif"]


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_official_parts_are_recognized(tmp_path, valid) -> None:
    for part, count in (("train", 3), (valid, 2), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                picture(tmp_path / part / name / f"{number}.png")
    images = folder(folder=str(tmp_path))
    assert images.classes == ("cat", "dog")
    assert (len(images.train), len(images.valid), len(images.test)) == (6, 4, 2)
    parts = split(images.labels, train=images.train, valid=images.valid, test=images.test, classes=images.classes)
    assert all(torch.equal(parts[part], getattr(images, part)) for part in parts)
    told = {images.pictures.paths[i].split("/")[-3] for i in images.valid.tolist()}
    assert told == {valid}


def test_directories_called_like_parts_may_be_classes(tmp_path) -> None:
    for name in ("train", "bus", "test"):
        picture(tmp_path / name / "1.png")
    assert folder(folder=str(tmp_path)).classes == ("bus", "test", "train")


def test_two_directories_for_one_part(tmp_path) -> None:
    for name in ("train", "val", "valid"):
        picture(tmp_path / name / "cat" / "1.png")
    with pytest.raises(DataError, match="two directories for the part valid"):
        folder(folder=str(tmp_path))


def test_links_that_lead_in_a_circle_end(tmp_path) -> None:
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "dog" / "1.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "cat" / "self").symlink_to("self")
    found = scan(tmp_path)
    assert sum(name == "dog" for name, _, _ in found.pictures) == 1
    assert 1 <= sum(name == "cat" for name, _, _ in found.pictures) <= 3
    assert any("again" in path for path in found.ignored)


def test_a_link_to_a_directory_elsewhere_is_a_class(tmp_path) -> None:
    picture(tmp_path / "else" / "1.png")
    picture(tmp_path / "root" / "dog" / "1.png")
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "else")
    assert folder(folder=str(tmp_path / "root")).classes == ("cat", "dog")


def test_an_empty_class_is_told(tmp_path) -> None:
    for number in range(10):
        picture(tmp_path / "cat" / f"{number}.png", size=(number + 1, 5))
        picture(tmp_path / "cow" / f"{number}.png", size=(number + 1, 7))
    (tmp_path / "dog").mkdir()
    images = folder(folder=str(tmp_path))
    assert images.classes == ("cat", "cow", "dog")
    with pytest.raises(DataError, match='training part has no images of "dog"'):
        split(images.labels, train=images.train, classes=images.classes)
    assert 'the train part has no pictures of "dog"'.replace("train ", "training ") in check_data(images).findings


def test_folders_without_pictures(tmp_path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        folder(folder=str(tmp_path / "no"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        folder(folder=str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"no pictures in.*0 directories, 1 other files"):
        folder(folder=str(tmp_path))
    picture(tmp_path / "lies-beside.png")
    with pytest.raises(DataError, match="one directory per class"):
        folder(folder=str(tmp_path))


def test_names_that_are_no_text(tmp_path) -> None:
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "dog\n" / "a b\t.png")
    os.makedirs(os.fsencode(tmp_path) + b"/\xff\xfe")
    with open(os.fsencode(tmp_path) + b"/\xff\xfe/\xff.png", "wb") as file:
        Image.new("RGB", (4, 4)).save(file, "PNG")
    images = folder(folder=str(tmp_path), size=4)
    assert len(images.classes) == 3
    assert images.pictures.read(torch.arange(3)).shape == (3, 3, 4, 4)


def test_a_damaged_file_is_named_when_it_is_read(tmp_path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "2.png").write_bytes(b"\x89PNG")
    images = folder(folder=str(tmp_path))
    with pytest.raises(DataError, match=r'cat/2\.png" cannot be read'):
        images.pictures.read(torch.arange(2))
    assert images.pictures.inspect(1).problem == "another format, or a damaged header"


@pytest.mark.parametrize(("size", "channels"), [(5, 3), (5, 1), ((4, 9), 3), ((9, 4), 1), (1, 3)])
def test_pictures_get_the_shape_that_was_asked_for(tmp_path, size, channels) -> None:
    Image.new("L", (31, 17), 100).save(tmp_path / "a.png")
    Image.new("RGB", (3, 40), (100, 100, 100)).save(tmp_path / "b.png")
    files = Files([tmp_path / "a.png", tmp_path / "b.png"], size, channels)
    height, width = (size, size) if isinstance(size, int) else size
    assert files.shape == (channels, height, width)
    assert torch.equal(files.read(torch.arange(2)), torch.full((2, channels, height, width), 100, dtype=torch.uint8))
    assert files.read(torch.empty(0, dtype=torch.int64)).shape == (0, channels, height, width)


def test_the_right_size_is_left_as_it_is(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    got = Files([tmp_path / "a.png"], (7, 9)).read(torch.tensor([0]))[0]
    np.testing.assert_array_equal(got.permute(1, 2, 0).numpy(), pixels)


def test_the_middle_is_kept_and_nothing_is_distorted(tmp_path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255  # the middle third
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert int(Files([tmp_path / "a.png"], 20).read(torch.tensor([0])).min()) == 255
    wide = Files([tmp_path / "a.png"], (10, 30)).read(torch.tensor([0]))[0, 0]
    assert wide[:, :9].max() == 0
    assert wide[:, 11:19].min() == 255


@pytest.mark.parametrize(("size", "channels"), [(0, 3), (9, 2), (10_000, 3), ((4, 0), 3)])
def test_impossible_shapes(size, channels) -> None:
    with pytest.raises(UsageError, match="cannot have this shape"):
        Files([], size, channels)


def test_natural_order() -> None:
    names = ["10", "9", "a10", "A9", "a", "", "a1b2", "a1b10", "²"]
    assert sorted(names, key=natural) == ["", "9", "10", "a", "a1b2", "a1b10", "A9", "a10", "²"]
