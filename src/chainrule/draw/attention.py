"""What attention looked at, drawn: the weight of every token for every other, head by head."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from chainrule.draw.gates import explanation_page
from chainrule.draw.heat import EXTRAS, HeatMap, heat_colors, heat_html, token_mark
from chainrule.draw.page import Part
from chainrule.draw.palette import Theme, matplotlib_style
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import plain_text


def attention_table(facts: Mapping[str, Any]) -> Table:
    """Return what each head does, as a table."""
    back = facts["memory"] is None
    columns = [
        Column("block"),
        Column("head", "count"),
        *([Column("looks back", "number")] if back else []),
        Column("spreads over", "number"),
        Column("on the first", "share"),
        Column("looks at most" if facts["step"] is None else f"token {facts['step']} looks at"),
    ]
    rows = [
        [
            block["name"],
            number,
            *([head["back"]] if back else []),
            head["spread"],
            head["first"],
            ", ".join(f"{token_mark(token)} ({place}) {weight:.2f}" for place, token, weight in head["seen"]),
        ]
        for block in facts["blocks"]
        for number, head in enumerate(block["heads"], 1)
    ]
    return Table("What the heads look at", columns, rows)


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
    return explanation_page(facts, "attention", parts)


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
