"""Landscapes: what is drawn lies where the numbers say, in HTML, SVG, GIF and PNG."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from chainrule.draw import PALETTES, Landscape, Trail, landscape_gif, landscape_html, landscape_png, landscape_svg
from chainrule.draw.landscape import HEIGHT, WIDTH, bands, frames, levels, places_in


def bowl(trails: list[Trail] | None = None, size: int = 41) -> Landscape:
    x, y = np.linspace(-2, 2, size), np.linspace(-1, 3, size)
    default = [Trail("down", np.array([[-2.0, 3.0], [0.0, 1.0], [0.0, 0.0]]), 0, "arrives")]
    return Landscape("bowl", "A bowl", x, y, x**2 + y[:, None] ** 2, default if trails is None else trails)


def test_places_are_counted_from_the_upper_left_corner() -> None:
    places = places_in(bowl(), np.array([[-2.0, 3.0], [2.0, -1.0], [0.0, 1.0], [1e9, 0.0]]))
    np.testing.assert_allclose(places, [[0, 0], [1, 1], [0.5, 0.5], [20, 0.75]])


def test_every_band_covers_about_the_same_area_and_all_of_it_is_covered() -> None:
    one = bowl(size=81)
    found = bands(one)
    assert [band["shade"] for band in found] == [0, 11, 22, 33, 44, 56, 67, 78, 89, 100]
    total = 0.0
    for band in found:
        area = 0.0
        for ring in band["path"].split("Z")[:-1]:
            points = np.array([[float(n) for n in pair.split()] for pair in ring[1:].split("L")])
            x, y = points.T
            area += 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))  # holes turn the other way
        assert abs(area) == pytest.approx(WIDTH * HEIGHT / 10, rel=0.1)
        total += abs(area)
    assert total == pytest.approx(WIDTH * HEIGHT, rel=0.01)


def test_hard_heights_are_drawn() -> None:
    x = np.linspace(0, 1, 12)
    for heights in (np.zeros((12, 12)), np.full((12, 12), np.nan), np.where(x > 0.5, np.inf, 1.0) * np.ones((12, 1)),
                    10.0 ** (600 * (x - 0.5)) * np.ones((12, 1))):  # fmt: skip
        one = Landscape("hard", "Hard", x, x, heights, [Trail("path", np.array([[0.5, 0.5]]))])
        assert "polyline" in landscape_html(one)
        assert landscape_png([one])[:4] == b"\x89PNG"
    assert len(levels(np.zeros((3, 3)))) == 2


def test_the_page_holds_every_step_for_its_slider() -> None:
    trails = [Trail("<i>one", np.column_stack([np.linspace(-2, 2, 300)] * 2)), Trail("two", np.array([[0.0, 0.0]]), 7)]
    page = str(landscape_html(bowl(trails)))
    assert "<i>" not in page
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])
    assert [len(numbers) for numbers in data["trails"]] == [600, 2]
    assert data["frames"][0] == 0
    assert data["frames"][-1] == 299
    assert f'max="{len(data["frames"]) - 1}"' in page


def test_the_svg_is_well_formed_and_names_what_it_draws() -> None:
    root = ET.fromstring(landscape_svg([bowl()] * 4, theme="dark"))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["A bowl"] * 4 + ["down"]
    assert sum(element.tag.endswith("polyline") for element in root.iter()) == 4


def test_the_gif_moves_and_stays_within_its_colors() -> None:
    film = Image.open(io.BytesIO(landscape_gif([bowl()], panel=200)))
    assert film.n_frames == 3
    pictures = []
    for number in range(3):
        film.seek(number)
        pictures.append(np.asarray(film.convert("RGB")).astype(int))
    color = np.array([int(PALETTES["light"].series[0][i : i + 2], 16) for i in (1, 3, 5)])
    panel = [picture[30 : 30 + 140, 12:200] for picture in pictures]
    blue = [int((np.abs(picture - color).max(axis=2) <= 2).sum()) for picture in panel]
    assert blue[0] < blue[1] < blue[2]


def test_all_steps_are_shown_where_there_are_few() -> None:
    assert frames([3, 5]) == [0, 1, 2, 3, 4]
    assert frames([]) == [0]
    many = frames([20_001])
    assert many[:20] == list(range(20))
    assert many[-1] == 20_000
    assert len(many) <= 90
