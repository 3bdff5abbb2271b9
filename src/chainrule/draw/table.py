"""One table as HTML, CSV and terminal text."""

from __future__ import annotations

import base64
import csv
import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from markupsafe import Markup

from chainrule.core.errors import UsageError
from chainrule.draw.page import render
from chainrule.draw.wording import count_text, duration_text, number_text, plain_text, real, share_text

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Kind = Literal["text", "count", "share", "percent", "number", "duration"]
_SHOW: Final[Mapping[str, Callable[[Any], str]]] = {
    "count": count_text,
    "share": share_text,
    "percent": functools.partial(share_text, digits=2),
    "number": number_text,
    "duration": duration_text,
}
# Spreadsheets take a cell that starts so for a formula, also after blanks and in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
CSV_ROWS = 5000
"""A table with more rows has no CSV link in the page: it would be as large as the page again."""


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        title: Its heading.
        kind: How its cells are shown: text, or a number as a count, share (0..1), the same
            with two decimals (percent), number or duration (seconds).
        bar: Whether each cell has a bar as long as its part of 1 (shares) or of the column's largest number.
        best: Which number of the column stands out, if any.
    """

    title: str
    kind: Kind = "text"
    bar: bool = False
    best: Literal["high", "low"] | None = None


@dataclass(frozen=True)
class Table:
    """Rows of plain data under columns.

    Args:
        caption: What the table shows, for those who hear it read.
        columns: The columns.
        rows: The cells, one for each column; None is an empty cell.
        sortable: Whether a click on a heading sorts.
        indent: How deep each row's first cell is indented, if given.

    Raises:
        UsageError: A row has not one cell for each column.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    sortable: bool = False
    indent: Sequence[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                what = f'row {number} of the table "{self.caption}" does not fit'
                raise UsageError(what, expected=f"{len(self.columns)} cells", got=len(row))


def cell_text(value: Any, kind: Kind) -> str:
    """Return a cell as text.

    Example:
        >>> cell_text(0.5, "share"), cell_text("a", "text"), cell_text(None, "count")
        ('50.0 %', 'a', '–')
    """
    return plain_text(value) if kind == "text" else _SHOW[kind](value)


def table_html(table: Table) -> Markup:
    """Return a table as HTML, with its CSV form as a link.

    Example:
        >>> print(table_html(Table("sizes", [Column("name")], [["<b>"]])).count("&lt;b&gt;"))
        1
    """
    bars = [_bar_size(table, number) for number in range(len(table.columns))]
    best = [_best(table, number) for number in range(len(table.columns))]
    rows = []
    for row, depth in zip(table.rows, table.indent or [0] * len(table.rows), strict=True):
        cells = []
        for number, (column, value) in enumerate(zip(table.columns, row, strict=True)):
            size = real(value)
            finite = size is not None and math.isfinite(size)
            cells.append(
                {
                    "text": cell_text(value, column.kind),
                    "number": column.kind != "text",
                    "sort": f"{size:.9g}" if finite and column.kind != "text" else None,
                    "bar": f"{max(min(size / bars[number], 1.0), 0.0) * 100:.1f}"
                    if column.bar and size is not None and finite and bars[number] > 0
                    else None,
                    "best": best[number] is not None and size == best[number],
                    "indent": min(max(depth, 0), 12) if number == 0 else 0,
                }
            )
        rows.append(cells)
    link = None
    if 0 < len(table.rows) <= CSV_ROWS:
        link = "data:text/csv;base64," + base64.b64encode(table_csv(table).encode()).decode("ascii")
    columns = [{"title": plain_text(column.title), "number": column.kind != "text"} for column in table.columns]
    return render(
        "table.html", caption=table.caption, columns=columns, rows=rows, sortable=table.sortable, csv_link=link
    )


def _numbers(table: Table, number: int) -> list[float]:
    values = [real(row[number]) for row in table.rows]
    return [value for value in values if value is not None and math.isfinite(value)]


def _bar_size(table: Table, number: int) -> float:
    column = table.columns[number]
    return 1.0 if column.kind == "share" else max(_numbers(table, number), default=0.0) if column.bar else 0.0


def _best(table: Table, number: int) -> float | None:
    values, best = _numbers(table, number), table.columns[number].best
    if best is None or len(values) < 2:
        return None
    return max(values) if best == "high" else min(values)


def table_csv(table: Table) -> str:
    r"""Return a table as CSV that no spreadsheet takes for formulas: such text starts with an apostrophe.

    Text stands in quotes, numbers in full precision without, missing cells are empty.

    Example:
        >>> print(table_csv(Table("sizes", [Column("name"), Column("size", "count")], [["=1+1", -3]])), end="")
        "name","size"
        "'=1+1",-3
    """
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([_harmless(column.title) for column in table.columns])
    for row in table.rows:
        writer.writerow([_csv_cell(value, column.kind) for column, value in zip(table.columns, row, strict=True)])
    return file.getvalue()


def _csv_cell(value: Any, kind: Kind) -> Any:
    number = real(value)
    if value is None:
        return ""
    if kind == "text" or number is None:
        return _harmless(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else _harmless(str(number))
    return value if isinstance(value, int | float) else number


def _harmless(value: Any) -> str:
    text = plain_text(value, limit=4000)
    return f"'{text}" if text.lstrip(" \u00a0\u3000").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def table_text(table: Table) -> RichTable:
    """Return a table for the terminal (rich); no cell is taken for markup.

    Example:
        >>> from rich.console import Console
        >>> table = Table("sizes", [Column("name"), Column("size", "count")], [["[red]a", 1200]])
        >>> with (console := Console(width=40, no_color=True)).capture() as shown:
        ...     console.print(table_text(table))
        >>> [line.strip() for line in shown.get().splitlines()]
        ['name      size', '────────────────', '[red]a   1,200']
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    for column in table.columns:
        drawn.add_column(Text(plain_text(column.title)), justify="left" if column.kind == "text" else "right")
    for row, depth in zip(table.rows, table.indent or [0] * len(table.rows), strict=True):
        cells = [cell_text(value, column.kind) for column, value in zip(table.columns, row, strict=True)]
        drawn.add_row(*(Text("  " * depth * (number == 0) + cell) for number, cell in enumerate(cells)))
    return drawn
