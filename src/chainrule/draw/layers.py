"""Where the nodes of a directed graph stand: in layers, with few crossings and straight long edges (Sugiyama's way).

Along is the direction of the edges, across the other. Nodes are numbers 0, 1, ...; an edge that passes layers has a
bend in each of them, which is placed like a node.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chainrule.core.errors import UsageError

_SWEEPS: Final = 8
_STRAIGHTEN: Final = 10
_BEND_WEIGHT: Final = 4.0


@dataclass(frozen=True)
class Layout:
    """Places.

    Args:
        layer: Of each node.
        across: The middle of each node.
        bends: For each edge the middle of its bend in each layer between its ends.
    """

    layer: tuple[int, ...]
    across: tuple[float, ...]
    bends: tuple[tuple[float, ...], ...]


def layered(
    sizes: Sequence[float], edges: Sequence[tuple[int, int]], *, gap: float = 24.0, thread: float = 14.0
) -> Layout:
    """Place the nodes of a graph without cycles.

    Args:
        sizes: The breadth of each node.
        edges: Source and target of each edge.
        gap: Free room between two nodes of a layer.
        thread: Breadth of an edge that passes a layer.

    Raises:
        UsageError: The graph has a cycle.

    Example:
        >>> places = layered([10, 10, 10], [(0, 2), (1, 2)])
        >>> places.layer, places.across[2] == (places.across[0] + places.across[1]) / 2
        ((0, 0, 1), True)
    """
    count = len(sizes)
    layer = _layers(count, edges)
    widths, links, chains = list(sizes), [], []
    layers: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for node in range(count):
        layers[layer[node]].append(node)
    for source, target in edges:
        chain = [source]
        for between in range(layer[source] + 1, layer[target]):
            widths.append(thread)
            chain.append(len(widths) - 1)
            layers[between].append(chain[-1])
        chain.append(target)
        links += list(pairwise(chain))
        chains.append(chain)
    before: list[list[int]] = [[] for _ in widths]
    after: list[list[int]] = [[] for _ in widths]
    for one, other in links:
        after[one].append(other)
        before[other].append(one)
    _order(layers, before, after)
    across = _straighten(layers, before, after, widths, gap, count)
    low = min((across[n] - widths[n] / 2 for n in range(len(widths))), default=0.0)
    across = [place - low for place in across]
    bends = tuple(tuple(across[n] for n in chain[1:-1]) for chain in chains)
    return Layout(tuple(layer), tuple(across[:count]), bends)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way to each node; what has no way to it stands beside what it is used for."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        after[source].append(target)
        waiting[target] += 1
    first = [node for node in range(count) if not waiting[node]]
    layer, order = [0] * count, list(first)
    for node in order:  # grows while it is read
        for target in after[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < count:
        raise UsageError("the graph has a cycle and cannot be drawn in layers", expected="edges that lead forward")
    for node in first:
        if after[node]:
            layer[node] = min(layer[target] for target in after[node]) - 1
    return layer


def _order(layers: list[list[int]], before: list[list[int]], after: list[list[int]]) -> None:
    """Sort each layer by the mean place of its neighbors, forward and back; the order with fewest crossings stays."""
    best, fewest = [list(one) for one in layers], _crossings(layers, after)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        neighbors = before if forward else after
        steps = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for n in steps:
            place = {node: float(i) for i, node in enumerate(layers[n - 1 if forward else n + 1])}
            own = {node: float(i) for i, node in enumerate(layers[n])}
            layers[n].sort(key=lambda node: _mean([place[o] for o in neighbors[node]], own[node]))
        found = _crossings(layers, after)
        if found < fewest:
            best, fewest = [list(one) for one in layers], found
    layers[:] = best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(layers: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    total = 0
    for one, other in pairwise(layers):
        place = {node: i for i, node in enumerate(other)}
        seen: list[int] = []
        for node in one:
            ends = sorted(place[target] for target in after[node])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _straighten(
    layers: Sequence[Sequence[int]],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    widths: Sequence[float],
    gap: float,
    count: int,
) -> list[float]:
    """Move each node towards the mean of its neighbors, as far as those beside it let it."""
    across = [0.0] * len(widths)
    for one in layers:
        at = 0.0
        for node in one:
            across[node] = at + widths[node] / 2
            at += widths[node] + gap
        middle = (at - gap) / 2
        for node in one:
            across[node] -= middle
    for sweep in range(_STRAIGHTEN):
        forward = sweep % 2 == 0
        for one in layers if forward else reversed(layers):
            wanted, weights = [], []
            for node in one:
                near = (before[node] if forward else after[node]) or (after[node] if forward else before[node])
                if sweep >= _STRAIGHTEN - 2:
                    near = [*before[node], *after[node]]
                wanted.append(_mean([across[other] for other in near], across[node]))
                weights.append(_BEND_WEIGHT if node >= count else 1.0)
            room = [(widths[a] + widths[b]) / 2 + gap for a, b in pairwise(one)]
            for node, place in zip(one, _spread(wanted, weights, room), strict=True):
                across[node] = place
    return across


def _spread(wanted: Sequence[float], weights: Sequence[float], room: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones that keep the order and the room between two (least squares).

    Example:
        >>> _spread([0.0, 0.0], [1.0, 1.0], [10.0])
        [-5.0, 5.0]
    """
    offset, total = [0.0], 0.0
    for one in room:
        total += one
        offset.append(total)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many: pooled until they rise
    for place, weight, shift in zip(wanted, weights, offset):
        mean, heavy, size = place - shift, weight, 1
        while blocks and blocks[-1][0] > mean:
            other, other_weight, other_size = blocks.pop()
            mean = (mean * heavy + other * other_weight) / (heavy + other_weight)
            heavy, size = heavy + other_weight, size + other_size
        blocks.append((mean, heavy, size))
    means = [mean for mean, _, size in blocks for _ in range(size)]
    return [mean + shift for mean, shift in zip(means, offset)]
