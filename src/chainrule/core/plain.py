"""Plain data as JSON text, written in one way only: equal data give equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(value: Any) -> bytes:
    """Return compact ASCII JSON with sorted keys.

    Floats are written with the fewest digits that read back as the same float. JSON has no infinite numbers and no NaN,
    so these become the strings "NaN", "Infinity" and "-Infinity"; `float(x)` turns all three back, and leaves numbers
    as they are.

    Args:
        value: Made of None, bool, int, float, str, lists, tuples and mappings with text as keys.

    Raises:
        TypeError: Something else is inside.

    Example:
        >>> to_json({"step": 3, "loss": 0.1, "best": float("inf")})
        b'{"best":"Infinity","loss":0.1,"step":3}'
    """
    try:
        return _dumps(value)
    except (ValueError, TypeError):  # a number that JSON lacks, or a mapping that is no dict
        return _dumps(_finite(value))


def _dumps(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
