"""Curves as picture files."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from chainrule.core.errors import CheckpointError, DataError, UsageError
from chainrule.draw import PALETTES, save_curves
from chainrule.draw.color import rgb


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_png_has_the_colors_of_the_palette(write, full, theme):
    picture = np.asarray(Image.open(io.BytesIO(save_curves(write(full), theme=theme))).convert("RGB")).astype(int)
    assert picture.shape[1] > 2.5 * picture.shape[0]  # two curves side by side
    palette = PALETTES[theme]
    assert np.abs(picture[0, 0] - rgb(palette.surface) * 255).max() <= 1
    for color in palette.series[:2]:
        near = np.abs(picture - rgb(color) * 255).max(axis=2) <= 2
        assert near.sum() > 500, color


def test_svg_is_xml_with_text_and_no_date(write, full):
    folder = write(full)
    content = save_curves(folder, format="svg", names=["loss", "norm"])
    root = ElementTree.fromstring(content)
    texts = " ".join("".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "Loss" in texts
    assert "Gradient norm" in texts
    assert "valid" in texts
    assert save_curves(folder, format="svg", names=["loss", "norm"]) == content


def test_values_that_are_not_finite_and_hostile_names_are_drawn(write, loop):
    loop["metrics.jsonl"] += [{"step": 5, "$x_{": 1.0, "_y": "NaN", "part": "$\\frac{"}]
    content = save_curves(write(loop), names=["loss", "my penalty", "$x_{", "_y"])
    assert content.startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said(write, loop, tmp_path):
    folder = write(loop)
    with pytest.raises(DataError, match=r'the run logged no "top5"\. Remedy: it logged: loss, my penalty'):
        save_curves(folder, names=["top5"])
    with pytest.raises(UsageError, match="expected png or svg"):
        save_curves(folder, format="gif")
    with pytest.raises(CheckpointError):
        save_curves(tmp_path / "nowhere")
    loop["metrics.jsonl"] = []
    with pytest.raises(DataError, match="the run logged no number"):
        save_curves(write(loop))
