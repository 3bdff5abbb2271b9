"""`docs/models.md`: its table is that of the cards, and its programs run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chainrule.models import MODELS, squeezenet
from chainrule.runtime.weights import write_weights

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_table_is_that_of_the_cards() -> None:
    wanted = []
    for name in MODELS:
        card = MODELS.entry(name).card
        for form in card["forms"] if "paper" in card else ():
            options = ", ".join(f"`{key}: {written(value)}`" for key, value in form["options"].items())
            channels, high, wide = form["input"]
            millions = form["multiply_adds"] / 1e6
            wanted.append(
                f"| `{name}` | {options} | {high}x{wide}x{channels} | {form['classes']:,} | {form['parameters']:,} "
                f"| {millions:,.{2 if millions < 10 else 0}f} |"
            )
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \| .*(\d|`) \| \d+x\d+x\d+ \|", line)]
    unnamed = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \|  \| ", line)]
    assert sorted(rows + unnamed) == sorted(wanted)


def test_every_network_of_a_paper_is_named() -> None:
    for name in MODELS:
        if not MODELS.entry(name).card.get("fitted"):
            assert f"`{name}`" in PAGE, name


def test_facts_about_weights_are_those_of_the_card() -> None:
    card = MODELS.entry("squeezenet").card
    weights = card["weights"][0]
    assert f"`{weights['file']}`, {weights['license']}, sha256 `{weights['sha256'][:8]}...`" in PAGE
    text, images = " ".join(PAGE.split()), card["images"]
    for key in ("mean", "deviation"):
        assert f"{key} ({', '.join(map(str, images[key]))})" in text
    assert f"scaled to {images['resize']} pixels and the middle {images['size']}x{images['size']} is cut out" in text


def test_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 2
    monkeypatch.chdir(tmp_path)
    write_weights("squeezenet1_0.safetensors", squeezenet((3, 224, 224), 1000).state_dict())
    for program in programs:
        names: dict[str, Any] = {}
        exec(compile(program, "docs/models.md", "exec"), names)
        assert names["network"]
