"""Graphs drawn in layers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.draw import GraphEdge, GraphNode, graph_svg
from chainrule.draw.layers import _crossings, layered


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[tuple[int, int]]]:
    count = draw(st.integers(1, 14))
    sizes = draw(st.lists(st.floats(8, 60), min_size=count, max_size=count))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    return sizes, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=24)) if pairs else []


@settings(max_examples=150, deadline=None, derandomize=True)
@given(graphs())
def test_edges_lead_forward_and_nothing_overlaps(graph: tuple[list[float], list[tuple[int, int]]]) -> None:
    sizes, edges = graph
    places = layered(sizes, edges, gap=10.0, thread=4.0)
    taken: dict[int, list[tuple[float, float]]] = {}
    for n, size in enumerate(sizes):
        assert places.across[n] - size / 2 >= -1e-6
        taken.setdefault(places.layer[n], []).append((places.across[n], size))
    for (source, target), bends in zip(edges, places.bends, strict=True):
        assert places.layer[source] < places.layer[target]
        assert len(bends) == places.layer[target] - places.layer[source] - 1
        for layer, bend in enumerate(bends, places.layer[source] + 1):
            taken[layer].append((bend, 4.0))
    for one in taken.values():
        one.sort()
        for (a, wide), (b, other) in pairwise(one):
            assert b - a >= (wide + other) / 2 + 10 - 1e-6


def test_crossings_are_taken_out_where_they_can_be() -> None:
    edges = [(0, 7), (1, 6), (2, 5), (3, 4)]  # four crossing threads
    places = layered([10.0] * 8, edges)
    order = sorted(range(4), key=lambda n: places.across[n])
    assert [7 - n for n in order] == sorted(range(4, 8), key=lambda n: places.across[n])
    assert _crossings([[0, 1], [2, 3]], [[3], [2], [], []]) == 1
    assert _crossings([[0, 1], [2, 3]], [[2], [2, 3], [], []]) == 0


def test_a_chain_is_straight_and_inputs_stand_beside_their_use() -> None:
    places = layered([10.0] * 4, [(0, 1), (1, 2), (2, 3)])
    assert places.across[0] == pytest.approx(places.across[1]) == pytest.approx(places.across[2])
    assert layered([10.0] * 5, [(0, 1), (1, 2), (2, 3), (4, 3)]).layer == (0, 1, 2, 3, 2)


def test_circles_and_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="cycle"):
        layered([1.0, 1.0], [(0, 1), (1, 0)])
    with pytest.raises(UsageError, match='leads to "b", which is no node'):
        graph_svg([GraphNode("a")], [GraphEdge("a", "b")], caption="")
    with pytest.raises(UsageError, match="one name"):
        graph_svg([GraphNode("a"), GraphNode("a")], [], caption="")
    with pytest.raises(UsageError, match="too large"):
        graph_svg([GraphNode(str(n)) for n in range(2001)], [], caption="")


@pytest.mark.parametrize("direction", ["right", "down"])
def test_text_from_outside_is_text(direction: str) -> None:
    nodes = [
        GraphNode("<b>", ["<script>", "a\x00b\x1b", "🙂" * 90], title="&\ud800"),
        GraphNode("b", tone=3, quiet=True, round=True),
    ]
    picture = graph_svg(
        nodes, [GraphEdge("<b>", "b", above="<i>", below="]]>", title="<t>")], caption='"<c>"', direction=direction
    )  # type: ignore[arg-type]
    root = ElementTree.fromstring(picture)
    texts = [one.text for one in root.iter() if one.text]
    assert "<script>" in texts
    assert "<i>" in texts
    assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_empty_and_single_graphs() -> None:
    for nodes in ([], [GraphNode("alone")]):
        root = ElementTree.fromstring(graph_svg(nodes, [], caption="little"))
        assert float(root.get("width")) > 0


def test_colors_come_along_only_in_a_file_of_its_own() -> None:
    nodes = [GraphNode("a")]
    assert "prefers-color-scheme:dark" in graph_svg(nodes, [], caption="")
    assert ":root" not in graph_svg(nodes, [], caption="", standalone=False)
