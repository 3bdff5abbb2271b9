"""Where the names of decision regions stand: compared with a search over all places."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw import report_html
from chainrule.draw.picture import region_places


def distance(grid: np.ndarray, row: int, column: int) -> int:
    """Steps up, down, left and right to the nearest place of another class, or out of the grid."""
    height, width = grid.shape
    edge = min(row, column, height - 1 - row, width - 1 - column) + 1
    others = [abs(r - row) + abs(c - column) for r, c in np.argwhere(grid != grid[row, column]).tolist()]
    return min([edge, *others])


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 14), st.integers(1, 5), st.integers(0, 4))
def test_each_name_is_as_far_from_the_borders_as_can_be(
    draw: int, height: int, width: int, classes: int, least: int
) -> None:
    rng = np.random.default_rng(draw)
    seeds = rng.uniform(0, 14, (classes, 2))  # regions nearest to some points, as those of a classifier
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    grid = np.linalg.norm(places[:, :, None] - seeds, axis=-1).argmin(-1)
    best: dict[int, int] = {}
    for row in range(height):
        for column in range(width):
            label = int(grid[row, column])
            best[label] = max(best.get(label, 0), distance(grid, row, column))
    found = region_places(grid.tolist(), least=least)
    assert [label for label, *_ in found] == sorted(label for label, far in best.items() if far > least)
    for label, x, y in found:
        row, column = round((1 - y) * height - 0.5), round(x * width - 0.5)
        assert grid[row, column] == label
        assert distance(grid, row, column) == best[label]


def test_the_names_stand_in_the_page(write, plane):
    plane["facts/regions.json"]["grid"] = [[0] * 30 + [1] * 30] * 60
    plane["facts/regions.json"]["classes"] = ["<i>no</i>", "yes"]
    page = report_html(write(plane))
    assert page.count('class="region-name"') == 2
    assert '<span class="region-name" style="left:75.' in page.replace("74.", "75.")
    assert "<i>no</i>" not in page
    assert "the colors repeat" not in page


def test_more_classes_than_colors(write, plane):
    plane["facts/regions.json"]["grid"] = [[k] * 12 for k in range(8) for _ in range(12)]
    plane["facts/regions.json"]["classes"] = [f"class {k}" for k in range(8)]
    page = report_html(write(plane))
    assert page.count('class="region-name"') == 8
    assert "Striped regions, rings and dashes are classes of their own" in page
    assert page.count("point hole") == 0  # no example is of the 7th class or the 8th
    assert "colors repeat" not in page
