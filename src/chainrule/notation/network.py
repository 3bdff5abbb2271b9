"""A specification with its shapes: each layer with its name, what reaches it, what leaves it, and what it can see.

`resolve` writes repetitions out, follows the shapes through, and gives every layer the name that its module has in
the built network, so that the table and the modules speak of the same things.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from chainrule.core.errors import NotationError
from chainrule.notation import limits
from chainrule.notation.field import NOWHERE, START, Everything, Field, Point, Spread, Window, join
from chainrule.notation.grammar import parse
from chainrule.notation.layer import Effect, Layer
from chainrule.notation.layers import label
from chainrule.notation.merge import after_concat, after_residual
from chainrule.notation.shapes import Shape, Volume, from_torch_shape
from chainrule.notation.source import PlacedError, Span
from chainrule.notation.tree import Chain, Concat, Repeat, Residual, Spec
from chainrule.notation.windows import Unread


@dataclass(frozen=True)
class Step:
    """One layer in its place. `name` is its module's name within the chain, e.g. `conv1`."""

    name: str
    layer: Layer
    before: Shape
    effect: Effect
    field: Field

    @property
    def after(self) -> Shape:
        """The shape behind it."""
        return self.effect.after


@dataclass(frozen=True)
class Fork:
    """A RES or CAT in its place, with its branches by module name (`body`, `shortcut`; `branch1`, `branch2`, ...)."""

    name: str
    node: Residual | Concat
    branches: dict[str, tuple[Piece, ...]]
    before: Shape
    after: Shape
    field: Field


Piece: TypeAlias = Step | Fork


@dataclass(frozen=True)
class Remark:
    """Something that works but is probably not meant.

    Args:
        path: Name of the layer's module.
        text: What it is and what would be better.
        span: Where the layer stands in the text.
    """

    path: str
    text: str
    span: Span


@dataclass(frozen=True)
class Network:
    """A specification whose shapes fit together.

    Args:
        spec: The tree.
        input: Shape of one example.
        pieces: Layers and forks in order.
        remarks: What D1 warns about.
    """

    spec: Spec
    input: Shape
    pieces: tuple[Piece, ...]
    remarks: tuple[Remark, ...]

    @property
    def output(self) -> Shape:
        """The shape behind the last layer."""
        return self.pieces[-1].after

    @property
    def outputs(self) -> int:
        """Numbers that come out for one example: the classes, when the last layer is FC."""
        return self.output.elements

    @property
    def field(self) -> Field:
        """The receptive field of the last layer."""
        return self.pieces[-1].field

    def walk(self) -> Iterator[tuple[str, int, Piece]]:
        """All pieces with the full name of their module and how deep they stand; a fork comes before its branches.

        Example:
            >>> [path for path, depth, piece in resolve("INPUT 8x8x4 | RES[CONV3-4 | BN] | RELU").walk()]
            ['res1', 'res1.body.conv1', 'res1.body.bn1', 'relu1']
        """
        yield from _walk(self.pieces, "", 0)


def _walk(pieces: Sequence[Piece], prefix: str, depth: int) -> Iterator[tuple[str, int, Piece]]:
    for piece in pieces:
        path = prefix + piece.name
        yield path, depth, piece
        if isinstance(piece, Fork):
            for branch, inner in piece.branches.items():
                yield from _walk(inner, f"{path}.{branch}.", depth + 1)


