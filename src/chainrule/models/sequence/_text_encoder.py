"""The part that networks share which read all tokens of a text at once: embedding, positions, a transformer's encoder.

A network that learns masked words and one that classifies have these parts under the same names, so that the second
can begin with what the first has learned.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.errors import RecipeError, unknown
from chainrule.data.tokenizers import PADDING, START
from chainrule.models._checks import check_share
from chainrule.models.sequence._placed import ACTIVATIONS, check_placing, check_sizes, placed, position_table
from chainrule.nn.attention import rotary
from chainrule.nn.attention._stack import Encoder

Read = Literal["mean", "first"]
READS = get_args(Read)


class EncoderParts(NamedTuple):
    """What a network that encodes texts is made of.

    Args:
        embed: Of the tokens; its weights are still torch's own.
        positions: Their table; None where they are turned.
        drop: On the embeddings.
        encoder: The blocks.
    """

    embed: nn.Embedding
    positions: nn.Module | None
    drop: nn.Dropout
    encoder: Encoder


def encoder_parts(
    model: str,
    vocabulary: int,
    *,
    dim: int,
    depth: int,
    num_heads: int,
    hidden: int,
    activation: str,
    dropout: float,
    order: str,
    positions: str,
    length: int,
    read: str,
) -> EncoderParts:
    """Return the parts of a network that encodes texts, drawn in their order.

    Args:
        model: What errors call it.
        vocabulary: How many tokens there are.
        dim: Numbers of a token.
        depth: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `dim`.
        activation: Of the feed-forward networks.
        dropout: On the embeddings, the attention's weights, and what each part adds.
        order: Where the norm stands.
        positions: rotary, learned, sinusoidal, naive or none.
        length: Positions of a table, where positions have one.
        read: `first` needs one more position, for the start token.

    Raises:
        RecipeError: Options that do not go together.
    """
    check_share(dropout)
    check_placing(model, order=order, positions=positions, join="add", activation=activation, tie=())
    check_sizes(model, dim, depth=depth, num_heads=num_heads, hidden=hidden, positions=positions, length=length)
    if read not in READS:
        raise RecipeError(f'{model}: there is no read "{read}"', remedy=unknown("read", read, READS))
    embed = nn.Embedding(vocabulary, dim)
    _, table = position_table(positions, "add", dim, length + (read == "first"))
    encoder = Encoder(
        dim,
        num_heads=num_heads,
        depth=depth,
        hidden=hidden,
        activation=ACTIVATIONS[activation],
        dropout=dropout,
        order=order,
        turn=rotary if positions == "rotary" else None,
    )
    return EncoderParts(embed, table, nn.Dropout(dropout), encoder)


def started(tokens: Int64[Tensor, "b t"], read: str) -> Int64[Tensor, "b s"]:
    """Return tokens as the encoder is given them: with a start token before the first, where that is what is read."""
    return functional.pad(tokens, (1, 0), value=START) if read == "first" else tokens


def encoded(tokens: Int64[Tensor, "b t"], parts: EncoderParts) -> Float[Tensor, "b t d"]:
    """Return what tokens have become after the last block; what stands in the padding means nothing."""
    mask = (tokens != PADDING)[:, None, None, :]  # as `padding_mask` has it
    x = parts.drop(placed(parts.embed(tokens), 0, parts.positions, "add"))
    found: Tensor = parts.encoder(x, mask)
    return found
