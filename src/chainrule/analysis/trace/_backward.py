"""Backward: one pass, with a look at every node of autograd's graph as the gradient goes through it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import Node

from chainrule.analysis.trace._observe import Edge, as_edges
from chainrule.analysis.trace._statistics import Shelf, Statistics, statistics_of

UPSTREAM = -1
"""Stands for an operation where a gradient comes from outside."""


@dataclass
class Backward:
    """What came back.

    `gradients` by edge, that is, by place in autograd's graph. `arrivals` has, for edges that gradients reach over
    several paths, each path: the operation that sent it, and its name on the shelf.
    """

    gradients: dict[Edge, Statistics] = field(default_factory=dict)
    arrivals: dict[Edge, list[tuple[int, Statistics, str]]] = field(default_factory=lambda: defaultdict(list))


def go_back(
    seeds: Sequence[tuple[Edge, Float[Tensor, "*_"]]],
    leaves: Sequence[Edge],
    owner: dict[Node, int],
    names: dict[Edge, str],
    shelf: Shelf,
    parts: Collection[Edge] = (),
) -> Backward:
    """Run the backward pass once; nothing is added to any `.grad`.

    Args:
        seeds: Edges of the outputs, and the gradients that come from above.
        leaves: Edges at which the pass ends.
        owner: Node -> the operation that made it, -1 for those made before the call.
        names: The edges of values, and the values' names on the shelf.
        shelf: Where gradients are kept.
        parts: Edges of values that have several: what arrives there is one path of several, even if alone.
    """
    found = Backward()
    ends = list(dict.fromkeys([*leaves, *_hidden_leaves(owner, leaves)]))
    if not seeds or not ends:
        return found
    coming: dict[Edge, int] = defaultdict(int)
    for node, operation in owner.items():
        for next_node, number in node.next_functions if operation >= 0 else ():
            if next_node is not None:
                coming[next_node, number] += 1
    for edge, _ in seeds:
        coming[edge] += 1
    several = {edge for edge, count in coming.items() if count > 1}.union(parts)

    def note(edge: Edge, gradient: Tensor | None) -> None:
        if gradient is not None and edge in names and edge not in found.gradients:
            found.gradients[edge] = statistics_of(gradient)
            shelf.put(names[edge], gradient)

    def arrive(edge: Edge, operation: int, gradient: Tensor | None) -> None:
        if gradient is not None and edge in names and edge in several:
            path = f"{names[edge]} <- {len(found.arrivals[edge])}"
            found.arrivals[edge].append((operation, statistics_of(gradient), path))
            shelf.put(path, gradient)

    handles = [
        handle
        for node, operation in owner.items()
        if operation >= 0
        for handle in _listen(node, operation, note, arrive)
    ]
    for edge, gradient in seeds:
        arrive(edge, UPSTREAM, gradient)
    try:
        gradients = torch.autograd.grad(
            as_edges([edge for edge, _ in seeds]),
            as_edges(ends),
            grad_outputs=[gradient for _, gradient in seeds],
            retain_graph=True,
            allow_unused=True,
        )
    finally:
        for handle in handles:
            handle.remove()
    for edge, gradient in zip(ends, gradients):
        note(edge, gradient)
    return found


def _listen(node: Node, operation: int, note: Any, arrive: Any) -> list[Any]:
    """Hooks before and after a node: what reaches its results, what it sends to each of its inputs."""

    def before(gradients: tuple[Tensor | None, ...]) -> None:
        for number, gradient in enumerate(gradients):
            note((node, number), gradient)

    def after(sent: tuple[Tensor | None, ...], _: Any) -> None:
        for edge, gradient in zip(node.next_functions, sent):
            if edge[0] is not None:
                arrive(edge, operation, gradient)

    return [node.register_prehook(before), node.register_hook(after)]


def _hidden_leaves(owner: dict[Node, int], known: Sequence[Edge]) -> list[Edge]:
    """Leaves that no recorded operation names: parameters within a compiled or scripted module."""
    nodes = {node for node, _ in known}
    return [(node, 0) for node in owner if hasattr(node, "variable") and node not in nodes]
