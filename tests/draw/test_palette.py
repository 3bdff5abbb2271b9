"""The palette can be read, and told apart by every eye: computed, not believed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw.color import VISIONS, contrast, difference, mix, name_of, rgb
from chainrule.draw.palette import PALETTES, css_variables, matplotlib_style, ramp, readable_on, series_style

THEMES = ("light", "dark")
COLORS = st.integers(0, 2**24 - 1).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_the_contrast_of_wcag_aa_on_every_background(theme):
    palette = PALETTES[theme]
    texts = [palette.ink, palette.muted, palette.good, palette.bad, palette.series[0]]
    for text, back in itertools.product(texts, (palette.page, palette.surface, palette.sunken)):
        assert contrast(text, back) >= 4.5, (text, back)
    assert contrast(palette.series[1], palette.surface) >= 4.5  # the predicted class beside a picture


@pytest.mark.parametrize("theme", THEMES)
def test_lines_stand_out_from_their_background(theme):
    palette = PALETTES[theme]
    assert min(contrast(color, palette.surface) for color in palette.series) >= 3.0


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", THEMES)
def test_line_colors_differ_for_every_eye(theme, vision):
    pairs = itertools.combinations(PALETTES[theme].series, 2)
    assert min(difference(first, second, vision) for first, second in pairs) >= 0.13
    training, validation = PALETTES[theme].series[:2]
    assert difference(training, validation, vision) >= 0.2


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", THEMES)
def test_right_and_wrong_cells_differ_for_every_eye_and_one_error_is_seen(theme, vision):
    right, wrong = ramp(theme, 0), ramp(theme, 1)
    assert difference(right[-1], wrong[-1], vision) >= 0.2
    assert difference(wrong[1], PALETTES[theme].sunken, vision) >= 0.05
    steps = [difference(wrong[0], color) for color in wrong]
    assert steps == sorted(steps)


@pytest.mark.parametrize("theme", THEMES)
def test_numbers_in_cells_can_be_read_at_every_step(theme):
    for color in (*ramp(theme, 0), *ramp(theme, 1)):
        assert contrast(readable_on(color), color) >= 4.5


def test_the_measure_of_difference_itself_knows_color_blindness():
    # The pair on which the most common test plates stand.
    assert difference("#c04030", "#708020") > 0.15
    assert difference("#c04030", "#708020", "deutan") < 0.6 * difference("#c04030", "#708020")
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WCAG's own example of a near miss


def test_24_lines_have_24_styles():
    assert len({series_style(number) for number in range(24)}) == 24


@given(COLORS, COLORS, st.floats(0, 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_mixing_is_a_walk_from_one_color_to_the_other(first, second, share):
    between = mix(first, second, share)
    whole = difference(first, second)
    assert difference(first, between) <= whole + 0.02
    assert difference(first, mix(first, second, 0.0)) < 0.005
    assert difference(second, mix(first, second, 1.0)) < 0.005


@given(COLORS)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_names_and_values_are_the_same_color(color):
    assert name_of(rgb(color)) == color
    assert np.all(rgb(color) <= 1.0)
    assert contrast(readable_on(color), color) >= 4.5


def test_one_style_for_pages_and_pictures():
    from matplotlib import rc_context

    for theme in THEMES:
        palette, css = PALETTES[theme], css_variables(theme)
        assert all(color in css for color in palette.series)
        with rc_context(matplotlib_style(theme)) as _:
            import matplotlib

            cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
            assert tuple(cycle) == palette.series
