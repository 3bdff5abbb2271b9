"""The table of a network: volumes, parameters, memory, multiply-adds, strides and receptive fields."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from typing import Any

from chainrule.notation.field import Field
from chainrule.notation.network import Network, Piece, Step, resolve
from chainrule.notation.shapes import Shape, Volume
from chainrule.notation.tree import Residual, Spec

BYTES = 4
"""Of one number in float32."""

_CSV_HEAD = ("path", "layer", "depth", "output", "parameters", "memory_bytes", "multiply_adds", "flops", "stride",
             "field_rows", "field_columns", "whole_input")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        path: Name of the layer's module in the built network; empty for INPUT.
        layer: The layer in the notation; `RES` or `CAT` for the sum or the joined channels.
        depth: How many RES and CAT it stands in.
        output: (H, W, C) or (D,) of one example.
        parameters: Learnable numbers of this layer alone.
        memory: Bytes of its output for one example in float32.
        multiply_adds: Of convolutions and matrix products, for one example.
        stride: Pixels of the input from one output to the next; None without rows and columns, or when branches differ.
        field: Rows and columns of the input that one output spans (the largest, where positions differ); padding counts
            as if the input went on. None for a vector as input.
        whole: The output depends on the whole input.
    """

    path: str
    layer: str
    depth: int
    output: tuple[int, ...]
    parameters: int
    memory: int
    multiply_adds: int
    stride: Fraction | None
    field: tuple[int, int] | None
    whole: bool

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition for each multiply-add."""
        return 2 * self.multiply_adds

    @property
    def volume(self) -> str:
        """The output as the lectures write it, e.g. 32x32x10."""
        return "x".join(map(str, self.output))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "path": self.path,
            "layer": self.layer,
            "depth": self.depth,
            "output": list(self.output),
            "parameters": self.parameters,
            "memory_bytes": self.memory,
            "multiply_adds": self.multiply_adds,
            "flops": self.flops,
            "stride": _plain(self.stride),
            "receptive_field": list(self.field) if self.field else None,
            "whole_input": self.whole,
        }


@dataclass(frozen=True)
class Table:
    """What a network costs and sees, row by row and in total.

    Args:
        spec: The specification in its shortest writing.
        rows: INPUT first; a RES or CAT comes before its branches.
        warnings: Sizes that do not divide and the like, as text with the layer's name.
    """

    spec: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Of all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all outputs, the input among them, for one example in float32: what training must keep."""
        return sum(row.memory for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of all layers, for one example."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def flops(self) -> int:
        """Twice the multiply-adds."""
        return 2 * self.multiply_adds

    @property
    def output(self) -> tuple[int, ...]:
        """(H, W, C) or (D,) of the last layer."""
        return next(row for row in reversed(self.rows) if row.depth == 0).output

    @property
    def field(self) -> tuple[int, int] | None:
        """Receptive field of the last layer."""
        return next(row for row in reversed(self.rows) if row.depth == 0).field

    @property
    def most_parameters(self) -> Row:
        """The layer with most parameters (the first of them)."""
        return max(self.rows, key=lambda row: row.parameters)

    @property
    def most_memory(self) -> Row:
        """The layer with the largest output (the first of them)."""
        return max(self.rows, key=lambda row: row.memory)

    @property
    def most_multiply_adds(self) -> Row:
        """The layer with most multiply-adds (the first of them)."""
        return max(self.rows, key=lambda row: row.multiply_adds)

    @property
    def memory_half(self) -> Row:
        """The layer up to which half of the activation memory is reached."""
        total, so_far = self.memory, 0
        for row in self.rows:
            so_far += row.memory
            if 2 * so_far >= total:
                break
        return row

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "spec": self.spec,
            "rows": [row.as_dict() for row in self.rows],
            "total": {
                "parameters": self.parameters,
                "memory_bytes": self.memory,
                "multiply_adds": self.multiply_adds,
                "flops": self.flops,
                "output": list(self.output),
                "receptive_field": list(self.field) if self.field else None,
            },
            "most_parameters": {
                "path": self.most_parameters.path,
                "share": share(self.most_parameters.parameters, self.parameters),
            },
            "most_memory": {"path": self.most_memory.path, "share": share(self.most_memory.memory, self.memory)},
            "most_multiply_adds": {
                "path": self.most_multiply_adds.path,
                "share": share(self.most_multiply_adds.multiply_adds, self.multiply_adds),
            },
            "half_of_memory_by": self.memory_half.path,
            "warnings": list(self.warnings),
        }

    def as_csv(self) -> str:
        """The rows as CSV with a header line.

        Example:
            >>> print(table("INPUT 4 | FC-2").as_csv().splitlines()[2])
            fc1,FC-2,0,2,10,8,8,16,,,,yes
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_CSV_HEAD)
        for row in self.rows:
            rows, columns = row.field or ("", "")
            stride = "" if row.stride is None else _plain(row.stride)
            costs = (row.volume, row.parameters, row.memory, row.multiply_adds, row.flops)
            writer.writerow(
                (row.path, row.layer, row.depth, *costs, stride, rows, columns, "yes" if row.whole else "no")
            )
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        heads = ("layer", "output", "parameters", "memory (bytes)", "multiply-adds", "stride", "receptive field")
        lines = ["<table><thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead><tbody>"]
        for row in self.rows:
            numbers = (row.volume, f"{row.parameters:,}", f"{row.memory:,}", f"{row.multiply_adds:,}")
            cells = (*numbers, shown_stride(row), shown_field(row))
            name = "&emsp;" * row.depth + escape(row.layer)
            lines.append(
                f"<tr><td style='text-align:left'>{name}</td>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
            )
        totals = ("", f"{self.parameters:,}", f"{self.memory:,}", f"{self.multiply_adds:,}", "", "")
        lines.append("<tr><th>total</th>" + "".join(f"<th>{cell}</th>" for cell in totals) + "</tr></tbody></table>")
        lines += [f"<p>{escape(warning)}</p>" for warning in self.warnings]
        return "".join(lines)


def table(spec: str | Spec | Network, shape: Sequence[int] | None = None, *, strict: bool = False) -> Table:
    """What each layer of a specification gives, holds, costs and sees.

    Args:
        spec: The specification as text, parsed or resolved.
        shape: Shape of one example as a tensor has it, (C, H, W) or (D,), if INPUT is left out.
        strict: Sizes that do not divide, so that some of the input is never read, are errors.

    Returns:
        Rows, totals and warnings as plain data.

    Raises:
        NotationError: The text is not in the notation, or its layers do not fit together.

    Example:
        >>> for row in table("INPUT 32x32x1 | CONV5-10 | POOL2 | CONV5-10 | POOL2 | FC-10").rows:
        ...     print(row.layer, row.volume, row.parameters)
        INPUT 32x32x1 0
        CONV5-10 32x32x10 260
        POOL2 16x16x10 0
        CONV5-10 16x16x10 2510
        POOL2 8x8x10 0
        FC-10 10 6410

    Source: LECTURES D1 to D4.
    """
    network = spec if isinstance(spec, Network) else resolve(spec, shape, strict=strict)
    start = network.input
    size = (start.height, start.width) if isinstance(start, Volume) else None
    first = Row("", "INPUT", 0, start.sizes, 0, BYTES * start.elements, 0, *(_no_field if size is None else _one_pixel))
    sizes: dict[tuple[int, Shape], tuple[int, int] | None] = {}  # most layers hand their field on as it is
    rows = [first]
    for path, depth, piece in network.walk():
        key = (id(piece.field), piece.after)
        if key not in sizes:
            sizes[key] = _field(piece.field, piece.after, size)
        rows.append(_row(path, depth, piece, sizes[key]))
    warnings = tuple(f"{remark.path}: {remark.text}" for remark in network.remarks)
    return Table(str(Spec(start, network.spec.layers)), tuple(rows), warnings)


_no_field: tuple[None, None, bool] = (None, None, False)
_one_pixel: tuple[Fraction, tuple[int, int], bool] = (Fraction(1), (1, 1), False)


def _row(path: str, depth: int, piece: Piece, field: tuple[int, int] | None) -> Row:
    seen, after = piece.field, piece.after
    if isinstance(piece, Step):
        name, parameters, multiply_adds = str(piece.layer), piece.effect.parameters, piece.effect.multiply_adds
    else:
        name, parameters, multiply_adds = "RES" if isinstance(piece.node, Residual) else "CAT", 0, 0
    memory = BYTES * after.elements
    stride = seen.stride if isinstance(after, Volume) else None
    return Row(path, name, depth, after.sizes, parameters, memory, multiply_adds, stride, field, seen.whole)


def _field(seen: Field, after: Shape, size: tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if seen.whole or not isinstance(after, Volume):
        return size
    return seen.size(after.height), seen.size(after.width)


def share(part: int, total: int) -> float:
    """Part of a total, between 0 and 1; 0 of nothing.

    Example:
        >>> share(1, 4), share(0, 0)
        (0.25, 0.0)
    """
    return part / total if total else 0.0


def shown_stride(row: Row) -> str:
    """The stride as text: `2`, `1/2` after UPCONV, `-` when there is none."""
    return "-" if row.stride is None else str(row.stride)


def shown_field(row: Row) -> str:
    """The receptive field as text: `5x5`, `all` for the whole input, `-` when the input has no rows and columns."""
    if row.whole:
        return "all"
    return "-" if row.field is None else f"{row.field[0]}x{row.field[1]}"


def _plain(value: Fraction | None) -> int | float | None:
    """A fraction as JSON can have it."""
    if value is None:
        return None
    return int(value) if value.denominator == 1 else float(value)
