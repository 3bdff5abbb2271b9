"""Examples: what a batch holds is a function of indices and keys, in any process."""

import pickle

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from chainrule.core.errors import DataError
from chainrule.data import Augment, ImageExamples, Mixed, Normalization, Shuffled, from_arrays
from chainrule.data import examples as module
from chainrule.data.folder import folder
from chainrule.runtime.rng import branch, keys

AUGMENT = Augment(flip=0.5, shift=1, cutout=2, brightness=0.2, contrast=0.2, mixup=0.4)


def a_set(channels: int = 3, count: int = 60):
    pixels = torch.randint(
        0, 256, (count, channels, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return from_arrays(pixels, torch.arange(count) % 4, layout="NCHW")


def a_part(images, augment=None, **options) -> ImageExamples:
    indices = torch.arange(1, len(images), 2)
    return ImageExamples(
        images, indices, Normalization.measure(images.pictures, indices, "channel"), augment, **options
    )


def same(first, second) -> bool:
    if isinstance(first.targets, Mixed):
        names = ("first", "second", "share")
        targets = all(torch.equal(getattr(first.targets, name), getattr(second.targets, name)) for name in names)
    else:
        targets = torch.equal(first.targets, second.targets)
    return targets and all(
        torch.equal(getattr(first, name), getattr(second, name)) for name in ("inputs", "key", "index")
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("channels_last", [None, True, False])
def test_images_and_classes_belong_together(channels, channels_last) -> None:
    images = a_set(channels)
    part = a_part(images, channels_last=channels_last)
    index = torch.tensor([3, 0, 29, 3])
    batch = part.fetch(index, index)
    stored = images.pictures.read(part.indices[index])
    assert torch.equal(batch.inputs, part.normalization.apply(stored))
    assert torch.equal(batch.targets, images.labels[part.indices[index]])
    assert torch.equal(batch.index, index)
    assert batch.inputs.dtype == torch.float32
    assert len(batch) == 4
    if channels_last or (channels == 3 and channels_last is None):
        assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
    else:
        assert batch.inputs.is_contiguous()


def test_a_batch_may_be_changed_without_harm() -> None:
    part = a_part(a_set())
    index = torch.arange(5)
    first = part.fetch(index, index).inputs
    before = first.clone()
    first.zero_()
    assert torch.equal(part.fetch(index, index).inputs, before)


@pytest.mark.parametrize("augment", [None, AUGMENT])
def test_alone_or_in_a_batch_gives_the_same_bits(augment) -> None:
    part = a_part(a_set(), augment)
    index = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    key = keys(0, 3, index, "example")
    together = part.fetch(index, key)
    for position in range(30):
        alone = part.fetch(index[position : position + 1], key[position : position + 1])
        assert torch.equal(alone.inputs[0], together.inputs[position])
    assert torch.equal(part.fetch(index, key).inputs, together.inputs)
    if augment:
        assert not torch.equal(part.fetch(index, keys(0, 4, index, "example")).inputs, together.inputs)


def test_mixup_is_the_weighted_sum_of_two_augmented_images() -> None:
    images = a_set()
    part, plain = (
        a_part(images, AUGMENT),
        a_part(images, Augment(flip=0.5, shift=1, cutout=2, brightness=0.2, contrast=0.2)),
    )
    index = torch.arange(30)
    key = keys(1, 0, index, "example")
    batch = part.fetch(index, key)
    assert isinstance(batch.targets, Mixed)
    partner, share = module.mixture(key, 30, 0.4)
    own, other = plain.fetch(index, key).inputs, plain.fetch(partner, branch(key, "partner")).inputs
    weight = share.view(-1, 1, 1, 1)
    assert torch.allclose(batch.inputs, weight * own + (1 - weight) * other, atol=1e-6)
    assert torch.equal(batch.targets.first, plain.targets[index])
    assert torch.equal(batch.targets.second, plain.targets[partner])
    assert torch.equal(batch.targets.share, share)
    assert len(batch.targets) == 30


def test_with_and_without_the_table_gives_the_same_bits(monkeypatch) -> None:
    images = a_set()
    with_table = a_part(images, AUGMENT)
    monkeypatch.setattr(module, "TABLE_BYTES", 10)
    without = a_part(images, AUGMENT)
    assert with_table._table is not None
    assert without._table is None
    index = torch.arange(30)
    key = keys(0, 0, index, "example")
    assert same(with_table.fetch(index, key), without.fetch(index, key))


class Steps(Dataset):
    def __init__(self, part, order) -> None:
        self.part, self.order = part, order

    def __getitem__(self, step):
        epoch, index = self.order(step)
        return self.part.fetch(index, keys(5, epoch, index, "example"))


@pytest.mark.parametrize("files", [False, True])
def test_worker_processes_give_the_same_batches(tmp_path, files) -> None:
    if files:
        for i in range(12):
            path = tmp_path / f"class {i % 3}" / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (9 + i, 7), (20 * i, 255 - 20 * i, 9)).save(path)
        part = a_part(folder(folder=str(tmp_path), size=6), AUGMENT)
    else:
        part = a_part(a_set(), AUGMENT)
    order = Shuffled(len(part), 4, seed=5)
    steps = Steps(part, order)
    here = [steps[step] for step in range(2 * order.per_epoch)]
    for workers in (1, 2):
        loader = DataLoader(steps, batch_size=None, sampler=range(2 * order.per_epoch), num_workers=workers, timeout=60)
        there = list(loader)
        assert len(there) == len(here)
        assert all(same(a, b) for a, b in zip(here, there))


def test_what_is_sent_to_another_process_is_small_and_gives_the_same() -> None:
    images = a_set(count=600)
    part = a_part(images, AUGMENT)
    sent = pickle.dumps(part)
    assert len(sent) < 2 * images.pictures.tensor.numel() + 30_000  # the bytes, not the floats
    index = torch.arange(7)
    assert same(pickle.loads(sent).fetch(index, keys(0, 0, index, "x")), part.fetch(index, keys(0, 0, index, "x")))


def test_values_that_are_not_finite_are_refused() -> None:
    values = torch.ones(4, 1, 2, 2)
    values[3, 0, 0, 0] = float("inf")
    images = from_arrays(values, [0, 1, 0, 1], layout="NCHW", name="mine")
    normalization = Normalization.measure(images.pictures, torch.arange(4), "none")
    with pytest.raises(DataError, match="mine has values that are not finite"):
        ImageExamples(images, torch.arange(4), normalization)
    ImageExamples(images, torch.arange(3), normalization)


def test_an_empty_part() -> None:
    images = a_set()
    empty = ImageExamples(images, torch.empty(0, dtype=torch.int64), a_part(images).normalization)
    assert len(empty) == 0
