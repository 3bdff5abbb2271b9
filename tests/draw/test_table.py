"""Tables as HTML, CSV and terminal text, with cells that try to be more than text."""

from __future__ import annotations

import base64
import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from chainrule.core.errors import UsageError
from chainrule.draw import Column, Table, table_csv, table_html, table_text

FORMULAS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "\u00a0=HYPERLINK(1)",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
    "|calc",
    "%0A=1",
    '=cmd|"/c calc"',
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_csv_file_is_a_formula(text):
    table = Table("t", [Column(text), Column("n", "count")], [[text, 3]])
    for row in csv.reader(io.StringIO(table_csv(table))):
        assert row[0].startswith("'" if text != "\r=1" else "\\r=1")  # a control character is shown, and starts nothing
        assert row[0].endswith(text.strip("\t\r\n").lstrip()[-3:])


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(-(10**9), 10**9)), min_size=1, max_size=8))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_csv_reads_back_and_holds_no_formula(rows):
    table = Table("t", [Column("name"), Column("n", "count")], [list(row) for row in rows])
    text = table_csv(table)
    found = list(csv.reader(io.StringIO(text)))[1:]
    assert [int(number) for _, number in found] == [number for _, number in rows]
    for name, _ in found:
        assert not name.lstrip(" \u00a0\u3000").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    text.encode("utf-8")


def test_numbers_in_csv_are_numbers_in_full():
    columns = [Column("a", "number"), Column("b", "share"), Column("c", "count")]
    table = Table("t", columns, [[0.1234567890123, -0.5, None], ["NaN", "Infinity", 7]])
    assert table_csv(table) == '"a","b","c"\n0.1234567890123,-0.5,""\n"NaN","inf",7\n'


def test_html_escapes_sorts_and_carries_its_csv():
    table = Table(
        "Sizes", [Column("<i>name"), Column("n", "count", bar=True)], [["<b>x", 5], ["y", None]], sortable=True
    )
    page = str(table_html(table))
    assert "<b>" not in page
    assert "&lt;b&gt;x" in page
    assert 'data-sort="5"' in page
    assert page.count("data-sort") == 1
    assert "--bar:100.0%" in page
    link = re.search(r'href="data:text/csv;base64,([^"]+)"', page).group(1)
    assert base64.b64decode(link).decode() == table_csv(table)


def test_the_best_of_a_column_stands_out():
    rows = [["a", 0.9, 0.3], ["b", 0.8, 0.1], ["c", "NaN", None]]
    table = Table("t", [Column("run"), Column("acc", "share", best="high"), Column("loss", "number", best="low")], rows)
    best = re.findall(r'<td class="number best[^>]*>([^<]*)<', str(table_html(table)))
    assert best == ["90.0 %", "0.1"]


def test_the_terminal_takes_no_cell_for_markup_or_control():
    table = Table(
        "t", [Column("[bold]n[/]"), Column("k", "count")], [["[red]x\x1b[31m[/red]", 1], ["deep", 2]], indent=[0, 1]
    )
    console = Console(width=60, file=io.StringIO(), force_terminal=True, color_system=None, highlight=False)
    console.print(table_text(table))
    shown = console.file.getvalue()
    assert "[red]x" in shown
    assert "\\x1b[31m" in shown
    assert "\x1b[31m" not in shown
    assert "  deep" in shown


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(UsageError, match="expected 2 cells, got 1"):
        table_html(Table("t", [Column("a"), Column("b")], [["only one"]]))
