"""Wrong input ends in one line (what, expected, got, remedy), the documented status, and nothing half-made."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.recipes import recipe_text

Edit = Callable[[Path], object]
QUICK = ("--train.steps", "1", "-q", "--no-progress")
BASE = "".join(line for line in recipe_text("digits-softmax").splitlines(True) if not line.startswith("#"))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail; return its one line on stderr."""

    def call(*words: object, status: int, says: str) -> str:
        capsys.readouterr()
        found = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert (found, out) == (status, ""), (found, err)
        (line,) = err.splitlines()
        assert line.startswith("chainrule: ")
        assert re.search(says, line), line
        return line

    return call


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# data sets in files


def write_idx(path: Path, array: np.ndarray) -> None:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of MNIST's form with a few images; nothing else can be found."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    return folder


def replace(name: str, change: Callable[[bytes], bytes], suffix: str = "") -> Edit:
    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / f"{name}{suffix}").write_bytes(change(data))

    return edit


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
IDX = {
    "missing": (
        lambda folder: (folder / LABELS).unlink(),
        rf"{LABELS}.gz is missing.*downloads are switched off.*get it",
    ),
    "empty": (replace(IMAGES, lambda data: b""), rf'{IMAGES}" is no IDX file.*got nothing'),
    "cut": (replace(IMAGES, lambda data: data[:-100]), rf'{IMAGES}" is too short.*60 x 28 x 28.*get the file again'),
    "magic": (replace(IMAGES, lambda data: b"\1" + data[1:]), rf'{IMAGES}" is no IDX file.*got 01 00 08 03'),
    "claims": (replace(IMAGES, lambda data: data[:4] + b"\xff" * 4 + data[8:]), rf'{IMAGES}" claims more.*at most'),
    "gzip": (replace(IMAGES, lambda data: b"\x1f\x8bnonsense", ".gz"), rf'{IMAGES}.gz" is damaged.*get the file again'),
    "gzip cut": (replace(IMAGES, lambda data: gzip.compress(data)[:-50], ".gz"), rf'{IMAGES}.gz" is cut short'),
    "label": (
        replace(LABELS, lambda data: data[:-1] + b"\x0b"),
        rf'{LABELS}" has a label out of range.*0 to 9, got 11',
    ),
    "fewer labels": (
        replace(LABELS, lambda data: data[:4] + struct.pack(">I", 59) + data[8:-1]),
        rf'{LABELS}" has not one label for each image.*expected 60, got 59',
    ),
}


def test_a_whole_set_of_files_trains(mnist: Path, tmp_path: Path) -> None:
    assert main(["train", "mnist-lenet", "-o", str(tmp_path / "run"), *QUICK]) == 0


