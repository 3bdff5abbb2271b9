"""Which classes are taken for which: the confusion matrix, for the page and for the terminal.

Rows are the truth, columns the prediction. Blue on the diagonal is right, orange beside it is wrong; a color is as
strong as its share of the row, errors by the square root, so that few of them are seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from chainrule.core.errors import UsageError
from chainrule.draw.page import data_block, render
from chainrule.draw.palette import LEVELS
from chainrule.draw.table import Column, Table, table_html, table_text
from chainrule.draw.wording import count_text, listing, plain_text, share_text, whole

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Counts = NDArray[np.int64]

TABLE_CLASSES: Final = 20
"""Up to so many classes each count is written in its cell."""
MAP_CLASSES: Final = 100
"""Up to so many classes there is a map; beyond, only the list of the most frequent errors."""
MOST_CLASSES: Final = 5000
"""A list of counts that claims more classes is not made a matrix."""


def confusion_counts(matrix: ArrayLike | Mapping[str, Any]) -> Counts:
    """Return a confusion matrix as numbers.

    Args:
        matrix: Counts (K, K), or `{"size": K, "counts": [[row, column, count], ...]}` of what is not zero.

    Raises:
        UsageError: It is not square, or not made of counts.

    Example:
        >>> confusion_counts([[3, 1], [0, 4]]).sum()
        np.int64(8)
        >>> confusion_counts({"size": 2, "counts": [[0, 1, 5]]}).tolist()
        [[0, 5], [0, 0]]
    """
    if isinstance(matrix, Mapping):
        return _whole(matrix)
    try:
        counts = np.asarray(matrix)
    except ValueError as error:
        raise UsageError("this is no confusion matrix", expected="rows of equal length") from error
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.dtype.kind not in "iu" or np.any(counts < 0):
        raise UsageError("this is no confusion matrix", expected="a square of counts", got=f"shape {counts.shape}")
    return counts.astype(np.int64)


def _whole(sparse: Mapping[str, Any]) -> Counts:
    size = whole(sparse.get("size")) or 0
    try:
        rows = np.asarray(listing(sparse.get("counts")) or np.empty((0, 3), np.int64))
    except ValueError as error:
        raise UsageError("this is no confusion matrix", expected="rows of three whole numbers") from error
    if not 0 < size <= MOST_CLASSES or rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iu":
        raise UsageError(
            "this is no confusion matrix", expected=f"1 to {MOST_CLASSES} classes, rows of three whole numbers"
        )
    if rows.size and (rows.min() < 0 or rows[:, :2].max() >= size):
        raise UsageError("this is no confusion matrix", expected=f"counts of the classes 0 to {size - 1}")
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (rows[:, 0], rows[:, 1]), rows[:, 2])
    return counts


def class_names(classes: Sequence[object], count: int) -> list[str]:
    """Return `count` names: those that are given, and numbers for those that are missing.

    Example:
        >>> class_names(["cat"], 2)
        ['cat', '1']
    """
    given = [plain_text(name, limit=120) for name in classes[:count]]
    return given + [str(number) for number in range(len(given), count)]


def top_confusions(matrix: ArrayLike | Mapping[str, Any], classes: Sequence[object], count: int = 10) -> Table:
    """Return the most frequent errors as a table.

    Args:
        matrix: Counts, rows truth, columns prediction, as `confusion_counts` takes them.
        classes: K names.
        count: The most rows.

    Example:
        >>> top_confusions([[8, 2], [1, 9]], ["cat", "dog"]).rows
        [['cat', 'dog', 2, 0.2], ['dog', 'cat', 1, 0.1]]
    """
    counts = confusion_counts(matrix)
    names = class_names(classes, len(counts))
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    rows = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:count].tolist():
        truth, predicted = divmod(place, len(counts))
        if not wrong[truth, predicted]:
            break
        share = int(wrong[truth, predicted]) / int(counts[truth].sum())
        rows.append([names[truth], names[predicted], int(wrong[truth, predicted]), share])
    columns = [
        Column("truth"),
        Column("predicted"),
        Column("examples", "count"),
        Column("share", "share"),
    ]
    return Table("Most frequent confusions", columns, rows)


def confusion_html(
    matrix: ArrayLike | Mapping[str, Any], classes: Sequence[object], *, key: str = "confusion"
) -> Markup:
    """Return a confusion matrix as HTML: a table of counts, a map, or (beyond 100 classes) the most frequent errors.

    Args:
        matrix: Counts, rows truth, columns prediction, as `confusion_counts` takes them.
        classes: K names.
        key: Its anchor, a plain word.

    Example:
        >>> print(confusion_html([[8, 2], [1, 9]], ["cat", "dog"]).count('class="wrong'))
        2
    """
    counts = confusion_counts(matrix)
    size = len(counts)
    names = class_names(classes, size)
    top = top_confusions(counts, classes, count=10 if size <= MAP_CLASSES else 60)
    right, total = int(np.trace(counts)), int(counts.sum())
    levels = _levels(counts)
    cells = (
        {(i, j): f"{'right' if i == j else 'wrong'}-{levels[i, j]}" for i in range(size) for j in range(size)}
        if (size <= TABLE_CLASSES)
        else {}
    )
    return render(
        "confusion.html",
        key=key,
        form="table" if size <= TABLE_CLASSES else "map" if size <= MAP_CLASSES else "list",
        names=names,
        counts=counts.tolist() if size <= TABLE_CLASSES else [],
        cells=cells,
        totals=counts.sum(axis=1).tolist(),
        long_names=max((len(name) for name in names), default=0) > 3,
        paths=_paths(levels) if TABLE_CLASSES < size <= MAP_CLASSES else [],
        block=data_block({"names": names, "counts": _sparse(counts)}) if TABLE_CLASSES < size <= MAP_CLASSES else "",
        size=size,
        summary=f"{count_text(right)} of {count_text(total)} examples on the diagonal ({share_text(right / total)})"
        if total
        else "no examples",
        top=table_html(top) if top.rows else Markup(),
    )


def _levels(counts: Counts) -> Counts:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(len(counts), dtype=bool)
    # Errors reach the full color at half of their row.
    strength = np.where(diagonal, share, np.sqrt(np.minimum(2 * share, 1.0)))
    return np.where(counts > 0, np.clip(np.ceil(strength * LEVELS), 1, LEVELS), 0).astype(np.int64)


def _paths(levels: Counts) -> list[dict[str, str]]:
    diagonal = np.eye(len(levels), dtype=bool)
    found = []
    for word, where in (("right", diagonal), ("wrong", ~diagonal)):
        for level in range(1, LEVELS + 1):
            rows, columns = np.nonzero((levels == level) & where)
            if rows.size:
                squares = zip(rows.tolist(), columns.tolist(), strict=True)
                found.append({"name": f"{word}-{level}", "d": "".join(f"M{j} {i}h1v1h-1z" for i, j in squares)})
    return found


def _sparse(counts: Counts) -> list[list[int]]:
    rows, columns = np.nonzero(counts)
    return np.stack([rows, columns, counts[rows, columns]], axis=1).tolist()


def confusion_text(matrix: ArrayLike | Mapping[str, Any], classes: Sequence[object]) -> RenderableType:
    """Return a small confusion matrix for the terminal (rich); for more than 12 classes the most frequent errors.

    Args:
        matrix: Counts, rows truth, columns prediction, as `confusion_counts` takes them.
        classes: K names.

    Example:
        >>> from rich.console import Console
        >>> Console(width=60, no_color=True).print(confusion_text([[8, 2], [0, 9]], ["cat", "dog"]))
         truth \\ predicted  cat  dog   right
                       cat    8    2  80.0 %
                       dog    ·    9   100 %
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    counts = confusion_counts(matrix)
    names = class_names(classes, len(counts))
    if len(counts) > 12:
        top = top_confusions(counts, classes, count=8)
        return table_text(top) if top.rows else Text("no example is taken for another class")
    width = max(len(str(int(counts.max(initial=0)))), min(max(map(len, names), default=1), 8)) + 2
    drawn = RichTable(box=None, padding=(0, 0), pad_edge=False)
    drawn.add_column(Text(" truth \\ predicted", "dim"), justify="right")
    for name in names:
        drawn.add_column(Text(_cut(name)), justify="right", min_width=width, no_wrap=True)
    drawn.add_column(Text("right", "dim"), justify="right", min_width=8, no_wrap=True)
    for truth, row in enumerate(counts.tolist()):
        cells = [_cell(value, sum(row), right=truth == column) for column, value in enumerate(row)]
        share = share_text(row[truth] / sum(row)) if sum(row) else "–"
        drawn.add_row(Text(_cut(names[truth])), *cells, Text(share, "dim"))
    return drawn


def _cut(name: str) -> str:
    return name if len(name) <= 8 else name[:7] + "…"


def _cell(value: int, total: int, *, right: bool) -> Text:
    from rich.text import Text

    if not value:
        return Text("·", "dim")
    if right:
        return Text(f"{value:,}", "bold blue" if value > 0.5 * total else "blue")
    return Text(f"{value:,}", "bold yellow" if math.sqrt(value / total) > 0.3 else "yellow")
