"""The shapes that annotations state are checked while tests run (`tests/conftest.py`)."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from chainrule.nn import global_avg_pool, maxout
from chainrule.optim import orthogonalize


@pytest.mark.parametrize(
    "call",
    [
        lambda: global_avg_pool(torch.zeros(2, 3)),
        lambda: maxout(torch.zeros(2, 4, dtype=torch.long), 2),
        lambda: orthogonalize(torch.zeros(3, 3)),
    ],
)
def test_a_wrong_shape_or_type_is_refused_while_tests_run(call: object) -> None:
    assert callable(call)
    with pytest.raises(TypeCheckError):
        call()


def test_right_ones_pass() -> None:
    assert global_avg_pool(torch.zeros(2, 3, 4, 5)).shape == (2, 3)
