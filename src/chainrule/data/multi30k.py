"""Multi30k: descriptions of photographs in English, German and French."""

from __future__ import annotations

from typing import Literal

from chainrule.core.errors import DataError, UsageError
from chainrule.data.fetch import locate, verify
from chainrule.data.known import KNOWN
from chainrule.data.lines import read_lines
from chainrule.data.pairs import Pairs

NAME = "multi30k"
PARTS = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
"""Part -> how its files begin."""
Language = Literal["en", "de", "fr"]


def multi30k(*, source: Language = "en", target: Language = "de") -> Pairs:
    """Return 29,000 pairs to learn from, 1,014 to choose by, and the 1,000 of the test of 2016.

    Args:
        source: The language that is translated: en, de or fr.
        target: The language that it is translated into.

    Raises:
        DataError: A file is missing or damaged.
        UsageError: Both languages are one.

    Source:
        Elliott et al. 2016 (English, German) and 2017 (French); for research and education, not for commercial use.
    """
    if source == target:
        raise UsageError("a sentence is translated into another language", expected="two languages", got=source)
    sides: tuple[list[str], list[str]] = ([], [])
    parts = {}
    for part in PARTS:
        begin = len(sides[0])
        for side, language in zip(sides, (source, target)):
            side += sentences(part, language)
        parts[part] = range(begin, len(sides[0]))
    licence = "research and education only (Flickr30k)"
    facts = {"source": KNOWN[NAME].source, "licence": licence, "from": source, "into": target}
    return Pairs(NAME, *sides, parts=parts, facts=facts)


def sentences(part: str, language: Language) -> list[str]:
    """Return one side of a part, a sentence a line.

    Args:
        part: "train", "valid" or "test".
        language: en, de or fr.

    Raises:
        DataError: The file is missing or damaged.
    """
    wanted = f"{PARTS[part]}.{language}"
    (file,) = (file for file in KNOWN[NAME].files if file.name == wanted)
    path = locate(NAME, file)
    if (wrong := verify(path, file)) is not None:
        raise DataError(f"{NAME} is damaged: {wrong}", remedy="put the published file there")
    return read_lines(path, name=NAME)
