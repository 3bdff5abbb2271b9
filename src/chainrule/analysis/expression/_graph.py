"""From the tree of a text to the graph of its gates: every number a node of its own, vectors taken apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from chainrule.analysis.expression._language import parse, parse_assignments
from chainrule.analysis.expression._tree import Call, Index, Name, Number, Statement, Tree, Vector
from chainrule.core.errors import UsageError, unknown
from chainrule.formulas.graph import OPERATIONS, graph_forward
from chainrule.notation.source import PlacedError, Span

MOST_GATES: Final = 2_000
"""Gates of one graph: more are no picture and no table that anybody reads."""

Value: TypeAlias = int | tuple[int, ...]
"""A number's node, or those of a vector's elements."""
_SPINE = ("add", "subtract", "multiply", "divide")
_SIGNS: Final = {"add": " + ", "subtract": " - ", "multiply": "*", "divide": "/", "power": "**"}


@dataclass(frozen=True)
class Node:
    """A leaf, a constant or a gate.

    Args:
        operation: `leaf`, `constant`, or a gate of the book (`formulas/graph.py`).
        inputs: The nodes that go in, by number.
        span: Where it stands in the text.
        name: What the text calls it; empty for gates without a name.
        number: The value of a constant, or of a leaf whose value stands in the text.
        literal: A constant as it was written.
    """

    operation: str
    inputs: tuple[int, ...] = ()
    span: Span = (0, 1)
    name: str = ""
    number: float | None = None
    literal: str = ""


@dataclass(frozen=True)
class Graph:
    """What a text computes, gate by gate.

    Args:
        text: The text.
        nodes: Leaves, constants and gates, each after its inputs.
        names: What each name of the text stands for.
        output: What the last statement computes.
        labels: How tables call each node: its name, its literal, `f` for a last one without name, or `g1`, ...
    """

    text: str
    nodes: tuple[Node, ...]
    names: Mapping[str, Value]
    output: Value
    labels: tuple[str, ...] = field(default=())

    @property
    def leaves(self) -> tuple[int, ...]:
        """The nodes that no gate computes, constants left out."""
        return tuple(n for n, node in enumerate(self.nodes) if node.operation == "leaf")

    @property
    def gates(self) -> tuple[int, ...]:
        """The nodes that a gate computes."""
        return tuple(n for n, node in enumerate(self.nodes) if node.operation in OPERATIONS)

    def list(self) -> list[tuple[int, str, tuple[int, ...]]]:
        """The gates as `formulas.graph_forward` takes them; names are the nodes' numbers."""
        return [(n, self.nodes[n].operation, self.nodes[n].inputs) for n in self.gates]

    def behind(self, sources: Sequence[int]) -> frozenset[int]:
        """The nodes that depend on one of `sources`, these included."""
        found = set(sources)
        for n, node in enumerate(self.nodes):
            if found.intersection(node.inputs):
                found.add(n)
        return frozenset(found)

    def before(self, targets: Sequence[int]) -> frozenset[int]:
        """The nodes that one of `targets` depends on, these included."""
        found = set(targets)
        for n in reversed(range(len(self.nodes))):
            if n in found:
                found.update(self.nodes[n].inputs)
        return frozenset(found)

    def formula(self, node: int) -> str:
        """What a gate computes from its inputs' labels, e.g. `g1 + w2` or `max(z1, z2, 0)`.

        Example:
            >>> graph = build_graph("q = x + y; -(q*z)")
            >>> [graph.formula(gate) for gate in graph.gates]
            ['x + y', 'q*z', '-g1']
            >>> [graph.labels[gate] for gate in graph.gates]
            ['q', 'g1', 'f']
        """
        one = self.nodes[node]
        names = [self.labels[i] for i in one.inputs]
        if one.operation in _SIGNS:
            rest = [f"({name})" if name.startswith("-") else name for name in names[1:]]
            first = f"({names[0]})" if one.operation == "power" and names[0].startswith("-") else names[0]
            return _SIGNS[one.operation].join([first, *rest])
        if one.operation == "negate":
            return f"-({names[0]})" if names[0].startswith("-") else f"-{names[0]}"
        return f"{one.operation}({', '.join(names)})" if one.inputs else self.labels[node]

    def find(self, name: str, *, what: str) -> tuple[int, ...]:
        """The nodes of a name, of an element (`x[0]`) or of a gate's label.

        Raises:
            UsageError: The graph has no such name.
        """
        if name in self.names:
            value = self.names[name]
            return value if isinstance(value, tuple) else (value,)
        labels = {self.labels[n]: n for n, node in enumerate(self.nodes) if node.operation != "constant"}
        base, _, position = name.rstrip("]").partition("[")
        elements = self.names.get(base)
        if isinstance(elements, tuple) and position.isdigit() and int(position) < len(elements):
            return (elements[int(position)],)
        if name in labels:
            return (labels[name],)
        options = [*self.names, *(label for label in labels if label not in self.names)]
        raise UsageError(f'{what}: the expression has no "{name}"', remedy=unknown("name", name, options))


