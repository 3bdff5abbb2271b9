"""A derivation as plain data, for `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.analysis.expression._numbers import role
from chainrule.analysis.expression._tables import TIES, verdict

if TYPE_CHECKING:
    from chainrule.analysis.expression._derivation import Derivation


def plain(found: Derivation) -> dict[str, Any]:
    """Everything as numbers, texts and lists; None where a value is missing."""
    graph, walk = found.graph, found.walk
    labels = graph.labels
    return {
        "expression": graph.text,
        "values": dict(found.given),
        "missing": list(found.missing),
        "upstream": {labels[n]: one for n, one in found.start.items()},
        "ties": {
            "rule": found.ties,
            "means": TIES[found.ties],
            "at_this_point": [
                {"gate": labels[tie.gate], "winners": [labels[n] for n in tie.winners]}
                for tie in (walk.ties if walk else ())
            ],
        },
        "forward": [
            {
                "gate": labels[n],
                "operation": graph.nodes[n].operation,
                "inputs": [labels[i] for i in graph.nodes[n].inputs],
                "formula": graph.formula(n),
                "value": walk.values[n] if walk else None,
                "role": role(graph, n) or None,
            }
            for n in graph.gates
        ],
        "backward": [
            {
                "gate": labels[one.gate],
                "to": labels[one.target],
                "upstream": one.upstream,
                "local": one.local,
                "gives": one.gives,
            }
            for one in (walk.arrows if walk else ())
        ],
        "gradients": found.gradients or None,
        "derivatives": [
            {
                "name": one.name,
                "kind": one.kind,
                "text": one.text,
                "rows": [
                    {"formula": row.formula, "condition": row.condition, "here": row.here if walk else None}
                    for row in one.rows(_writer(), walk)
                ],
            }
            for one in found.derivatives
        ],
        "check": {
            "verdict": verdict(found),
            "agrees": found.agrees if found.compared else None,
            "at": "the point" if walk else "a random point",
            "formula_error": found.formula_error,
            "gradients": [
                {
                    "name": labels[one.node],
                    "analytic": one.analytic,
                    "numeric": one.numeric,
                    "relative_error": one.error,
                    "verdict": one.verdict,
                    "sides": None if one.sides is None else list(one.sides),
                    "kink": None if one.gate is None else labels[one.gate],
                }
                for one in found.compared
            ],
        },
    }


def _writer() -> Any:
    from chainrule.analysis.expression._writer import Text, Writer

    return Writer(Text())
