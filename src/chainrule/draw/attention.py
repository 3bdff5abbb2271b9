"""What attention looked at, drawn: the weight of every token for every other, head by head."""

from __future__ import annotations

import io
from collections.abc import Mapping
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
    columns = [
        Column("block"),
        Column("head", "count"),
        Column("looks back", "number"),
        Column("spreads over", "number"),
        Column("on the first", "share"),
        Column(f"token {facts['step']} looks at"),
    ]
    rows = [
        [
            block["name"],
            number,
            head["back"],
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
        facts: `{"name", "text", "tokens", "asked", "answers", "step", "blocks": [{"name", "heads": [{"weights": rows,
            "back", "spread", "first", "seen"}, ...]}, ...]}`.
    """
    lead = "Each row is a token and shows how it spreads its look over the tokens; a row sums to 1."
    parts = [
        Part(
            f"block-{number}",
            plain_text(block["name"], limit=80),
            Markup('<div class="heats">{}</div>').format(Markup().join(_head(facts, block, n) for n in _count(block))),
            lead,
            ("H1", "H3"),
            EXTRAS,
        )
        for number, block in enumerate(facts["blocks"], 1)
    ]
    about = (
        "Looks back: how many tokens, on average. Spreads over: about how many tokens share the look (two to the power"
        " of its entropy). On the first: the share of the text's first token."
    )
    parts.insert(0, Part("heads", "Heads", table_html(attention_table(facts)), about, ("H3",)))
    return explanation_page(facts, "attention", parts)


def _count(block: Mapping[str, Any]) -> range:
    return range(len(block["heads"]))


def _map(facts: Mapping[str, Any], block: Mapping[str, Any], head: int) -> HeatMap:
    values = np.asarray(block["heads"][head]["weights"], dtype=np.float64)
    return HeatMap(f"head {head + 1}", values, facts["tokens"], facts["tokens"], named=True)


def _head(facts: Mapping[str, Any], block: Mapping[str, Any], head: int) -> Markup:
    return heat_html(_map(facts, block, head), share=0.5 if len(facts["tokens"]) > 12 else 0.33)


def attention_picture(
    facts: Mapping[str, Any], *, format: Literal["png", "svg"] = "png", theme: Theme = "light"
) -> bytes:
    """Return the maps of all blocks (down) and heads (across) as one picture."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {**matplotlib_style(theme), "axes.grid": False}
    tokens = [token_mark(token, limit=8).replace("$", r"\$") for token in facts["tokens"]]
    most = max(len(block["heads"]) for block in facts["blocks"])
    side = min(max(0.11 * len(tokens), 1.8), 6.0)
    with rc_context(style):
        size = (side * most + 0.6, (side + 0.5) * len(facts["blocks"]))
        figure = Figure(figsize=size, dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(facts["blocks"]), most, squeeze=False)
        for row, block in zip(grid, facts["blocks"]):
            for axes in row[len(block["heads"]) :]:
                axes.set_axis_off()
            for head, axes in zip(_count(block), row):
                one = _map(facts, block, head)
                axes.imshow(heat_colors(one.values, limit=1, signed=False, theme=theme).transpose(1, 2, 0))
                axes.set_title(f"{block['name']}, head {head + 1}".replace("$", r"\$"), fontsize=8)
                named = side / len(tokens) > 0.08
                axes.set_xticks(range(len(tokens)) if named else [], tokens if named else [], fontsize=6)
                axes.set_yticks(range(len(tokens)) if named else [], tokens if named else [], fontsize=6)
                axes.tick_params(length=0, labelfontfamily="monospace")
        file = io.BytesIO()
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()