def build_graph(text: str, sizes: Mapping[str, int] | None = None) -> Graph:
    """Read a text and take it apart into gates.

    A statement that gives a name to a number (`w = 2`) makes a leaf with that value.

    Args:
        text: Statements, e.g. `x = u*u; y = 3*u; z = x*y + sin(y)`.
        sizes: Number of elements of leaves that are vectors.

    Raises:
        UsageError: The text cannot be read, or its sizes do not fit together; the error shows the column.

    Example:
        >>> graph = build_graph("v1 = max(z1, z2, 0); v2 = max(z2, z3, 0); w1*v1 + w2*v2")
        >>> [graph.labels[n] for n in graph.leaves], [graph.labels[n] for n in graph.gates]
        (['z1', 'z2', 'z3', 'w1', 'w2'], ['v1', 'v2', 'g1', 'g2', 'f'])

    Source:
        LECTURES C1, C2.
    """
    builder = _Builder(text, sizes or {})
    output: Value = 0
    for statement in parse(text):
        output = builder.statement(statement)
    graph = Graph(text, tuple(builder.nodes), builder.names, output)
    return replace(graph, labels=_labels(graph))


def constants(text: str, what: str, *, names: bool = False) -> dict[str, float | str | tuple[float | str, ...]]:
    """Read `w0=2, x=[1/3, 2]`: numbers and vectors of numbers; with `names` also names of symbols.

    Raises:
        UsageError: It is not of that form; the error shows the column.

    Example:
        >>> constants("w0=2, x=[1/2, sqrt(4)]", "--at"), constants("v=[d1, 2]", "--upstream", names=True)
        ({'w0': 2.0, 'x': (0.5, 2.0)}, {'v': ('d1', 2.0)})
    """
    found: dict[str, float | str | tuple[float | str, ...]] = {}
    for statement in parse_assignments(text):
        if statement.name in found:
            raise PlacedError(f"{what}: {statement.name} is given twice", text=text, span=statement.span)
        builder = _Builder(text, {})
        value = builder.value(statement.value)
        gates = [(n, one.operation, one.inputs) for n, one in enumerate(builder.nodes) if one.inputs]
        leaves = {
            n: math.nan if one.number is None else one.number for n, one in enumerate(builder.nodes) if not one.inputs
        }
        computed, _ = graph_forward(gates, leaves)
        given = []
        for n in value if isinstance(value, tuple) else (value,):
            node = builder.nodes[n]
            if not (node.operation == "leaf" and names) and not math.isfinite(computed[n]):
                raise PlacedError(
                    f"{what}: {statement.name} needs a finite number", text=text, span=statement.value.span,
                    remedy=f"write {statement.name}=2",
                )  # fmt: skip
            given.append(node.name if node.operation == "leaf" else float(computed[n]))
        found[statement.name] = tuple(given) if isinstance(value, tuple) else given[0]
    return found


def _labels(graph: Graph) -> tuple[str, ...]:
    taken = {node.name for node in graph.nodes} | set(graph.names)
    prefix = next(p for p in ("g", "n", "gate", "node", "gate_", *(f"g{'_' * i}" for i in range(1, 99)))
                  if not any(name.startswith(p) and name[len(p):].isdigit() for name in taken))  # fmt: skip
    last = next(name for name in ("f", "out", *(f"f{'_' * i}" for i in range(1, 99))) if name not in taken)
    labels, count = [], 0
    for n, node in enumerate(graph.nodes):
        own = node.name or node.literal or (last if n == graph.output else "")
        count += not own
        labels.append(own or f"{prefix}{count}")
    return tuple(labels)


