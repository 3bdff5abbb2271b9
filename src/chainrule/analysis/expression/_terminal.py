"""A derivation in a terminal: tables forward and backward, derivatives, verdict; or a tree; or step by step."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chainrule.analysis.expression._tables import (
    back_table,
    gate_table,
    gradient_table,
    rule_line,
    tie_lines,
    verdict,
)
from chainrule.draw.table import Table
from chainrule.draw.wording import number_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from chainrule.analysis.expression._derivation import Derivation

DEEPEST: Final = 30
"""Levels of a tree that are shown."""


@dataclass(frozen=True)
class Shown:
    """What rich prints.

    Args:
        found: The derivation.
        tree: Whether the gates stand as a tree, not as tables.
        short: Whether the derivatives alone are shown.
    """

    found: Derivation
    tree: bool = False
    short: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints."""
        from rich.text import Text

        found = self.found
        if self.tree:
            yield Text("\n".join(tree_lines(found)) + "\n", no_wrap=True, overflow="ellipsis")
        elif not self.short and found.graph.gates:
            yield from _titled("Forward", gate_table(found))
            begins = ", ".join(
                f"d{found.result}/d{found.graph.labels[n]} = {_word(one)}" for n, one in found.start.items()
            )
            yield from _titled(f"Backward, from {begins}", back_table(found))
        if found.walk is not None:
            yield from _titled("Gradients", gradient_table(found))
        yield from _formulas(found)
        for line in [*tie_lines(found), *([rule_line(found)] if found.walk is None and rule_line(found) else [])]:
            yield Text(line)
        if found.missing:
            names = ", ".join(found.missing[:6]) + (", ..." if len(found.missing) > 6 else "")
            yield Text(
                f"No numbers: {names} {'has' if len(found.missing) == 1 else 'have'} no value (--at NAME=VALUE).",
                style="dim",
            )
        yield Text(verdict(found), style="" if found.agrees else "bold red")


def plain_lines(found: Derivation, width: int = 100) -> str:
    """The same as text without colors."""
    from rich.console import Console

    console = Console(file=(file := io.StringIO()), width=width, no_color=True, highlight=False, emoji=False)
    console.print(Shown(found))
    return file.getvalue().rstrip("\n")


def tree_lines(found: Derivation) -> list[str]:
    """The gates from the output down to the leaves; what is used again is shown once.

    Example:
        >>> from chainrule.analysis.expression import derive
        >>> print(*tree_lines(derive("q = x + y; f = q*z", at="x=-2,y=5,z=-4")), sep="\\n")
        f = q*z   value -12, gradient 1
        ├─ q = x + y   value 3, gradient -4
        │  ├─ x   value -2, gradient -4
        │  └─ y   value 5, gradient -4
        └─ z   value -4, gradient 3
    """
    graph, seen, lines = found.graph, set(), []
    rest = [(n, "", "", 0) for n in reversed(list(found.start))]
    while rest:
        n, first, following, depth = rest.pop()
        node = graph.nodes[n]
        text = f"{graph.labels[n]} = {graph.formula(n)}" if node.inputs else graph.labels[n]
        again = n in seen and bool(node.inputs)
        lines.append(first + text + ("   as above" if again else _numbers(found, n)))
        if again:
            continue
        seen.add(n)
        if depth == DEEPEST and node.inputs:
            lines[-1] += "   ..."
            continue
        for place, i in reversed(list(enumerate(node.inputs))):
            last = place == len(node.inputs) - 1
            rest.append((i, following + ("└─ " if last else "├─ "), following + ("   " if last else "│  "), depth + 1))
    return lines


def step_lines(found: Derivation) -> Iterator[str]:
    """The walk, one gate a line."""
    gates, back = gate_table(found), back_table(found)
    yield "Forward"
    for label, formula, value, role in gates.rows:
        yield f"  {label} = {formula}" + (f" = {value}" if value is not None else "") + (f"   ({role})" if role else "")
    yield "Backward"
    gate = upstream = ""
    for row in back.rows:
        gate, upstream = row[0] or gate, row[1] or upstream
        gives = f" = {row[4]}" if found.walk is not None else ""
        role = f"   ({row[-1]})" if row[-1] else ""
        yield f"  {gate} -> {row[2]}: upstream {upstream} * local ({row[3]}){gives}{role}"


def _titled(title: str, table: Table) -> Iterator[Any]:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns:
        number = column.title in ("value", "upstream", "gives", "by differences")
        grid.add_column(column.title, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    yield Text(title, style="bold")
    yield grid
    yield Text()


def _formulas(found: Derivation) -> Iterator[Any]:
    from rich.table import Table as RichTable
    from rich.text import Text

    if not found.derivatives:
        yield Text(
            "In symbols: too long to read. Ask for some with --wrt, or keep names with --in-terms-of.\n", style="dim"
        )
        return
    yield Text("In symbols", style="bold")
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    for number in range(3):
        grid.add_column(overflow="fold", no_wrap=number == 0)
    for one in found.derivatives:
        name = f"d{found.result}/d{one.name} ="
        rows = one.rows(found.writer, found.walk)
        for place, (formula, condition, here) in enumerate(rows):
            start = name if not place else ""
            sign = "+ " if one.kind == "sum" and place else ""
            words = condition if condition in ("", "otherwise") else f"if {condition}"
            mark = "   <- here" if here and len(rows) > 1 and one.kind == "cases" else ""
            grid.add_row(Text(start), Text(sign + formula), Text(words + mark))
        if not rows:
            grid.add_row(Text(name), Text("0"), Text())
        if one.kind == "sum" and found.walk is not None:
            grid.add_row(
                Text(), Text(found.writer.write(one.here(found.walk))), Text("<- all that counts at this point")
            )
    yield grid
    for formula, name in found.sigmas.items():
        from chainrule.analysis.expression._writer import Text as Plain
        from chainrule.analysis.expression._writer import Writer

        yield Text(f"where {name} = {Writer(Plain()).write(formula)}")
    used = {part.name for one in found.derivatives for terms in one.terms.values() for part in terms.free_symbols}
    kept = [found.graph.labels[n] for n in (found.formulas.written_as if found.formulas else ())]
    kept = [name for name in kept if name in used]
    if kept:
        yield Text(f"in terms of {', '.join(kept[:12])}{', ...' if len(kept) > 12 else ''}", style="dim")
    yield Text()


def _numbers(found: Derivation, n: int) -> str:
    if found.walk is None or found.graph.nodes[n].operation == "constant":
        return ""
    gradient = found.walk.gradients[n]
    tail = "" if gradient is None else f", gradient {number_text(gradient)}"
    return f"   value {number_text(found.walk.values[n])}{tail}"


def _word(value: float | str) -> str:
    return value if isinstance(value, str) else number_text(value)
