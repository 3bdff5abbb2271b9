"""Looking through a data set: every finding is listed, none is raised."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from chainrule.data import DATA, InMemory, LabeledImages, check_data, from_arrays
from chainrule.data.folder import folder


def noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_a_good_set() -> None:
    images = from_arrays(noise(20), [0, 1] * 10, layout="NCHW", classes=["cat", "dog"])
    seen = []
    parts = {"train": torch.arange(12), "valid": torch.arange(12, 16), "test": torch.arange(16, 20)}
    report = check_data(images, parts, progress=lambda *told: seen.append(told))
    assert report.good
    assert (report.findings, report.notes, report.duplicates, report.unreadable) == ((), (), (), ())
    assert report.parts == {"train": (6, 6), "valid": (2, 2), "test": (2, 2)}
    assert (report.sizes, report.modes) == ({"4x4": 20}, {"grey": 20})
    assert seen == [(20, 20)]
    data = report.to_data()
    assert json.loads(json.dumps(data)) == data
    assert data["parts"]["train"] == {"cat": 6, "dog": 6}


def test_duplicates_within_and_across_parts() -> None:
    pixels = noise(12)
    pixels[1] = pixels[0]  # within training, the same class
    pixels[3] = pixels[2]  # within training, another class
    pixels[11] = pixels[5]  # training and test
    pixels[10] = pixels[5]
    labels = [0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    images = from_arrays(pixels, labels, layout="NCHW", classes=["a", "b"])
    parts = {"train": torch.arange(8), "test": torch.arange(8, 12)}
    report = check_data(images, parts)
    assert not report.good
    assert [[where for where, _, _ in group] for group in report.duplicates] == [
        ["image 0", "image 1"],
        ["image 2", "image 3"],
        ["image 5", "image 10", "image 11"],
    ]
    assert report.duplicates[1] == (("image 2", "train", "a"), ("image 3", "train", "b"))
    assert report.findings == (
        "1 picture of the training part is also in another part, which makes results look better than they are",
    )
    assert "2 pictures stored more than once within a part" in report.notes
    assert "1 picture stored under different classes" in report.notes
    published = LabeledImages(
        "p", images.pictures, images.labels, images.classes, images.train, facts={"published": True}
    )
    assert check_data(published, parts).good  # a published set is as it is


def test_labels_out_of_range_one_class_and_empty_classes() -> None:
    labels = torch.tensor([0, 0, 5, -1, 0, 0])
    images = LabeledImages(
        "odd", InMemory(noise(6)), labels, ("a", "b"), train=torch.arange(4), test=torch.arange(4, 6)
    )
    report = check_data(images)
    assert report.findings == (
        "2 labels out of range: expected 0 to 1, found -1 to 5",
        'the training part has no pictures of "b"',
        'the test part has no pictures of "b"',
    )
    single = LabeledImages("one", InMemory(noise(3)), torch.zeros(3).long(), ("a",), train=torch.arange(3))
    assert check_data(single).findings == ("there is only one class: nothing can be learned from it",)
    empty = LabeledImages("none", InMemory(noise(0)), torch.zeros(0).long(), ("a", "b"), train=torch.arange(0))
    assert "there are no pictures" in check_data(empty).findings


def test_values_that_are_not_finite_are_all_listed() -> None:
    values = noise(8).float()
    values[2, 0, 0, 0], values[5, 0, 1, 1] = float("nan"), float("inf")
    report = check_data(from_arrays(values, [0, 1] * 4, layout="NCHW"))
    assert [where for where, _ in report.unreadable] == ["image 2", "image 5"]
    assert report.findings == (
        "2 pictures cannot be used: image 2 (has values that are not finite), image 5 (has values that are not finite)",
    )


def test_a_folder_with_everything_wrong(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("cat", 12), ("dog", 3)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 6 + i % 2, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    Image.fromarray(rng.integers(0, 256, (8, 6), dtype=np.uint8)).save(tmp_path / "cat" / "grey.png")
    for i in range(11):
        (tmp_path / "dog" / f"bad{i}.jpg").write_bytes(b"\xff\xd8 no")
    Image.open(tmp_path / "cat" / "0.png").save(tmp_path / "cat" / "copy.bmp")  # the same pixels in another format
    (tmp_path / "cat" / "notes.txt").write_text("x")
    report = check_data(folder(folder=str(tmp_path)))
    assert len(report.unreadable) == 11  # every one, not the first
    assert report.findings[0].startswith("11 pictures cannot be used")
    assert report.findings[0].endswith("and 3 more")
    assert report.sizes == {"8x6": 10, "8x7": 7}
    assert report.modes == {"color": 16, "grey": 1}
    assert [{where.rsplit("/", 1)[1] for where, _, _ in group} for group in report.duplicates] == [
        {"0.png", "copy.bmp"}
    ]
    assert report.notes[0] == "1 picture stored more than once within a part"
    assert any("2 different sizes, most often 8x6: each is scaled and cut to 64x64" in note for note in report.notes)
    assert any("16 color and 1 grey: all become color" in note for note in report.notes)
    assert any("1 file passed over" in note and "notes.txt" in note for note in report.notes)


def test_uneven_classes_are_told() -> None:
    report = check_data(from_arrays(noise(40), [0] * 32 + [1] * 8, layout="NCHW", classes=["a", "b"]))
    assert report.notes == ('the classes are uneven: 32 training pictures of "a", 8 of "b"',)
    assert report.good


def test_findings_of_others_come_first() -> None:
    report = check_data(from_arrays(noise(4), [0, 1, 0, 1], layout="NCHW"), problems=["a checksum is wrong"])
    assert report.findings == ("a checksum is wrong",)
    assert not report.good


@pytest.mark.parametrize("name", DATA.names())
def test_every_listed_set_says_what_it_is(name) -> None:
    entry = DATA.entry(name)
    assert callable(DATA.resolve(name))
    assert entry.about
    assert {"task", "origin"} <= set(entry.card)


def test_the_digits_are_good() -> None:
    images = DATA.resolve("digits")()
    report = check_data(images)
    assert report.good
    assert report.count == 1797
    assert report.parts["train"] == (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
    assert int(images.pictures.read(torch.arange(1797)).max()) == 255


def test_the_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    ours = DATA.resolve("digits")()
    assert ours.labels.tolist() == theirs.target.tolist()
    expected = np.floor(theirs.images * 255 / 16 + 0.5)
    got = ours.pictures.read(torch.arange(1797))[:, 0].numpy()
    assert np.abs(got - expected).max() <= 1  # halves may go either way
    assert ((got == 0) == (theirs.images == 0)).all()
