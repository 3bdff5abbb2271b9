"""A network as a graph: its modules and the operations between them, skips included, large ones by their blocks."""

from __future__ import annotations

from chainrule.analysis._tape import Operation, Tape
from chainrule.analysis._tape_modules import Call
from chainrule.analysis.design.network import NetworkDesign
from chainrule.draw.graph import GraphEdge, GraphNode, graph_svg

MOST = 80
"""Boxes that can be read in one picture; beyond it blocks stand for what they hold."""


def network_svg(found: NetworkDesign) -> str:
    """Draw a network as an SVG picture.

    Args:
        found: Its table.

    Returns:
        A file of its own; what is deepest and fits into 80 boxes.

    Example:
        >>> import torch
        >>> from chainrule.analysis.design import design_network
        >>> network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        >>> network_svg(design_network(network, [torch.zeros(1, 3)]))[:4]
        '<svg'
    """
    tape = found.tape
    shown = {row.operation for row in found.rows if row.operation is not None}
    deepest = max((call.depth for call in tape.calls), default=0)
    for depth in range(deepest, 0, -1):
        box = {o.index: _box(o, depth) for o in tape.operations}
        if len(set(box.values())) <= MOST:
            break
    else:
        box = {o.index: _box(o, 1) for o in tape.operations}
    nodes, edges = _graph(tape, box, shown)
    return str(graph_svg(nodes, edges, caption=f"the network {found.name}", direction="down"))


def _box(operation: Operation, depth: int) -> str:
    """The call at a depth that an operation is in; the operation itself outside of them."""
    call: Call | None = operation.call
    inside = call is not None and call.depth >= depth
    while call is not None and call.depth > depth:
        call = call.parent
    leaf = call is not None and call.depth > 0 and (inside or not list(call.module.children()))
    return f"call {call.index}" if leaf and call is not None else f"operation {operation.index}"


def _graph(tape: Tape, box: dict[int, str], shown: set[int]) -> tuple[list[GraphNode], list[GraphEdge]]:
    source: dict[int, str] = {}
    nodes: dict[str, GraphNode] = {}
    for value in tape.values:
        if value.kind == "input":
            source[value.index] = f"input {value.index}"
            nodes[source[value.index]] = GraphNode(source[value.index], [value.name, _shape(value.shape)], round=True)
    edges: dict[tuple[str, str], GraphEdge] = {}
    for operation in tape.operations:
        given = [source[i] for i in dict.fromkeys(operation.inputs) if i in source]
        results = (*operation.results, *operation.changed)
        key = box[operation.index]
        if key.startswith("operation") and operation.index not in shown and len(set(given)) == 1:
            source.update(dict.fromkeys(results, given[0]))  # a view: the arrow goes through
            continue
        if not given:
            continue
        nodes[key] = _node(key, operation, tape)
        for start in given:
            if start != key:
                edges[start, key] = GraphEdge(start, key)
        source.update(dict.fromkeys(results, key))
    return list(nodes.values()), list(edges.values())


def _node(key: str, operation: Operation, tape: Tape) -> GraphNode:
    if key.startswith("call"):
        call = tape.calls[int(key.split()[1])]
        output = tape.values[call.outputs[0]].shape if call.outputs else ()
        tone = 0 if list(call.module.parameters()) else None
        return GraphNode(key, [call.path, call.kind, _shape(output)], tone=tone)
    output = tape.values[(*operation.results, *operation.changed)[0]].shape
    return GraphNode(key, [operation.function, _shape(output)], tone=1)


def _shape(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes)) or "1"
