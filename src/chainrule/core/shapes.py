"""Shapes of inputs as they are written on the command line: `4x3,3x2`, `1x3x224x224`, `2x5:int64`."""

from __future__ import annotations

import re
from typing import NamedTuple

from chainrule.core.errors import UsageError, unknown
from chainrule.core.paths import shown

TYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool")
MOST = 2**31
"""Numbers of one input; more is a slip of the keys."""


class InputShape(NamedTuple):
    """One input: its shape, () for a single number, and its type, None where nothing is said."""

    shape: tuple[int, ...]
    dtype: str | None


def parse_shapes(text: str) -> list[InputShape]:
    """Read shapes, several by comma, each with an optional type after a colon; `scalar` is a single number.

    Raises:
        UsageError: It is no list of shapes.

    Example:
        >>> parse_shapes("4x3,5:int64")
        [InputShape(shape=(4, 3), dtype=None), InputShape(shape=(5,), dtype='int64')]
    """
    found = []
    for part in text.split(","):
        sizes, colon, dtype = part.strip().lower().partition(":")
        if sizes != "scalar" and not re.fullmatch(r"\d{1,10}([x×]\d{1,10})*", sizes):
            raise UsageError(
                f"{shown(part.strip())} is no shape", expected="numbers with x between them, such as 4x3 or 5:int64"
            )
        if colon and dtype not in TYPES:
            raise UsageError(f"there is no type {shown(dtype)}", remedy=unknown("type", dtype, TYPES))
        shape = () if sizes == "scalar" else tuple(int(size) for size in re.split("[x×]", sizes))
        count = 1
        for size in shape:
            count *= size
        if count > MOST:
            raise UsageError(
                f"an input of {sizes} is too large", expected=f"at most {MOST:,} numbers", got=f"{count:,}"
            )
        found.append(InputShape(shape, dtype or None))
    return found
