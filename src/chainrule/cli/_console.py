"""Where text for people goes: results to stdout, the rest to stderr."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def console(*, stderr: bool = False) -> Any:
    """A rich console; without colors and bars when the output is no terminal or NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)
