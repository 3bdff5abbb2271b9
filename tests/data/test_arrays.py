"""Images and labels in memory: the layout is said, never guessed."""

import numpy as np
import pytest
import torch

from chainrule.core.errors import DataError, UsageError
from chainrule.data import InMemory, LabeledImages, from_arrays


def test_layouts_mean_what_they_say() -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 3), dtype=np.uint8)  # both layouts would fit
    first = from_arrays(values, [0, 1, 0, 1], layout="NCHW")
    last = from_arrays(values, [0, 1, 0, 1], layout="NHWC")
    assert first.shape == (3, 5, 3)
    assert last.shape == (3, 3, 5)
    every = torch.arange(4)
    np.testing.assert_array_equal(first.pictures.read(every).numpy(), values)
    np.testing.assert_array_equal(last.pictures.read(every).numpy(), values.transpose(0, 3, 1, 2))
    grey = from_arrays(values[..., 0], [0, 1, 0, 1], layout="NHW")
    np.testing.assert_array_equal(grey.pictures.read(every).numpy()[:, 0], values[..., 0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint16", ">f4", "bool"])
def test_other_numbers_become_float32(dtype) -> None:
    values = np.arange(16).reshape(2, 2, 2, 2).astype(dtype)
    images = from_arrays(values, np.array([0, 1], dtype=">i2"), layout="NCHW")
    got = images.pictures.read(torch.arange(2))
    assert got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), values.astype(np.float32))
    assert images.labels.tolist() == [0, 1]


def test_tensors_lists_and_names() -> None:
    images = from_arrays(torch.zeros(3, 1, 2, 2, requires_grad=True), torch.tensor([2.0, 0.0, 1.0]), layout="NCHW")
    assert images.classes == ("0", "1", "2")
    assert images.labels.tolist() == [2, 0, 1]
    images = from_arrays([[[1, 2], [3, 4]]], [1], layout="NHW", classes=["cat", "dog"], name="pets")
    assert (images.name, images.classes, images.shape) == ("pets", ("cat", "dog"), (1, 2, 2))


def test_later_changes_of_the_callers_array_do_not_matter() -> None:
    values = np.zeros((2, 1, 2, 2), np.uint8)
    images = from_arrays(values, [0, 1], layout="NCHW")
    values[:] = 9
    assert int(images.pictures.read(torch.arange(2)).max()) == 0


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (np.zeros((2, 2, 2)), [0, 1], {"layout": "NCHW"}, r"not in the layout NCHW: got the shape \(2, 2, 2\)"),
        (np.zeros((2, 0, 2)), [0, 1], {"layout": "NHW"}, "not in the layout NHW"),
        (np.zeros((2, 2, 2)), [0], {"layout": "NHW"}, "one label for each picture: expected 2, got 1"),
        (np.zeros((2, 2, 2)), [0, 3], {"layout": "NHW", "classes": ["a", "b"]}, "out of range: expected 0 to 1, got 3"),
        (np.zeros((2, 2, 2)), [0, -1], {"layout": "NHW"}, "out of range.*got -1"),
        (np.zeros((2, 2, 2)), [0, 0.5], {"layout": "NHW"}, "no whole numbers"),
        (np.zeros((2, 2, 2)), [0, float("inf")], {"layout": "NHW"}, "not all finite"),
        (np.zeros((2, 2, 2)), [0, float("nan")], {"layout": "NHW"}, "no whole numbers"),
        (np.zeros((2, 2, 2)), ["cat", "dog"], {"layout": "NHW"}, "the labels are no numbers"),
        (np.zeros((2, 2, 2)), [[0], [1]], {"layout": "NHW"}, "one an image"),
        (np.array([["a"]]), [0], {"layout": "NHW"}, "the images are no numbers"),
        (np.zeros((2, 2, 2), complex), [0, 1], {"layout": "NHW"}, "the images are no numbers"),
        ([[1, 2], [3]], [0, 1], {"layout": "NHW"}, "have different sizes"),
        (np.zeros((2, 2, 2)), [0, 1], {"layout": "NHW", "classes": ["a", "a"]}, "names a class twice: got a"),
    ],
)
def test_what_does_not_fit_is_refused(images, labels, options, message) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(images, labels, **options)


def test_an_unknown_layout() -> None:
    with pytest.raises(UsageError, match="NCHW or NHWC or NHW, got CHWN"):
        from_arrays(np.zeros((1, 1, 1, 1)), [0], layout="CHWN")


@pytest.mark.parametrize("tensor", [torch.zeros(2, 2, 2), torch.zeros(2, 1, 2, 2).double(), torch.zeros(2, 0, 2, 2)])
def test_pictures_in_memory_have_one_form(tensor) -> None:
    with pytest.raises(DataError, match=r"no pictures.*float32"):
        InMemory(tensor)


def test_as_many_labels_as_pictures() -> None:
    with pytest.raises(DataError, match="one label for each picture"):
        LabeledImages("a", InMemory(torch.zeros(2, 1, 2, 2)), torch.zeros(3).long(), ["x"], train=torch.arange(2))
