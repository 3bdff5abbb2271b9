"""What attention looked at, drawn: the weight of every token for every other, head by head."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from chainrule.draw.gates import explanation_page
from chainrule.draw.heat import EXTRAS, HeatMap, heat_colors, heat_html, token_mark
from chainrule.draw.page import Part
from chainrule.draw.palette import Theme, matplotlib_style
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import plain_text

Array = NDArray[np.float64]
MOST = 3
"""Of so many places it is told that they were looked at most."""


def attention_table(facts: Mapping[str, Any]) -> Table:
    """Return what each head does, as a table."""
    back, ordered = facts["memory"] is None, "grid" not in facts
    columns = [
        Column("block"),
        Column("head", "count"),
        *([Column("looks back", "number")] if back else []),
        Column("spreads over", "number"),
        *([Column("on the first", "share")] if ordered else []),
        Column("looks at most" if facts["step"] is None else f"token {facts['step']} looks at"),
    ]
    rows = [
        [
            block["name"],
            number,
            *([head["back"]] if back else []),
            head["spread"],
            *([head["first"]] if ordered else []),
            ", ".join(_told(facts, place, token, weight) for place, token, weight in head["seen"]),
        ]
        for block in facts["blocks"]
        for number, head in enumerate(block["heads"], 1)
    ]
    return Table("What the heads look at", columns, rows)


def _told(facts: Mapping[str, Any], place: int, token: str, weight: float) -> str:
    """What is looked at, where it stands, and how much; the name of a region says where it is."""
    stands = f"{token_mark(token)} ({place})" if "grid" not in facts else token
    return f"{stands} {weight:.2f}"


def mean_weights(facts: Mapping[str, Any]) -> Array:
    """Return what each token that was written looked at, (T, N): in the last block, the mean of its heads."""
    heads = [np.asarray(head["weights"], dtype=np.float64) for head in facts["blocks"][-1]["heads"]]
    return np.asarray(np.mean(heads, axis=0))


def written_table(facts: Mapping[str, Any]) -> Table:
    """Return what each token that was written looked at most, as a table; of the last block, the mean of its heads."""
    columns = [Column("token", "count"), Column("written"), Column("looked at most")]
    rows: list[list[Any]] = []
    for number, (token, weights) in enumerate(zip(facts["tokens"], mean_weights(facts)), 1):
        best = np.argsort(-weights, kind="stable")[:MOST]
        told = [_told(facts, int(place) + 1, facts["memory"][place], weights[place]) for place in best]
        rows.append([number, token_mark(token), ", ".join(told)])
    return Table("What each token looked at", columns, rows)


def attention_page(facts: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        facts: `{"name", "text", "tokens", "asked", "answers", "step": from 1 or None, "memory": [...] or None,
            "blocks": [{"name", "heads": [{"weights": rows, "back", "spread", "first", "seen"}, ...]}, ...]}`.
    """
    lead, items = (
        "Each row is a token and shows how it spreads its look over the tokens; a row sums to 1.",
        ("H1", "H3"),
    )
    if facts["memory"] is not None:
        lead = "Each row is a token that was written, each column one of the sentence; a row sums to 1."
        items = ("G8", "H5")
    parts = [
        Part(
            f"block-{number}",
            plain_text(block["name"], limit=80),
            Markup('<div class="heats">{}</div>').format(Markup().join(_head(facts, block, n) for n in _count(block))),
            lead,
            items,
            EXTRAS,
        )
        for number, block in enumerate(facts["blocks"], 1)
    ]
    about = "Looks back: how many tokens, on average. " if facts["memory"] is None else ""
    about += (
        "Spreads over: about how many tokens share the look (two to the power of its entropy). On the first: the share"
        " of the text's first token."
    )
    parts.insert(0, Part("heads", "Heads", table_html(attention_table(facts)), about, items))
    if facts["step"] is not None:
        parts.insert(0, _asked(facts, items))
    return explanation_page(facts, "attention", parts)


def _asked(facts: Mapping[str, Any], items: tuple[str, ...]) -> Part:
    """What the token that is asked about looks at, a row for each head."""
    place = facts["step"] - 1
    heads = [
        (f"{number}.{head + 1}", block["heads"][head]["weights"][place])
        for number, block in enumerate(facts["blocks"], 1)
        for head in _count(block)
    ]
    values = np.asarray([weights for _, weights in heads], dtype=np.float64)
    title = f"Token {facts['step']}, {token_mark(facts['tokens'][place])}"
    body = heat_html(HeatMap(title, values, _columns(facts), [name for name, _ in heads], named=True))
    lead = "What the token that is asked about looks at; a row is a head: 2.1 is the first of the second block."
    return Part("asked", "From the token that is asked about", body, lead, items, EXTRAS)


def _count(block: Mapping[str, Any]) -> range:
    return range(len(block["heads"]))


def _map(facts: Mapping[str, Any], block: Mapping[str, Any], head: int) -> HeatMap:
    values = np.asarray(block["heads"][head]["weights"], dtype=np.float64)
    return HeatMap(f"head {head + 1}", values, _columns(facts), facts["tokens"], named=True)


def _columns(facts: Mapping[str, Any]) -> Sequence[str]:
    """The tokens that are looked at."""
    found: Sequence[str] = facts["tokens"] if facts["memory"] is None else facts["memory"]
    return found


def _head(facts: Mapping[str, Any], block: Mapping[str, Any], head: int) -> Markup:
    return heat_html(_map(facts, block, head), share=0.5 if len(_columns(facts)) > 12 else 0.33)


def attention_picture(
    facts: Mapping[str, Any], *, format: Literal["png", "svg"] = "png", theme: Theme = "light"
) -> bytes:
    """Return the maps of all blocks (down) and heads (across) as one picture."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {**matplotlib_style(theme), "axes.grid": False}
    across, down = _marks(_columns(facts)), _marks(facts["tokens"])
    most = max(len(block["heads"]) for block in facts["blocks"])
    cell = max(min(0.11, 6 / max(len(across), len(down))), 1.8 / max(len(across), len(down)))
    words = max(map(len, across)) > 2
    title = max(len(_title(block, head)) for block in facts["blocks"] for head in _count(block))
    with rc_context(style):
        wide, high = cell * len(across) + 0.3, cell * len(down) + (1.0 if words else 0.5)
        size = (max(wide, 1.8, 0.068 * title) * most + 0.6, max(high, 1.0) * len(facts["blocks"]))
        figure = Figure(figsize=size, dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(facts["blocks"]), most, squeeze=False)
        for row, block in zip(grid, facts["blocks"]):
            for axes in row[len(block["heads"]) :]:
                axes.set_axis_off()
            for head, axes in zip(_count(block), row):
                one = _map(facts, block, head)
                axes.imshow(heat_colors(one.values, limit=1, signed=False, theme=theme).transpose(1, 2, 0))
                axes.set_title(_title(block, head).replace("$", r"\$"), fontsize=8)
                if cell > 0.08:
                    axes.set_xticks(range(len(across)), across, fontsize=6, rotation=90 if words else 0)
                    axes.set_yticks(range(len(down)), down, fontsize=6)
                else:
                    axes.set_xticks([])
                    axes.set_yticks([])
                axes.tick_params(length=0, labelfontfamily="monospace")
        file = io.BytesIO()
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()


def _title(block: Mapping[str, Any], head: int) -> str:
    return f"{block['name']}, head {head + 1}"


def _marks(tokens: Sequence[str]) -> list[str]:
    return [token_mark(token, limit=8).replace("$", r"\$") for token in tokens]