@pytest.mark.parametrize("case", IDX)
def test_idx_files(case: str, mnist: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    edit, says = IDX[case]
    edit(mnist)
    fails("train", "mnist-lenet", "-o", tmp_path / "run", *QUICK, status=3, says=says)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda folder: (folder / "data_batch_3.bin").unlink(), r"cifar-10-binary.tar.gz is missing.*get it from"),
        (
            lambda folder: (folder / "data_batch_1.bin").write_bytes(b"x" * 3073),
            'data_batch_1.bin" is cut short.*30730000',
        ),
        (
            lambda folder: (folder / "data_batch_1.bin").write_bytes(b"\xff" * 30_730_000),
            "label out of range.*0 to 9, got 255",
        ),
    ],
)
def test_cifar_files(edit: Edit, says: str, mnist: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    folder = mnist.parent / "cifar10"
    folder.mkdir()
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        with (folder / f"{name}.bin").open("wb") as file:
            file.truncate(30_730_000)
    edit(folder)
    fails("train", "fashion-cnn", "--data.name", "cifar10", "-o", tmp_path / "run", *QUICK, status=3, says=says)
    assert not (tmp_path / "run").exists()


# folders of pictures


def photos(folder: Path, *, per_class: int = 12, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = rng.integers(0, 120, (32, 40, 3), dtype=np.uint8)
            pixels[..., number % 3] += 100
            Image.fromarray(pixels).save(folder / name / f"{index}.{'jpg' if index % 2 else 'png'}")
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FOLDERS: dict[str, tuple[Edit, str]] = {
    "one class": (lambda folder: shutil.rmtree(folder / "dog"), "only one class"),
    "an empty class": (lambda folder: (folder / "bird").mkdir(), 'no pictures of "bird"'),
    "no picture": (lambda folder: (folder / "cat" / "2.png").write_bytes(b"text"), r"cat/2.png \(another format"),
    "a picture cut short": (lambda folder: cut(folder / "cat" / "2.png"), r"cat/2.png \(a file that is cut short"),
    "an empty picture": (lambda folder: (folder / "dog" / "3.jpg").write_bytes(b""), r"dog/3.jpg \("),
    "no pictures at all": (
        lambda folder: [shutil.rmtree(child) for child in folder.iterdir()],
        "there are no pictures",
    ),
    "no folder": (
        lambda folder: shutil.rmtree(folder),
        "does not exist: expected a folder with one directory per class",
    ),
    "a file": (lambda folder: (shutil.rmtree(folder), folder.write_text("x")), "is a file: expected a folder"),
    "one picture each": (
        lambda folder: [path.unlink() for path in folder.glob("*/*") if path.stem != "0"],
        'no images of "cat"',
    ),
}


@pytest.mark.parametrize(("case", "verb"), [(case, verb) for case in FOLDERS for verb in ("train", "new")])
def test_folders_of_pictures(case: str, verb: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    edit, says = FOLDERS[case]
    folder = photos(tmp_path / "photos")
    edit(folder)
    out = tmp_path / ("run" if verb == "train" else "recipe.yaml")
    fails(verb, "--data.folder", folder, "-o", out, *(QUICK if verb == "train" else ()), status=3, says=says)
    assert not out.exists()


def test_sizes_and_modes_may_be_mixed_and_other_files_are_passed_over(tmp_path: Path) -> None:
    folder = photos(tmp_path / "Fotos ünï [x]", classes=("größe", "日本", "c d"))
    rng = np.random.default_rng(1)
    for mode in ("L", "LA", "RGBA", "P", "1", "I;16", "CMYK"):
        picture = Image.fromarray(rng.integers(0, 255, (21, 33, 3), dtype=np.uint8))
        picture = (
            Image.fromarray(rng.integers(0, 60000, (9, 9), dtype=np.uint16))
            if mode == "I;16"
            else picture.convert(mode)
        )
        picture.save(folder / "c d" / f"{mode.replace(';', '')}.{'jpg' if mode == 'CMYK' else 'png'}")
    turned = Image.fromarray(rng.integers(0, 255, (50, 20, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "größe" / "turned.jpg", exif=exif)
    (folder / ".git").mkdir()
    (folder / "c d" / ".DS_Store").write_bytes(b"x")
    (folder / "c d" / "notes.txt").write_text("x")
    os.symlink(folder, folder / "日本" / "again")
    assert main(["train", "--data.folder", str(folder), "-o", str(tmp_path / "run"), *QUICK]) == 0
    assert main(["predict", str(tmp_path / "run"), str(folder / "größe" / "turned.jpg"), "--json"]) == 0


def test_new_writes_a_recipe_that_trains_on_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(tmp_path / "photos")
    recipe = tmp_path / "mine.yaml"
    assert main(["new", "--data.folder", str(folder), "--train.batch", "8", "-o", str(recipe)]) == 0
    assert "batch: 8" in recipe.read_text()
    assert not (tmp_path / "runs").exists()
    assert main(["train", str(recipe), "-o", str(tmp_path / "run"), *QUICK]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "run"), str(folder / "cat")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 12


# recipes

RECIPES: dict[str, tuple[str | bytes, str]] = {
    "1 MB": (BASE + "# " + "x" * 1_100_000, "too large: expected at most 1,000,000 bytes"),
    "deep": ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply: expected at most 64"),
    "aliases": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "line 1: anchors and aliases"),
    "a key twice": (BASE + "about: again\n", 'the key "about" occurs twice'),
    "a word for a number": (BASE.replace("l2: 0.001", "l2: many"), "penalty.l2: .*number: got 'many'"),
    "YAML 1.1's yes": (BASE.replace("batch: 64", "batch: 64, test: yes"), "train.test: .*boolean: got 'yes'"),
    "a float for a count": (BASE.replace("batch: 64", "batch: 6.5"), "train.batch: .*integer"),
    "nothing": ("", "is no recipe: expected sections"),
    "a list": ("- 1\n- 2\n", "is no recipe: expected sections"),
    "UTF-16": (BASE.encode("utf-16"), "not text in UTF-8: got byte 0xff"),
    "bytes": (bytes(range(256)), "not text in UTF-8"),
    "code": ("a: !!python/object/apply:os.system [x]\n", "tag .* is not allowed"),
    "a tab": ("a:\n\tb: 1\n", "line 2.*not valid YAML"),
    "not closed": ("a: [", "not valid YAML"),
}


@pytest.mark.parametrize("case", RECIPES)
def test_recipe_files(case: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    text, says = RECIPES[case]
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    fails("train", path, "-o", tmp_path / "run", *QUICK, status=2, says=says)
    assert not (tmp_path / "run").exists()


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert main(["train", str(path), "-o", str(tmp_path / "run"), *QUICK]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "digits-sofmax"], 'did you mean "digits-softmax"'),
        (["train", "digits-softmax", "--optm.lr", "1"], 'no section "optm".*did you mean "optim"'),
        (["train", "digits-softmax", "--optim.lrr", "1"], 'no option "lrr".*did you mean "lr"'),
        (["train", "digits-softmax", "--model.name", "lienar"], 'no model "lienar".*did you mean "linear"'),
        (["train", "digits-softmax", "--optim.name", "adamm"], 'no optimizer "adamm".*did you mean "adam"'),
        (["train", "digits-softmax", "--data.name", "digts"], 'no data set "digts".*did you mean "digits"'),
        (["train", "digits-softmax", "--optim.lr"], "needs a value"),
        (["train", "digits-softmax", "--optim.lr", "-1"], "lr is out of range: expected at least 0, finite, got -1"),
        (["train", "digits-softmax", "--optim.lr", "nan"], "optim.lr: .*number: got 'nan'"),
        (["train", "digits-softmax", "--train.epochs", "0"], "train.epochs: .*greater than 0"),
        (["train", "digits-softmax", "--repeats", "1"], "at least two runs"),
        (["train", "digits-softmax", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["trian", "digits-softmax"], 'no command "trian".*did you mean "train"'),
        (["design", ""], "specification"),
        (["recipes", "digits-cnnn"], 'did you mean "digits-cnn"'),
        (["models", "lent"], 'did you mean "lenet"'),
        (["runs", "shwo", "x"], 'did you mean "show"'),
        (["new"], "nothing to start from"),
    ],
)
def test_words(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[0] == "design":
        assert main(words) == 2
    else:
        fails(*words, status=2, says=says)
    assert list(tmp_path.iterdir()) == []


# runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "digits-softmax", "-o", str(out), "--train.steps", "3", "-q", "--no-progress"]) == 0
    return out


def rewrite(name: str, text: str | bytes) -> Edit:
    return lambda run: (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())


RUNS: dict[str, tuple[Edit, tuple[str, ...], str]] = {
    "no run.json": (lambda run: (run / "run.json").unlink(), ("resume", "evaluate", "report", "predict"), "is no run"),
    "damaged run.json": (rewrite("run.json", "{"), ("resume", "evaluate", "report", "predict"), 'run.json" is damaged'),
    "another version": (rewrite("run.json", '{"format": 9}'), ("resume", "report"), "another version: expected"),
    "no recipe": (lambda run: (run / "recipe.yaml").unlink(), ("evaluate", "predict"), "no recipe: expected"),
    "damaged recipe": (rewrite("recipe.yaml", "a: ["), ("evaluate", "predict"), "the recipe of .* is damaged"),
    "damaged weights": (rewrite("model.safetensors", b"x" * 50), ("evaluate", "predict"), "is no weights file"),
    "no processing": (lambda run: (run / "processing.json").unlink(), ("evaluate", "predict"), "how its inputs are"),
    "half a processing": (rewrite("processing.json", "{}"), ("evaluate", "predict"), 'expected an entry "shape"'),
    "nothing trained": (
        lambda run: [(run / "model.safetensors").unlink(), shutil.rmtree(run / "checkpoints")],
        ("evaluate", "predict"),
        "has no weights.*chainrule resume",
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_runs_that_are_not_whole(case: str, whole: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    edit, verbs, says = RUNS[case]
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    picture = photos(tmp_path / "photos") / "cat" / "0.png"
    edit(run)
    before = tree(run)
    for verb in verbs:
        fails(verb, run, *([picture] if verb == "predict" else []), status=4, says=says)
    assert tree(run) == before


@pytest.mark.parametrize("verb", [["resume"], ["evaluate"], ["report"], ["runs", "show"], ["runs", "remove"]])
@pytest.mark.parametrize("kind", ["nothing there", "a folder without it", "a file"])
def test_what_is_no_run(verb: list[str], kind: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    place = tmp_path / "x"
    if kind == "a file":
        place.write_text("precious")
    elif kind == "a folder without it":
        photos(place)
    before = tree(tmp_path)
    fails(*verb, place, status=4, says=f"is no run: expected a folder with run.json, got {kind}")
    assert tree(tmp_path) == before


def test_a_run_whose_checkpoints_are_gone_cannot_go_on(whole: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    info = (run / "run.json").read_text()
    (run / "run.json").write_text(info.replace('"status": "finished"', '"status": "interrupted"'))
    shutil.rmtree(run / "checkpoints")
    fails("resume", run, status=4, says="there is no whole checkpoint")


def test_a_damaged_run_does_not_hide_the_others(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        shutil.copytree(whole, tmp_path / name)
    (tmp_path / "a" / "run.json").write_text("{")
    capsys.readouterr()
    assert main(["runs", "list", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["run"] for row in json.loads(out)["result"]] == [str(tmp_path / "b")]
    assert 'run.json" is damaged' in err


# places to write


def test_a_folder_that_is_there_is_left_as_it_is(whole: Path, fails: Callable[..., str]) -> None:
    before = tree(whole)
    fails("train", "digits-softmax", "-o", whole, *QUICK, status=2, says="exists already.*choose another folder")
    fails("new", "digits-softmax", "-o", whole / "recipe.yaml", status=2, says="exists already")
    assert tree(whole) == before


@pytest.mark.parametrize("place", ["file/run", "/proc/run", "x" * 300])
def test_places_that_cannot_be_written(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    fails("train", "digits-softmax", "-o", place, *QUICK, status=5, says="cannot make the folder.*Remedy")
    assert tree(tmp_path) == {"file": b"precious"}


# predictions


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["absent.png"], 3, 'picture "absent.png" cannot be read.*no such file'),
        (["text.png"], 3, "another format, or a damaged header"),
        (["empty"], 3, "holds no pictures: expected files ending in"),
        (["0.png", "text.png"], 3, "text.png"),
        (["0.png", "-n", "0"], 2, "expected -n 1 or more, got 0"),
        ([], 2, "nothing to classify"),
    ],
)
def test_predictions(
    words: list[str],
    status: int,
    says: str,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: Callable[..., str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    fails("predict", whole, *words, status=status, says=says)


# networks of one's own

PROGRAMS = {
    "no forward": ("from torch import nn\nclass Net(nn.Module): pass", "cannot take images.*forward"),
    "another name": ("from torch import nn\nclass Nett(nn.Module): pass", 'has no "Net".*did you mean "Nett"'),
    "wrong shape": ("from torch import nn\ndef Net(): return nn.Linear(3, 3)", "cannot take images of shape"),
    "no module": ("def Net(): return 3", "expected a torch.nn.Module, got int"),
    "raises when built": ("def Net(): raise KeyError('mine')", "cannot be built: KeyError: 'mine'"),
    "raises when run": (
        "from torch import nn\nclass Net(nn.Module):\n  def forward(self, x): raise KeyError('mine')",
        "cannot take images.*KeyError: 'mine'",
    ),
    "too many scores": (
        "from torch import nn\ndef Net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 11))",
        r"one score for each class: expected \(2, 10\), got \(2, 11\)",
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_networks_of_ones_own(case: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    text, says = PROGRAMS[case]
    (tmp_path / "net.py").write_text(text)
    network = f"{tmp_path / 'net.py'}:Net"
    fails("train", "digits-softmax", "--model", network, "-o", tmp_path / "run", *QUICK, status=2, says=says)
    assert not (tmp_path / "run").exists()


def test_no_status_is_a_bug_of_ours(tmp_path: Path, fails: Callable[..., str]) -> None:
    fails("train", "digits-softmax", "--model", tmp_path / "absent.py:Net", *QUICK, status=2, says="no such file")
    fails("train", "digits-softmax", "--model", tmp_path / "absent.py", *QUICK, status=2, says="what to use of it")


def test_batch_normalization_of_one_value(tmp_path: Path, fails: Callable[..., str]) -> None:
    words = ["train", "digits-mlp", "--model.batch_norm", "true", "--train.batch", "1", "-o", tmp_path / "run", *QUICK]
    fails(*words, status=2, says="more than one value per channel.*a larger --train.batch")
