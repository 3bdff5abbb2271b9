"""The walk-through of backpropagation for an expression: gate by gate, in numbers and in symbols. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.expression._derivation import Derivation as Derivation
    from chainrule.analysis.expression._derive import derive as derive
    from chainrule.analysis.expression._graph import Graph as Graph
    from chainrule.analysis.expression._graph import build_graph as build_graph
    from chainrule.analysis.expression._language import parse as parse

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Derivation": "_derivation",
        "Graph": "_graph",
        "build_graph": "_graph",
        "derive": "_derive",
        "parse": "_language",
    },
)
