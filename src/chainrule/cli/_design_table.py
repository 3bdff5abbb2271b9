"""The table of a network for a terminal, whatever it came from: rows, totals, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as RichTable

NAME_WIDTH = 16
"""Room for the layers' names before a column is given up for it."""


@dataclass(frozen=True)
class Line:
    """One row: how far it stands in, what it is called, a word of second rank beside it, and its cells."""

    indent: int
    name: str
    cells: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class Shown:
    """The table: rows, totals, where the shares lie, warnings.

    A narrow terminal breaks the layers' names, and below that loses whole columns, but never digits of a number.

    Args:
        heads: Of the columns after the layers' names.
        lines: The rows.
        feet: The totals, one for each column.
        less_needed: Columns in the order in which a narrow terminal loses them.
        facts: Totals in words, by name.
        warnings: What is probably not meant.
        notes: How it was measured.
    """

    heads: tuple[str, ...]
    lines: Sequence[Line]
    feet: tuple[str, ...]
    less_needed: tuple[str, ...]
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints."""
        from rich.padding import Padding
        from rich.table import Table as RichTable
        from rich.text import Text

        yield self._grid(options.max_width)
        yield Text()
        facts = RichTable.grid(padding=(0, 2, 0, 0))
        for name, fact in self.facts:
            facts.add_row(Text(name, style="bold"), Text(fact))
        yield facts
        for title, texts in (("Warnings", self.warnings), ("Notes", self.notes)):
            if texts:
                yield Text(f"\n{title}", style="bold yellow" if title == "Warnings" else "bold")
            for text in texts:
                yield Padding(Text(text), (0, 0, 0, 2), expand=False)

    def _grid(self, width: int) -> RichTable:
        from rich import box
        from rich.padding import Padding
        from rich.table import Table as RichTable
        from rich.text import Text

        widths = [max(map(len, column)) for column in zip(self.heads, self.feet, *(line.cells for line in self.lines))]
        kept = list(range(len(self.heads)))
        for column in self.less_needed:
            if NAME_WIDTH + sum(widths[i] + 2 for i in kept) > width:
                kept.remove(self.heads.index(column))
        room = width - sum(widths[i] + 2 for i in kept)
        grid = RichTable(box=box.SIMPLE, show_edge=False, show_footer=True, padding=(0, 1, 0, 0), footer_style="bold")
        grid.add_column("layer", "total")
        for i in kept:
            grid.add_column(self.heads[i], self.feet[i], justify="right", no_wrap=True)
        kinds = all(line.indent + len(line.name) + len(line.kind) + 2 <= room for line in self.lines if line.kind)
        for line in self.lines:
            text = Text(line.name, style="" if any(line.cells) else "dim italic")
            if line.kind and (kinds or line.indent + len(line.name) + len(line.kind) + 2 <= room):
                text.append(f" {line.kind}", style="dim")
            grid.add_row(Padding(text, (0, 0, 0, line.indent)), *(line.cells[i] for i in kept))
        return grid


def size_text(count: int) -> str:
    """Bytes with a unit of 1024.

    Example:
        >>> size_text(40), size_text(4096), size_text(553430176)
        ('40 B', '4.0 KiB', '527.8 MiB')
    """
    value, units = float(count), ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    if count < 1024:
        return f"{count} B"
    for unit in units:
        value /= 1024
        if value < 1024 or unit == units[-1]:
            return f"{value:.1f} {unit}"
    raise AssertionError("the last unit ends the loop")


def count_text(count: int) -> str:
    """A number with a unit of 1000; small ones exactly.

    Example:
        >>> count_text(6400), count_text(15470264320), count_text(0)
        ('6.4 K', '15.5 G', '0')
    """
    if count < 1000:
        return f"{count}"
    value, units = float(count), ("K", "M", "G", "T", "P", "E")
    for unit in units:
        value /= 1000
        if value < 999.95 or unit == units[-1]:
            return f"{value:.1f} {unit}"
    raise AssertionError("the last unit ends the loop")
