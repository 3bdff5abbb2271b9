"""What the attentions of a network look at over a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from chainrule.analysis import record_attention
from chainrule.core.errors import UsageError
from chainrule.draw.attention import attention_page, attention_picture, attention_table, written_table
from chainrule.draw.looked import looked_page, looked_picture
from chainrule.nn.attention import TO_MEMORY, AttentionMap, SelfAttention
from chainrule.tasks.explaining._answers import answers_text
from chainrule.tasks.explaining._explain import Explanation
from chainrule.tasks.explaining._fitting_method import require_attention
from chainrule.tasks.explaining._reading import Reading, Source, read

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

LOOKED = 3
"""How many of the tokens are told that are looked at most."""
MOST = 400
"""Tokens of a text whose attention is told: each of them has a weight for each."""


def explain_attention(
    run: Run, model: nn.Module, *, text: str = "", picture: Source | None = None, at: int | None = None
) -> Explanation:
    """Return what every token looks at, in every block and head: tokens of its text, or of what was read before it.

    What was read before is a sentence, or the regions of a picture.

    Args:
        run: Of a network with attention.
        model: That network.
        text: What it reads.
        picture: What it writes about, a file or what stands in it, in place of a text.
        at: Which token is asked about, as the task of the run says.

    Raises:
        UsageError: The network has no attention over these tokens, or the text is too long.

    Source:
        LECTURES G8, H1-H5.
    """
    reading = read(run, model, text=text, picture=picture, at=at)
    require_attention(run, model)
    columns = _columns(reading)
    longest = max(len(reading.tokens), len(columns))
    if longest > MOST:
        raise UsageError("the text is too long", expected=f"at most {MOST} tokens", got=longest)
    records = _over(model, record_attention(model, *reading.inputs), reading)
    with torch.no_grad():
        answers = reading.answers(model(*reading.inputs))
    facts = {
        **reading.facts(run, "attention", answers),
        "step": None if reading.step is None else reading.step + 1,
        "memory": None if reading.memory is None else list(reading.memory),
        "blocks": [
            {"name": one.name, "heads": [_head(head.double(), reading) for head in one.weights[0]]} for one in records
        ],
    }
    seen = None if reading.seen is None else reading.seen.picture.numpy()

    def page() -> str:
        return attention_page(facts) if seen is None else looked_page(facts, seen)

    def drawn(format: Literal["png", "svg"], theme: Literal["light", "dark"]) -> bytes:
        if seen is None:
            return attention_picture(facts, format=format, theme=theme)
        return looked_picture(facts, seen, format=format, theme=theme)

    return Explanation("attention", facts, records, _shown(facts), page, drawn)


def _over(model: nn.Module, records: list[AttentionMap], reading: Reading) -> list[AttentionMap]:
    """Those in which the tokens look at each other, or at the memory.

    Raises:
        UsageError: There are none.
    """
    kinds: tuple[type[nn.Module], ...] = (SelfAttention,) if reading.memory is None else TO_MEMORY
    wanted = (len(reading.tokens), len(_columns(reading)))
    found = [
        one
        for one in records
        if isinstance(model.get_submodule(one.name), kinds) and tuple(one.weights.shape[2:]) == wanted
    ]
    if not found:
        whose = "its tokens look at each other" if reading.memory is None else "it looks at the text"
        seen = ", ".join(f"{one.name} {tuple(one.weights.shape[2:])}" for one in records)
        raise UsageError(f"the network has no attention by which {whose}", expected=f"weights {wanted}", got=seen)
    return found


def _columns(reading: Reading) -> Sequence[str]:
    """What is looked at."""
    return reading.tokens if reading.memory is None else reading.memory


def _head(weights: Tensor, reading: Reading) -> dict[str, Any]:
    """What is told of one head, (T, T), or (T, S) of one that looks at a memory."""
    columns = _columns(reading)
    entropy = -(weights * weights.clamp_min(1e-300).log2()).sum(1)
    asked = weights.mean(0) if reading.step is None else weights[reading.step]
    best = asked.topk(min(LOOKED, len(asked)))
    return {
        "weights": [[round(float(w), 5) for w in row] for row in weights],
        "back": _back(weights) if reading.memory is None else None,
        "spread": float(2 ** entropy.mean()),
        "first": float(weights[:, 0].mean()),
        "seen": [(int(place) + 1, columns[int(place)], float(weight)) for weight, place in zip(*best)],
    }


def _back(weights: Tensor) -> float:
    """How many tokens back the tokens look, on average."""
    places = torch.arange(len(weights), dtype=weights.dtype)
    return float((weights * (places[:, None] - places)).sum(1).mean())


def _shown(facts: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from chainrule.draw import table_text

    tables = [attention_table(facts)] if facts["memory"] is None else [attention_table(facts), written_table(facts)]
    lines = [line for table in tables for line in (Text(), table_text(table))]
    return Group(answers_text(facts), *lines)
