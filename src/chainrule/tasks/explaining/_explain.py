"""Why a network says what it says: methods by name, and what they find."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

METHODS = Registry(
    "method",
    [
        ("attention", Entry("chainrule.tasks.explaining._attention:explain_attention", "what each token looks at")),
        ("gates", Entry("chainrule.tasks.explaining._gates:explain_gates", "gates, states and gradients of each step")),
    ],
)
"""`(run, module, text=..., picture=..., at=..., **options) -> Explanation`."""


@dataclass(frozen=True)
class Explanation:
    """What a method found.

    Args:
        method: Its name.
        facts: All that is told and drawn, as plain data.
        record: The same as tensors.
        shown: The summary for a terminal, for rich.
        html: Makes the page.
        picture: `(format, theme)`; makes a PNG or SVG file.
    """

    method: str
    facts: Mapping[str, Any]
    record: Any
    shown: Any
    html: Callable[[], str]
    picture: Callable[[Literal["png", "svg"], Literal["light", "dark"]], bytes]

    def __str__(self) -> str:
        """The terminal's text, 100 columns wide."""
        from rich.console import Console

        console = Console(width=100, no_color=True, highlight=False, markup=False, emoji=False)
        with console.capture() as shown:
            console.print(self.shown)
        return shown.get().rstrip("\n")

    def _repr_html_(self) -> str:
        uri = base64.b64encode(self.picture("png", "light")).decode("ascii")
        return f'<img alt="{self.method}" style="max-width:100%" src="data:image/png;base64,{uri}">'


def explain(run: Run, method: str, *, module: nn.Module | None = None, **options: Any) -> Explanation:
    """Return what a method says about a run; see `Run.explain`."""
    found: Explanation = METHODS.resolve(method)(run, run.model(module), **options)
    return found
