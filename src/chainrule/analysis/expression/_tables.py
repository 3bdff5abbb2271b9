"""A derivation as tables of plain text: the way forward, the way back, gradients, and the verdict of the check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from chainrule.analysis.expression._check import Compared
from chainrule.analysis.expression._numbers import Arrow, role
from chainrule.draw.table import Column, Table
from chainrule.draw.wording import number_text

if TYPE_CHECKING:
    from chainrule.analysis.expression._derivation import Derivation

TIES: Final = {
    "first": "of equal ones the first wins, as in torch's max(dim) and max pooling",
    "shared": "equal ones share, as in torch's amax, maximum and max() of all",
}


def gate_table(found: Derivation) -> Table:
    """Forward: what each gate computes."""
    rows = []
    for n in found.graph.gates:
        value = found.walk.values[n] if found.walk else None
        rows.append(
            [
                found.graph.labels[n],
                found.graph.formula(n),
                None if value is None else number_text(value),
                role(found.graph, n),
            ]
        )
    columns = [Column("gate"), Column("computes"), Column("value"), Column("role")]
    return Table("Forward", columns, rows)


def arrows(found: Derivation) -> list[Arrow]:
    """Every step back, in order; without numbers (NaN in their place) where a value is missing."""
    if found.walk is not None:
        return list(found.walk.arrows)
    graph, nan = found.graph, float("nan")
    active, reached = graph.behind(graph.leaves), graph.before(list(found.start))
    gates = [n for n in reversed(graph.gates) if n in active and n in reached]
    return [Arrow(n, i, nan, nan, nan) for n in gates for i in graph.nodes[n].inputs if i in active]


def local_text(found: Derivation, n: int, position: int) -> str:
    """The local derivative in the gate's own words; a router's is which input wins."""
    from chainrule.analysis.expression._symbols import local_formula
    from chainrule.analysis.expression._writer import Text, Writer

    graph = found.graph
    formula = local_formula(graph, n, position)
    if formula is not None:
        return Writer(Text()).write(formula)
    node, name = graph.nodes[n], graph.labels[graph.nodes[n].inputs[position]]
    return {"relu": f"1 if {name} > 0", "abs": f"sign of {name}"}.get(node.operation, f"1 if {name} wins")


def back_table(found: Derivation) -> Table:
    """Backward: local derivative times upstream gradient, edge by edge; several that arrive at one name are added."""
    graph, rows, steps = found.graph, [], arrows(found)
    arriving: dict[int, list[Arrow]] = {}
    for arrow in steps:
        arriving.setdefault(arrow.target, []).append(arrow)
    for place, arrow in _counted(steps):
        local = local_text(found, arrow.gate, _position(found, arrow, place))
        target = graph.labels[arrow.target] + (", added" if len(arriving[arrow.target]) > 1 else "")
        cells = [graph.labels[arrow.gate], _upstream(found, arrow, arriving)] if not place else ["", ""]
        if found.walk is None:
            cells += [target, local]
        else:
            number = number_text(arrow.local)
            cells += [target, local if local == number else f"{local} = {number}", number_text(arrow.gives)]
        rows.append([*cells, "" if place else role(graph, arrow.gate)])
    gives = [Column("gives")] if found.walk is not None else []
    columns = [Column("gate"), Column("upstream"), Column("to"), Column("local derivative"), *gives, Column("role")]
    return Table("Backward", columns, rows)


def _upstream(found: Derivation, arrow: Arrow, arriving: Mapping[int, Sequence[Arrow]]) -> str:
    """What has arrived at a gate, as a sum where it came over several paths."""
    came = arriving.get(arrow.gate, [])
    given = found.start.get(arrow.gate)
    if found.walk is None:
        return given if isinstance(given, str) and not came else f"d{found.result}/d{found.graph.labels[arrow.gate]}"
    parts = [number_text(one.gives) for one in came] + (
        [number_text(found.walk.start[arrow.gate])] if given is not None else []
    )
    return _sum(parts, number_text(arrow.upstream))


def _sum(parts: Sequence[str], total: str) -> str:
    return f"{' + '.join(parts).replace('+ -', '- ')} = {total}" if 1 < len(parts) < 4 else total


def gradient_table(found: Derivation) -> Table:
    """The gradients in numbers, with what arrived over several paths, and what differences say."""
    graph, walk, rows = found.graph, found.walk, []
    by_node = {one.node: one for one in found.compared}
    for n in found.wrt:
        if walk is None:
            break
        came = [number_text(arrow.gives) for arrow in walk.arrows if arrow.target == n]
        total = number_text(walk.gradients[n])
        rows.append(
            [
                graph.labels[n],
                number_text(walk.values[n]),
                _sum(came, total),
                _difference(by_node.get(n)),
            ]
        )
    return Table("Gradients", [Column("name"), Column("value"), Column("gradient"), Column("by differences")], rows)


def verdict(found: Derivation) -> str:
    """One line about the check."""
    if not found.compared:
        return "Not checked: no point was found where every gate has a finite value."
    compared = found.compared
    good = [one for one in compared if one.verdict == "agrees"]
    where = "" if found.walk is not None else " at a random point"
    count = f"all {len(compared)}" if len(compared) > 1 else "the"
    if found.formula_error is not None and not found.agrees and len(good) == len(compared):
        return f"Checked{where}: the formulas differ from the numbers by {found.formula_error:.1e} of their size."
    text = f"{count} gradient{'s' * (len(compared) > 1)} agree{'s' * (len(compared) == 1)} with centered differences"
    if len(good) < len(compared):
        text = f"{len(good)} of {len(compared)} gradients agree with centered differences"
    if good:
        text += f" (relative error at most {max(one.error for one in good):.0e})"
    rest = [_not_good(found, one) for one in compared if one.verdict != "agrees"]
    first = [text] if good else []
    return (
        f"Checked{where}: "
        + "; ".join([*first, *rest[:4], *([f"{len(rest) - 4} more"] if len(rest) > 4 else [])])
        + "."
    )


def tie_lines(found: Derivation) -> list[str]:
    """Every tie at the point, with the rule that settles it."""
    graph, lines = found.graph, []
    for tie in found.walk.ties if found.walk else ():
        if graph.nodes[tie.gate].operation in ("relu", "abs"):
            name = graph.labels[tie.winners[0]]
            lines.append(f"Kink: {graph.formula(tie.gate)} at {name} = 0 has no derivative; 0 is taken, as in torch.")
            continue
        names = [graph.labels[n] for n in tie.winners]
        who = f"{', '.join(names[:-1])} and {names[-1]}" if len(set(names)) > 1 else f"{names[0]} twice"
        value = number_text(found.walk.values[tie.gate]) if found.walk else ""
        lines.append(
            f"Tie: {who} are both {value} in {graph.formula(tie.gate)}; {TIES[found.ties]} (--ties {found.ties})."
        )
    return lines


def rule_line(found: Derivation) -> str:
    """The rule for ties, where an expression has routers that could have one."""
    extremes = [n for n in found.graph.gates if found.graph.nodes[n].operation in ("max", "min")]
    return f"Ties: {TIES[found.ties]} (--ties {found.ties})." if extremes else ""


def _counted(steps: Sequence[Arrow]) -> list[tuple[int, Arrow]]:
    """Each step with how many of the same gate came before it."""
    counts: dict[int, int] = {}
    numbered = []
    for arrow in steps:
        numbered.append((counts.get(arrow.gate, 0), arrow))
        counts[arrow.gate] = counts.get(arrow.gate, 0) + 1
    return numbered


def _position(found: Derivation, arrow: Arrow, place: int) -> int:
    """Which input of its gate a step leads to: steps to constants are not taken."""
    active = found.graph.behind(found.graph.leaves)
    return [i for i, n in enumerate(found.graph.nodes[arrow.gate].inputs) if n in active][place]


def _difference(one: Compared | None) -> str:
    if one is None:
        return ""
    if one.verdict == "kink" and one.sides is not None:
        return f"kink: {number_text(one.sides[0])} | {number_text(one.sides[1])}"
    return number_text(one.numeric) if one.verdict != "unclear" else "unclear"


def _not_good(found: Derivation, one: Compared) -> str:
    name = found.graph.labels[one.node]
    if one.verdict == "kink" and one.sides is not None and one.gate is not None:
        left, right = (number_text(round(side, 6)) for side in one.sides)
        return (
            f"{name} is at a kink of {found.graph.formula(one.gate)} (slope {left} to the left, {right} to the right)"
        )
    if one.verdict == "unclear":
        return f"{name} is beyond what differences resolve here"
    return f"{name} DIFFERS: {number_text(one.analytic)} against {number_text(one.numeric)} by differences"
