"""What a file says that its functions are called with."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.core.errors import UsageError
from chainrule.core.own_inputs import lacking, own_inputs, require_buildable


class Named:
    example_inputs = (7.0,)
    example_input_array = np.ones(2)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"f_inputs": (1.0, 2), "inputs": (3.0,)}, [1.0, 2]),
        ({"inputs": [3.0], "example_inputs": (4.0,)}, [3.0]),
        ({"f_inputs": None, "example_inputs": 4}, [4]),
        ({"f_inputs": lambda: (5.0,)}, [5.0]),
        ({"f_inputs": ()}, []),
        ({"g_inputs": (6.0,)}, [7.0]),
    ],
)
def test_the_nearest_name_wins(space: dict, expected: list) -> None:
    assert own_inputs(space, "f", Named()) == expected


def test_one_array_is_one_input_and_nothing_is_none() -> None:
    (found,) = own_inputs({"inputs": np.ones((2, 2))}, "f", abs) or []
    assert found.shape == (2, 2)
    assert own_inputs({}, "f", abs) is None


def test_what_is_no_input_is_refused() -> None:
    with pytest.raises(UsageError, match='"inputs" in the file is dict'):
        own_inputs({"inputs": {}}, "f", abs)


def test_arguments_without_a_default() -> None:
    def function(x, y=1, *rest, key, other=2, **more):
        return x

    assert lacking(function) == ["x", "key"]
    assert lacking(lambda: None) == []
    assert lacking(dict.fromkeys) is None or isinstance(lacking(dict.fromkeys), list)


def test_a_class_that_needs_arguments_is_refused() -> None:
    class Needs:
        def __init__(self, width, depth=1):
            pass

    require_buildable(Named, "Named")
    with pytest.raises(UsageError, match="needs width"):
        require_buildable(Needs, "Needs")
