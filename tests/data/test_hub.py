"""Files of `datasets`: the same pictures as in a folder, read row by row."""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule
from chainrule.core.errors import DataError, UsageError
from chainrule.data import check_data
from chainrule.data._own_source import own_source
from chainrule.data.hub import RowPictures, hub

datasets = pytest.importorskip("datasets")
COUNT = 30


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    datasets.disable_progress_bars()
    return tmp_path / "cache"


def pixels(number: int) -> Any:
    return np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).save(buffer, "PNG")
    return buffer.getvalue()


def rows(first: int = 0, count: int = COUNT, *, image: str = "image", label: Any = None, **more: Any) -> Any:
    features = {image: datasets.Image(), "label": label or datasets.ClassLabel(names=["cat", "dog"])}
    every = range(first, first + count)
    written = [["cat", "dog"][n % 2] if label is not None and label.dtype == "string" else n % 2 for n in every]
    values = {image: [{"bytes": png(n), "path": None} for n in every], "label": written, **more}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def saved(kind: str, root: Path) -> Path:
    train, test = rows(), rows(100, 8)
    root.mkdir()
    if kind == "disk":
        train.save_to_disk(str(root))
    elif kind == "dictionary":
        datasets.DatasetDict(train=train, test=test).save_to_disk(str(root))
    elif kind == "parquet":
        train.to_parquet(str(root / "train-00000-of-00001.parquet"))
        test.to_parquet(str(root / "test-00000-of-00001.parquet"))
    else:
        for number in range(COUNT):
            path = root / "train" / ("cat", "dog")[number % 2] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
    return root


@pytest.mark.parametrize("kind", ["disk", "dictionary", "parquet", "imagefolder"])
def test_every_form_gives_the_pictures_and_the_classes(tmp_path: Path, kind: str) -> None:
    images = hub(path=str(saved(kind, tmp_path / "set")), size=6)
    assert images.classes == ("cat", "dog")
    assert len(images.train) == COUNT
    assert (0 if images.test is None else len(images.test)) == (8 if kind in ("dictionary", "parquet") else 0)
    stored = images.pictures.read(images.train)
    wanted = {pixels(number).tobytes(): number % 2 for number in range(COUNT)}
    found = {picture.permute(1, 2, 0).contiguous().numpy().tobytes(): i for i, picture in enumerate(stored)}
    assert found.keys() == wanted.keys()
    assert all(int(images.labels[images.train[i]]) == wanted[data] for data, i in found.items())
    if images.test is not None:
        assert torch.equal(images.pictures.read(images.test[3:4])[0], torch.from_numpy(pixels(103)).permute(2, 0, 1))
    assert check_data(images).good


def test_what_a_folder_is_is_seen(tmp_path: Path) -> None:
    for kind in ("disk", "dictionary", "parquet"):
        assert own_source(str(saved(kind, tmp_path / kind))) == "hub"
    assert own_source(str(saved("imagefolder", tmp_path / "folder"))) == "folder"


def test_columns_and_classes_of_other_kinds(tmp_path: Path) -> None:
    rows(image="picture", label=datasets.Value("string")).save_to_disk(str(tmp_path / "words"))
    assert hub(path=str(tmp_path / "words"), image="picture").classes == ("cat", "dog")
    rows(label=datasets.Value("int64")).save_to_disk(str(tmp_path / "numbers"))
    assert hub(path=str(tmp_path / "numbers")).classes == ("0", "1")
    with pytest.raises(DataError, match='no column "image".*--data.image.*got picture, label'):
        hub(path=str(tmp_path / "words"))
    rows(label=datasets.Value("float32")).save_to_disk(str(tmp_path / "floats"))
    with pytest.raises(DataError, match="holds no classes"):
        hub(path=str(tmp_path / "floats"))


def test_a_test_part_without_classes_is_left_out(tmp_path: Path) -> None:
    secret = rows(100, 8).map(lambda row: {"label": -1})
    datasets.DatasetDict(train=rows(), test=secret, extra=rows()).save_to_disk(str(tmp_path / "set"))
    images = hub(path=str(tmp_path / "set"))
    assert images.test is None
    assert list(images.facts["ignored"]) == ["test: it has no classes", "the split extra"]


def test_damaged_pictures_and_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(0))
    pictures = [{"bytes": b"damaged", "path": None}, {"bytes": None, "path": str(tmp_path / "secret.png")}]
    pictures += [{"bytes": None, "path": "../secret.png"}, {"bytes": None, "path": "http://127.0.0.1:1/x.png"}]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    data = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1, 0, 1]}, features=features)
    read = RowPictures({"train": data}, "image", str(tmp_path / "set"), shape=(3, 4, 4))
    problems = [read.inspect(i).problem for i in range(4)]
    assert problems[0] == "another format, or a damaged header"
    assert problems[1] == f'"{tmp_path}/secret.png"'
    assert problems[2] == '"../secret.png"'
    assert problems[3] is not None
    with pytest.raises(DataError, match='"train, row 0" cannot be read'):
        read.read(torch.arange(1))


def test_what_is_no_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no folder .* downloads are switched off"):
        hub(path="somebody/nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        hub(path=str(tmp_path / "file"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(DataError, match="cannot be read as a data set"):
        hub(path=str(tmp_path / "bad"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'chainrule\[hub\]'"):
        hub(path=str(tmp_path))


def test_rows_can_be_sent_to_another_process(tmp_path: Path) -> None:
    images = hub(path=str(saved("parquet", tmp_path / "set")), size=6)
    index = torch.tensor([5, 31, 0])
    assert torch.equal(pickle.loads(pickle.dumps(images.pictures)).read(index), images.pictures.read(index))


def test_a_training_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    recipe = {
        "data": {"name": "hub", "path": str(saved("parquet", tmp_path / "set")), "size": 8},
        "model": {"name": "cnn", "widths": [4]},
        "optim": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 2, "batch": 5, "threads": 1},
    }
    runs = [
        chainrule.train(recipe, out=tmp_path / f"run {count}", settings={"train.workers": count}, report=False)
        for count in (0, 2)
    ]
    assert len({(run.path / "model.safetensors").read_bytes() for run in runs}) == 1
