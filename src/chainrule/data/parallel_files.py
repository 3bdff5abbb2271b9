"""Two text files of one's own, each line of one the translation of the same line of the other."""

from __future__ import annotations

from pathlib import Path

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.lines import read_lines
from chainrule.data.pairs import Pairs

NAME = "parallel-files"


def parallel_files(*, source: str, target: str) -> Pairs:
    """Return the pairs of lines of two files; pairs of which one line is empty are left out, and counted.

    Args:
        source: Path of the sentences to be translated, one a line.
        target: Path of their translations.

    Raises:
        DataError: A file cannot be read, a line is not UTF-8, or there are not equally many lines.
    """
    paths = [Path(file).expanduser() for file in (source, target)]
    sides = [read_lines(path, name=NAME) for path in paths]
    if len(sides[0]) != len(sides[1]):
        counts = " and ".join(f"{len(lines):,} in {shown(path)}" for lines, path in zip(sides, paths))
        raise DataError(
            "the two files do not have equally many lines", expected="a line of one for each of the other", got=counts
        )
    kept = [(one, other) for one, other in zip(*sides) if one.strip() and other.strip()]
    if not kept:
        raise DataError(f"{shown(paths[0])} and {shown(paths[1])} hold no pair of sentences")
    facts = {"source": f"{source}, {target}", "empty": len(sides[0]) - len(kept)}
    return Pairs(
        f"{paths[0].name}-{paths[1].name}",
        [one.strip() for one, _ in kept],
        [other.strip() for _, other in kept],
        alternatives=True,
        facts=facts,
    )
