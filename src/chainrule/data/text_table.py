"""Texts of one's own with their classes: a table with a column for each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import DataError, nearest
from chainrule.core.paths import shown
from chainrule.data.folder import PARTS
from chainrule.data.labeled_texts import LabeledTexts, numbered
from chainrule.data.texts import read_text

KINDS = (".csv", ".tsv", ".jsonl")
LONGEST = 2**30
"""Characters of a field; Python's own limit of 131,072 is less than some texts have."""

Row = tuple[int, Mapping[str, Any]]
"""Line of the file and its fields."""


def text_table(
    *, file: str, text: str = "text", label: str = "label", part: str | None = None, encoding: str = "utf-8"
) -> LabeledTexts:
    """Return the texts of a table.

    The names of the columns stand in its first line. A .csv file has commas, and quotation marks around fields that
    need them; a .tsv file has tabs, and quotation marks mean nothing; a .jsonl file has a JSON object a line. Rows
    without a text are passed over, and counted in `facts["empty"]`.

    Args:
        file: Its path, ending in .csv, .tsv or .jsonl.
        text: The column of the texts.
        label: The column of the classes, which are named by what stands there.
        part: The column that says train, valid or test, if there is one.
        encoding: How its characters are written.

    Raises:
        DataError: It cannot be read, has no such column, or a row is damaged; says which.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mail.csv"
        >>> _ = path.write_text('text,label\\n"Win, now",spam\\nSee you,mail\\n')
        >>> found = text_table(file=str(path))
        >>> found.texts, found.classes, found.labels.tolist()
        (['Win, now', 'See you'], ('mail', 'spam'), [1, 0])
    """
    path = Path(file).expanduser()
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{shown(path)} is no table", expected="a file ending in " + ", ".join(KINDS))
    content = read_text(path, name="the table", encoding=encoding)
    texts, labels, parts, empty = [], [], [], 0
    wanted = [column for column in (text, label, part) if column is not None]
    for line, row in _objects(content, path) if path.suffix.lower() == ".jsonl" else _lines(content, path, wanted):
        said = _field(row, text, path, line)
        if not said.strip():
            empty += 1
            continue
        texts.append(said)
        labels.append(_field(row, label, path, line).strip())
        if not labels[-1]:
            raise DataError(f"{shown(path)}: line {line} has no class", expected=f'something in the column "{label}"')
        parts.append("train" if part is None else _part(_field(row, part, path, line), path, line))
    if not texts:
        raise DataError(f"{shown(path)} holds no texts", got=f"{empty} rows without text")
    numbers, classes = numbered(labels)
    return LabeledTexts(
        path.stem,
        texts,
        numbers,
        classes,
        facts={"source": file, "empty": empty},
        **({} if part is None else official(parts)),
    )


def official(parts: list[str]) -> dict[str, Any]:
    """Return the indices of the parts that texts came with.

    Example:
        >>> official(["train", "test", "train"])
        {'train': tensor([0, 2]), 'valid': None, 'test': tensor([1])}
    """
    found = {name: [i for i, part in enumerate(parts) if part == name] for name in ("train", "valid", "test")}
    return {
        name: torch.tensor(index, dtype=torch.int64) if index or name == "train" else None
        for name, index in found.items()
    }


def _objects(content: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{shown(path)}: line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{shown(path)}: line {number} is no object", expected='such as {"text": ..., "label": ...}'
            )
        yield number, row


def _lines(content: str, path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    tabs = path.suffix.lower() == ".tsv"
    options: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {}
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True, **options)
    with _long_fields():
        try:
            names = reader.fieldnames or []
            if twice := [name for name in wanted if names.count(name) > 1]:
                raise DataError(
                    f"{shown(path)}: {names.count(twice[0])} columns are called {shown(twice[0])}",
                    expected="one",
                    remedy="give one of them another name",
                )
            for row in reader:
                if None in row:  # where the reader puts what no column is left for
                    raise DataError(
                        f"{shown(path)}: line {reader.line_num} has more fields than there are columns",
                        expected=f"{len(names)}",
                        got=f"{len(names) + len(row[None])}",
                        remedy="quotation marks around a text with commas" if not tabs else None,
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise DataError(f"{shown(path)}: line {reader.line_num} cannot be read: {error}") from None


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _field(row: Mapping[str, Any], column: str, path: Path, line: int) -> str:
    if column not in row:
        names = [name for name in row if isinstance(name, str)]
        guess = nearest(column, names)
        raise DataError(
            f'{shown(path)}: line {line} has no column "{column}"',
            got=", ".join(map(shown, names[:12])) or "no column at all",
            remedy=f'did you mean "{guess}"?' if guess else "--data.text and --data.label name the columns",
        )
    value = row[column]
    if value is None or isinstance(value, (dict, list)):
        what = "nothing" if value is None else type(value).__name__
        raise DataError(f'{shown(path)}: line {line}: "{column}" is no text', got=what)
    return str(value)


def _part(said: str, path: Path, line: int) -> str:
    name = PARTS.get(said.strip().lower())
    if name is None:
        raise DataError(
            f"{shown(path)}: line {line} belongs to no part", expected="train, valid or test", got=shown(said[:40])
        )
    return name
