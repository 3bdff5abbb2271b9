"""Rows of a built network as lines for a terminal; blocks that repeat are folded into one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chainrule.cli._design_table import Line, Shown, count_text, size_text

if TYPE_CHECKING:
    from chainrule.analysis.design import NetworkDesign, Row

HEADS = ("output", "parameters", "memory", "kept", "mult-adds", "stride", "field", "narrow")
LESS_NEEDED = ("narrow", "kept", "memory", "stride", "mult-adds", "field", "parameters")
"""What a narrow terminal loses first."""
LONG = 40
"""Rows from which repeated blocks are folded."""


@dataclass
class _Tree:
    """A row and what stands in it."""

    row: Row
    children: list[_Tree] = field(default_factory=list)

    def alike(self) -> tuple[object, ...]:
        """What two blocks have in common that are told as one."""
        row = self.row
        facts = (row.kind or row.label, row.output, row.parameters, row.kept, row.multiply_adds, row.padding)
        return (*facts, tuple(child.alike() for child in self.children))

    def every(self) -> Iterator[Row]:
        """Its rows."""
        yield self.row
        for child in self.children:
            yield from child.every()


def network_shown(found: NetworkDesign, *, fold: bool) -> Shown:
    """The table of a built network, for a terminal."""
    trees = _trees(found.rows)
    if len(trees) == 1 and trees[0].children and not trees[0].row.parameters:
        trees = trees[0].children  # the network itself: its numbers are the totals
    given = next((value.tensor for value in found.tape.values if value.kind == "input"), None)
    size = "" if given is None else size_text(given.numel() * given.element_size())
    first = (found.inputs[0].partition(":")[0] if found.inputs else "", "0", size, "", "0", "", "", "")
    lines = [Line(0, "INPUT", first), *_lines(trees, 0, fold and len(found.rows) > LONG)]
    differ = any(view.narrowest != view.size for row in found.rows for view in row.views)
    memory = found.memory
    feet = ("", f"{found.parameters:,}", "", size_text(memory.kept), count_text(found.multiply_adds), "", "", "")
    kept = len(HEADS) if differ else len(HEADS) - 1
    return Shown(
        HEADS[:kept],
        [Line(line.indent, line.name, line.cells[:kept], line.kind) for line in lines],
        feet[:kept],
        LESS_NEEDED if differ else LESS_NEEDED[1:],
        _facts(found),
        found.warnings,
        found.notes,
    )


def _trees(rows: Sequence[Row]) -> list[_Tree]:
    top: list[_Tree] = []
    path: list[_Tree] = []
    for row in rows:
        tree = _Tree(row)
        del path[row.depth :]
        (path[-1].children if path else top).append(tree)
        path.append(tree)
    return top


def _lines(trees: Sequence[_Tree], indent: int, fold: bool) -> Iterator[Line]:
    place = 0
    while place < len(trees):
        tree = trees[place]
        same = place + 1
        while fold and tree.children and same < len(trees) and trees[same].alike() == tree.alike():
            same += 1
        row = tree.row
        yield Line(indent, _name(row), _cells(row), row.kind)
        yield from _lines(tree.children, indent + 2, fold)
        if same - place > 2:
            yield _folded(trees[place + 1 : same], indent)
            place = same
        else:
            place += 1


def _folded(trees: Sequence[_Tree], indent: int) -> Line:
    """Several blocks alike as one line with their sums, and the sight of the last."""
    last = trees[-1].row
    rows = [row for tree in trees for row in tree.every()]
    total = {
        name: sum(getattr(row, name) for row in rows) for name in ("parameters", "memory", "kept", "multiply_adds")
    }
    cells = list(_cells(last))
    cells[1:5] = [f"{total['parameters']:,}", size_text(total["memory"]), size_text(total["kept"]),
                  count_text(total["multiply_adds"])]  # fmt: skip
    return Line(indent, f"{trees[0].row.label} to {last.label}: {len(trees)} more", tuple(cells))


def _name(row: Row) -> str:
    again = f" (call {row.time + 1})" if row.time else ""
    return row.label + again


def _cells(row: Row) -> tuple[str, ...]:
    from chainrule.analysis.design.network import field_text

    parameters = f"{row.parameters:,}" + (" shared" if row.shared and not row.parameters else "")
    narrow = "x".join(str(v.narrowest) for v in row.views) if any(v.narrowest != v.size for v in row.views) else ""
    cells = (
        "-" if row.output is None else "x".join(map(str, row.output)) or "1",
        parameters,
        size_text(row.memory),
        size_text(row.kept),
        count_text(row.multiply_adds),
        _stride(row),
        field_text(row),
        narrow,
    )
    if not row.inner:
        return cells
    own = parameters if row.parameters or row.shared else ""
    return (cells[0], own, "", size_text(row.kept) if row.kept else "", "", cells[5], cells[6], narrow)


def _stride(row: Row) -> str:
    jumps = ["-" if view.jump is None else f"{view.jump:g}" for view in row.views]
    return (jumps[0] if len(set(jumps)) == 1 else "x".join(jumps)) if jumps else "-"


def _facts(found: NetworkDesign) -> list[tuple[str, str]]:
    memory = found.memory

    def most(what: str, total: int) -> str:
        row = found.most(what)
        if row is None or not total:
            return ""
        return f"; {100 * getattr(row, what) / total:.0f} % of it in {row.name}" + (
            f" ({row.kind})" if row.kind else ""
        )

    frozen = "" if found.trainable == found.parameters else f", {found.trainable:,} of them trained"
    facts = [
        ("parameters", f"{found.parameters:,} ({size_text(memory.weights)} with buffers){frozen}"
         + most("parameters", found.parameters)),
        ("training", f"{size_text(memory.training)}: {size_text(memory.weights)} weights, {size_text(memory.kept)} "
         f"kept for the backward pass, {size_text(memory.gradients)} gradients, {size_text(memory.state)} state of "
         f"{memory.optimizer}"),
        ("answering", f"{size_text(memory.inference)}: {size_text(memory.weights)} weights, at most "
         f"{size_text(memory.peak)} of tensors at once" + _where(found)),
        ("mult-adds", f"{found.multiply_adds:,} for this batch; FLOPs, 2 each: {count_text(2 * found.multiply_adds)}"
         + most("multiply_adds", found.multiply_adds)),
        ("moved", f"{size_text(found.bytes_moved)} read and written; "
         f"{2 * found.multiply_adds / max(found.bytes_moved, 1):.1f} FLOPs a byte"),
    ]  # fmt: skip
    last = next((row for row in reversed(found.rows) if row.views and not row.whole), None)
    if last is not None and found.sights is not None and len(found.sights.axes) > 1:
        sizes, narrow = ("x".join(str(getattr(v, what)) for v in last.views) for what in ("size", "narrowest"))
        path = "" if sizes == narrow else f"; {narrow} over the narrowest path"
        facts.append(("field", f"{last.name} sees {sizes} pixels, padding counted{path}"))
    return facts


def _where(found: NetworkDesign) -> str:
    if found.memory.peak_at is None:
        return ""
    from chainrule.analysis.design.remarks import named

    return f", in {named(found.tape.operations[found.memory.peak_at])}"
