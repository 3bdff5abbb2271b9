"""What the attentions of a network look at over a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from chainrule.analysis import record_attention
from chainrule.core.errors import UsageError
from chainrule.draw.attention import attention_page, attention_picture, attention_table
from chainrule.nn.attention import AttentionMap
from chainrule.tasks._explain import Explanation, read_text
from chainrule.tasks._explain_gates import answers_text

if TYPE_CHECKING:
    from chainrule.tasks._run import Run

LOOKED = 3
"""Tokens that are told of what the token looks at that is asked about."""
MOST = 400
"""Tokens of a text whose attention is told: each of them has a weight for each."""


def explain_attention(run: Run, model: nn.Module, *, text: str = "", at: int | None = None) -> Explanation:
    """Return what every token looks at, in every block and head.

    Args:
        run: Of a network with attention.
        model: That network.
        text: What it reads.
        at: Which token is asked about, as the task of the run says.

    Raises:
        UsageError: The network has no attention, or the text is too long.

    Source:
        LECTURES H1-H4.
    """
    reading = read_text(run, text, at)
    if len(reading.tokens) > MOST:
        raise UsageError("the text is too long", expected=f"at most {MOST} tokens", got=len(reading.tokens))
    records = [one for one in record_attention(model, *reading.inputs) if _square(one, len(reading.tokens))]
    with torch.no_grad():
        answers = reading.answers(model(*reading.inputs))
    facts = {
        "method": "attention",
        "name": run.info["name"],
        "text": reading.text,
        "tokens": reading.tokens,
        "asked": reading.asked,
        "answers": answers,
        "step": reading.step + 1,
        "blocks": [
            {"name": one.name, "heads": [_head(head.double(), reading.tokens, reading.step) for head in one.weights[0]]}
            for one in records
        ],
    }

    def picture(format: Literal["png", "svg"], theme: Literal["light", "dark"]) -> bytes:
        return attention_picture(facts, format=format, theme=theme)

    return Explanation("attention", facts, records, _shown(facts), lambda: attention_page(facts), picture)


def _square(record: AttentionMap, tokens: int) -> bool:
    """Whether it is the tokens that look at each other."""
    return record.weights.shape[2:] == (tokens, tokens)


def _head(weights: Tensor, tokens: list[str], step: int) -> dict[str, Any]:
    """What is told of one head, (T, T)."""
    places = torch.arange(len(weights), dtype=weights.dtype)
    back = (weights * (places[:, None] - places)).sum(1)
    entropy = -(weights * weights.clamp_min(1e-300).log2()).sum(1)
    best = weights[step].topk(min(LOOKED, len(weights)))
    return {
        "weights": [[round(float(w), 5) for w in row] for row in weights],
        "back": float(back.mean()),
        "spread": float(2 ** entropy.mean()),
        "first": float(weights[:, 0].mean()),
        "seen": [(int(place) + 1, tokens[int(place)], float(weight)) for weight, place in zip(*best)],
    }


def _shown(facts: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from chainrule.draw import table_text

    return Group(answers_text(facts), Text(), table_text(attention_table(facts)))
