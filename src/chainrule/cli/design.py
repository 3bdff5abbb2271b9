"""`chainrule design`: what a network written in the layer notation costs and sees, before anything is built."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as RichTable

    from chainrule.notation import Row, Table
    from chainrule.notation.network import Network, Piece

EXAMPLE = "INPUT 32x32x3 | CONV3-16 | RELU | POOL2 | FC-10"
HEADS = ("output", "parameters", "memory", "mult-adds", "stride", "field")
LESS_NEEDED = ("memory", "stride", "mult-adds", "field", "parameters")
"""What a narrow terminal loses first."""
NAME_WIDTH = 16
"""Room for the layers' names before a column is given up for it."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "spec", nargs="+", metavar="SPEC", help=f'the layers, in quotes: "{EXAMPLE}"; words are joined by spaces'
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse sizes that do not divide so that some of the input is never read"
    )
    parser.add_argument("--csv", action="store_true", help="print the rows as CSV")


def run(args: argparse.Namespace) -> Answer:
    """Make the table of a specification.

    Raises:
        NotationError: The specification cannot be read or does not fit together; the error shows the column.
    """
    from chainrule.notation import resolve, table

    network = resolve(" ".join(args.spec), strict=bool(getattr(args, "strict", False)))
    found = table(network)
    if getattr(args, "csv", False):
        return Answer(found.as_dict(), found.as_csv().rstrip("\n"))
    return Answer(found.as_dict(), Shown(network, found))


@dataclass(frozen=True)
class Shown:
    """The table for a terminal: rows, totals, where the shares lie, warnings.

    A narrow terminal breaks the layers' names, and below that loses whole columns, but never digits of a number.
    """

    network: Network
    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints."""
        from rich.padding import Padding
        from rich.table import Table as RichTable
        from rich.text import Text

        yield self._grid(options.max_width)
        yield Text()
        facts = RichTable.grid(padding=(0, 2, 0, 0))
        for name, fact in _totals(self.table):
            facts.add_row(Text(name, style="bold"), Text(fact))
        yield facts
        if self.table.warnings:
            yield Text("\nWarnings", style="bold yellow")
            for warning in self.table.warnings:
                yield Padding(Text(warning), (0, 0, 0, 2), expand=False)

    def _grid(self, width: int) -> RichTable:
        from rich import box
        from rich.padding import Padding
        from rich.table import Table as RichTable
        from rich.text import Text

        found = self.table
        feet = ("", f"{found.parameters:,}", size_text(found.memory), count_text(found.multiply_adds), "", "")
        lines = [(0, _cells(found.rows[0]), "INPUT")]
        for indent, row, label in _lines(self.network.pieces, iter(found.rows[1:]), 0):
            lines.append((indent, _cells(row) if row else ("",) * len(HEADS), row.layer if row else label))
        widths = [max(map(len, column)) for column in zip(HEADS, feet, *(cells for _, cells, _ in lines))]
        kept = list(range(len(HEADS)))
        for column in LESS_NEEDED:
            if NAME_WIDTH + sum(widths[i] + 2 for i in kept) > width:
                kept.remove(HEADS.index(column))
        grid = RichTable(box=box.SIMPLE, show_edge=False, show_footer=True, padding=(0, 1, 0, 0), footer_style="bold")
        grid.add_column("layer", "total")
        for i in kept:
            grid.add_column(HEADS[i], feet[i], justify="right", no_wrap=True)
        for indent, cells, name in lines:
            text = Text(name, style="" if any(cells) else "dim italic")
            grid.add_row(Padding(text, (0, 0, 0, indent)), *(cells[i] for i in kept))
        return grid


def _lines(pieces: Sequence[Piece], rows: Iterator[Row], indent: int) -> Iterator[tuple[int, Row | None, str]]:
    """Rows with their indentation, and the names of branches where there are several."""
    from chainrule.notation.network import Fork

    for piece in pieces:
        yield indent, next(rows), ""
        if not isinstance(piece, Fork):
            continue
        plain = list(piece.branches) == ["body", "shortcut"] and not piece.branches["shortcut"]
        for name, inner in piece.branches.items():
            if not plain:
                yield indent + 2, None, name if inner else f"{name}: identity"
            yield from _lines(inner, rows, indent + (2 if plain else 4))


def _cells(row: Row) -> tuple[str, ...]:
    from chainrule.notation._table import shown_field, shown_stride

    numbers = (f"{row.parameters:,}", size_text(row.memory), count_text(row.multiply_adds))
    return (row.volume, *numbers, shown_stride(row), shown_field(row))


def _totals(found: Table) -> list[tuple[str, str]]:
    from chainrule.notation._table import share

    def most(row: Row, part: int, total: int) -> str:
        return f"; {100 * share(part, total):.0f} % of it in {row.path or 'INPUT'} ({row.layer})" if total else ""

    weights, large, busy, half = found.most_parameters, found.most_memory, found.most_multiply_adds, found.memory_half
    facts = [
        ("parameters", f"{found.parameters:,} ({size_text(4 * found.parameters)} in float32)"
         + most(weights, weights.parameters, found.parameters)),
        ("memory", f"{found.memory:,} bytes for all outputs of one example in float32"
         + most(large, large.memory, found.memory)
         + (f"; half is reached at {half.path}" if half.path and half is not large else "")),
        ("mult-adds", f"{found.multiply_adds:,} for one example; FLOPs, 2 each: {count_text(found.flops)}"
         + most(busy, busy.multiply_adds, found.multiply_adds)),
    ]  # fmt: skip
    if found.field is not None:
        last = next(row for row in reversed(found.rows) if row.depth == 0)
        rows, columns = found.field
        sees = f"the whole input, {rows}x{columns}" if last.whole else f"{rows}x{columns} pixels, padding counted"
        facts.append(("field", f"each output sees {sees}"))
    return facts


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
