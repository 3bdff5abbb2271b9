"""What several seeds of one recipe reached together."""

from __future__ import annotations

from typing import Any

from chainrule.core.errors import DataError
from chainrule.draw.facts import Facts
from chainrule.draw.page import Part
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, real

_PARTS = {"test": "test", "valid": "validation"}


def spread_part(facts: Facts) -> Part:
    """Return mean, deviation, smallest and largest of each metric over the seeds."""
    lead = (
        "Over all seeds; for data without an official test part each seed draws its own split. Deviation: of one run."
    )
    return Part("spread", "Spread", table_html(spread_table(facts)), lead)


def spread_table(facts: Facts) -> Table:
    """Return the spread of a folder of repeated runs as a table.

    Raises:
        DataError: The runs are not finished, so there is no spread yet.

    Example:
        >>> from pathlib import Path
        >>> spread = {"mean": 0.9, "deviation": 0.1, "minimum": 0.8, "maximum": 1.0, "values": [0.8, 1.0]}
        >>> spread_table(Facts(Path("a"), {"result": {"valid": {"accuracy": spread}}})).rows
        [['validation accuracy', 0.9, 0.1, 0.8, 1.0, 2]]
    """
    result = mapping(facts.run.get("result"))
    rows: list[list[Any]] = []
    for part, word in _PARTS.items():
        for metric, spread in mapping(result.get(part)).items():
            numbers = [real(mapping(spread).get(name)) for name in ("mean", "deviation", "minimum", "maximum")]
            rows.append([f"{word} {metric}", *numbers, len(listing(mapping(spread).get("values")))])
    if not rows:
        raise DataError("the seeds are not all trained yet", expected="a result in run.json")
    names = ("mean", "deviation", "lowest", "highest")
    return Table("Spread", [Column("metric"), *(Column(name, "number") for name in names), Column("n", "count")], rows)
