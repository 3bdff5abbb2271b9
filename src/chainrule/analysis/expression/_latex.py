"""A derivation as LaTeX: what each gate computes, each step back, and the derivatives with their cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.analysis.expression._tables import arrows
from chainrule.draw.wording import number_text

if TYPE_CHECKING:
    from chainrule.analysis.expression._derivation import Derivation, Derivative
    from chainrule.analysis.expression._numbers import Arrow
    from chainrule.analysis.expression._writer import Writer


def latex(found: Derivation) -> str:
    r"""Return three pieces of LaTeX, each an `align*` of its own, for a document with amsmath.

    Example:
        >>> from chainrule.analysis.expression import derive
        >>> print(latex(derive("f = w*x")).splitlines()[2])
        f &= w x
    """
    from chainrule.analysis.expression._writer import Latex, Writer

    plain, short = Writer(Latex()), Writer(Latex(), found.sigmas)
    pieces = [("forward", _forward(found, plain)), ("backward", _backward(found, plain))]
    if found.derivatives:
        lines = [line for one in found.derivatives for line in _derivative(found, one, short)]
        lines += [
            f"\\text{{where }} {plain.style.name(name)} &= {plain.write(one)}" for one, name in found.sigmas.items()
        ]
        pieces.append(("derivatives", lines))
    return "\n".join(f"% {title}\n" + _align(lines) for title, lines in pieces if lines)


def _align(lines: Sequence[str]) -> str:
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def _forward(found: Derivation, writer: Writer) -> list[str]:
    from chainrule.analysis.expression._symbols import gate_formula

    lines = []
    for n in found.graph.gates:
        value = f" = {_number(found.walk.values[n])}" if found.walk is not None else ""
        lines.append(
            f"{writer.style.name(found.graph.labels[n])} &= {writer.write(gate_formula(found.graph, n))}{value}"
        )
    return lines


def _backward(found: Derivation, writer: Writer) -> list[str]:
    arriving: dict[int, list[Arrow]] = {}
    for arrow in arrows(found):
        arriving.setdefault(arrow.target, []).append(arrow)
    order = [
        *found.start,
        *(n for n in reversed(range(len(found.graph.nodes))) if n in arriving and n not in found.start),
    ]
    lines = []
    for n in order:
        parts = [_given(found, n, writer)] if n in found.start else []
        seen: dict[int, int] = {}
        for arrow in arriving.get(n, []):
            inputs = [i for i, one in enumerate(found.graph.nodes[arrow.gate].inputs) if one == n]
            position = inputs[seen.get(arrow.gate, 0)]
            seen[arrow.gate] = seen.get(arrow.gate, 0) + 1
            parts.append(f"{_fraction(found, arrow.gate, writer)} \\cdot {_local(found, arrow.gate, position, writer)}")
        total = found.walk.gradients[n] if found.walk is not None else None
        value = f" = {_number(total)}" if total is not None and (len(parts) > 1 or n not in found.start) else ""
        lines.append(f"{_fraction(found, n, writer)} &= {' + '.join(parts)}{value}")
    return lines


def _given(found: Derivation, n: int, writer: Writer) -> str:
    given = found.start[n]
    return writer.style.name(given) if isinstance(given, str) else _number(given)


def _local(found: Derivation, n: int, position: int, writer: Writer) -> str:
    from chainrule.analysis.expression._symbols import local_formula

    formula = local_formula(found.graph, n, position)
    if formula is None:  # a router: which input wins
        node = found.graph.nodes[n]
        name = writer.style.name(found.graph.labels[node.inputs[position]])
        if node.operation == "abs":
            return f"\\operatorname{{sign}}({name})"
        won = f"{name} > 0" if node.operation == "relu" else f"{name} = {writer.style.name(found.graph.labels[n])}"
        return f"[{won}]"
    text = writer.write(formula)
    return f"\\left({text}\\right)" if formula.is_Add or text.startswith("-") else text


def _derivative(found: Derivation, one: Derivative, writer: Writer) -> list[str]:
    rows = one.rows(writer)
    name = _fraction(found, one.node, writer)
    if not rows:
        return [f"{name} &= 0"]
    if one.kind == "formula":
        return [f"{name} &= {rows[0].formula}"]
    if one.kind == "sum":
        return [
            f"{name if not place else ''} &{'=' if not place else '+'} {row.formula}"
            + (f" \\cdot [{row.condition}]" if row.condition else "")
            for place, row in enumerate(rows)
        ]
    words = [f"{row.formula} & \\text{{{row.condition}}}" if row.condition == "otherwise"
             else f"{row.formula} & \\text{{if }} {row.condition}" for row in rows]  # fmt: skip
    return [f"{name} &= \\begin{{cases}} " + " \\\\ ".join(words) + " \\end{cases}"]


def _fraction(found: Derivation, n: int, writer: Writer) -> str:
    name = writer.style.name
    return f"\\frac{{\\partial {name(found.result)}}}{{\\partial {name(found.graph.labels[n])}}}"


def _number(value: float) -> str:
    mantissa, _, exponent = number_text(value).replace(",", "").partition("e")
    return f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if exponent else mantissa
