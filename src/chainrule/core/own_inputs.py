"""What a function or network in a file of the user's is called with, as the file says it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own


def own_inputs(space: Mapping[str, Any], name: str, thing: Any) -> list[Any] | None:
    """Return the inputs that a file has for one of its functions or networks; None where it has none.

    Its `NAME_inputs`, `inputs` or `example_inputs`, else the `example_inputs` or `example_input_array` of the thing
    itself: a tuple or list, one tensor, array or number, or a function that returns one of them.

    Args:
        space: All names of the file.
        name: Which of them is called.
        thing: What is called.

    Raises:
        UsageError: It is something else.

    Example:
        >>> own_inputs({"f_inputs": (1.0, 2.0), "inputs": (3.0,)}, "f", abs)
        [1.0, 2.0]
    """
    for key in (f"{name}_inputs", "inputs", "example_inputs"):
        if space.get(key) is not None:
            return _listed(space[key], key)
    for key in ("example_inputs", "example_input_array"):
        if getattr(thing, key, None) is not None:
            return _listed(getattr(thing, key), key)
    return None


def _listed(given: Any, key: str) -> list[Any]:
    given = call_own(given) if callable(given) else given
    if isinstance(given, tuple | list):
        return list(given)
    if hasattr(given, "shape") or isinstance(given, float | int):
        return [given]
    raise UsageError(f'"{key}" in the file is {type(given).__name__}', expected="a tuple of inputs, or a function")


def lacking(called: Callable[..., Any]) -> list[str] | None:
    """Return the arguments without a default; None where a function does not tell.

    Example:
        >>> lacking(lambda x, y=1, *rest: x)
        ['x']
    """
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return None
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def require_buildable(kind: type, name: str) -> None:
    """Refuse a class that cannot be built without arguments.

    Raises:
        UsageError: It needs some.
    """
    if needed := lacking(kind):
        raise UsageError(
            f'the class "{name}" needs {", ".join(needed)}',
            remedy=f"make one in the file, such as net = {name}(...), and name it",
        )
