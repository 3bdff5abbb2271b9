"""Several panels of decision regions, and hyperplanes, in the report."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw.palette import PALETTES
from chainrule.draw.picture import region_picture
from chainrule.draw.report import report_html
from chainrule.draw.sections.weights import _ends


def section(page: str) -> str:
    start = page.index('<section id="regions"')
    return page[start : page.index("</section>", start)]


def panels(plane, *given) -> None:
    facts = plane["facts/regions.json"]
    grid = facts.pop("grid")
    facts["panels"] = [{"grid": grid, **panel} if "lines" not in panel else panel for panel in given]


def test_each_panel_has_its_title_and_its_share(write, plane):
    panels(plane, {"title": "k = 1", "right": 1.0}, {"title": "k = <3>", "right": 0.869})
    plane["facts/regions.json"] |= {"axes": ["first", "second"], "caption": "Two numbers & more."}
    found = section(report_html(write(plane)))
    assert found.count("<figure>") == 2
    assert "<h3>k = 1</h3>" in found
    assert "<h3>k = &lt;3&gt;</h3>" in found
    assert "100 % of these examples right" in found
    assert "86.9 % of these examples right" in found
    assert "Two numbers &amp; more. Across: first; up: second." in found
    assert found.count("<img") == 4  # light and dark
    assert found.count("<legend") == 0
    assert found.count('class="legend') == 1  # one for all


def test_runs_of_earlier_versions_have_one_grid(write, plane):
    found = section(report_html(write(plane)))
    assert found.count("<figure>") == 1
    assert "<h3>" not in found
    assert "A line is where" not in found


def test_lines_end_at_the_border_and_point_to_where_the_score_is_above_zero(write, plane):
    facts = plane["facts/regions.json"]
    facts |= {"x": [0.0, 10.0], "y": [-1.0, 1.0]}
    panels(plane, {"title": "Hyperplanes", "lines": [[1.0, 0.0, -4.0], [0.0, -1.0, 0.5], [1.0, 1.0, 1e6]]})
    found = section(report_html(write(plane)))
    assert "A line is where the score of the class of its color is 0" in found
    lines = re.findall(r'hyperplane c(\d)" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)', found)
    drawn = [(int(color), *map(float, numbers)) for color, *numbers in lines]
    assert len(drawn) == 4  # two lines and their arrows; the third line is nowhere near
    (c0, x0, y0, x1, y1), arrow0, (c1, *across), arrow1 = drawn
    assert (c0, x0, x1, {y0, y1}) == (0, 400.0, 400.0, {0.0, 1000.0})  # x = 4
    assert arrow0[3] > arrow0[1] == 400.0  # to the right, where x > 4
    assert (c1, across[1], across[3], {across[0], across[2]}) == (1, 250.0, 250.0, {0.0, 1000.0})  # y = 0.5
    assert arrow1[4] > arrow1[2] == 250.0  # down, where y < 0.5


finite = st.floats(-1e3, 1e3)


@given(finite, finite, finite)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_ends_of_lines(a: float, b: float, c: float) -> None:
    ends = _ends(a, b, c)
    corners = [a * x + b * y + c for x, y in itertools.product((0, 1), repeat=2)]
    if ends is None:
        assert a == b == 0 or min(corners) > -1e-9 or max(corners) < 1e-9 or max(abs(a), abs(b)) < 1e-9
        return
    for x, y in ends:
        assert 0 <= x <= 1
        assert 0 <= y <= 1
        assert abs(a * x + b * y + c) <= 1e-9 * (abs(a) + abs(b) + abs(c))
        assert min(x, y, 1 - x, 1 - y) == 0  # on the border
    assert ends[0] != ends[1]


@pytest.mark.parametrize(
    "lines",
    ["text", [None], [[1.0]], [["NaN", 1.0, 0.0]], [[0, 0, 0]], [{}, []]],
    ids=str,
)
def test_lines_that_are_none_are_left_out(write, plane, lines):
    panels(plane, {"title": "Hyperplanes", "lines": lines})
    page = report_html(write(plane))
    assert "hyperplane c" not in section(page)


@pytest.mark.parametrize("size", [1e-320, 1e-30, 1e308])
def test_lines_of_extreme_size_are_lines(write, plane, size):
    panels(plane, {"title": "Hyperplanes", "lines": [[size, size, 0.0]]})
    found = section(report_html(write(plane)))
    assert found.count("hyperplane c") == 2
    assert "nan" not in found
    assert "inf" not in found


def test_classes_beyond_the_colors_are_striped_and_ringed(write, plane):
    picture = region_picture([[0] * 12 + [6] * 12] * 12)
    assert (picture[:3, :, :12] == picture[:3, :, 12:]).all()  # the same color
    assert len(np.unique(picture[3, :, :12])) == 1
    assert len(np.unique(picture[3, :, 12:])) == 2
    dark = region_picture([[0]], theme="dark")[:3, 0, 0] * 255
    assert "#" + "".join(f"{round(value):02x}" for value in dark) == PALETTES["dark"].series[0]
    facts = plane["facts/regions.json"]
    facts["points"] += [[0.0, 0.0, 7]]
    facts["classes"] = [f"class {k}" for k in range(8)]
    found = section(report_html(write(plane)))
    assert found.count("point hole") == 1
    assert "dot ring" in found


@pytest.mark.parametrize(
    "given",
    ["text", 5, [None], [[1]], [{"grid": [[0, 1], [0]]}], [{"grid": "x"}], [{"grid": [[0.5]]}], [{"grid": [["a"]]}]],
    ids=str,
)
def test_damaged_panels_cost_their_section_at_most(write, plane, given):
    facts = plane["facts/regions.json"]
    del facts["grid"]
    facts["panels"] = given
    facts |= {"axes": [1, None, {}], "caption": ["<b>"], "classes": "none"}
    page = report_html(write(plane))
    assert "Worst mistakes" in page
    assert "<b>" not in page
