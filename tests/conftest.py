"""For all tests: the shapes that public functions state in jaxtyping's words are checked whenever one is called.

Of each annotation only those shapes are checked: whole numbers may stand for floats, as everywhere in Python, and what
a function refuses by itself (a name that is none of a `Literal`) is its own affair.
"""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from beartype import beartype
from jaxtyping import config, install_import_hook
from torch.fx import Proxy

CHECKED = [
    "analysis",
    "data",
    "decoding",
    "losses",
    "metrics",
    "models",
    "nn",
    "ops",
    "optim",
    "runtime",
    "tasks",
    "training",
]
"""Packages whose annotations name shapes."""
NAMES = ["Float", "Float32", "Float64", "Int", "Int32", "Int64", "UInt8", "Bool", "Shaped", "Num", "Real"]
"""Words of jaxtyping; `tests/architecture/test_annotations.py` sees to it that both lists are whole."""
SHAPE = re.compile(rf"\b({'|'.join(NAMES)})\[")


def check_shapes(function: Any) -> Any:
    """Check the arguments and the result of a function that are annotated with shapes, and nothing else."""
    if isinstance(function, type):
        return function
    annotations = {name: hint for name, hint in function.__annotations__.items() if SHAPE.search(str(hint))}
    if not annotations:
        return function
    function.__annotations__ = annotations
    checked = beartype(function)

    @functools.wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        # what torch.fx passes when it follows a network has no shape yet
        symbolic = any(isinstance(value, Proxy) for value in (*args, *kwargs.values()))
        return (function if symbolic else checked)(*args, **kwargs)

    return check


checker = types.ModuleType("shape_checker")
checker.__dict__.update(check_shapes=check_shapes, CHECKED=CHECKED, NAMES=NAMES)
sys.modules["shape_checker"] = checker
if not config.jaxtyping_disable:  # JAXTYPING_DISABLE=1 leaves the functions as they are
    install_import_hook([f"chainrule.{name}" for name in CHECKED], "shape_checker.check_shapes")


@pytest.fixture
def own_checks() -> Iterator[None]:
    """For tests of what a function itself says to a wrong shape: the check of all annotations is off."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
