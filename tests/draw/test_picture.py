"""Pictures hold the pixels that went in; filters, templates and regions mean what they show."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from chainrule.core.errors import UsageError
from chainrule.draw import filter_pictures, picture_grid, png_bytes, png_uri, region_picture, template_pictures
from chainrule.draw.picture import is_picture, lit_picture, picture_size, pixels


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


@given(
    st.sampled_from([(1, 3, 4), (3, 5, 2), (4, 2, 2)]).flatmap(lambda shape: arrays(np.uint8, shape)),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_png_holds_every_pixel(picture, scale):
    found = decoded(png_uri(picture, scale=scale))
    expected = picture.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_array_equal(found, expected[:, :, 0] if picture.shape[0] == 1 else expected)
    assert picture_size(png_uri(picture, scale=scale)) == (found.shape[1], found.shape[0])


def test_a_lit_picture_glows_where_it_was_looked_at_most_and_is_dark_elsewhere():
    picture = np.random.default_rng(0).integers(0, 256, (3, 12, 12), dtype=np.uint8)
    whole = 0.6 * picture + 0.4 * 255
    assert lit_picture(picture, np.full((2, 3), 0.125)).astype(float) == pytest.approx(whole, abs=0.51)
    weights = np.zeros((3, 3))
    weights[0, 2] = 0.4
    found = lit_picture(picture, weights).astype(float)
    assert found[:, :2, 10:] == pytest.approx(whole[:, :2, 10:], abs=0.51)
    assert found[:, 8:, :4] == pytest.approx(0.3 * picture[:, 8:, :4], abs=0.51)
    assert (lit_picture(np.zeros((3, 12, 12), dtype=np.uint8), weights)[:, 0, -1] > 90).all()  # what is black, too
    gray = lit_picture(picture[0], weights)
    np.testing.assert_array_equal(gray[0], found[0].astype(np.uint8))


@pytest.mark.parametrize("weights", [[1.0, 2.0], np.zeros((0, 2)), [[np.nan]], [[-1.0]]])
def test_what_lights_no_picture_is_refused(weights):
    with pytest.raises(UsageError, match="no weights of regions"):
        lit_picture(np.zeros((2, 2), dtype=np.uint8), weights)


def test_floats_are_cut_and_rounded_and_nan_is_black():
    found = pixels(np.array([[-1.0, 0.0, 0.5], [1.0, 7.0, np.nan]], dtype=np.float32))[:, :, 0]
    assert found.tolist() == [[0, 0, 128], [255, 255, 0]]


@pytest.mark.parametrize("bad", [np.zeros((2, 3, 3)), np.zeros(3), np.zeros((0, 0)), np.zeros((2, 2), dtype=np.int64)])
def test_what_is_no_picture_is_refused(bad):
    with pytest.raises(UsageError, match="this is no picture"):
        png_bytes(bad)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/x.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PGI+",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        "data:image/png;base64,AA\nAA",
        "data:image/png;base64,",
        "DATA:image/png;base64,AAAA ",
        "javascript:alert(1)",
        7,
        None,
    ],
)
def test_only_pictures_of_pixels_are_shown(text):
    assert not is_picture(text)


def test_filters_are_stretched_each_or_jointly():
    weights = np.stack([np.linspace(-1, 1, 9), np.linspace(-0.1, 0.3, 9)]).reshape(2, 1, 3, 3)
    each = filter_pictures(weights)
    assert [(p.min(), p.max()) for p in each] == [(0.0, 1.0), (0.0, 1.0)]
    joint = filter_pictures(weights, jointly=True)
    assert joint[1].max() == pytest.approx((0.3 + 1) / 2)
    assert filter_pictures(np.full((1, 3, 2, 2), 7.0))[0].tolist() == np.full((3, 2, 2), 0.5).tolist()
    assert filter_pictures(np.full((1, 64, 2, 2), np.nan))[0].shape == (1, 2, 2)
    many = np.random.default_rng(0).normal(size=(3, 64, 5, 5))
    np.testing.assert_allclose(filter_pictures(many)[0][0], (m := many[0].mean(0) - many[0].mean(0).min()) / m.max())


def test_templates_show_signs_by_color_and_zero_as_white():
    for_it, zero, against = template_pictures(np.array([[[[2.0, 0.0, -2.0]]]]))[0][:, 0].T
    assert zero.tolist() == [1.0, 1.0, 1.0]
    assert for_it[0] > for_it[2]  # orange: red above blue
    assert against[2] > against[0]
    half = template_pictures(np.array([[[[2.0, 1.0]]]]))[0][:, 0].T[1]
    np.testing.assert_allclose(half, 0.5 * 1.0 + 0.5 * for_it)


def test_regions_have_their_lowest_row_at_the_bottom():
    picture = region_picture([[0, 0], [1, 1]])
    bottom = region_picture([[0]])[:, 0, 0]
    np.testing.assert_array_equal(picture[:, 1, 0], bottom)
    assert not np.array_equal(picture[:, 0, 0], bottom)


def test_a_grid_has_every_picture_at_its_place():
    tiles = [np.full((2, 2), number, dtype=np.uint8) for number in (10, 20, 30)]
    sheet = picture_grid(tiles, columns=2, gap=1)
    assert sheet.shape == (4, 5, 5)
    assert sheet[0, 0, 0] == 10
    assert sheet[0, 0, 3] == 20
    assert sheet[0, 3, 0] == 30
    assert sheet[3, 3, 3] == 0  # nothing there: transparent
    with pytest.raises(UsageError, match="one size"):
        picture_grid([np.zeros((2, 2)), np.zeros((3, 3))])
    with pytest.raises(UsageError, match="no picture"):
        picture_grid([])
