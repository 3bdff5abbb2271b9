"""The layer notation `INPUT 32x32x3 | CONV3-64 | RELU | GAP | FC-10`: its grammar, its layers, and its table.

`docs/notation.md` describes it. Nothing here imports torch; `chainrule.nn.build` makes the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.notation._table import Row as Row
    from chainrule.notation._table import Table as Table
    from chainrule.notation._table import table as table
    from chainrule.notation.grammar import parse as parse
    from chainrule.notation.network import Network as Network
    from chainrule.notation.network import resolve as resolve
    from chainrule.notation.shapes import Vector as Vector
    from chainrule.notation.shapes import Volume as Volume
    from chainrule.notation.source import is_layers as is_layers
    from chainrule.notation.tree import Spec as Spec
    from chainrule.notation.tree import format_spec as format_spec

_NAMES = {
    "Network": "network",
    "Row": "_table",
    "Spec": "tree",
    "Table": "_table",
    "Vector": "shapes",
    "Volume": "shapes",
    "format_spec": "tree",
    "is_layers": "source",
    "parse": "grammar",
    "resolve": "network",
    "table": "_table",
}

__getattr__, __dir__, __all__ = lazy(__name__, _NAMES)
