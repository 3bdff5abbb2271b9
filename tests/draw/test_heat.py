"""Numbers as colored cells: colors, marks, hostile tokens."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from chainrule.core.errors import UsageError
from chainrule.draw.color import rgb
from chainrule.draw.gates import gates_page, gates_picture
from chainrule.draw.heat import HeatMap, heat_colors, heat_html, token_mark
from chainrule.draw.palette import PALETTES, Theme


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_the_surface_and_the_most_is_the_full_color(theme: Theme) -> None:
    palette = PALETTES[theme]
    plain = heat_colors(np.array([[0.0, 2.0, 9.0, -1.0]]), limit=2.0, signed=False, theme=theme)
    for column, color in enumerate([palette.surface, palette.series[0], palette.series[0], palette.surface]):
        np.testing.assert_allclose(plain[:, 0, column], rgb(color), atol=0.01)
    signed = heat_colors(np.array([[-1.0, 0.0, 1.0, np.nan]]), limit=1.0, signed=True, theme=theme)
    for column, color in enumerate([palette.series[0], palette.surface, palette.series[1], palette.bad]):
        np.testing.assert_allclose(signed[:, 0, column], rgb(color), atol=0.01)


def test_a_map_of_zeros_and_one_that_is_no_map() -> None:
    assert "data:image/png" in heat_html(HeatMap("c", np.zeros((1, 2)), ["a", "b"], ["unit 0"], limit=0.0))
    with pytest.raises(UsageError, match="do not fit"):
        HeatMap("c", np.zeros((2, 2)), ["a", "b"], ["unit 0"])
    with pytest.raises(UsageError, match="do not fit"):
        HeatMap("c", np.zeros((0, 2)), ["a", "b"], [])


def test_the_numbers_for_the_script_are_the_values() -> None:
    values = np.array([[0.25, -3.0], [np.nan, 4.0]])
    page = heat_html(HeatMap("c", values, ["a", "\n"], ["unit 7", "unit 2"], limit=4.0, signed=True))
    data = json.loads(re.search(r'json">(.*?)</script>', page)[1])  # type: ignore[index]
    assert data == {
        "values": [62, -750, 0, 1000],
        "limit": 4.0,
        "rows": ["unit 7", "unit 2"],
        "columns": ["a", "↵"],
    }


def test_marks_are_seen() -> None:
    assert [token_mark(token) for token in ["", "  ", "\t", "\x1b", "a b"]] == ["∅", "␣␣", "⇥", "\\x1b", "a b"]
    assert token_mark("x" * 30, limit=8) == "xxxxxxx…"


def facts(tokens: list[str], bad: str) -> dict[str, object]:
    values = {"h": np.linspace(-1, 1, len(tokens)).reshape(1, -1).tolist()}
    gradients = {"h": {"norms": [0.0] + [1e-30] * (len(tokens) - 1), "words": bad}}
    layer = {
        "name": bad,
        "cell": "rnn",
        "units": [3],
        "count": 9,
        "values": values,
        "gates": {},
        "gradients": gradients,
    }
    return {"name": bad, "text": bad, "tokens": tokens, "asked": bad, "answers": [(bad, 0.5)], "layers": [layer]}


def test_hostile_tokens_stand_as_text() -> None:
    bad = '"><script>alert(1)</script>$x'
    found = facts([bad, "", "\ud800", "$a_b$", "two words"], bad)
    page = gates_page(found)
    assert "<script>alert" not in page
    page.encode()
    assert gates_picture(found).startswith(b"\x89PNG")
    assert gates_picture(found) == gates_picture(found)


def test_a_layer_without_gradients_is_drawn_all_the_same() -> None:
    found = facts(["a", "b"], "x")
    found["layers"][0]["gradients"] = {}  # type: ignore[index]
    page = gates_page(found)
    assert "Gradients through time" not in page
    assert page.count("data:image/png") == 2
    assert gates_picture(found, format="svg", theme="dark").lstrip().startswith(b"<?xml")
