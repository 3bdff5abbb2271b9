"""The map of words and their nearest, from facts that may be damaged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part
from chainrule.draw.sections.words import HEIGHT, WIDTH, words_part


def built(words: Any, **run: Any) -> Part | Absent:
    return words_part(Facts(Path("run"), run or {"kind": "recipe", "status": "finished"}, words=words))


def point(word: Any, x: Any, y: Any) -> dict[str, Any]:
    return {"word": word, "count": 5, "x": x, "y": y}


def test_words_stand_where_their_vectors_are() -> None:
    facts = {
        "map": [point("sea", -1, 0.5), point("<b>land", 1, -0.5), point("sky", 0, 0.0)],
        "variance": 0.4,
        "nearest": [{"word": "sea", "count": 5, "words": [["sky", 0.81], ["<b>land", 0.5]]}],
    }
    part = built(facts)
    assert isinstance(part, Part)
    places = {
        word: (float(x), float(y))
        for x, y, word in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', part.body)
    }
    assert places["sea"][0] < places["sky"][0] < places["&lt;b&gt;land"][0]
    assert places["sea"][1] < places["sky"][1] < places["&lt;b&gt;land"][1]  # up is up
    assert "<b>" not in part.body
    assert "sky 0.81" in part.body
    assert "40" in part.body
    assert part.items == ("G5",)


def test_names_never_cover_each_other() -> None:
    part = built({"map": [point(f"word{number}", number % 20, number // 20) for number in range(400)]})
    assert isinstance(part, Part)
    named = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', part.body)
    dots = part.body.count("<circle")
    assert len(named) + dots == 400
    assert named
    assert dots
    for number, (x, y, word) in enumerate(named):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT
        for a, b, other in named[:number]:
            apart = abs(float(x) - float(a)) > 4 * (len(word) + len(other)) or abs(float(y) - float(b)) > 14
            assert apart, (word, other)


@pytest.mark.parametrize(
    "facts",
    [
        {"map": [point("sea", "x", 1)]},
        {"map": [point("sea", float("nan"), 1)]},
        {"map": "none", "nearest": 3},
        {"map": [5, None, {"word": 3}]},
    ],
)
def test_damaged_facts_are_named(facts: Any) -> None:
    part = built(facts)
    assert isinstance(part, Absent)
    assert "words.json" in part.why


def test_odd_facts_are_drawn() -> None:
    for facts in (
        {"map": [point("alone", 1, 1)], "variance": None},
        {"map": [point("a", 1e308, 0), point("b", -1e308, 0)]},
        {"nearest": [{"word": "sea", "words": [[None], "x", ["sky"]]}, None]},
    ):
        assert isinstance(built(facts), Part)


def test_a_run_that_goes_on_has_none_yet() -> None:
    part = built({}, kind="recipe", status="running")
    assert isinstance(part, Absent)
    assert "not finished" in part.why
