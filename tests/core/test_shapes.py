"""Shapes as the command line has them."""

from __future__ import annotations

import pytest

from chainrule.core.errors import UsageError
from chainrule.core.shapes import parse_shapes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4", [((4,), None)]),
        ("1x3x224x224", [((1, 3, 224, 224), None)]),
        ("4X3, 2×5:INT64 ,scalar", [((4, 3), None), ((2, 5), "int64"), ((), None)]),
        ("0x3", [((0, 3), None)]),
        ("2:bool", [((2,), "bool")]),
    ],
)
def test_shapes(text: str, found: list[tuple[tuple[int, ...], str | None]]) -> None:
    assert parse_shapes(text) == found


@pytest.mark.parametrize(
    "text", ["", ",", "4x", "x4", "4,,3", "-1", "4.0", "4 3", "4:", "4:long", "9" * 12, "65536x65536"]
)
def test_no_shapes(text: str) -> None:
    with pytest.raises(UsageError):
        parse_shapes(text)
