"""`chainrule data list|check|fetch`."""

import argparse
import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from chainrule.cli import data as verb
from chainrule.core.errors import DataError, UsageError
from chainrule.data.fetch import downloads_allowed


@pytest.fixture(autouse=True)
def _places(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")


def run(*words: str):
    parser = argparse.ArgumentParser()
    verb.add(parser)
    answer = verb.run(parser.parse_args(words))
    assert json.loads(json.dumps(answer.data)) == answer.data  # plain data
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(answer.text)
    return answer, capture.get()


def photos(root, count: int = 12) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(root / name / f"{i}.png")


def test_list_says_what_there_is_and_how_to_get_it(tmp_path) -> None:
    answer, text = run("list")
    rows = {row["name"]: row for row in answer.data["sets"]}
    assert {"digits", "mnist", "fashion-mnist", "cifar10", "cifar10-jpeg", "folder", "imagenet-samples"} <= set(rows)
    assert "non-commercial" in rows["imagenet-samples"]["licence"]
    assert rows["mnist"]["found"] is None
    assert rows["mnist"]["origin"] == "download"
    assert rows["fashion-mnist"]["licence"] == "MIT (Zalando SE)"
    assert answer.status == 0
    assert "fashion-mnist" in text
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz"):
        (folder / name).write_bytes(b"")
    assert run("list", "mnist")[0].data["sets"][0]["found"] is None  # one is missing
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    assert run("list", "mnist")[0].data["sets"][0]["found"] == str(folder)


def test_listing_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import argparse, sys; from chainrule.cli import data; "
        "data.run(argparse.Namespace(action='list', name=None, offline=True, seed=0)); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_good_folder(tmp_path) -> None:
    photos(tmp_path / "photos")
    answer, text = run("check", str(tmp_path / "photos"))
    assert answer.status == 0
    assert answer.data["good"] is True
    assert answer.data["count"] == 24
    assert set(answer.data["parts"]) == {"train", "valid", "test"}
    assert "24 of 9x8" in text
    assert "nothing speaks against training on it" in text


def test_a_folder_with_faults_is_answered_with_9(tmp_path) -> None:
    root = tmp_path / "photos"
    photos(root)
    (root / "cat" / "bad.png").write_bytes(b"x")
    (root / "dog" / "worse.jpg").write_bytes(b"\xff\xd8")
    (root / "cow").mkdir()
    answer, text = run("check", str(root))
    assert answer.status == 9
    assert len(answer.data["unreadable"]) == 2
    assert any('no images of "cow"' in finding for finding in answer.data["findings"])
    for part in ("bad.png", "worse.jpg", "wrong:", "should be put right"):
        assert part in text


def test_names_with_brackets_are_shown_as_they_are(tmp_path) -> None:
    root = tmp_path / "[red]photos"
    photos(root)
    (root / "cat").rename(root / "[bold]")
    answer, text = run("check", str(root))
    assert "[bold]" in text
    assert "[red]photos" in text
    assert answer.status == 0


def test_the_digits() -> None:
    answer, text = run("check", "digits")
    assert answer.status == 0
    assert "1797 pictures in 10 classes, as 8x8x1" in text
    answer, text = run("fetch", "digits")
    assert "digits is complete" in text


def test_checksums_are_looked_at(tmp_path, monkeypatch) -> None:
    from chainrule.data.known import KNOWN, Known, KnownSet

    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (30, 2, 2), dtype=np.uint8), np.arange(30, dtype=np.uint8) % 10] * 2
    files = []
    for file, values in zip(KNOWN["mnist"].files, arrays):
        content = (
            bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()
        )
        (folder / file.name).write_bytes(content)
        files.append(Known(file.name, len(content), hashlib.sha256(content).hexdigest(), file.download))
    monkeypatch.setitem(KNOWN, "mnist", KnownSet(tuple(files), "test"))
    assert run("check", "mnist")[0].status == 0
    assert run("fetch", "mnist")[0].data["files"] == [str(folder / file.name) for file in files]
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    answer, text = run("check", "mnist")
    assert answer.status == 9
    assert "train-images-idx3-ubyte: its content is not the published one" in text
    with pytest.raises(DataError, match=r"mnist is damaged.*fetch them again"):
        run("fetch", "mnist")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["lists"], UsageError, 'no action "lists".*did you mean "list"'),
        (["check"], UsageError, "`data check` needs a name"),
        (["fetch"], UsageError, "`data fetch` needs a name"),
        (["list", "minst"], UsageError, 'no data set "minst".*did you mean "mnist"'),
        (["fetch", "fashon-mnist"], UsageError, 'did you mean "fashion-mnist"'),
        (["fetch", "folder"], UsageError, "is your own"),
        (["check", "no-such-thing"], DataError, 'no data set and no folder "no-such-thing"'),
        (
            ["fetch", "mnist", "--offline"],
            DataError,
            "train-images-idx3-ubyte.gz is missing and downloads are switched off",
        ),
        (["check", "cifar10-jpeg"], DataError, "cifar10_jpeg.npz is missing"),
    ],
)
def test_mistakes(words, error, message) -> None:
    with pytest.raises(error, match=message):
        run(*words)


def test_offline_ends_with_the_verb(monkeypatch) -> None:
    monkeypatch.delenv("CHAINRULE_OFFLINE")
    run("list", "--offline")
    assert downloads_allowed()
