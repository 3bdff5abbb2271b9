"""Confusion matrices at every size."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from chainrule.core.errors import UsageError
from chainrule.draw import confusion_html, confusion_text, top_confusions
from chainrule.draw.confusion import confusion_counts


def printed(matrix, classes) -> str:
    console = Console(width=110, file=io.StringIO(), color_system=None)
    console.print(confusion_text(matrix, classes))
    return console.file.getvalue()


def test_a_small_matrix_is_a_table_of_counts():
    page = str(confusion_html([[90, 10, 0], [0, 50, 0], [5, 5, 0]], ["cat", "dog", "emu"]))
    cells = re.findall(r'<td class="(right|wrong)-(\d)">(\d*)</td>', page)
    assert [int(count or 0) for *_, count in cells] == [90, 10, 0, 0, 50, 0, 5, 5, 0]
    assert [kind for kind, *_ in cells] == ["right", "wrong", "wrong"] + ["wrong", "right", "wrong"] + ["wrong"] * 2 + [
        "right"
    ]
    levels = [int(level) for _, level, _ in cells]
    assert levels[0] == 8  # nine tenths of the class
    assert levels[1] < levels[6]  # a tenth of a class is weaker than half of one
    assert [levels[k] for k in (2, 3, 5, 8)] == [0, 0, 0, 0]
    assert "140 of 160 examples on the diagonal" in page


def test_one_wrong_example_of_a_million_has_a_color():
    page = str(confusion_html([[999_999, 1], [0, 10]], ["a", "b"]))
    assert re.search(r'<td class="wrong-1">1</td>', page)


def test_a_middle_matrix_is_a_map_that_knows_its_cells():
    counts = np.diag(np.arange(1, 61))
    counts[3, 40] = 7
    page = str(confusion_html(counts, [f"class {number}" for number in range(60)]))
    data = json.loads(re.search(r'json">(.*?)</script>', page).group(1))
    assert [3, 40, 7] in data["counts"]
    assert len(data["counts"]) == 61
    squares = re.findall(r'<path class="(\w+-\d)" d="([^"]+)"', page)
    assert sum(d.count("M") for _, d in squares) == 61
    assert any("M40 3h1v1h-1z" in d for name, d in squares if name.startswith("wrong"))


def test_a_large_matrix_is_the_list_of_its_errors():
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(40, 50, 1000))
    counts[rng.integers(0, 1000, 300), rng.integers(0, 1000, 300)] += 2
    page = str(confusion_html(counts, [f"n{number}" for number in range(1000)]))
    assert "too many for a map" in page
    assert page.count("<tr>") <= 62
    assert len(page) < 60_000


@given(st.integers(1, 12).flatmap(lambda size: arrays(np.int64, (size, size), elements=st.integers(0, 50))))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_top_confusions_are_the_largest_errors(counts):
    names = [str(number) for number in range(len(counts))]
    rows = top_confusions(counts, names, count=5).rows
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    assert [row[2] for row in rows] == [value for value in sorted(wrong.ravel().tolist(), reverse=True) if value][:5]
    for truth, predicted, count, share in rows:
        assert counts[int(truth), int(predicted)] == count
        assert share == pytest.approx(count / counts[int(truth)].sum())


def test_the_terminal_shows_counts_and_recall():
    shown = printed([[8, 2], [0, 0]], ["[red]cat", "dog"])
    assert "[red]cat" in shown
    assert re.search(r"8\s+2\s+80\.0 %", shown)
    assert "–" in shown.splitlines()[-1]
    many = np.diag([30] * 40)
    many[1, 2] = 4
    assert re.search(r"1\s+2\s+4", printed(many, []))
    assert "no example is taken" in printed(np.diag([30] * 40), [])


@pytest.mark.parametrize("bad", [[[1, 2]], [[1, 2], [3]], [[-1, 0], [0, 1]], [[0.5, 0], [0, 1]], [1], "text", [["a"]]])
def test_what_is_no_confusion_matrix_is_refused(bad):
    with pytest.raises(UsageError, match="no confusion matrix"):
        confusion_html(bad, [])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(arrays(np.int64, st.tuples(st.integers(1, 8)).map(lambda k: k * 2), elements=st.integers(0, 50)))
def test_counts_without_zeros_are_the_same_matrix(matrix):
    rows, columns = np.nonzero(matrix)
    counts = [[int(i), int(j), int(matrix[i, j])] for i, j in zip(rows, columns)]
    sparse = {"size": len(matrix), "counts": counts}
    np.testing.assert_array_equal(confusion_counts(sparse), matrix)
    names = [f"class {k}" for k in range(len(matrix))]
    assert str(confusion_html(sparse, names)) == str(confusion_html(matrix.tolist(), names))
    assert printed(sparse, names) == printed(matrix.tolist(), names)


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"size": 0, "counts": []},
        {"size": 10**9, "counts": []},
        {"size": -3, "counts": []},
        {"size": "many", "counts": []},
        {"size": 3, "counts": [[0, 3, 1]]},
        {"size": 3, "counts": [[0, -1, 1]]},
        {"size": 3, "counts": [[0, 1, -1]]},
        {"size": 3, "counts": [[0, 1]]},
        {"size": 3, "counts": [[0, 1, 0.5]]},
        {"size": 3, "counts": [[0, 1, "x"]]},
        {"size": 3, "counts": [[0, 1, 1], [0]]},
        {"size": 3, "counts": [0, 1, 2]},
        {"size": 3, "counts": [[0, 1, 10**30]]},
    ],
)
def test_damaged_counts_without_zeros(damaged):
    with pytest.raises(UsageError, match="no confusion matrix"):
        confusion_counts(damaged)
