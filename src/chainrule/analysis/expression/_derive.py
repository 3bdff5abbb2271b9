"""From a text to its derivation: numbers, formulas, and the checks of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.analysis.expression._check import compare
from chainrule.analysis.expression._derivation import Derivation, Derivative
from chainrule.analysis.expression._graph import Graph, build_graph
from chainrule.analysis.expression._numbers import Walk, walk
from chainrule.analysis.expression._point import At, leaf_values, read_given, start_values
from chainrule.core.errors import UsageError
from chainrule.formulas.graph import Ties

_ATTEMPTS = 12
"""Random points that are tried for the check where no values are given."""


def derive(
    text: str,
    at: At = None,
    *,
    upstream: At = None,
    wrt: str | Sequence[str] = (),
    in_terms_of: str | Sequence[str] = (),
    ties: Ties = "first",
) -> Derivation:
    """Walk through backpropagation for an expression.

    downstream gradient = local derivative * upstream gradient, at every gate from the output to the leaves.

    Args:
        text: Statements in the language of `docs/backprop.md`: `x = u*u; y = 3*u; z = x*y + sin(y)`.
        at: Values of the leaves, `"w0=2, x=[1, 2]"` or a mapping. Without a value for each there are formulas only.
        upstream: Gradients that arrive from outside, `"v1=d1, v2=2"`, where the walk starts from named intermediates
            or several outputs; they add up. Without it, 1 at the last statement.
        wrt: The names whose derivatives are wanted; all leaves without it.
        in_terms_of: Intermediates that keep their names in the formulas.
        ties: Who wins where the largest of a max is there twice: `first` (torch's `max(dim)` and max pooling) or
            `shared` (`amax`, `maximum`, `max()` of all).

    Returns:
        The derivation: it shows itself in a terminal and in a notebook.

    Raises:
        UsageError: The text, a name or a value is wrong, or a gate has no finite value at the point.

    Example:
        >>> found = derive("f = (x + y)*z", at={"x": -2, "y": 5, "z": -4})
        >>> found.gradients
        {'x': -4.0, 'y': -4.0, 'z': 3.0}
        >>> [one.text for one in derive("v = max(z1, z2, 0)", upstream="v=d", wrt="z1").derivatives]
        ['d if z1 = max(z1, z2, 0); otherwise 0']

    Source:
        LECTURES C1, C2.
    """
    if ties not in ("first", "shared"):
        raise UsageError("ties are settled in one of two ways", expected="first or shared", got=ties)
    given, begins = read_given(at, "--at"), read_given(upstream, "--upstream", names=True)
    graph = build_graph(text, {name: len(value) for name, value in given.items() if isinstance(value, tuple)})
    start = start_values(graph, begins)
    symbols = {name for name in start.values() if isinstance(name, str)}
    outside = {name: float(given.pop(name)) for name in symbols & set(given)}  # type: ignore[arg-type]
    point = leaf_values(graph, given)
    nodes = _nodes(graph, wrt, "--wrt") or graph.leaves
    if not nodes:
        raise UsageError("there is nothing to derive: the expression has no names", remedy='write one: "w*x + b"')
    found = Derivation(graph, start, nodes, ties, {**{graph.labels[n]: value for n, value in point.items()}, **outside})
    numbers = None
    if not found.missing:
        numbers = walk(graph, point, _numeric(start, outside), ties)
        found = replace(found, walk=numbers, compared=compare(graph, numbers, nodes))
    found = _with_formulas(found, _nodes(graph, in_terms_of, "--in-terms-of"))
    trial = numbers or _trial(graph, point, start, outside, ties)
    if numbers is None and trial is not None:
        found = replace(found, trial=trial, compared=compare(graph, trial, nodes))
    return found if trial is None else replace(found, formula_error=found.formulas_against(trial))


def _nodes(graph: Graph, names: str | Sequence[str], what: str) -> tuple[int, ...]:
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else [str(name) for name in names]
    nodes = [n for name in wanted if name for n in graph.find(name, what=what)]
    return tuple(n for n in dict.fromkeys(nodes) if graph.nodes[n].operation != "constant")


def _numeric(start: Mapping[int, float | str], outside: Mapping[str, float]) -> dict[int, float]:
    return {n: outside[one] if isinstance(one, str) else one for n, one in start.items()}


def _with_formulas(found: Derivation, named: Sequence[int]) -> Derivation:
    import sympy

    from chainrule.analysis.expression._regions import cases
    from chainrule.analysis.expression._symbols import TooLong, formulas, symbol

    start = {n: symbol(one) if isinstance(one, str) else sympy.nsimplify(one) for n, one in found.start.items()}
    try:
        symbols = formulas(found.graph, start, found.wrt, [*named, *found.wrt])
    except TooLong:
        return found
    derivatives = []
    for n in found.wrt:
        terms = symbols.derivatives[n]
        derivatives.append(Derivative(found.graph, symbols.values, n, terms, cases(found.graph, symbols.values, terms)))
    return replace(found, formulas=symbols, derivatives=tuple(derivatives))


def _trial(
    graph: Graph,
    point: Mapping[int, float],
    start: Mapping[int, float | str],
    outside: Mapping[str, float],
    ties: Ties,
) -> Walk | None:
    """A walk at a point of our own, where all has finite values; None if there is none among a few."""
    rng = np.random.default_rng(0)
    for attempt in range(_ATTEMPTS):
        spread = (0.5, 1.5) if attempt < _ATTEMPTS // 2 else (-2.0, 2.0)
        leaves = {n: point.get(n, float(rng.uniform(*spread))) for n in graph.leaves}
        names = [one for one in start.values() if isinstance(one, str)]
        try:
            return walk(
                graph,
                leaves,
                _numeric(start, {name: float(rng.uniform(*spread)) for name in names} | dict(outside)),
                ties,
            )
        except UsageError:
            continue
    return None
