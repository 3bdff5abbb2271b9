"""`docs/formulas.md`: every item of the lectures has its row, and every row that says `built` is.

A function proves to be tested when the row's tests fail as soon as it returns zeros (`zeroing.py`).
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chainrule import formulas

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "formulas.md"
MOST_OPEN = 26
"""Open rows may only become fewer: lower this number with the page."""

SECTIONS = {"A": 9, "B": 14, "C": 10, "D": 6, "E": 8, "F": 9, "G": 8, "H": 11, "I": 6}
ITEMS = [f"{letter}{n}" for letter, count in SECTIONS.items() for n in range(1, count + 1)] + ["J"]


@dataclass(frozen=True)
class Row:
    """A line of one of the page's tables."""

    item: str
    what: str
    formulas: tuple[str, ...]
    products: tuple[str, ...]
    commands: tuple[str, ...]
    tests: tuple[str, ...]
    state: str


def quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def read_rows(text: str) -> list[Row]:
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-I]\d+|J", cells[0]):
            assert len(cells) == 6, line
            item, what, formula, product, test, state = cells
            products = quoted(product)
            found.append(
                Row(
                    item,
                    what,
                    tuple(f"chainrule.formulas.{name}" for name in quoted(formula)),
                    tuple(name for name in products if " " not in name),
                    tuple(name for name in products if " " in name),
                    tuple(f"tests/{name}" for name in quoted(test)),
                    state,
                )
            )
    return found


TEXT = PAGE.read_text(encoding="utf-8")
ROWS = read_rows(TEXT)


def ids(row: Row) -> str:
    return f"{row.item} {row.what}"


def test_every_item_has_its_text_and_a_row() -> None:
    assert len(ITEMS) == 82
    for item in ITEMS:
        assert re.search(rf"^- \*\*{item}\*\* .{{3,}}", TEXT, re.MULTILINE), f"the page lacks the text of {item}"
    assert [item for item in ITEMS if item not in {row.item for row in ROWS}] == []
    order = [ITEMS.index(row.item) for row in ROWS]
    assert order == sorted(order)
    assert len({ids(row) for row in ROWS}) == len(ROWS)


def test_rows_are_built_or_open() -> None:
    for row in ROWS:
        assert row.state in ("built", "open"), ids(row)
        if row.state == "built":
            assert row.products or row.commands, f"{ids(row)}: nothing of the product is named"
            assert row.tests, f"{ids(row)}: no test is named"
        if row.formulas:
            assert row.tests, f"{ids(row)}: no test is named"


def test_open_rows_only_become_fewer() -> None:
    count = sum(row.state == "open" for row in ROWS)
    stated = re.search(r"\*\*(\d+) of (\d+) rows are open", TEXT)
    assert stated is not None
    assert (int(stated[1]), int(stated[2])) == (count, len(ROWS))
    assert count <= MOST_OPEN


def test_every_formula_stands_in_a_row() -> None:
    named = {name for row in ROWS for name in row.formulas}
    assert named == {f"chainrule.formulas.{name}" for name in formulas.__all__}


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_names_can_be_imported(row: Row) -> None:
    for name in row.formulas + row.products:
        assert callable(pkgutil.resolve_name(name))


def is_defined(test: str) -> bool:
    path, _, names = test.partition("::")
    function = names.partition("[")[0].split("::")[-1]
    return f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_tests_named_are_there() -> None:
    """One that is not would end the proof of its whole section before the first test."""
    assert [test for row in ROWS for test in row.tests if not is_defined(test)] == []


def proved(row: Row) -> tuple[str, ...]:
    """The names that the row's tests must prove: every formula, and the product where it is said to be built."""
    return row.formulas + (row.products if row.state == "built" else ())


def asked(rows: list[Row], folder: Path) -> dict[str, dict[str, Any]]:
    """What came of the tests of some rows, plain and with zeros, in one process."""
    (folder / "plan.json").write_text(json.dumps([(row.tests, proved(row)) for row in rows]))
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    tests = list(dict.fromkeys(test for row in rows for test in row.tests))
    assert [test for test in tests if not (ROOT / test.partition("::")[0]).is_file()] == []
    command = [sys.executable, "-m", "pytest", "-p", "zeroing", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
    command += ["--zero-plan", str(folder / "plan.json"), "--zero-answer", str(answer), *tests]
    here = str(Path(__file__).parent)
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "JAXTYPING_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert answer.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(answer.read_text())


def wrong(row: Row, found: dict[str, dict[str, Any]]) -> list[str]:
    """What a row lacks."""
    names = proved(row)
    by_test = {test: set(found["noticed"].get(test, [])) & set(names) for test in row.tests}
    noticed = set().union(*by_test.values())
    lacks = [f"{test} does not pass or does not exist" for test in row.tests if not found["passed"].get(test)]
    lacks += [f"{ids(row)}: no test notices that {name} returns zeros" for name in names if name not in noticed]
    return lacks + [f"{ids(row)}: {test} proves nothing" for test, some in by_test.items() if names and not some]


@pytest.mark.slow
@pytest.mark.parametrize("section", sorted({row.item[0] for row in ROWS if row.tests}))
def test_all_rows_of_a_section_are_proved(section: str, tmp_path: Path) -> None:
    rows = [row for row in ROWS if row.tests and row.item.startswith(section)]
    found = asked(rows, tmp_path)
    assert [each for row in rows for each in wrong(row, found)] == []


def test_a_test_that_proves_nothing_is_found_out(tmp_path: Path) -> None:
    test = "tests/formulas/test_updates.py::test_one_step_by_hand"
    other = "tests/formulas/test_affine.py::test_torch_agrees"
    absent = "tests/formulas/test_affine.py::test_that_is_not_there"
    honest = Row("B1", "", ("chainrule.formulas.sgd",), (), (), (test,), "open")
    idle, padded = replace(honest, tests=(other,)), replace(honest, tests=(test, other))
    found = asked([honest, idle, padded], tmp_path)
    assert wrong(honest, found) == []
    assert wrong(idle, found) == [
        "B1 : no test notices that chainrule.formulas.sgd returns zeros",
        f"B1 : {other} proves nothing",
    ]
    assert wrong(padded, found) == [f"B1 : {other} proves nothing"]
    lost = replace(honest, tests=(test, absent))
    assert f"{absent} does not pass or does not exist" in wrong(lost, asked([lost], tmp_path))
