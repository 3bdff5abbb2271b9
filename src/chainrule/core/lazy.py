"""Public names that are imported when they are first used (PEP 562), so that `import chainrule` costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a package whose public names live in other modules.

    Args:
        package: `__name__` of the package.
        names: Public name -> module inside the package (relative, without the dot) that defines it.

    Example:
        In `chainrule/losses/__init__.py`:

        `__getattr__, __dir__, __all__ = lazy(__name__, {"softmax_loss": "_softmax"})`
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{names[name]}"), name)

    return find, lambda: sorted(names), sorted(names)
