"""The network, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part
from chainrule.draw.sections.absence import absent
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, plain_text, short_count, whole


def network_part(facts: Facts) -> Part | Absent:
    """Return the table of layers with output, parameters and multiply-adds."""
    given = facts.network if isinstance(facts.network, list) else listing(mapping(facts.network).get("layers"))
    layers = [mapping(layer) for layer in given]
    if not layers:
        return absent(facts, "network", "Network")
    depths = [max(whole(layer.get("depth")) or 0, 0) for layer in layers]
    base = min(depths)
    rows = [
        [
            plain_text(layer.get("name"), limit=120),
            plain_text(layer.get("kind"), limit=80),
            _shape(layer.get("output")),
            whole(layer.get("parameters")),
            whole(layer.get("multiply_adds")),
        ]
        for layer in layers
    ]
    columns = [
        Column("layer"),
        Column("kind"),
        Column("output"),
        Column("parameters", "count", bar=True),
        Column("multiply-adds", "count", bar=True),
    ]
    indent = [depth - base for depth in depths]
    table = Table("Network", columns, rows, indent=indent)
    return Part("network", "Network", table_html(table), _lead(facts, layers), ("D3",))


def _lead(facts: Facts, layers: list[Mapping[str, Any]]) -> str:
    totals = mapping(mapping(facts.network).get("totals"))
    leaves = _leaves(layers)
    parameters = whole(totals.get("parameters")) or whole(facts.run.get("parameters"))
    if parameters is None:
        parameters = sum(whole(layer.get("parameters")) or 0 for layer in leaves)
    work = whole(totals.get("multiply_adds"))
    if work is None:
        work = sum(whole(layer.get("multiply_adds")) or 0 for layer in leaves)
    text = f"{count_text(parameters)} parameters"
    return f"{text}, {short_count(work)} multiply-adds for one example." if work else f"{text}."


def _leaves(layers: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    # A block ("stage1") is followed by what it holds ("stage1.conv"), and its numbers are theirs.
    names = [plain_text(layer.get("name")) for layer in layers]
    return [layer for layer, name, after in zip(layers, names, [*names[1:], ""]) if not after.startswith(f"{name}.")]


def _shape(output: Any) -> str:
    sizes = [whole(size) for size in listing(output)]
    return "×".join("?" if size is None else str(size) for size in sizes) or "–"
