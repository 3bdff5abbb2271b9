"""The sections of a report on texts with classes, from whole facts and from damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainrule.draw.facts import Facts
from chainrule.draw.page import Part
from chainrule.draw.sections.data import data_part
from chainrule.draw.sections.texts import lengths_part, telling_part

LENGTHS: dict[str, Any] = {
    "mean": 13.774,
    "longest": 85,
    "limit": 85,
    "cut": {"train": 3, "valid": 0},
    "longest_whole": 50_000,
    "bins": [[1, 43], [44, 86]],
    "counts": {"train": [90, 10], "valid": [9]},
    "order": "buckets",
    "padding": 0.129,
    "padding_shuffled": 0.641,
}


def page(part: object) -> str:
    assert isinstance(part, Part)
    return str(part.body)


def test_lengths_are_told() -> None:
    said = page(lengths_part(Facts(Path("run"), data={"lengths": LENGTHS})))
    for words in ("13.77 tokens", "3 in train, at 85 tokens; the longest has 50,000", "12.9 %", "64.1 %", "44 to 86"):
        assert words in said
    shuffled = page(lengths_part(Facts(Path("run"), data={"lengths": {**LENGTHS, "order": "shuffled", "cut": {}}})))
    assert "without buckets" not in shuffled
    assert "50,000" not in shuffled


def test_telling_words_are_escaped() -> None:
    words = {"classes": [{"class": "good", "words": [["<b>", 0.5], ["fine", 0.25]]}, {"class": "bad", "words": []}]}
    said = page(telling_part(Facts(Path("run"), telling=words)))
    assert "fine 0.25" in said
    assert "<b> 0.5" not in said
    assert "&lt;b&gt; 0.5" in said


def test_a_text_of_each_class_is_shown() -> None:
    data = {"classes": ["bad", "good"], "texts": [{"text": "never again", "class": 0}, {"text": "fine", "class": 7}]}
    said = page(data_part(Facts(Path("run"), data={**data, "parts": {"train": 3}})))
    assert "never again" in said
    assert "3 examples" in said


def test_what_the_right_translations_are_known_from_is_told() -> None:
    said = page(data_part(Facts(Path("run"), data={"name": "pairs", "known": {"valid": 0.25, "test": None}})))
    assert "targets of valid that are known from training" in said
    assert "25.0 %" in said
    assert "of test" not in said


@pytest.mark.parametrize("damage", [{}, {"bins": 3}, {"counts": [1]}, {"cut": "x"}, {"bins": [[None], 4]}])
def test_damaged_facts_cost_nothing_else(damage: dict[str, Any]) -> None:
    lengths = {**LENGTHS, **damage} if damage else {}
    found = lengths_part(Facts(Path("run"), data={"lengths": lengths}))
    assert (found is None) == (not damage)
    assert telling_part(Facts(Path("run"), telling={"classes": [{"class": 3, "words": [1, ["a"]]}]})) is not None
    assert telling_part(Facts(Path("run"), telling={"classes": "x"})) is None
