"""The shapes that annotations state are checked while tests run (`tests/conftest.py`)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

import chainrule
from chainrule.analysis._recorder import name_of
from chainrule.losses import softmax_loss
from chainrule.metrics import Accuracy
from chainrule.nn import global_avg_pool, maxout
from chainrule.optim import orthogonalize


@pytest.mark.parametrize(
    "call",
    [
        lambda: global_avg_pool(torch.zeros(2, 3)),
        lambda: maxout(torch.zeros(2, 4, dtype=torch.long), 2),
        lambda: orthogonalize(torch.zeros(3, 3)),
        lambda: softmax_loss(torch.zeros(3, 2), torch.zeros(4, dtype=torch.long)),  # n is the same in both
        lambda: Accuracy.of(torch.zeros(3, 2), torch.zeros(3)),  # a method of a class
    ],
)
def test_a_wrong_shape_or_type_is_refused_while_tests_run(call: object) -> None:
    assert callable(call)
    with pytest.raises(TypeCheckError):
        call()


def test_right_ones_pass() -> None:
    assert global_avg_pool(torch.zeros(2, 3, 4, 5)).shape == (2, 3)


def test_functions_without_shapes_are_as_they_were_written() -> None:
    assert not hasattr(name_of, "__wrapped__")
    assert hasattr(global_avg_pool, "__wrapped__")


def test_no_package_and_no_word_is_left_out() -> None:
    checker, root = sys.modules["shape_checker"], Path(str(chainrule.__file__)).parent
    found = 0
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping":
                found += 1
                assert path.relative_to(root).parts[0] in checker.CHECKED, path
                assert {alias.name for alias in node.names} <= set(checker.NAMES), path
    assert found > 20


def test_results_are_checked_as_arguments_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.losses._softmax.functional.cross_entropy", lambda *args, **kwargs: torch.zeros(()))
    with pytest.raises(TypeCheckError):
        softmax_loss(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))
