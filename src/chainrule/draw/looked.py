"""Where a network looked in a picture while it wrote about it: the picture, lit for each token."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.draw.attention import attention_table, mean_weights
from chainrule.draw.gates import explanation_page
from chainrule.draw.heat import token_mark
from chainrule.draw.page import Part, render
from chainrule.draw.palette import Theme, matplotlib_style
from chainrule.draw.picture import lit_picture, png_uri, small_picture
from chainrule.draw.sections.captions import LOOKED, captioned_html, list_html
from chainrule.draw.table import table_html
from chainrule.draw.wording import plain_text

Array = NDArray[np.float64]
SIDE: Final = 256
"""Pixels of the picture itself."""
WORD_SIDE: Final = 96
"""Pixels of a picture that is shown for one token."""
MOST: Final = 240
"""So many pictures show what the heads looked at; of more heads and tokens only the mean of each block is drawn."""
ACROSS: Final = 8
"""Pictures beside each other in a file."""


def lit_words(picture: ArrayLike, words: Sequence[str], weights: ArrayLike) -> list[dict[str, str]]:
    """Return a small picture for each token, as bright as it was looked at.

    Args:
        picture: Channels first.
        words: The tokens.
        weights: (T, h, w), of regions that cover the picture evenly.

    Returns:
        `{"word", "picture": data URI}` of each.

    Example:
        >>> [one["word"] for one in lit_words(np.ones((3, 4, 4)), ["a", "cat"], np.ones((2, 2, 2)))]
        ['a', 'cat']
    """
    small = small_picture(picture, WORD_SIDE)
    return [
        {"word": word, "picture": png_uri(lit_picture(small, looked))}
        for word, looked in zip(words, np.asarray(weights, dtype=np.float64), strict=True)
    ]


def caption_part(facts: Mapping[str, Any], picture: ArrayLike, looked: Sequence[Mapping[str, str]] = ()) -> Part:
    """Return the picture that an explanation is about, what was written about it, and where the network looked.

    Args:
        facts: `{"picture": its file, "text": the caption}`.
        picture: Channels first, as the network was given it.
        looked: From `lit_words`, where the network has attention.
    """
    shown = captioned_html(
        {
            "picture": png_uri(small_picture(picture, SIDE)),
            "source": facts["picture"],
            "output": facts["text"],
            "looked": [{**one, "word": token_mark(one["word"])} for one in looked],
        }
    )
    lead = "The picture as the network was given it, and its caption."
    return Part("caption", "Caption", list_html([shown]), f"{lead} {LOOKED}" if looked else lead, ("G8",))


def looked_page(facts: Mapping[str, Any], picture: ArrayLike) -> str:
    """Return the page of what a network looked at in a picture.

    Args:
        facts: As `attention_page` takes them, with `{"picture": its file, "grid": regions above and beside each
            other}`; the memory are the regions, row by row.
        picture: Channels first, as the network was given it.
    """
    words = lit_words(picture, facts["tokens"], _on_grid(facts, mean_weights(facts)))
    about = "Spreads over: about how many regions share the look (two to the power of its entropy)."
    parts = [
        caption_part(facts, picture, words),
        Part("heads", "Heads", table_html(attention_table(facts)), about, ("G8", "H5")),
    ]
    if sum(len(block["heads"]) for block in facts["blocks"]) > 1:
        parts += [_block(facts, number, picture) for number in range(len(facts["blocks"]))]
    return explanation_page(facts, "attention", parts)


def _block(facts: Mapping[str, Any], number: int, picture: ArrayLike) -> Part:
    """Where the heads of a block looked, head by head."""
    block = facts["blocks"][number]
    every = len(facts["tokens"]) * sum(len(one["heads"]) for one in facts["blocks"]) <= MOST
    heads = [np.asarray(head["weights"], dtype=np.float64) for head in block["heads"]]
    shown = [(f"head {head}", weights) for head, weights in enumerate(heads, 1)]
    if not every:
        shown = [(f"mean of {len(heads)} heads", np.asarray(np.mean(heads, axis=0)))]
    blocks = []
    for title, weights in shown:
        lit = lit_words(picture, facts["tokens"], _on_grid(facts, weights))
        pictures = [
            {
                "picture": one["picture"],
                "label": token_mark(one["word"]),
                "alt": f"where it looked for {one['word']}",
                "pixelated": False,
            }
            for one in lit
        ]
        blocks.append((title, render("pictures.html", pictures=pictures, size="large", note="")))
    lead = LOOKED if every else f"{LOOKED} There are too many heads to draw each of them; the file of --json has all."
    name = plain_text(block["name"], limit=80)
    return Part(f"block-{number + 1}", name, render("stack.html", blocks=blocks), lead, ("G8", "H5"))


def _on_grid(facts: Mapping[str, Any], weights: Array) -> Array:
    """(T, R) -> (T, h, w)."""
    return weights.reshape(len(weights), *facts["grid"])


def looked_picture(
    facts: Mapping[str, Any], picture: ArrayLike, *, format: Literal["png", "svg"] = "png", theme: Theme = "light"
) -> bytes:
    """Return the picture, lit for each token that was written, as one file: the last block, the mean of its heads.

    Args:
        facts: As `looked_page` takes them.
        picture: Channels first, as the network was given it.
        format: "png" or "svg".
        theme: "light" or "dark".
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {**matplotlib_style(theme), "axes.grid": False}
    small = small_picture(picture, SIDE)
    lit = [small, *(lit_picture(small, one) for one in _on_grid(facts, mean_weights(facts)))]
    titles = ["", *(token_mark(token) for token in facts["tokens"])]
    across = min(ACROSS, len(lit))
    down = -(-len(lit) // across)
    with rc_context(style):
        figure = Figure(figsize=(1.3 * across + 0.2, 1.5 * down + 0.3), dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        places = figure.subplots(down, across, squeeze=False).ravel()
        for axes in places:
            axes.set_axis_off()
        for axes, one, title in zip(places, lit, titles):
            axes.imshow(one.transpose(1, 2, 0))
            axes.set_title(title.replace("$", r"\$"), fontsize=9, pad=3)
        figure.suptitle(plain_text(facts["text"], limit=100).replace("$", r"\$"), fontsize=10)
        file = io.BytesIO()
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()
