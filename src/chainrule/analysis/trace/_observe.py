"""Forward: what is noted right after each operation, before a later one can change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from chainrule.analysis._tape import Operation, Tape, Value
from chainrule.analysis.trace._names import Names, made_by
from chainrule.analysis.trace._statistics import Shelf, Statistics, statistics_of
from chainrule.core.errors import UsageError

Edge = tuple[Node, int]
"""Where a value stands in autograd's graph: the node whose n-th result it is."""


@dataclass
class Observer:
    """Watches a call.

    Args:
        names: Gives names to values.
        before: id of a tensor -> what a leaf held before the call.
        early: id of a tensor -> its place in autograd's graph before the call.
        shelf: Where values are kept.
    """

    names: Names
    before: Mapping[int, Tensor]
    early: Mapping[int, Edge]
    shelf: Shelf
    statistics: dict[int, Statistics | None] = field(default_factory=dict)
    edges: dict[int, Edge] = field(default_factory=dict)
    moved: dict[int, list[Edge]] = field(default_factory=dict)  # value -> edges that autograd gave it later
    refused: dict[int, str] = field(default_factory=dict)  # value -> why autograd has no edge for it
    cut: dict[int, str] = field(default_factory=dict)  # value -> the operation at which its gradient ends
    detached: dict[int, str] = field(default_factory=dict)  # operation -> how it cuts the gradient off
    owner: dict[Node, int] = field(default_factory=dict)  # node of autograd's graph -> the operation that made it
    seen: int = 0

    def __call__(self, operation: Operation, tape: Tape) -> None:
        """Note what an operation made."""
        self.leaves(tape, operation)
        self._follow_views(operation, tape)
        self.names.operation(operation, tape)
        made = made_by(operation, tape)
        for i in made:
            self._value(tape.values[i], tape.values[i].tensor)
        self._follow_detached(operation, tape, made)
        self._own(operation, [self.edges[i][0] for i in made if i in self.edges])
        self.seen = len(tape.values)

    def leaves(self, tape: Tape, operation: Operation | None = None) -> None:
        """Note the values that no operation made."""
        for value in tape.values[self.seen :]:
            if value.operation is not None:
                continue
            self.names.leaf(value, operation)
            held = self.before.get(id(value.tensor))
            changed = operation is not None and any(
                tape.values[i].tensor is value.tensor for i in made_by(operation, tape)
            )
            # A tensor from nowhere that was changed by the very first operation on it: nobody knows what it held.
            self._value(value, value.tensor if held is None and not changed else held)
            if id(value.tensor) in self.early:
                self.edges[value.index] = self.early[id(value.tensor)]
            elif changed and self.edges.pop(value.index, None) is not None:
                self.refused[value.index] = "it was changed in place before it could be seen"
        self.seen = len(tape.values)

    def _value(self, value: Value, contents: Tensor | None) -> None:
        name = self.names.values[value.index]
        if value.dtype.is_complex:
            raise UsageError(
                f"{name} is complex", expected="real numbers", got=value.dtype, remedy="take real and imaginary parts"
            )
        self.statistics[value.index] = None if contents is None else statistics_of(contents)
        if contents is not None:
            self.shelf.put(name, contents)
        try:
            if value.tensor.requires_grad:
                self.edges[value.index] = edge_of(value.tensor)
        except RuntimeError as error:  # a view whose memory was changed in a way that autograd forbids
            self.refused[value.index] = str(error).split(". ")[0]

    def _follow_views(self, operation: Operation, tape: Tape) -> None:
        """A view of memory that was changed elsewhere holds what it held, but autograd makes its node anew."""
        for i in dict.fromkeys(operation.inputs):
            tensor = tape.values[i].tensor
            newer = any(tape.values[j].tensor is tensor for j in made_by(operation, tape))
            if i not in self.edges or tensor._base is None or newer:
                continue
            edge = edge_of(tensor)
            if edge not in [self.edges[i], *self.moved.get(i, [])]:
                self.moved.setdefault(i, []).append(edge)
                self._own_nodes(tape.values[i].operation, [edge[0]])

    def _follow_detached(self, operation: Operation, tape: Tape, made: list[int]) -> None:
        """Find out where a gradient ends: values that could carry one and do not, although an input did."""
        lost = [
            i for i in made if tape.values[i].dtype.is_floating_point and i not in self.edges and i not in self.refused
        ]
        name = self.names.operations[operation.index]
        if not lost:
            return
        if any(i in self.edges for i in operation.inputs) and not _only_buffers(lost, tape):
            block = not torch.is_grad_enabled() and operation.function != "detach"
            self.detached[operation.index] = "in a no_grad block" if block else ""
            self.cut |= dict.fromkeys(lost, name)
        elif earlier := [self.cut[i] for i in operation.inputs if i in self.cut]:
            self.cut |= dict.fromkeys(lost, earlier[0])

    def _own(self, operation: Operation, nodes: list[Node]) -> None:
        """All nodes behind the results that are new belong to this operation, also those in the middle of it."""
        for i in operation.inputs:
            if i in self.edges:  # nodes of leaves that were made outside of the call
                self.owner.setdefault(self.edges[i][0], -1)
        self._own_nodes(operation.index, nodes)

    def _own_nodes(self, operation: int | None, nodes: list[Node]) -> None:
        while nodes:
            node = nodes.pop()
            if node in self.owner:
                continue
            self.owner[node] = -1 if operation is None or hasattr(node, "variable") else operation
            if self.owner[node] >= 0:
                nodes += [next_node for next_node, _ in node.next_functions if next_node is not None]


def edge_of(tensor: Float[Tensor, "*shape"]) -> Edge:
    """The place of a tensor that requires a gradient.

    Raises:
        RuntimeError: It is a view whose memory was changed in a way that autograd forbids.
    """
    with torch.enable_grad():
        edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def as_edges(edges: list[Edge]) -> list[GradientEdge]:
    """In torch's form."""
    return [GradientEdge(node, number) for node, number in edges]


def _only_buffers(values: list[int], tape: Tape) -> bool:
    """Whether these are running statistics, which are updated beside the gradient's path."""
    buffers = {id(value.tensor) for value in tape.values if value.kind == "buffer"}
    return all(id(tape.values[i].tensor) in buffers for i in values)
