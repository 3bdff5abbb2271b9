"""The first lines of every explanation of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def answers_text(facts: dict[str, Any]) -> Any:
    """Return the first lines of every explanation of a text: what is probable, and what is asked."""
    from rich.text import Text

    from chainrule.draw.heat import token_mark
    from chainrule.draw.wording import first_word, share_text

    answers: Sequence[tuple[str, float]] = facts["answers"]
    told = ", ".join(f"{token_mark(token, limit=60)} {share_text(p)}" for token, p in answers)
    first = first_word([p for _, p in answers]) if answers else ""
    return Text(f"{'asked':<13}  {facts['asked']}\n{first:<13}  {told}")