def resolve(spec: str | Spec, shape: Sequence[int] | None = None, *, strict: bool = False) -> Network:
    """Follow the shapes through a specification.

    Args:
        spec: The specification, as text or parsed.
        shape: Shape of one example as a tensor has it, (C, H, W) or (D,). An INPUT in the specification must agree.
        strict: Sizes that do not divide, so that some of the input is never read, are errors.

    Returns:
        The network; `output`, `outputs` and `remarks` say what came out.

    Raises:
        NotationError: The text is not in the notation, or its layers do not fit together.

    Example:
        >>> network = resolve("CONV3-16 | RELU | GAP | FC-10", shape=(3, 32, 32))
        >>> network.outputs, [piece.name for piece in network.pieces]
        (10, ['conv1', 'relu1', 'gap1', 'fc1'])

    Source: LECTURES D1, D3.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    start = _start(spec, shape)
    run = _Run(spec.text)
    chain = run.chain(spec.layers, start, START if isinstance(start, Volume) else NOWHERE, "")
    remarks = tuple(sorted([*run.remarks, *chain.head.remarks], key=lambda remark: remark.span))
    if strict and remarks:
        raise PlacedError(
            remarks[0].text, text=spec.text, span=remarks[0].span, remedy="change the size, or leave strict out"
        )
    return Network(spec, start, chain.pieces, remarks)


def _start(spec: Spec, shape: Sequence[int] | None) -> Shape:
    """The shape of the input, from INPUT, from `shape`, or from both when they agree."""
    if shape is None:
        if spec.input is None:
            example = "INPUT 784" if str(spec).startswith("FC") else "INPUT 32x32x3"
            raise PlacedError(
                "the input's shape is unknown", text=spec.text, span=(0, 1), remedy=f"add {example} | in front"
            )
        return spec.input
    given = from_torch_shape(shape)
    if spec.input is not None and spec.input != given:
        raise PlacedError(
            "INPUT is not what the data are", text=spec.text, span=spec.span,
            expected=f"INPUT {given}", got=f"INPUT {spec.input}", remedy="leave INPUT out, or correct it",
        )  # fmt: skip
    return given


@dataclass(frozen=True)
class _Head:
    """What the first reader of a branch leaves unread of the volume that enters the branch.

    A volume that branches share is read if one of them reads it, so that is settled where they meet again.
    """

    rows: frozenset[int] = frozenset()
    columns: frozenset[int] = frozenset()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class _Chain:
    pieces: tuple[Piece, ...]
    after: Shape
    field: Field
    head: _Head


@dataclass
class _Run:
    """One pass over the tree."""

    text: str
    remarks: list[Remark] = field(default_factory=list)
    phases: int = 0

    def moved(self, seen: Field) -> Field:
        """Count the work of a field that was computed, and refuse what would take minutes."""
        self.phases += seen.phases
        if self.phases > limits.PHASES_IN_ALL:
            raise NotationError(
                "receptive fields cannot be followed through so many UPCONV of large strides",
                remedy="use fewer layers or smaller strides",
            )
        return seen

    def chain(self, nodes: Chain, shape: Shape, seen: Field, prefix: str) -> _Chain:
        pieces: list[Piece] = []
        counts: dict[str, int] = {}
        head: _Head | None = None
        for node in _written_out(nodes):
            kind = label(node) if isinstance(node, Layer) else "res" if isinstance(node, Residual) else "cat"
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}{counts[kind]}"
            if isinstance(node, Layer):
                piece, found = self.step(node, shape, seen, name, prefix)
            else:
                piece, found = self.fork(node, shape, seen, name, prefix)
            if head is None:
                head = found
            elif found is not None:
                self.remarks += found.remarks
            pieces.append(piece)
            shape, seen = piece.after, piece.field
        return _Chain(tuple(pieces), shape, seen, head or _Head())

    def step(self, layer: Layer, shape: Shape, seen: Field, name: str, prefix: str) -> tuple[Piece, _Head | None]:
        """One layer; the second value is None while the volume passes position by position."""
        try:
            effect = layer.effect(shape)
            _check_size(effect.after)
            if not isinstance(effect.reach, Point):
                seen = self.moved(seen.after(effect.reach))
        except NotationError as error:
            raise self.located(error, layer.span) from None
        if effect.remark:
            self.remarks.append(Remark(prefix + name, effect.remark, layer.span))
        step = Step(name, layer, shape, effect, seen)
        match effect.reach:
            case Point():
                return step, None
            case Window() | Spread() | Everything():
                return step, _head(effect.unread, prefix + name, layer.span)

    def fork(
        self, node: Residual | Concat, shape: Shape, seen: Field, name: str, prefix: str
    ) -> tuple[Piece, _Head | None]:
        if isinstance(node, Residual):
            chains = {"body": node.body, "shortcut": node.shortcut}
        else:
            chains = {f"branch{i}": chain for i, chain in enumerate(node.branches, 1)}
        found = {key: self.chain(chain, shape, seen, f"{prefix}{name}.{key}.") for key, chain in chains.items()}
        ends = [branch.after for branch in found.values()]
        try:
            after = after_residual(shape, *ends) if isinstance(node, Residual) else after_concat(ends)
            _check_size(after)
            seen = self.moved(join(branch.field for branch in found.values()))
        except NotationError as error:
            raise self.located(error, node.span) from None
        fork = Fork(name, node, {key: branch.pieces for key, branch in found.items()}, shape, after, seen)
        return fork, _common([branch.head for branch in found.values()])

    def located(self, error: NotationError, span: Span) -> PlacedError:
        if isinstance(error, PlacedError):
            return error
        return PlacedError(
            error.what, text=self.text, span=span, expected=error.expected, got=error.got, remedy=error.remedy
        )


def _written_out(nodes: Chain) -> Iterator[Layer | Residual | Concat]:
    for node in nodes:
        if isinstance(node, Repeat):
            for _ in range(node.count):
                yield from _written_out(node.body)
        else:
            yield node


def _head(unread: Unread | None, path: str, span: Span) -> _Head:
    return _Head(unread.rows, unread.columns, (Remark(path, unread.text, span),)) if unread else _Head()


def _common(heads: list[_Head]) -> _Head:
    """What no branch reads; nobody need be told of what another branch reads."""
    rows = frozenset.intersection(*(head.rows for head in heads))
    columns = frozenset.intersection(*(head.columns for head in heads))
    if not rows and not columns:
        return _Head()
    return _Head(rows, columns, tuple(remark for head in heads for remark in head.remarks))


def _check_size(shape: Shape) -> None:
    """Refuse volumes that no machine could hold."""
    if shape.elements > limits.ELEMENTS or (isinstance(shape, Volume) and max(shape.height, shape.width) > limits.SIDE):
        raise NotationError(
            "this volume is too large",
            expected=f"at most {limits.ELEMENTS:,} numbers and {limits.SIDE:,} rows",
            got=str(shape),
        )
