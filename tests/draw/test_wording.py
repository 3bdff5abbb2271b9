"""Facts as words: whatever the value, text that can be written, and numbers that do not flatter."""

from __future__ import annotations

import math
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.draw.wording import (
    count_text,
    duration_text,
    number_text,
    plain_text,
    real,
    share_text,
    short_count,
    whole,
)

TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(["\ud800", "a\udfffb", "\x00\x1b[2J", "\x85\x9b31m"])
NUMBERS = st.floats() | st.integers(-(10**30), 10**30) | st.sampled_from(["NaN", "Infinity", "-Infinity", 10**400])


@given(TEXTS, st.integers(2, 50))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_can_be_written_and_moves_no_cursor(text, limit):
    shown = plain_text(text, limit=limit)
    shown.encode("utf-8")
    assert not {unicodedata.category(character) for character in shown if character not in "\n\t"} & {"Cc", "Cs"}
    if len(text) > limit:
        assert shown.endswith("…")


@given(NUMBERS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_number_has_words(value):
    for words in (count_text, short_count, share_text, number_text, duration_text):
        assert words(value)
    assert isinstance(real(value), float)
    assert whole(value) is None or isinstance(whole(value), int)


@given(st.floats(0, 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_share_is_rounded_but_never_up_to_the_whole(share):
    shown = float(share_text(share).removesuffix(" %"))
    assert math.isclose(shown, 100 * share, abs_tol=0.1)
    assert (shown == 100) == (share == 1)


@given(st.floats(1e-12, 1e12))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_numbers_keep_four_digits(value):
    assert math.isclose(float(number_text(value).replace(",", "")), value, rel_tol=6e-4)


def test_no_number_is_a_dash():
    for value in (None, "3", True, [1], {}):
        assert number_text(value) == count_text(value) == share_text(value) == "–"
