"""The graph as the lectures draw it: the value above each edge, the gradient that comes back below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chainrule.analysis.expression._numbers import Arrow, role
from chainrule.core.errors import UsageError
from chainrule.draw.graph import GraphEdge, GraphNode, graph_svg
from chainrule.draw.wording import number_text

if TYPE_CHECKING:
    from markupsafe import Markup

    from chainrule.analysis.expression._derivation import Derivation

TONES: Final = {"distributor": 2, "switcher": 3, "router": 5}
"""The color of each role, as its number in the palette's series."""
MOST_GATES: Final = 400


def picture(found: Derivation, *, standalone: bool = True) -> Markup:
    """Draw the graph.

    Args:
        found: The derivation.
        standalone: Whether the picture is a file of its own.

    Raises:
        UsageError: The graph has more gates than a picture can show.
    """
    graph = found.graph
    if len(graph.gates) > MOST_GATES:
        raise UsageError(
            "the graph is too large for a picture", expected=f"at most {MOST_GATES} gates", got=len(graph.gates)
        )
    wanted = graph.before(list(found.start))
    nodes = [_node(found, n) for n in sorted(wanted)]
    nodes += [GraphNode(f"start {n}", [_end(found, n)], round=True, quiet=True) for n in found.start]
    edges = []
    for n in sorted(wanted):
        arrows = [arrow for arrow in (found.walk.arrows if found.walk else ()) if arrow.gate == n]
        for i in graph.nodes[n].inputs:
            back = next((arrow for arrow in arrows if arrow.target == i), None)
            arrows = [arrow for arrow in arrows if arrow is not back]
            edges.append(
                GraphEdge(
                    str(i), str(n), _value(found, i), number_text(back.gives) if back else "", _title(found, i, n, back)
                )
            )
    for n, given in found.start.items():
        below = (
            given
            if isinstance(given, str) and found.walk is None
            else number_text(found.walk.start[n] if found.walk else given)
        )
        edges.append(GraphEdge(str(n), f"start {n}", _value(found, n), below))
    caption = f"The graph of {graph.text}: values above the edges, gradients below"
    return graph_svg(nodes, edges, caption=caption, standalone=standalone)


def _node(found: Derivation, n: int) -> GraphNode:
    graph, node = found.graph, found.graph.nodes[n]
    label = graph.labels[n]
    if node.operation == "constant":
        return GraphNode(str(n), [label], round=True, quiet=True)
    if not node.inputs:
        gradient = found.walk.gradients[n] if found.walk is not None else None
        lines = [label] if gradient is None else [label, f"gradient {number_text(gradient)}"]
        return GraphNode(str(n), lines, round=True)
    name = role(graph, n)
    return GraphNode(
        str(n),
        [graph.formula(n), label],
        TONES.get(name),
        title=f"{label} = {graph.formula(n)}" + (f": {name}" if name else ""),
    )


def _end(found: Derivation, n: int) -> str:
    return "result" if len(found.start) == 1 and found.start[n] == 1.0 else f"d{found.result}/d{found.graph.labels[n]}"


def _value(found: Derivation, n: int) -> str:
    if found.walk is None or found.graph.nodes[n].operation == "constant":
        return ""
    return number_text(found.walk.values[n])


def _title(found: Derivation, i: int, n: int, back: Arrow | None) -> str:
    if back is None:
        return ""
    one, other = found.graph.labels[n], found.graph.labels[i]
    local, upstream, gives = (number_text(x) for x in (back.local, back.upstream, back.gives))
    return f"back to {other}: d{one}/d{other} * upstream = {local} * {upstream} = {gives}"
