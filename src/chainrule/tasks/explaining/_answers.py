"""The first lines of every explanation of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def answers_text(facts: dict[str, Any]) -> Any:
    """Return the first lines of every explanation of a text: what is probable, and what is asked."""
    from rich.text import Text

    from chainrule.draw.heat import token_mark

    answers: Sequence[tuple[str, float]] = facts["answers"]
    told = ", ".join(f"{token_mark(token, limit=60)} {p:.3f}" for token, p in answers)
    return Text(f"asked     {facts['asked']}\nprobable  {told}")
