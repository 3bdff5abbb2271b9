"""`docs/features.md`: its examples run, and its table says what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from chainrule.ops import color_histogram, hog

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    scope: dict[str, object] = {}
    for example in examples:
        exec(example, scope)
    assert capsys.readouterr().out.startswith("tolerance [2.3026, ")


def test_the_table_says_how_many_numbers_there_are() -> None:
    rows = re.findall(r"^\| (\d+)x(\d+) \| (\d+) \|.*\| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for height, width, cell, numbers in rows:
        images = torch.zeros(1, 1, int(height), int(width))
        assert hog(images, cell=int(cell)).shape == (1, int(numbers.replace(",", "")))


def test_the_calls_of_the_color_table_are_as_wide_as_it_says() -> None:
    rows = re.findall(r"^\| `color_histogram\(images(.*?)\)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    images = torch.zeros(1, 3, 2, 2)
    for settings, numbers in rows:
        found = eval(
            f"color_histogram(images{settings}, bins=5)", {"color_histogram": color_histogram, "images": images}
        )
        assert found.shape[1] == {"`bins`": 5, "3 `bins`": 15, "`bins`^3": 125}[numbers]
