"""Where text for people goes: results to stdout, the rest to stderr."""

from __future__ import annotations

import functools
import os
from typing import Any

UNWRAPPED = 1000
"""Width of an output that is no terminal: one line stays one line for whoever reads it with grep."""


@functools.cache
def console(*, stderr: bool = False) -> Any:
    """A rich console; without colors, bars and wrapped lines when the output is no terminal or NO_COLOR is set.

    Text is printed as it is: brackets and colons in a file's name are no markup.
    """
    from rich.console import Console

    plain = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not plain.is_terminal and "COLUMNS" not in os.environ:
        plain.width = UNWRAPPED
    return plain
