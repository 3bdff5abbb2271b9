"""Labels: each has one place in the catalogue, is looked for by a check, and is known wherever one is named."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from chainrule.diagnosis import doctor
from chainrule.diagnosis.doctor.checks import CHECKS
from chainrule.diagnosis.doctor.findings import Finding, ordered
from chainrule.diagnosis.doctor.labels import LABELS

GROUPS = ("data", "objective", "learning", "network")
FILES = sorted(Path(doctor.__path__[0]).rglob("*.py"))


def test_a_label_stands_in_one_group() -> None:
    groups = [
        importlib.import_module(f"chainrule.diagnosis.doctor.labels.{name}").LABELS for name in (*GROUPS, "ending")
    ]
    assert [name for name, count in Counter(name for group in groups for name in group).items() if count > 1] == []


def test_every_label_is_looked_for_and_every_check_has_known_ones() -> None:
    looked_for = {label for each in CHECKS for label in each.labels}
    assert looked_for == set(LABELS) - {"ends-in-error"}, "an error is told by whoever ran the program"
    assert len({each.name for each in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_known_labels_are_named(path: Path) -> None:
    texts = [n.value for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Constant)]
    named = {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", text)}
    assert named <= set(LABELS)


@pytest.mark.parametrize("label", sorted(LABELS))
def test_an_entry_says_what_it_is_how_it_is_told_and_what_mends_it(label: str) -> None:
    entry = LABELS[label]
    assert all(text and text[0] == text[0].strip() for text in (entry.means, entry.told, entry.change))
    assert entry.means.endswith(".")


def test_what_explains_each_other_stays_as_it_is() -> None:
    one = Finding("rate-too-high", "a", "fault", 0.9, explains=("loss-diverges",))
    other = Finding("loss-diverges", "b", "fault", 0.8, explains=("rate-too-high",))
    assert [each.level for each in ordered([other, one])] == ["fault", "fault"]


def test_an_unsure_or_mild_finding_explains_nothing() -> None:
    symptom = Finding("loss-diverges", "b", "fault", 0.8)
    for cause in (
        Finding("rate-too-high", "a", "warning", 0.4, explains=("loss-diverges",)),
        Finding("rate-too-high", "a", "note", 0.9, explains=("loss-diverges",)),
    ):
        assert ordered([cause, symptom])[0] == symptom


def test_of_several_findings_with_one_label_the_surest_stays() -> None:
    found = [Finding("rate-too-high", "a", "fault", sure) for sure in (0.7, 0.9, 0.8)]
    assert [each.sure for each in ordered(found)] == [0.9]
