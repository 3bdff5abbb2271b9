"""How positions meet the embeddings of a transformer's tokens, and what goes together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.nn.attention import ORDERS, POSITIONS

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "gelu-tanh": functools.partial(nn.GELU, approximate="tanh"),
}
"""Of the feed-forward networks; `gelu-tanh` is the approximation that GPT-2 was trained with."""
KNOWN = {
    "activation": list(ACTIVATIONS),
    "order": list(ORDERS),
    "positions": ["rotary", *POSITIONS],
    "join": ["add", "concatenate"],
}


def check_placing(model: str, *, order: str, positions: str, join: str, activation: str, tie: object) -> None:
    """Check that a transformer's options are known and go together.

    Args:
        model: What errors call it.
        order: Where the norm stands.
        positions: rotary, or one of `POSITIONS`.
        join: add or concatenate.
        activation: One of `ACTIVATIONS`.
        tie: What is not empty where scores are taken with the embeddings' own weights.

    Raises:
        RecipeError: They are not, or do not.
    """
    named = {"order": order, "positions": positions, "join": join, "activation": activation}
    for name, value in named.items():
        if value not in KNOWN[name]:
            raise RecipeError(f'{model}: there is no {name} "{value}"', remedy=unknown(name, value, KNOWN[name]))
    if join == "concatenate" and (positions in ("rotary", "none") or tie):
        raise RecipeError(
            f"{model}: positions that are concatenated need a table of their own, and embeddings of another size",
            expected="positions learned, sinusoidal or naive, and nothing tied",
            got=f"positions {positions}, tie {tie}",
        )


def check_sizes(
    model: str, width: int, *, layers: int, num_heads: int, hidden: int, positions: str, length: int
) -> None:
    """Check that the heads share the numbers of a token, and that blocks and the table of positions have a size.

    Args:
        model: What errors call it.
        width: Numbers of a token.
        layers: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        positions: rotary, or one of `POSITIONS`.
        length: Positions of the table.

    Raises:
        RecipeError: They do not, or have none.
    """
    pairs = positions == "rotary"
    if layers < 1 or num_heads < 1 or width < 2 or width % num_heads or (pairs and (width // num_heads) % 2):
        raise RecipeError(
            f"{model}: heads share the numbers of a token evenly, and rotary positions take them in pairs",
            expected=f"heads that divide {width}" + (", with an even share" if pairs else ""),
            got=f"{num_heads} heads, {layers} blocks",
        )
    if hidden < 0 or length < 1:
        raise RecipeError(
            f"{model}: nothing can be built",
            expected="hidden at least 1 (0: four times as many as a token has), and length at least 1",
            got=f"hidden {hidden}, length {length}",
        )


def position_table(positions: str, join: str, width: int, length: int) -> tuple[int, nn.Module | None]:
    """Return how many of a token's numbers are its embedding, and the table of positions; None: they are turned.

    Args:
        positions: rotary, or one of `POSITIONS`.
        join: concatenate leaves half of the numbers to each.
        width: Numbers of a token.
        length: Positions of the table, where it has a greatest length.
    """
    taken = width // 2 if join == "concatenate" else width
    table = None if positions == "rotary" else POSITIONS[positions](taken, length)
    return width - taken if join == "concatenate" else width, table


def placed(x: Tensor, first: int, positions: nn.Module | None, join: str) -> Tensor:
    """Return embeddings with their positions, (B, T, D).

    Args:
        x: Embeddings, (B, T, E).
        first: Position of the first of them.
        positions: As `position_table` gave it.
        join: add or concatenate.

    Raises:
        UsageError: The sequence is longer than a learned table.
    """
    if positions is None:
        return x
    places = positions(first, x.shape[1]).to(x)  # (T, D)
    if join == "add":
        return x + places
    return torch.cat([x, places.expand(x.shape[0], *places.shape)], dim=2)
