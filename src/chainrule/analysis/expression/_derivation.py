"""What a walk-through found: the numbers, the formulas, and how both were checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from chainrule.analysis.expression._check import Compared
from chainrule.analysis.expression._graph import Graph
from chainrule.analysis.expression._numbers import Walk
from chainrule.formulas.graph import Ties

if TYPE_CHECKING:
    from markupsafe import Markup

    from chainrule.analysis.expression._regions import Case
    from chainrule.analysis.expression._symbols import Expr, Formulas, Terms
    from chainrule.analysis.expression._writer import Writer
    from chainrule.draw.table import Table

MOST_CASES: Final = 6
"""Cases that are shown as cases; more are shown as the sum that they come from."""
FORMULA_TOLERANCE: Final = 1e-9


class Row(NamedTuple):
    """One line of a derivative: what it is, where, and whether the point is there."""

    formula: str
    condition: str
    here: bool = False


@dataclass(frozen=True)
class Derivative:
    """One derivative in symbols.

    Args:
        graph: The gates.
        values: The formula of each node.
        node: The derivative is with respect to this.
        terms: A sum: each formula counts where its choices are made.
        cases: The same as cases; None where they are too many.
    """

    graph: Graph
    values: Mapping[int, Expr]
    node: int
    terms: Terms
    cases: tuple[Case, ...] | None

    @property
    def name(self) -> str:
        """What it is with respect to."""
        return self.graph.labels[self.node]

    @property
    def kind(self) -> Literal["formula", "cases", "sum"]:
        """One formula, cases, or a sum of terms each with its condition."""
        if self.cases is None or len(self.cases) > MOST_CASES:
            return "sum"
        return "cases" if len(self.cases) > 1 else "formula"

    @property
    def text(self) -> str:
        """The derivative on one line."""
        from chainrule.analysis.expression._writer import Text, Writer

        rows = self.rows(Writer(Text()))
        joint = " + " if self.kind == "sum" else "; "
        words = [_sentence(row, self.kind) for row in rows]
        return joint.join(words)

    def rows(self, writer: Writer, walk: Walk | None = None) -> list[Row]:
        """The lines of the derivative; of a sum the terms."""
        from chainrule.analysis.expression._conditions import box_relations, condition_text, guard_relations

        if self.kind == "sum":
            return [
                Row(writer.write(formula), condition_text(writer, [guard_relations(self.graph, self.values, guard)]),
                    walk is not None and all(_passes(self.graph, walk, *choice) for choice in guard))
                for guard, formula in self.terms.items()
            ]  # fmt: skip
        rows = []
        for place, case in enumerate(self.cases or ()):
            last = place == len(self.cases or ()) - 1
            relations = [box_relations(self.graph, self.values, box) for box in case.boxes]
            condition = "otherwise" if last and place and case.formula == 0 else condition_text(writer, relations)
            rows.append(Row(writer.write(case.formula), condition, walk is not None and self.holds(case, walk)))
        return rows

    def here(self, walk: Walk) -> Expr:
        """The derivative in the region of a point."""
        import sympy

        from chainrule.analysis.expression._simplify import shortest

        return shortest(
            sympy.Add(*(one for guard, one in self.terms.items() if all(_passes(self.graph, walk, *c) for c in guard)))
        )

    def holds(self, case: Case, walk: Walk) -> bool:
        """Whether a case is that of a point."""

        def holds(router: int, chosen: frozenset[int], excluded: frozenset[int]) -> bool:
            through = [
                choice for choice in chosen | excluded if choice >= 0 and _passes(self.graph, walk, router, choice)
            ]
            return through[0] in chosen if through else -1 in chosen

        return not case.boxes or any(all(holds(*choice) for choice in box.choices) for box in case.boxes)


@dataclass(frozen=True)
class Derivation:
    """Backpropagation through an expression, step by step.

    Args:
        graph: The gates.
        start: Nodes where the way back begins, with the gradient that arrives there: a number or a symbol's name.
        wrt: The nodes whose derivatives were asked for.
        ties: Who wins where the largest of a max is there twice.
        given: The values that were given, by name.
        walk: The way forward and back in numbers; None where a value is missing.
        trial: A walk at a point of our own, for the check alone, where values are missing.
        compared: Each gradient against finite differences.
        derivatives: Each derivative in symbols; empty where they would be too long.
        formulas: What the derivatives were made of.
        formula_error: How far the formulas are from the gradients in numbers, as a relative error.
    """

    graph: Graph
    start: Mapping[int, float | str]
    wrt: tuple[int, ...]
    ties: Ties = "first"
    given: Mapping[str, float] = field(default_factory=dict)
    walk: Walk | None = None
    trial: Walk | None = None
    compared: tuple[Compared, ...] = ()
    derivatives: tuple[Derivative, ...] = ()
    formulas: Formulas | None = None
    formula_error: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The names without a value: with any there are formulas, and no numbers."""
        leaves = [self.graph.labels[n] for n in self.graph.leaves]
        symbols = [one for one in dict.fromkeys(self.start.values()) if isinstance(one, str)]
        return tuple(name for name in [*leaves, *symbols] if name not in self.given)

    @property
    def gradients(self) -> dict[str, float]:
        """The gradient of each name asked for, in numbers; empty where a value is missing."""
        if self.walk is None:
            return {}
        return {self.graph.labels[n]: self.walk.gradients[n] or 0.0 for n in self.wrt}

    @property
    def agrees(self) -> bool:
        """Whether differences and formulas found nothing wrong."""
        wrong = any(one.verdict == "differs" for one in self.compared)
        return not wrong and (self.formula_error is None or self.formula_error <= FORMULA_TOLERANCE)

    @property
    def result(self) -> str:
        """What is derived: the name of the output, or L where the way back begins elsewhere."""
        first = next(iter(self.start))
        return self.graph.labels[first] if list(self.start.values()) == [1.0] else self._free("L")

    @property
    def writer(self) -> Writer:
        """Writes the formulas as text, sigmoids by a short name."""
        from chainrule.analysis.expression._writer import Text, Writer

        return Writer(Text(), self.sigmas)

    @property
    def sigmas(self) -> dict[Expr, str]:
        """sigmoid(s) -> sigma, for every sigmoid in the derivatives."""
        if not self.derivatives:
            return {}
        from chainrule.analysis.expression._writer import sigmas

        formulas = [one for found in self.derivatives for one in found.terms.values()]
        formulas += [case.formula for found in self.derivatives for case in found.cases or ()]
        return sigmas(formulas, [*self.graph.names, *self.graph.labels])

    def formulas_against(self, walk: Walk) -> float | None:
        """The largest relative error of a formula, computed at the point of a walk; None without formulas."""
        if not self.derivatives:
            return None
        from chainrule.analysis.expression._symbol_check import compute_terms

        values = dict(zip(self.graph.labels, walk.values, strict=True))
        values |= {one: walk.start[n] for n, one in self.start.items() if isinstance(one, str)}
        worst = 0.0
        for one in self.derivatives:
            gradient = walk.gradients[one.node] or 0.0
            passes = {c: passed(self.graph, walk, *c, self.ties) for guard in one.terms for c in guard}
            found = [compute_terms(one.terms, values, passes)]
            if self.ties == "first" and not _on_sign(self.graph, walk, one):
                here = [case for case in one.cases or () if one.holds(case, walk)]
                found += [compute_terms({frozenset(): case.formula}, values, {}) for case in here]
            floor = max(1e-12 * _largest(walk), 1e-300)
            worst = max(worst, *(abs(gradient - value) / max(abs(gradient), abs(value), floor) for value in found))
        return worst

    def latex(self) -> str:
        """The derivation as LaTeX: gates, steps back, derivatives. Needs amsmath alone."""
        from chainrule.analysis.expression._latex import latex

        return latex(self)

    def svg(self) -> str:
        """The graph as a picture: values above the edges, gradients below."""
        from chainrule.analysis.expression._picture import picture

        return picture(self)

    def html(self) -> str:
        """A whole page: picture, steps, derivatives, LaTeX."""
        from chainrule.analysis.expression._page import page

        return page(self)

    @property
    def table(self) -> Table:
        """The gates: what each computes, its value, and the gradient that arrives."""
        from chainrule.analysis.expression._tables import gate_table

        return gate_table(self)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        from chainrule.analysis.expression._plain import plain

        return plain(self)

    def _free(self, name: str) -> str:
        while name in self.graph.names or name in self.graph.labels:
            name += "_"
        return name

    def _repr_html_(self) -> Markup:
        from chainrule.analysis.expression._page import fragment

        return fragment(self)

    def __str__(self) -> str:
        from chainrule.analysis.expression._terminal import plain_lines

        return plain_lines(self)


