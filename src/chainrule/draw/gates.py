"""What recurrent layers did with a text, drawn: gates and states over its tokens, gradients over time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from chainrule.core.version import __version__
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.heat import EXTRAS, HeatMap, heat_colors, heat_html, token_mark
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.palette import PALETTES, Theme, matplotlib_style
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import first_word, plain_text, share_text

Array = NDArray[np.float64]
MEANINGS: Final = {
    "lstm": {
        "i": "input gate: how much is taken in",
        "f": "forget gate: how much of the cell is kept",
        "o": "output gate: how much of the cell is told",
        "g": "what is taken in",
        "c": "the cell",
        "h": "what is told, the state",
    },
    "gru": {
        "z": "update gate: how much of the old state is kept",
        "r": "reset gate: how much of it the proposal sees",
        "n": "the proposal",
        "h": "the state",
    },
    "rnn": {"h": "the state"},
}
READABLE: Final = 300
"""Tokens that can be read below a picture."""
GATES: Final = frozenset("ifozr")
"""Between 0 and 1; the others have a sign."""


def gates_table(facts: Mapping[str, Any]) -> Table:
    """Return how open each gate is on average, as a table."""
    columns = [
        Column("layer"),
        Column("gate"),
        Column("mean", "share"),
        *map(_share_column, ("above 0.9", "below 0.1")),
    ]
    rows = [
        [layer["name"], f"{name}, {MEANINGS[layer['cell']][name]}", gate["mean"], gate["open"], gate["closed"]]
        for layer in facts["layers"]
        for name, gate in layer["gates"].items()
    ]
    return Table("Gates over all units and tokens", columns, rows)


def _share_column(title: str) -> Column:
    return Column(title, "share")


def gradient_words(facts: Mapping[str, Any]) -> list[str]:
    """Return what becomes of the gradient on its way back through time, a sentence a layer."""
    return [
        f"{layer['name']}, {state}: {told}"
        for layer in facts["layers"]
        for state, told in ((name, one["words"]) for name, one in layer["gradients"].items())
    ]


def gates_page(facts: Mapping[str, Any], before: Sequence[Part] = ()) -> str:
    """Return the page.

    Args:
        facts: `{"name", "tokens": [...], "asked": what the gradient is of, "answers": [(token, probability), ...],
            "layers": [{"name", "cell", "units": [...], "values": {gate: rows}, "gates": {gate: {"mean", "open",
            "closed"}}, "gradients": {state: {"norms", "words"}}}, ...], "count": units in all}`.
        before: Parts that stand before its own.
    """
    parts = list(before)
    if any(layer["gradients"] for layer in facts["layers"]):
        parts.append(_gradients(facts))
    parts += [_layer(facts, number) for number in range(len(facts["layers"]))]
    if any(layer["gates"] for layer in facts["layers"]):
        lead = "A gate above 0.9 is as good as open, one below 0.1 as good as closed."
        parts.append(Part("shares", "How open the gates are", table_html(gates_table(facts)), lead, ("G2", "G3")))
    return explanation_page(facts, "gates", parts)


def explanation_page(facts: Mapping[str, Any], kind: str, parts: Sequence[Part]) -> str:
    """Return the page of an explanation: head with the answers, the text, and the parts."""
    first = first_word([p for _, p in facts["answers"]]) if facts["answers"] else ""
    head = render(
        "head.html",
        kind=kind,
        name=plain_text(facts["name"], limit=120),
        status="",
        tone="",
        subtitle=[plain_text(facts["asked"], limit=300), f"{len(facts['tokens']):,} tokens"],
        alarm="",
        cards=[
            {"title": "then" if number else first, "value": token_mark(text, limit=60), "more": share_text(p)}
            for number, (text, p) in enumerate(facts["answers"][:4])
        ],
    )
    if "picture" not in facts:  # what was written about a picture stands beside it
        head += Markup('<p class="asked"><bdi>{}</bdi></p>').format(plain_text(facts["text"], limit=4000))
    foot = render(
        "foot.html",
        absent=[],
        lectures=[],
        version=__version__,
        made="a run and a picture" if "picture" in facts else "a run and a text",
    )
    return page_html(f"{plain_text(facts['name'], limit=100)} · {kind}", head, parts, foot=foot)


def _layer(facts: Mapping[str, Any], number: int) -> Part:
    layer = facts["layers"][number]
    body = Markup().join(heat_html(one) for one in layer_maps(facts, layer))
    lead = f"{len(layer['units'])} of {layer['count']} units, those that change most, similar ones beside each other."
    items = {"lstm": ("G2",), "gru": ("G3",), "rnn": ("G1",)}[layer["cell"]]
    return Part(f"layer-{number + 1}", plain_text(layer["name"], limit=80), body, lead, items, EXTRAS)


def layer_maps(facts: Mapping[str, Any], layer: Mapping[str, Any]) -> list[HeatMap]:
    """Return the maps of a layer's gates and states."""
    maps = []
    for name, rows in layer["values"].items():
        values = np.asarray(rows, dtype=np.float64)
        signed = name not in GATES
        wide = name == "c" or (name == "h" and layer["cell"] == "rnn")
        finite = np.abs(values[np.isfinite(values)])
        limit = float(finite.max()) if wide and finite.size and finite.max() > 0 else 1.0
        title = f"{name}, {MEANINGS[layer['cell']][name]}"
        units = [f"unit {unit}" for unit in layer["units"]]
        maps.append(HeatMap(title, values, facts["tokens"], units, limit=limit, signed=signed))
    return maps


