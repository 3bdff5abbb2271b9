"""The tree of a beam search in the terminal: each token with its probability, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from chainrule.draw.wording import plain_text

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

STYLES: Final = {"kept": "", "ended": "green", "pruned": "dim"}


def beam_tree(candidates: Sequence[Mapping[str, Any]], best: Sequence[int] = (), *, alpha: float = 1.0) -> Tree:
    """Return the tree of one sentence's search.

    Args:
        candidates: Each `{"step", "parent": tokens, "token", "text", "log_p", "total", "fate", "why"}`, in the order
            in which they were looked at.
        best: Tokens of the hypothesis that won, which is marked.
        alpha: Exponent of the length by which the sums of those that ended are divided.

    Example:
        >>> seen = [{"step": 0, "parent": [], "token": 7, "text": "oui", "log_p": -0.1, "total": -0.1,
        ...          "fate": "kept", "why": ""}]
        >>> str(beam_tree(seen, [7]).children[0].label)
        '▸ oui  p 0.905  sum -0.100  no more steps'
    """
    from rich.text import Text
    from rich.tree import Tree

    root = Tree("beam search")
    places: dict[tuple[int, ...], Tree] = {(): root}
    for one in candidates:
        parent = tuple(one["parent"])
        tokens = (*parent, one["token"])
        wins = tokens == tuple(best[: len(tokens)]) and one["fate"] != "pruned"
        branch = places.get(parent, root).add(_label(one, wins, len(tokens), alpha))
        if one["fate"] != "pruned":
            places[tokens] = branch
    last = max((one["step"] for one in candidates), default=0)
    for one in candidates:
        branch = places[(*one["parent"], one["token"])] if one["fate"] == "kept" else root
        if one["fate"] == "kept" and not branch.children and isinstance(branch.label, Text):
            why = "no more steps" if one["step"] == last else "pruned: all that follow it are worse"
            branch.label.append(f"  {why}", style="dim")
    return root


def _label(one: Mapping[str, Any], wins: bool, length: int, alpha: float) -> Text:
    from rich.text import Text

    text = plain_text(one["text"], limit=40).strip(" ") or repr(one["text"])
    said = Text(f"{'▸ ' if wins else ''}{text}", style="bold" if wins else STYLES.get(one["fate"], ""))
    said.append(f"  p {math.exp(one['log_p']):.3f}  sum {one['total']:.3f}", style="dim" if not wins else "")
    if one["fate"] == "ended":
        said.append(f"  ended, score {one['total'] / length**alpha:.3f}", style="green")
    if one["fate"] == "pruned":
        said.append(f"  pruned: {one['why']}", style="dim")
    return said
