"""A directed graph as an SVG picture: boxes with a few lines of text, arrows with a word above and one below.

Layers stand from left to right or from top to bottom (`layers.py`). Colors are the palette's CSS variables, so that one
picture serves light and dark; alone in a file it brings them along.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from markupsafe import Markup, escape

from chainrule.core.errors import UsageError
from chainrule.draw.layers import Layout, layered
from chainrule.draw.palette import css_variables
from chainrule.draw.wording import plain_text

Direction = Literal["right", "down"]
MOST_NODES: Final = 2_000
_LINE = 17.0
_LETTER = 7.4
_SMALL = 6.6
_PAD = 9.0
_MARGIN = 14.0
_LONGEST = 48
_TRIES: Final = (0.5, 0.35, 0.65, 0.22, 0.78, 0.12, 0.88)
_STYLE: Final = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif;font-size:13px"
_RULES: Final = (
    ".graph-box{fill:var(--surface);stroke:var(--muted);stroke-width:1.2}"
    ".graph-box.quiet{fill:var(--sunken);stroke:var(--line)}"
    + "".join(f".graph-box.tone{i}{{stroke:var(--s{i});stroke-width:1.8}}" for i in range(6))
    + ".graph-text{fill:var(--ink);text-anchor:middle}.graph-text.more{fill:var(--muted);font-size:11.5px}"
    ".graph-edge{fill:none;stroke:var(--muted);stroke-width:1.1}.graph-head{fill:var(--muted)}"
    ".graph-above,.graph-below{font-size:11.5px;font-weight:600;text-anchor:middle;paint-order:stroke;"
    "stroke:var(--surface);stroke-width:3.5px;stroke-linejoin:round}"
    ".graph-above{fill:var(--s0)}.graph-below{fill:var(--s1)}"
)


@dataclass(frozen=True)
class GraphNode:
    """A box.

    Args:
        key: Its name in edges.
        lines: Its text; the first line stands out.
        tone: The number of its color in the palette's series; none for a plain one.
        round: Whether it is round at its ends, as inputs are.
        quiet: Whether it stands back, as constants do.
        title: What is said when one points at it.
    """

    key: str
    lines: Sequence[str] = ()
    tone: int | None = None
    round: bool = False
    quiet: bool = False
    title: str = ""


@dataclass(frozen=True)
class GraphEdge:
    """An arrow.

    Args:
        source: Where it starts.
        target: Where it ends.
        above: A word above it (beside it, where layers stand below each other).
        below: A word below it.
        title: What is said when one points at it.
    """

    source: str
    target: str
    above: str = ""
    below: str = ""
    title: str = ""


@dataclass(frozen=True)
class _Sheet:
    """Nodes with their sizes and places, along and across the direction."""

    nodes: Sequence[GraphNode]
    lines: Sequence[Sequence[str]]
    down: bool
    length: Sequence[float]
    breadth: Sequence[float]
    layout: Layout
    starts: Sequence[float] = field(default_factory=tuple)
    depth: Sequence[float] = field(default_factory=tuple)

    def point(self, along: float, across: float) -> tuple[float, float]:
        along, across = along + _MARGIN, across + _MARGIN
        return (across, along) if self.down else (along, across)


def graph_svg(
    nodes: Sequence[GraphNode],
    edges: Sequence[GraphEdge],
    *,
    caption: str,
    direction: Direction = "right",
    standalone: bool = True,
) -> Markup:
    """Return a graph as SVG.

    Args:
        nodes: The boxes.
        edges: The arrows; together they must not lead in a circle.
        caption: What the picture shows, for those who hear it read.
        direction: Where the arrows lead.
        standalone: Whether the picture is a file of its own; in a page the page's colors serve.

    Raises:
        UsageError: An edge names no node, two nodes have one name, there is a cycle, or there are too many nodes.

    Example:
        >>> nodes = [GraphNode("x"), GraphNode("f", ["x**2"])]
        >>> picture = graph_svg(nodes, [GraphEdge("x", "f", "3")], caption="a square")
        >>> picture[:4], picture.count("<rect")
        (Markup('<svg'), 2)
    """
    number = {node.key: n for n, node in enumerate(nodes)}
    if len(number) < len(nodes):
        raise UsageError("two nodes of a picture have one name")
    if len(nodes) > MOST_NODES:
        raise UsageError(
            "the graph is too large for a picture", expected=f"at most {MOST_NODES:,} nodes", got=len(nodes)
        )
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in number:
                raise UsageError(f'an edge of a picture leads to "{plain_text(end, 60)}", which is no node')
    pairs = [(number[edge.source], number[edge.target]) for edge in edges]
    sheet = _sheet(nodes, edges, pairs, down=direction == "down")
    ports = _ports(sheet, pairs)
    drawn = Markup("").join(_edge(sheet, edge, pair, n, ports) for n, (edge, pair) in enumerate(zip(edges, pairs)))
    taken = _Taken()
    words = Markup("").join(
        _words(sheet, edge, pair, n, ports, taken) for n, (edge, pair) in enumerate(zip(edges, pairs))
    )
    boxes = Markup("").join(_box(sheet, n) for n in range(len(nodes)))
    ends = [sheet.layout.across[n] + sheet.breadth[n] / 2 for n in range(len(nodes))]
    ends += [bend + _LINE for bends in sheet.layout.bends for bend in bends]
    along = (sheet.starts[-1] + sheet.depth[-1]) if sheet.starts else 0.0
    wide, high = (x + _MARGIN for x in sheet.point(along, max(ends, default=0.0)))
    light, dark = css_variables("light"), css_variables("dark")
    colors = f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}svg{{background:var(--surface)}}"
    style = Markup("<style>{}</style>").format(Markup((colors if standalone else "") + _RULES))  # noqa: S704 our own
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
        'aria-label="{caption}" style="{style}">{rules}<defs><marker id="graph-head" viewBox="0 0 8 8" refX="7.5" '
        'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="graph-head" d="M0 .8 8 4 0 7.2z"/>'
        "</marker>"
        "</defs>{edges}{boxes}{words}</svg>"
    ).format(
        w=f"{wide:.0f}", h=f"{high:.0f}", caption=plain_text(caption, 200), style=_STYLE, rules=style,
        edges=drawn, boxes=boxes, words=words,
    )  # fmt: skip


def _width(text: str, letter: float) -> float:
    return sum(2 * letter if unicodedata.east_asian_width(c) in "WF" else letter for c in text)


def _sheet(
    nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], pairs: Sequence[tuple[int, int]], *, down: bool
) -> _Sheet:
    lines = [[plain_text(line, _LONGEST) for line in (node.lines or [node.key])] for node in nodes]
    entering = [0] * len(nodes)
    for _, target in pairs:
        entering[target] += 1
    wide = [max(_width(line, _LETTER) for line in text) + 2 * _PAD for text in lines]
    high = [len(text) * _LINE + _PAD for text in lines]
    words = max(
        (len(edge.above) + len(edge.below) if down else max(len(edge.above), len(edge.below)) for edge in edges),
        default=0,
    )
    labelled = any(edge.above or edge.below for edge in edges)
    room = 16.0 if labelled else 9.0
    if down:
        length, breadth = high, [max(w, room * 1.5 * k) for w, k in zip(wide, entering)]
    else:
        length, breadth = wide, [max(h, room * k) for h, k in zip(high, entering)]
    layout = layered(breadth, pairs, gap=26.0 if labelled else 16.0, thread=26.0 if labelled else 12.0)
    layers = max(layout.layer, default=-1) + 1
    depth = [max((length[n] for n in range(len(nodes)) if layout.layer[n] == i), default=0.0) for i in range(layers)]
    gap = (34.0 + (_LINE if labelled else 0)) if down else 48.0 + min(words, 14) * _SMALL * 1.6
    starts = [sum(depth[:i]) + i * gap for i in range(layers)]
    return _Sheet(nodes, lines, down, length, breadth, layout, starts, depth)


def _ports(sheet: _Sheet, pairs: Sequence[tuple[int, int]]) -> dict[int, float]:
    """Where each edge enters its target: side by side, in the order in which the edges come."""
    entering: dict[int, list[int]] = {}
    for n, (_, target) in enumerate(pairs):
        entering.setdefault(target, []).append(n)
    places = {}
    for target, found in entering.items():
        found.sort(key=lambda n: (sheet.layout.bends[n] or [sheet.layout.across[pairs[n][0]]])[-1])
        step = min(16.0, sheet.breadth[target] / (len(found) + 0.5))
        for i, n in enumerate(found):
            places[n] = sheet.layout.across[target] + (i - (len(found) - 1) / 2) * step
    return places


def _middle(sheet: _Sheet, node: int) -> float:
    layer = sheet.layout.layer[node]
    return sheet.starts[layer] + sheet.depth[layer] / 2


def _stations(
    sheet: _Sheet, pair: tuple[int, int], n: int, ports: dict[int, float]
) -> list[tuple[float, float, float, float]]:
    """The pieces of an edge as (along, across) of both ends: from box to bend, bend to bend, bend to box."""
    source, target = pair
    at = (_middle(sheet, source) + sheet.length[source] / 2, sheet.layout.across[source])
    pieces = []
    for step, bend in enumerate(sheet.layout.bends[n], sheet.layout.layer[source] + 1):
        begin, end = sheet.starts[step], sheet.starts[step] + sheet.depth[step]
        pieces += [(*at, begin, bend), (begin, bend, end, bend)]
        at = (end, bend)
    return [*pieces, (*at, _middle(sheet, target) - sheet.length[target] / 2, ports[n])]


def _edge(sheet: _Sheet, edge: GraphEdge, pair: tuple[int, int], n: int, ports: dict[int, float]) -> Markup:
    path = ""
    for along, across, along_end, across_end in _stations(sheet, pair, n, ports):
        half = (along + along_end) / 2
        points = [
            sheet.point(a, c) for a, c in ((along, across), (half, across), (half, across_end), (along_end, across_end))
        ]
        (x0, y0), *rest = ((f"{x:.1f}", f"{y:.1f}") for x, y in points)
        path += (f"M{x0} {y0}" if not path else "") + "C" + " ".join(f"{x} {y}" for x, y in rest)
    title = Markup("<title>{}</title>").format(plain_text(edge.title)) if edge.title else ""
    return Markup('<path class="graph-edge" marker-end="url(#graph-head)" d="{}">{}</path>').format(path, title)


def _words(
    sheet: _Sheet, edge: GraphEdge, pair: tuple[int, int], n: int, ports: dict[int, float], taken: _Taken
) -> Markup:
    """The words of an edge, on that part of it where no other words are yet."""
    if not (edge.above or edge.below):
        return Markup("")
    pieces = _stations(sheet, pair, n, ports)
    places = [_on_curve(sheet, piece, t) for t in _TRIES for piece in dict.fromkeys((pieces[0], pieces[-1]))]
    wide = _width(edge.above, _SMALL), _width(edge.below, _SMALL)
    reach = ((wide[0] + wide[1]) / 2 + 10, 9.0) if sheet.down else (max(wide) / 2 + 2, 16.0)
    x, y = taken.free(places, *reach)
    if sheet.down:
        ends = ((x - wide[0] / 2 - 5, y + 4), (x + wide[1] / 2 + 5, y + 4))
    else:
        ends = ((x, y - 4.5), (x, y + 13))
    return Markup("").join(
        Markup('<text class="graph-{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, a, b, plain_text(word, 24))
        for kind, word, (a, b) in zip(("above", "below"), (edge.above, edge.below), ends)
        if word
    )


def _on_curve(sheet: _Sheet, piece: tuple[float, float, float, float], t: float) -> tuple[float, float]:
    """The point of a piece's curve at t, 0 to 1."""
    along, across, along_end, across_end = piece
    far = 1.5 * t * (1 - t) + t**3  # both controls lie half way along, at the height of the ends
    bow = 3 * t**2 * (1 - t) + t**3
    return sheet.point(along + (along_end - along) * far, across + (across_end - across) * bow)


