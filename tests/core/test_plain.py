"""Equal data give equal bytes, and every float comes back."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.plain import to_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def same(a: object, b: object) -> bool:
    """Equal, where a number that JSON lacks may have become its name."""
    if isinstance(a, float) and not math.isfinite(a):
        return isinstance(b, str) and (float(b) == a or math.isnan(a))
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@settings(deadline=None, max_examples=200, derandomize=True)
@given(DATA)
def test_data_come_back(data: object) -> None:
    text = to_json(data)
    assert same(data, json.loads(text, parse_constant=pytest.fail))
    assert text.isascii()
    assert b"\n" not in text


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.dictionaries(st.text(), st.floats()), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(data: dict[str, float], rng: object) -> None:
    keys = list(data)
    rng.shuffle(keys)  # type: ignore[attr-defined]
    assert to_json({key: data[key] for key in keys}) == to_json(MappingProxyType(data)) == to_json(data)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {"a": [1, {"b": 1j}]}])
def test_what_is_no_data_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        to_json(value)