def passed(graph: Graph, walk: Walk, router: int, choice: int, ties: Ties) -> float:
    """What a router lets through from one input: all, nothing, or a share of a tie."""
    node = graph.nodes[router]
    if node.operation in ("relu", "abs"):
        value = walk.values[node.inputs[0]]
        return float(value > 0) if choice == 0 else float(value < 0)
    winners = [i for i, n in enumerate(node.inputs) if walk.values[n] == walk.values[router]]
    if choice not in winners:
        return 0.0
    return 1 / len(winners) if ties == "shared" else float(winners[0] == choice)


def _passes(graph: Graph, walk: Walk, router: int, choice: int) -> bool:
    return passed(graph, walk, router, choice, "first") > 0


def _on_sign(graph: Graph, walk: Walk, one: Derivative) -> bool:
    """Whether the argument of an abs is 0: no case holds there."""
    routers = {router for guard in one.terms for router, _ in guard}
    return any(graph.nodes[n].operation == "abs" and walk.values[n] == 0 for n in routers)


def _largest(walk: Walk) -> float:
    """The largest gradient on the way: what cancels to less than its rounding is no error."""
    return max((abs(gradient) for gradient in walk.gradients if gradient is not None), default=1.0)


def _sentence(row: Row, kind: str) -> str:
    if not row.condition:
        return row.formula
    if row.condition == "otherwise":
        return f"otherwise {row.formula}"
    return f"[{row.formula} if {row.condition}]" if kind == "sum" else f"{row.formula} if {row.condition}"
