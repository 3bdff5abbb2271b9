"""The catalogue of labels, where it is written down, and what it says of recipes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.diagnosis.doctor.checks import CHECKS
from chainrule.diagnosis.doctor.labels import LABELS
from chainrule.diagnosis.doctor.labels._catalogue import BEGIN, END, GROUPS, catalogue, renewed
from chainrule.diagnosis.doctor.labels.ending import FAILS
from chainrule.diagnosis.doctor.labels.options import OPTIONS
from chainrule.tasks.tables import recipe_keys

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
WRITE = "python -m chainrule.diagnosis.doctor.labels docs/doctor.md"


def test_every_label_is_in_one_group() -> None:
    assert sum(len(labels) for labels in GROUPS.values()) == len(LABELS)
    assert {name for labels in GROUPS.values() for name in labels} == set(LABELS)
    for name, label in LABELS.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert label.means, name
        assert label.told, name
        assert label.change, name


def test_checks_and_labels_agree() -> None:
    assert {label for each in CHECKS for label in each.labels} == set(LABELS) - {FAILS}


def test_the_page_has_the_catalogue() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, f"write it: {WRITE}"


def test_the_catalogue_is_a_table(tmp_path: Path) -> None:
    rows = [line for line in catalogue().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(map(len, GROUPS.values()))
    assert all(len(re.split(r"(?<!\\)\|", row)) == 6 for row in rows)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    subprocess.run([sys.executable, "-m", "chainrule.diagnosis.doctor.labels", str(page)], check=True, timeout=60)
    assert page.read_text() == f"before\n{catalogue()}\nafter\n"
    with pytest.raises(ValueError, match="lacks the marks"):
        renewed("a page")


def test_settings_of_findings_exist() -> None:
    keys = {row["key"] for row in recipe_keys()}
    assert OPTIONS.keys() <= LABELS.keys()
    for label, settings in OPTIONS.items():
        assert settings, label
        assert set(settings) <= keys, label
