"""How large a specification may be: a recipe can come from anywhere, and a few characters can ask for anything."""

from __future__ import annotations

LENGTH = 20_000
"""Characters of a specification."""

NESTING = 32
"""Brackets inside brackets."""

LAYERS = 10_000
"""Layers after repetitions are written out."""

NUMBER = 1_000_000
"""Any number in it."""

SIDE = 65_536
"""Rows or columns of a volume."""

ELEMENTS = 2**40
"""Numbers in one volume."""

STRIDE = 2**40
"""Pixels of the input from one output to the next."""

PHASES = 1_024
"""Positions after which the pattern of what UPCONV reads repeats."""

PHASES_IN_ALL = 500_000
"""The same, added up over the layers that move positions: the work of following receptive fields."""

RATES = 8
"""Different strides that paths through a network may arrive with."""
