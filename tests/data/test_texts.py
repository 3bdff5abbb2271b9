"""Parts of a text, by shares or as they come with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.core.errors import DataError
from chainrule.data import TEXTS
from chainrule.data.fetch import data_folder, no_downloads
from chainrule.data.texts import Text


def test_parts_that_come_with_a_text_are_kept() -> None:
    official = {"train": (0, 6), "valid": (6, 8), "test": (8, 12)}
    text = Text("sea", "by the sea I", official=official)
    assert text.bounds(validation=0.5, test_share=0.4) == official
    assert text.bounds(validation=0.5, test_share=0.4, limit=3) == {**official, "train": (0, 3)}
    assert text.bounds(validation=0.5, test_share=0.4, limit=99) == official
    with pytest.raises(DataError, match="its part train has 1 characters"):
        text.bounds(validation=0.5, test_share=0.4, limit=1)


def test_files_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    with no_downloads(), pytest.raises(DataError, match=r"train\.de is missing.*multi30k"):
        TEXTS.resolve("multi30k-text")(language="de")


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="CHAINRULE_DATA is not set")
@pytest.mark.parametrize(("language", "begins"), [("en", "Two young, White males"), ("de", "Zwei junge weiße Männer")])
def test_multi30k_in_each_language(language: str, begins: str) -> None:
    text = TEXTS.resolve("multi30k-text")(language=language)
    assert text.text.startswith(begins)
    parts = text.bounds(validation=0.1, test_share=0.1)
    lines = {part: text.text[begin:end].count("\n") for part, (begin, end) in parts.items()}
    assert lines == {"train": 29_000, "valid": 1_014, "test": 1_000}
    assert parts["test"][1] == len(text.text)
