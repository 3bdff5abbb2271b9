"""Texts of one's own with their classes: a folder with one directory per class."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.folder import scan
from chainrule.data.labeled_texts import LabeledTexts, numbered
from chainrule.data.text_table import official
from chainrule.data.texts import read_text

SUFFIXES = frozenset({".txt"})


def text_folder(*, folder: str, encoding: str = "utf-8") -> LabeledTexts:
    """Return the texts of a folder with one directory per class: each .txt file is a text.

    `FOLDER/spam/1.txt` is a text of the class "spam". When the directories are called `train`, `valid` (or `val`) and
    `test`, the classes are looked for inside them, and they are the official parts. Hidden files are passed over;
    other files are listed in `facts["ignored"]`.

    Args:
        folder: The folder.
        encoding: How the characters are written.

    Raises:
        DataError: There is no such folder, or it has no classes or no texts, or a file is no text.
    """
    found = scan(Path(folder), suffixes=SUFFIXES, what="texts", kinds=".txt files")
    labels, classes = numbered([name for name, _, _ in found.pictures])
    parts = [part for _, part, _ in found.pictures] if len(found.parts) > 0 else None
    return LabeledTexts(
        Path(folder).resolve().name or "folder",
        [read_text(Path(path), name="the text", encoding=encoding) for _, _, path in found.pictures],
        labels,
        classes,
        facts={"source": "a folder of texts", "ignored": found.ignored},
        **({} if parts is None else official(parts)),
    )
