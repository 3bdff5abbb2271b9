"""`chainrule design`: what a network costs and sees; one in the layer notation before anything is built."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chainrule.cli._design_table import Line, Shown, count_text, size_text
from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from chainrule.notation import Row, Table
    from chainrule.notation.network import Network, Piece

TAKES_SETTINGS = True
EXAMPLE = "INPUT 32x32x3 | CONV3-16 | RELU | POOL2 | FC-10"
HEADS = ("output", "parameters", "memory", "mult-adds", "stride", "field")
LESS_NEEDED = ("memory", "stride", "mult-adds", "field", "parameters")
"""What a narrow terminal loses first."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from chainrule.cli import _design_program

    parser.add_argument(
        "spec",
        nargs="+",
        metavar="NETWORK",
        help=f'layers in quotes ("{EXAMPLE}"), a model\'s name (resnet50), a run folder, or FILE.py:NAME',
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse sizes that do not divide so that some of the input is never read"
    )
    parser.add_argument("--csv", action="store_true", help="print the rows as CSV")
    _design_program.add(parser)


def run(args: argparse.Namespace) -> Answer:
    """Make the table of a specification, a registered model, a run or a module of one's own.

    Raises:
        NotationError: The specification cannot be read or does not fit together; the error shows the column.
        UsageError: There is no such network, or it does not take its input.
    """
    from chainrule.notation import is_layers, resolve, table

    text = " ".join(args.spec)
    if len(args.spec) == 1 and not is_layers(text):
        from chainrule.cli import _design_program

        return _design_program.run(args)
    if any(getattr(args, name, None) is not None for name in ("field", "plot", "signal", "input")):
        from chainrule.cli import _design_program

        return _design_program.run(args)
    network = resolve(text, strict=bool(getattr(args, "strict", False)))
    found = table(network)
    if getattr(args, "csv", False):
        return Answer(found.as_dict(), found.as_csv().rstrip("\n"))
    return Answer(found.as_dict(), notation_shown(network, found))


def notation_shown(network: Network, found: Table) -> Shown:
    """The table of a network in the notation, for a terminal."""
    feet = ("", f"{found.parameters:,}", size_text(found.memory), count_text(found.multiply_adds), "", "")
    lines = [Line(0, "INPUT", _cells(found.rows[0]))]
    for indent, row, label in _lines(network.pieces, iter(found.rows[1:]), 0):
        lines.append(Line(indent, row.layer if row else label, _cells(row) if row else ("",) * len(HEADS)))
    return Shown(HEADS, lines, feet, LESS_NEEDED, _totals(found), found.warnings)


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