class _Taken:
    """The room that words have taken, in cells, so that looking is quick."""

    CELL = 64.0

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}

    def free(self, places: Sequence[tuple[float, float]], wide: float, high: float) -> tuple[float, float]:
        """The first place, or that with least of others below, for a box that reaches `wide` and `high` each way."""
        found = min(places, key=lambda place: self._covered(place[0], place[1], wide, high))
        for cell in self._near(*found, wide, high):
            self.cells.setdefault(cell, []).append((*found, wide, high))
        return found

    def _covered(self, x: float, y: float, wide: float, high: float) -> float:
        others = {other for cell in self._near(x, y, wide, high) for other in self.cells.get(cell, ())}
        return sum(max(0.0, wide + w - abs(x - a)) * max(0.0, high + h - abs(y - b)) for a, b, w, h in others)

    def _near(self, x: float, y: float, wide: float, high: float) -> Iterator[tuple[int, int]]:
        for i in range(int((x - wide) // self.CELL), int((x + wide) // self.CELL) + 1):
            for j in range(int((y - high) // self.CELL), int((y + high) // self.CELL) + 1):
                yield i, j


def _box(sheet: _Sheet, n: int) -> Markup:
    node, lines = sheet.nodes[n], sheet.lines[n]
    along, across = _middle(sheet, n), sheet.layout.across[n]
    x, y = sheet.point(along, across)
    wide, high = (sheet.breadth[n], sheet.length[n]) if sheet.down else (sheet.length[n], sheet.breadth[n])
    names = " ".join(
        ["graph-box", *(["quiet"] if node.quiet else []), *([f"tone{node.tone}"] if node.tone is not None else [])]
    )
    first = y - (len(lines) - 1) * _LINE / 2 + 4.5
    text = Markup("").join(
        Markup('<text class="graph-text{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
            " more" if i else "", x, first + i * _LINE, line
        )
        for i, line in enumerate(lines)
    )
    title = Markup("<title>{}</title>").format(plain_text(node.title)) if node.title else Markup("")
    return Markup(
        '<g>{}<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{:.1f}"/>{}</g>'
    ).format(
        title, escape(names), x - wide / 2, y - high / 2, wide, high, min(wide, high) / 2 if node.round else 6, text
    )
