"""Tatoeba, English and French: 5,000 short pairs."""

from __future__ import annotations

from typing import Literal

from chainrule.core.errors import DataError
from chainrule.data.fetch import locate, verify
from chainrule.data.known import KNOWN
from chainrule.data.lines import read_lines
from chainrule.data.pairs import Pairs

NAME = "tatoeba-eng-fra"


def tatoeba_eng_fra(*, source: Literal["eng", "fra"] = "eng") -> Pairs:
    """Return 5,000 pairs of short sentences; many of the 2,597 English ones have several translations.

    Args:
        source: The language that is translated: eng or fra.

    Raises:
        DataError: The file is missing or damaged.

    Source:
        Tatoeba (tatoeba.org), selected by manythings.org/anki; CC BY 2.0 FR, with the authors of each pair named in
        the file's third column.
    """
    (file,) = KNOWN[NAME].files
    path = locate(NAME, file)
    if (wrong := verify(path, file)) is not None:
        raise DataError(f"{NAME} is damaged: {wrong}", remedy="remove the file and fetch it again")
    columns = [line.split("\t") for line in read_lines(path, name=NAME)]
    english, french = [row[0] for row in columns], [row[1] for row in columns]
    sides = (english, french) if source == "eng" else (french, english)
    facts = {"source": KNOWN[NAME].source, "licence": "CC BY 2.0 FR", "from": source}
    return Pairs(NAME, *sides, alternatives=True, facts=facts)