class _Builder:
    """Statements one after the other; `nodes` and `names` grow."""

    def __init__(self, text: str, sizes: Mapping[str, int]) -> None:
        self.text, self.sizes = text, sizes
        self.nodes: list[Node] = []
        self.names: dict[str, Value] = {}
        self.computed: set[str] = set()
        self.read: dict[str, Span] = {}
        self.elements: dict[str, dict[int, int]] = {}

    def error(self, what: str, span: Span, **details: Any) -> PlacedError:
        return PlacedError(what, text=self.text, span=span, **details)

    def node(self, node: Node) -> int:
        if len(self.nodes) >= MOST_GATES:
            raise self.error("the expression has too many gates", node.span, expected=f"at most {MOST_GATES:,}")
        self.nodes.append(node)
        return len(self.nodes) - 1

    # -- statements and names --------------------------------------------------------------------------------------

    def statement(self, statement: Statement) -> Value:
        name = statement.name
        if name in self.computed:
            raise self.error(f"{name} has its value already", statement.span, remedy="take another name")
        value = self.value(statement.value)
        if not name:
            return value
        if name in self.read:
            raise self.error(
                f"{name} is used before it gets its value", self.read[name], remedy="write its statement first"
            )
        self.computed.add(name)
        self.names[name] = value
        for place, n in enumerate(value if isinstance(value, tuple) else (value,)):
            called = f"{name}[{place}]" if isinstance(value, tuple) else name
            if self.nodes[n].operation == "constant":
                self.nodes[n] = replace(self.nodes[n], operation="leaf", name=called)
            elif not self.nodes[n].name:
                self.nodes[n] = replace(self.nodes[n], name=called)
        return value

    def leaf(self, name: str, span: Span) -> Value:
        """A name that no statement above computes."""
        self.read.setdefault(name, span)
        if name in self.elements:
            raise self.error(
                f"{name} is used as a number here and by its elements elsewhere", span,
                remedy=f'give all of it: --at "{name}=[...]"',
            )  # fmt: skip
        if name not in self.names:
            size = self.sizes.get(name)
            made = [
                self.node(Node("leaf", (), span, name if size is None else f"{name}[{i}]")) for i in range(size or 1)
            ]
            self.names[name] = made[0] if size is None else tuple(made)
        return self.names[name]

    def element(self, name: str, position: int, span: Span) -> int:
        """An element of a leaf whose size nobody said."""
        self.read.setdefault(name, span)
        known = self.elements.setdefault(name, {})
        if position not in known:
            known[position] = self.node(Node("leaf", (), span, f"{name}[{position}]"))
            self.names[f"{name}[{position}]"] = known[position]
        return known[position]

    # -- values ------------------------------------------------------------------------------------------------------

    def value(self, tree: Tree) -> Value:
        if isinstance(tree, Number):
            number = float(tree.text)
            if not math.isfinite(number):
                raise self.error("this number is too large", tree.span, expected="up to 1.8e308")
            return self.node(Node("constant", (), tree.span, "", number, tree.text))
        if isinstance(tree, Name):
            return self.names[tree.name] if tree.name in self.computed else self.leaf(tree.name, tree.span)
        if isinstance(tree, Vector):
            return tuple(self.number(element, "an element") for element in tree.elements)
        if isinstance(tree, Index):
            return self.index(tree)
        if tree.operation in _SPINE:
            return self.spine(tree)
        arguments = [self.value(argument) for argument in tree.arguments]
        return _FUNCTIONS.get(tree.operation, _Builder.elementwise)(self, tree, arguments)

    def number(self, tree: Tree, what: str) -> int:
        value = self.value(tree)
        if isinstance(value, tuple):
            raise self.error(f"{what} is a number, and this is a vector", tree.span, got=f"{len(value)} elements")
        return value

    def index(self, tree: Index) -> int:
        base = tree.base
        if isinstance(base, Name) and base.name not in self.computed and base.name not in self.sizes:
            if base.name in self.names:
                raise self.error(f"{base.name} is used as a number above", tree.span, remedy="a number has no elements")
            return self.element(base.name, tree.position, base.span)
        value = self.value(base)
        if not isinstance(value, tuple):
            raise self.error("this is a number and has no elements", tree.span)
        if tree.position >= len(value):
            raise self.error(
                "there is no such element", tree.span, expected=f"0 to {len(value) - 1}", got=tree.position
            )
        return value[tree.position]

    def spine(self, tree: Call) -> Value:
        """a + b + c + ... leans to the left as deep as it is long: climbed, not called."""
        calls: list[Call] = []
        left: Tree = tree
        while isinstance(left, Call) and left.operation in _SPINE:
            calls.append(left)
            left = left.arguments[0]
        value = self.value(left)
        for call in reversed(calls):
            value = self.elementwise(call, [value, self.value(call.arguments[1])])
        return value

    def elementwise(self, tree: Call, arguments: Sequence[Value]) -> Value:
        """One gate for each element; a number goes with every element of a vector."""
        sizes = {len(value) for value in arguments if isinstance(value, tuple)}
        if len(sizes) > 1:
            raise self.error(
                "these vectors are of different sizes", tree.span, got=" and ".join(str(size) for size in sorted(sizes))
            )
        if not sizes:
            return self.gate(tree.operation, [value for value in arguments if isinstance(value, int)], tree.span)
        return tuple(
            self.gate(tree.operation, [v[i] if isinstance(v, tuple) else v for v in arguments], tree.span)
            for i in range(sizes.pop())
        )

    def gate(self, operation: str, inputs: Sequence[int], span: Span) -> int:
        return self.node(Node(operation, tuple(inputs), span))

    # -- functions of vectors ------------------------------------------------------------------------------------------

    def vector(self, value: Value, tree: Tree, function: str) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        name = tree.name if isinstance(tree, Name) and tree.name not in self.computed else ""
        raise self.error(
            f"{function} takes a vector, and this is a number" if not name else f"the size of {name} is not known",
            tree.span,
            remedy=f'write {name} = [a, b, c] first, or --at "{name}=[1, 2, 3]"' if name else "write [a, b, c]",
        )

    def total(self, tree: Call, arguments: Sequence[Value]) -> Value:
        elements = self.vector(arguments[0], tree.arguments[0], "sum")
        return self.gate("add", elements, tree.span) if len(elements) > 1 else elements[0]

    def extreme(self, tree: Call, arguments: Sequence[Value]) -> Value:
        if len(arguments) > 1:
            return self.elementwise(tree, arguments)
        elements = self.vector(arguments[0], tree.arguments[0], tree.operation)
        return self.gate(tree.operation, elements, tree.span) if len(elements) > 1 else elements[0]

    def convolution(self, tree: Call, arguments: Sequence[Value]) -> Value:
        """out[i] = sum over j of k[j] x[i + j], + b."""
        x = self.vector(arguments[0], tree.arguments[0], "conv1d")
        k = self.vector(arguments[1], tree.arguments[1], "conv1d")
        if len(k) > len(x):
            raise self.error("the kernel is longer than the input", tree.span, expected=f"at most {len(x)}", got=len(k))
        size = len(x) - len(k) + 1
        bias = arguments[2] if len(arguments) == 3 else ()
        if isinstance(bias, tuple) and bias and len(bias) != size:
            raise self.error("the bias has a wrong size", tree.span, expected=f"a number or {size}", got=len(bias))
        found = []
        for i in range(size):
            terms = [self.gate("multiply", (k[j], x[i + j]), tree.span) for j in range(len(k))]
            if isinstance(bias, int) or bias:
                terms.append(bias if isinstance(bias, int) else bias[i])
            found.append(self.gate("add", terms, tree.span) if len(terms) > 1 else terms[0])
        return tuple(found)


_FUNCTIONS: Final[dict[str, Callable[[_Builder, Call, Sequence[Value]], Value]]] = {
    "sum": _Builder.total,
    "max": _Builder.extreme,
    "min": _Builder.extreme,
    "conv1d": _Builder.convolution,
}