def _gradients(facts: Mapping[str, Any]) -> Part:
    chart = Chart(
        "gradients", "norm of the gradient", [line for _, line in _lines(facts)], x_label="token", log=True
    )  # fmt: skip
    body = render("charts.html", charts=[chart_html(chart)], more=None, more_title="")
    for words in gradient_words(facts):
        body += Markup('<p class="note">{}</p>').format(words)
    lead = (
        f"How far back the states still matter for {facts['asked']}: the norm of its gradient by the state after each"
        " token, over all ways from there."
    )
    return Part("gradients", "Gradients through time", body, lead, ("C9", "G1"))


def _lines(facts: Mapping[str, Any]) -> list[tuple[int, Line]]:
    """Curves of the norms; where nothing comes back there is no point."""
    found: list[tuple[int, Line]] = []
    for layer in facts["layers"]:
        for name, one in layer["gradients"].items():
            norms = np.asarray(one["norms"], dtype=np.float64)
            x = np.flatnonzero(norms > 0)
            label, curve = f"{layer['name']}: {name}", Curve(name, "", x.astype(np.float64) + 1, norms[x])
            color = len({line.style for _, line in found})
            if name == "c" and found:
                color = found[-1][0]
            found.append((color, Line(label, curve, color, dashed=name == "c")))
    return found


def gates_picture(facts: Mapping[str, Any], *, format: Literal["png", "svg"] = "png", theme: Theme = "light") -> bytes:
    """Return gates, states and gradients as one picture, the tokens below each layer."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {**matplotlib_style(theme), "axes.grid": False}
    tokens = [token_mark(token, limit=8) for token in facts["tokens"]]
    panels = [(layer, one) for layer in facts["layers"] for one in layer_maps(facts, layer)]
    lines = _lines(facts)
    heights = [0.62] * len(panels) + ([1.9] if lines else [])
    with rc_context(style):
        width = min(max(0.13 * len(tokens) + 1.6, 6.0), 40.0)
        figure = Figure(figsize=(width, sum(heights) + 0.5 * len(facts["layers"]) + 0.6), dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (layer, one) in zip(grid, panels):
            _fill(axes, layer, one, tokens, theme)
        if lines:
            _fill_gradients(grid[-1], facts, tokens, theme)
        file = io.BytesIO()
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()


def _fill(axes: Any, layer: Mapping[str, Any], one: HeatMap, tokens: Sequence[str], theme: Theme) -> None:
    colors = heat_colors(one.values, limit=one.limit, signed=one.signed, theme=theme).transpose(1, 2, 0)
    axes.imshow(colors, aspect="auto", interpolation="nearest")
    names = list(layer["values"])
    name = one.title.partition(",")[0]
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11, color=PALETTES[theme].ink)
    axes.set_yticks([])
    axes.set_xticks([])
    if name == names[0]:
        axes.set_title(_literal(layer["name"]))
    if name == names[-1]:
        _name_tokens(axes, tokens)


def _fill_gradients(axes: Any, facts: Mapping[str, Any], tokens: Sequence[str], theme: Theme) -> None:
    for color, line in _lines(facts):
        style = {"color": PALETTES[theme].series[color % 6], "linestyle": "--" if line.dashed else "-"}
        axes.plot(line.curve.x - 1, line.curve.y, label=_literal(line.label), marker=".", markersize=3, **style)
    axes.set_yscale("log")
    axes.set_xlim(-0.5, len(tokens) - 0.5)
    axes.grid(True, axis="y")
    axes.set_title(_literal(plain_text(f"norm of the gradient of {facts['asked']}", limit=72)))
    axes.legend(ncols=2, loc="best")
    _name_tokens(axes, tokens)


def _name_tokens(axes: Any, tokens: Sequence[str]) -> None:
    if len(tokens) > READABLE:
        return
    long = max(map(len, tokens)) > 2
    axes.set_xticks(range(len(tokens)), [_literal(token) for token in tokens], rotation=90 if long else 0)
    axes.tick_params(axis="x", length=0, labelsize=7, labelfontfamily="monospace")


def _literal(text: str) -> str:
    return text.replace("$", r"\$")
