"""A derivation as a page of its own, and as a piece for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from chainrule.analysis.expression._picture import MOST_GATES, picture
from chainrule.analysis.expression._tables import back_table, gate_table, gradient_table, rule_line, tie_lines, verdict
from chainrule.core.version import __version__
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.palette import css_variables
from chainrule.draw.table import Column, Table, table_html

if TYPE_CHECKING:
    from chainrule.analysis.expression._derivation import Derivation

_KEY = (
    "Above each edge the value that goes forward, below it the gradient that comes back. A border tells the role: teal "
    "adds and distributes, plum multiplies and switches, violet chooses and routes. What is used twice is copied: its "
    "gradients add up."
)
_BACKWARD = "Upstream gradient times local derivative, at every gate."


def page(found: Derivation) -> str:
    """Return a whole HTML page."""
    head = render(
        "head.html", kind="backpropagation", name=_short(found.graph.text), status="", tone="", alarm="", cards=[],
        subtitle=[f"{name} = {value:.6g}" for name, value in list(found.given.items())[:12]],
    )  # fmt: skip
    parts = []
    if 0 < len(found.graph.gates) <= MOST_GATES:
        drawn = Markup('<div class="scroll">{}</div>').format(picture(found, standalone=False))
        parts.append(Part("graph", "Graph", drawn, _KEY, ("C1",)))
    parts += [
        Part("forward", "Forward", table_html(gate_table(found)), "What each gate computes."),
        Part("backward", "Backward", table_html(back_table(found)), _BACKWARD, ("C1", "C2")),
        Part("derivatives", "Derivatives", _derivatives(found), verdict(found), ("C2", "C3")),
    ]  # fmt: skip
    if found.derivatives:
        parts.append(Part("latex", "LaTeX", render("code.html", text=found.latex(), label="LaTeX", highlighted=None)))
    foot = render("foot.html", absent=[], lectures=[], version=__version__, made="the expression")
    return page_html(_short(found.graph.text), head, parts, foot=foot)


def fragment(found: Derivation) -> Markup:
    """Return the graph and the tables for a notebook."""
    parts = []
    if 0 < len(found.graph.gates) <= MOST_GATES:
        parts.append(
            Markup('<div style="overflow:auto;{}">{}</div>').format(
                css_variables("light"), picture(found, standalone=False)
            )
        )
    parts += [table_html(back_table(found)), _derivatives(found), Markup("<p>{}</p>").format(verdict(found))]
    return Markup("").join(parts)


def formula_table(found: Derivation) -> Table:
    """The derivatives in symbols, a row for each case or term."""
    rows = []
    for one in found.derivatives:
        name = f"d{found.result}/d{one.name}"
        for place, row in enumerate(one.rows(found.writer, found.walk)):
            sign = "+ " if one.kind == "sum" and place else ""
            words = row.condition if row.condition in ("", "otherwise") else f"if {row.condition}"
            rows.append(
                [name if not place else "", sign + row.formula, words + (" (here)" if row.here and words else "")]
            )
        if not one.terms:
            rows.append([name, "0", ""])
    rows += [
        [f"where {name}", str(found.writer.style.function("sigmoid", [_inside(found, one)])), ""]
        for one, name in found.sigmas.items()
    ]
    return Table("Derivatives in symbols", [Column("derivative"), Column("formula"), Column("where")], rows)


def _inside(found: Derivation, sigmoid: object) -> str:
    from chainrule.analysis.expression._writer import Text, Writer

    return Writer(Text()).write(sigmoid.args[0])  # type: ignore[attr-defined]


def _derivatives(found: Derivation) -> Markup:
    parts = [table_html(gradient_table(found))] if found.walk is not None else []
    if found.derivatives:
        parts.append(table_html(formula_table(found)))
    lines = [*tie_lines(found), *([rule_line(found)] if rule_line(found) else [])]
    parts += [Markup('<p class="note">{}</p>').format(line) for line in lines]
    return Markup("").join(parts)


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= 120 else one[:119] + "…"
