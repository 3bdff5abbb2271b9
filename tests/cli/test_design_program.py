"""`chainrule design` of models, runs and code."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from rich.console import Console

from chainrule.cli import main

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, width, 3, padding=1), nn.Linear(width, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x)) + self.conv(x)
        return self.head(x.mean((2, 3)))

class Broken(nn.Module):
    def forward(self, x):
        return self.nothing(x)

inputs = (torch.zeros(2, 3, 16, 16),)
Broken_inputs = inputs
number = 3
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(CODE)
    return str(tmp_path / "mine.py")


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["design", *words]) == status, capsys.readouterr()
    out, err = capsys.readouterr()
    return out if status == 0 else err


def test_a_registered_model_by_its_depth(capsys: pytest.CaptureFixture[str]) -> None:
    result = json.loads(said(capsys, "resnet18", "--json"))["result"]
    assert result["format"] == 1
    assert (result["total"]["parameters"], result["total"]["multiply_adds"]) == (11_689_512, 1_814_073_344)
    text = said(capsys, "resnet_cifar", "--model.depth", "20", "--input", "4x3x32x32")
    assert "4x16x32x32" in text
    assert "269,722" in text


def test_code_with_its_own_inputs_and_with_given_ones(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, f"{code}:Net")
    assert "2x8x16x16" in text
    assert "conv (call 2)" in text
    assert "0 shared" in text
    assert "relu" in text
    wide = json.loads(said(capsys, f"{code}:Net", "--input", "1x3x8x8", "--model.width", "16", "--json"))["result"]
    assert wide["total"]["parameters"] == 3 * 9 * 16 + 16 + 170
    rows = list(csv.DictReader(io.StringIO(said(capsys, f"{code}:Net", "--csv"))))
    assert [row["path"] for row in rows if row["path"].startswith("conv")] == ["conv", "conv"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["FILE:Net", "--input", "1x4x8x8"], 'layer "conv" (Conv2d) does not take what it is given'),
        (["FILE:Net", "--input", "1x3x"], "is no shape"),
        (["FILE:number"], '"number" is no network'),
        (["FILE:Broken"], "has no attribute 'nothing'"),
        (["FILE:Nothing"], 'has no "Nothing"'),
        (["resnet18", "--train.lr", "3"], "--train.lr says nothing about a network"),
        (["resnet18", "--optimizer", "adm"], 'did you mean "adam"'),
        (["nowhere/"], "there is no network"),
        (["resnet18", "--field", "layer9"], 'no layer "layer9"'),
        (["resnet18", "--field", "layer4@9,9"], "ROW,COLUMN below 7,7"),
        (["resnet18", "--plot", "a.txt"], "is no picture that --plot writes"),
        (["resnet18", "--signal", "nodata"], "nodata"),
        (["mlp", "--signal", "--init", "hee"], "init.scheme"),
        (["vgg11", "--input", "1x3x225x225", "--strict"], "never reads"),
    ],
)
def test_mistakes_are_one_line(words: list[str], expected: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, *(word.replace("FILE", code) for word in words), status=2)
    assert expected in error
    assert len([line for line in error.splitlines() if line.startswith("chainrule: ")]) == 1
    assert "bug of ours" not in error


def test_repeated_blocks_are_folded(capsys: pytest.CaptureFixture[str]) -> None:
    short, long = said(capsys, "resnet152"), said(capsys, "resnet152", "--all")
    assert "2 to 35: 34 more" in short
    assert len(short.splitlines()) < 200 < 500 < len(long.splitlines())
    assert short.split("total")[1].split()[0] == "60,192,808"


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_keeps_whole_numbers(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from chainrule.analysis.design import design_network
    from chainrule.analysis.design.known import known_network
    from chainrule.cli._design_rows import network_shown

    known = known_network("lenet")
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(network_shown(design_network(known.network, [torch.zeros(1, *known.shape)]), fold=True))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert "61,706" in text
    assert "…" not in text


def test_the_network_as_a_graph_shows_its_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "resnet18", "--plot", str(tmp_path / "net.svg"))
    picture = (tmp_path / "net.svg").read_text()
    ElementTree.fromstring(picture)
    assert "layer2.0.downsample" in picture
    assert "layer1.0.conv1" in picture


@pytest.mark.parametrize("ending", ["svg", "png", "html"])
def test_what_a_unit_sees_is_drawn_over_a_picture(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 40), "gray").save(tmp_path / "photo.png")
    target = tmp_path / f"field.{ending}"
    words = ["resnet18", "--field", "layer1@0,20", "--image", str(tmp_path / "photo.png"), "-o", str(target), "--json"]
    found = json.loads(said(capsys, *words))["result"]
    assert found["box"] == [59, 0, 101, 21]  # 43 columns around 4 * 20, and rows cut off by the border
    assert target.stat().st_size > 500
    if ending == "png":
        with Image.open(target) as picture:
            assert picture.size == (640, 640)


def test_signal_of_layers_in_the_notation(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["INPUT 8x8x1 | (FC-100 | TANH)*6 | FC-10", "--signal"]
    small = said(capsys, *words, "--init", "0.01")
    assert "the activations vanish: their spread at fc7 is" in small
    assert "128 examples of digits" in small
    kept = json.loads(said(capsys, *words, "--init", "xavier", "--json"))["result"]
    assert kept["init"] == "xavier"
    assert not [line for line in kept["verdict"] if "vanish" in line or "explode" in line]
