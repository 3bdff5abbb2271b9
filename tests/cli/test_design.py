"""`chainrule design`."""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from chainrule.cli import design
from chainrule.cli.answer import Answer
from chainrule.core.errors import NotationError

LECTURE = "INPUT 32x32x1 | CONV5-10 | POOL2 | CONV5-10 | POOL2 | FC-10"


def run(*words: str) -> Answer:
    parser = argparse.ArgumentParser()
    design.add(parser)
    return design.run(parser.parse_args(words))


def printed(answer: Answer, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(answer.text)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_lectures_table() -> None:
    answer = run(LECTURE)
    assert answer.status == 0
    lines = printed(answer).splitlines()
    cells = [line.split() for line in lines[2:8]]
    assert [(row[0], row[1], row[2]) for row in cells] == [
        ("INPUT", "32x32x1", "0"),
        ("CONV5-10", "32x32x10", "260"),
        ("POOL2", "16x16x10", "0"),
        ("CONV5-10", "16x16x10", "2,510"),
        ("POOL2", "8x8x10", "0"),
        ("FC-10", "10", "6,410"),
    ]
    text = "\n".join(lines)
    assert "9,180" in text
    assert "70 % of it in fc1 (FC-10)" in text
    assert "FLOPs, 2 each: 1.8 M" in text
    assert "the whole input, 32x32" in text


def test_numbers_stand_below_each_other() -> None:
    lines = printed(run(LECTURE)).splitlines()
    right = lines[0].index("parameters") + len("parameters")
    for line, number in zip(lines[2:8], ("0", "260", "0", "2,510", "0", "6,410")):
        assert line[:right].endswith(" " + number)
    assert lines[9][:right].endswith(" 9,180")


def test_words_of_the_command_line_are_joined() -> None:
    assert run("INPUT", "8x8x3", "|", "CONV3-4 /2 |", "FC-2").data == run("INPUT 8x8x3 | CONV3-4 /2 | FC-2").data


def test_branches_are_named_and_indented() -> None:
    text = printed(run("INPUT 8x8x4 | RES[CONV3-4 | BN] | RES[CONV3-8 /2 ; CONV1-8 /2] | CAT[ ; CONV3-4 | RELU]"))
    lines = text.splitlines()[3:16]
    assert [(len(line) - len(line.lstrip()), line.split()[0]) for line in lines] == [
        (0, "RES"), (2, "CONV3-4"), (2, "BN"),
        (0, "RES"), (2, "body"), (4, "CONV3-8"), (2, "shortcut"), (4, "CONV1-8"),
        (0, "CAT"), (2, "branch1:"), (2, "branch2"), (4, "CONV3-4"), (4, "RELU"),
    ]  # fmt: skip
    assert "branch1: identity" in text


def test_warnings_are_shown_and_strict_refuses_them() -> None:
    spec = "INPUT 224x224x3 | CONV11-96 /4 pad0 | RELU | FC-10"
    text = " ".join(printed(run(spec)).split())
    assert "Warnings conv1: (224 - 11) / 4 + 1 = 54.25 does not divide" in text
    assert "223 or 227 rows and columns divide" in text
    assert run(spec).data["warnings"]
    with pytest.raises(NotationError, match=r"column 19: .*54\.25"):
        run("--strict", spec)
    assert run("--strict", LECTURE).data["warnings"] == []


def test_json_data_and_csv() -> None:
    data = json.loads(json.dumps(run(LECTURE).data))
    assert data["total"]["parameters"] == 9180
    assert [row["output"] for row in data["rows"]][-2:] == [[8, 8, 10], [10]]
    lines = list(csv.DictReader(io.StringIO(run("--csv", LECTURE).text)))
    assert [int(line["parameters"]) for line in lines] == [0, 260, 0, 2510, 0, 6410]
    assert run("--csv", LECTURE).data == run(LECTURE).data


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_terminal_is_too_narrow_for_whole_numbers(width: int) -> None:
    spec = "INPUT 224x224x3 | RES[CONV3-64 groups1 nobias | BN ; CONV1-64 nobias] | POOL2 /2 ceil avg | FC-4096"
    text = printed(run(spec), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    total = run(spec).data["total"]
    for key in ("parameters", "memory_bytes", "multiply_adds"):
        assert f"{total[key]:,}" in text
    assert ("memory" in text.splitlines()[0]) == (width >= 80)


def test_forgotten_quotes_are_explained() -> None:
    with pytest.raises(NotationError, match="put the whole in quotes"):
        run("INPUT", "32x32x3")


def test_an_error_points_at_its_column() -> None:
    with pytest.raises(NotationError) as caught:
        run("INPUT 8x8x3 | CONVV3-64")
    assert str(caught.value).split("\n")[1:] == ["    INPUT 8x8x3 | CONVV3-64", "                  ^^^^^^^^^"]


def test_it_starts_without_torch_pydantic_or_tyro() -> None:
    code = (
        "import argparse, sys\n"
        "from rich.console import Console\n"
        "from chainrule.cli import design\n"
        "parser = argparse.ArgumentParser(); design.add(parser)\n"
        f"Console().print(design.run(parser.parse_args([{LECTURE!r}])).text)\n"
        "print('heavy', sorted({'torch', 'pydantic', 'tyro', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "heavy []"
    assert "2,510" in done.stdout
