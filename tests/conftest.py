"""For all tests: the shapes that public functions state in jaxtyping's words are checked whenever one is called.

Of each annotation only those shapes are checked: whole numbers may stand for floats, as everywhere in Python, and what
a function refuses by itself (a name that is none of a `Literal`) is its own affair. Functions without a shape in their
annotations stay as they are: a call that is bound to its signature anew costs more than most of them.
"""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jaxtyping
import pytest
from beartype import beartype
from jaxtyping import config, install_import_hook, jaxtyped
from torch.compiler import is_dynamo_compiling
from torch.fx import Proxy

CHECKED = [
    "analysis",
    "data",
    "decoding",
    "exporting",
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
        # what torch.fx and dynamo pass when they follow a network has no shape yet
        symbolic = is_dynamo_compiling() or any(isinstance(value, Proxy) for value in (*args, *kwargs.values()))
        return (function if symbolic else checked)(*args, **kwargs)

    return check


def jaxtyped_where_shapes(*, typechecker: Any) -> Callable[[Any], Any]:
    """`jaxtyped` for functions (and dataclasses, by their fields) that name shapes; others are returned as they are."""

    def decorate(function: Any) -> Any:
        annotated = function.__init__ if isinstance(function, type) else function
        shaped = any(SHAPE.search(str(hint)) for hint in getattr(annotated, "__annotations__", {}).values())
        return jaxtyped(function, typechecker=typechecker) if shaped else function

    return decorate


checker = types.ModuleType("shape_checker")
checker.__dict__.update(check_shapes=check_shapes, CHECKED=CHECKED, NAMES=NAMES)
sys.modules["shape_checker"] = checker
if not config.jaxtyping_disable:  # JAXTYPING_DISABLE=1 leaves the functions as they are
    jaxtyping.jaxtyped = jaxtyped_where_shapes  # the name by which the hook decorates every function
    install_import_hook([f"chainrule.{name}" for name in CHECKED], "shape_checker.check_shapes")


@pytest.fixture
def own_checks() -> Iterator[None]:
    """For tests of what a function itself says to a wrong shape: the check of all annotations is off."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
