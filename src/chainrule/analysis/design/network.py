"""The table of a network: what each layer gives, holds, costs and sees."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from torch import nn

from chainrule.analysis._tape import Tape
from chainrule.analysis.design.measure import measure
from chainrule.analysis.design.memory import Memory, memory_of
from chainrule.analysis.design.remarks import remarks
from chainrule.analysis.design.rows import Row, rows_of
from chainrule.analysis.design.views import Followed, followed
from chainrule.core.errors import UsageError

_CSV_HEAD = ("path", "layer", "operation", "call", "depth", "output", "dtype", "parameters", "trainable", "shared",
             "memory_bytes", "kept_bytes", "multiply_adds", "flops", "bytes_moved", "padding", "stride",
             "receptive_field", "field_start", "narrowest_path", "whole_input")  # fmt: skip


@dataclass(frozen=True)
class NetworkDesign:
    """What a network costs and sees, for the batch that it was given.

    Args:
        name: What it is called.
        inputs: Shapes and types of what it was given.
        rows: Calls of modules, as a tree, and operations between them, in order.
        parameters: Of the whole network, each once.
        trainable: Of these, those that training moves.
        memory: Of training and of an answer.
        warnings: What is probably not meant, in words.
        notes: How it was measured where that was not as usual.
        tape: The call itself.
        sights: What each number reads; None where no axis of an input is followed.
    """

    name: str
    inputs: tuple[str, ...]
    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    memory: Memory
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    tape: Tape = field(repr=False)
    sights: Followed | None = field(repr=False)

    @property
    def multiply_adds(self) -> int:
        """Of the whole call."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def bytes_moved(self) -> int:
        """Of the whole call."""
        return sum(row.bytes_moved for row in self.rows)

    @property
    def output(self) -> tuple[int, ...] | None:
        """Shape of what the network returns (the first tensor)."""
        return self.tape.values[self.tape.outputs[0]].shape if self.tape.outputs else None

    @property
    def last(self) -> Row | None:
        """The row of what the network returns."""
        top = [row for row in self.rows if row.depth == 0]
        return top[0] if len(top) == 1 else (top or [None])[-1]  # type: ignore[list-item]

    def most(self, what: str) -> Row | None:
        """The row with most `parameters`, `memory`, `kept` or `multiply_adds` (the first of them)."""
        leaves = [row for row in self.rows if not row.inner or what == "parameters"]
        return max(leaves, key=lambda row: getattr(row, what)) if leaves else None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "format": 1,
            "name": self.name,
            "inputs": list(self.inputs),
            "rows": [row.as_dict() for row in self.rows],
            "total": {
                "parameters": self.parameters,
                "trainable": self.trainable,
                "multiply_adds": self.multiply_adds,
                "flops": 2 * self.multiply_adds,
                "bytes_moved": self.bytes_moved,
                "output": None if self.output is None else list(self.output),
                "memory_bytes": self.memory.as_dict(),
            },
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def as_csv(self) -> str:
        """The rows as CSV with a header line."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_CSV_HEAD)
        for row in self.rows:
            facts = row.as_dict()
            writer.writerow([_cell(facts[name]) for name in _CSV_HEAD])
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        heads = ("layer", "kind", "output", "parameters", "memory (bytes)", "kept (bytes)", "multiply-adds", "field")
        lines = ["<table><thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead><tbody>"]
        for row in self.rows:
            cells = [row.kind, _cell(row.output), f"{row.parameters:,}", f"{row.memory:,}", f"{row.kept:,}"]
            cells += [f"{row.multiply_adds:,}", field_text(row)]
            name = "&emsp;" * row.depth + escape(row.label)
            lines.append(f"<tr><td style='text-align:left'>{name}</td>")
            lines.append("".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
        lines.append(f"<tr><th>total</th><th></th><th></th><th>{self.parameters:,}</th><th></th>")
        lines.append(f"<th>{self.memory.kept:,}</th><th>{self.multiply_adds:,}</th><th></th></tr></tbody></table>")
        lines += [f"<p>{escape(warning)}</p>" for warning in self.warnings]
        return "".join(lines)


def design_network(
    network: nn.Module,
    inputs: Sequence[Any],
    *,
    optimizer: str = "adam",
    object_size: int | None = None,
    name: str | None = None,
) -> NetworkDesign:
    """Find out what each layer of a network gives, holds, costs and sees.

    The network is called once as for an answer and once as in training, on a copy without data where it can: nothing
    is computed. It is as before when this returns.

    Args:
        network: Any module.
        inputs: What it is called with: tensors (their numbers do not matter) or structures of them.
        optimizer: Whose memory is counted.
        object_size: Pixels that the things to be recognized span; a field that is far smaller is warned of.
        name: What to call it.

    Raises:
        UsageError: A layer does not take what it is given, or there is no such optimizer.

    Example:
        >>> import torch
        >>> found = design_network(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), [torch.zeros(1, 3, 32, 32)])
        >>> [(row.label, row.output, row.parameters) for row in found.rows[1:]]
        [('0', (1, 8, 30, 30), 224), ('1', (1, 8, 30, 30), 0)]
        >>> found.multiply_adds, found.memory.kept, found.rows[1].views[0].size
        (194400, 41088, 3)

    Source:
        LECTURES D1 to D4.
    """
    for place, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UsageError(
                f'"{place}" does not know its shape yet', remedy="pass one batch through the network first"
            )
    measured = measure(network, inputs)
    tape = measured.tape
    sights = followed(tape)
    rows = tuple(rows_of(measured, sights.views(tape) if sights else {}))
    parameters = list(measured.network.parameters())
    kept = sum(measured.kept.values())
    return NetworkDesign(
        name=name or type(network).__name__,
        inputs=tuple(_written(value.shape, value.dtype) for value in tape.values if value.kind == "input"),
        rows=rows,
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        memory=memory_of(measured.network, tape, measured.costs, kept, optimizer),
        warnings=tuple(remarks(measured, rows, sights, object_size)),
        notes=tuple(measured.notes),
        tape=tape,
        sights=sights,
    )


def field_text(row: Row) -> str:
    """The receptive field as text: `5x5`, with the narrowest path beside it (`427x427, 99x99 at least`)."""
    if not row.views:
        return "-"
    if row.whole:
        return "all"
    return "x".join("all" if view.whole else str(view.size) for view in row.views)


def _written(shape: Sequence[int], dtype: Any) -> str:
    text = "x".join(map(str, shape))
    kind = str(dtype).removeprefix("torch.")
    return text if kind == "float32" else f"{text}:{kind}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "x".join("" if v is None else str(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
