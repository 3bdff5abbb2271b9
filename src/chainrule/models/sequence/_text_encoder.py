"""What networks share which read all tokens of a text at once: embedding, positions, a transformer's encoder."""

from __future__ import annotations

from typing import Literal, get_args

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


class TextEncoder(nn.Module):
    """Embedding, positions and blocks; what a network makes of the tokens then is its own.

    A network that learns masked words and one that classifies have these parts under the same names, so that the second
    can begin with what the first has learned. The embeddings are drawn by the network, after its own parts.

    Args:
        model: What errors call the network.
        vocabulary: How many tokens there are.
        width: Numbers of a token.
        layers: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        activation: Of the feed-forward networks.
        dropout: On the embeddings, the attention's weights, and what each part adds.
        order: Where the norm stands.
        positions: rotary, learned, sinusoidal, naive or none.
        length: Positions of a table, where positions have one.
        read: `first`: a start token stands before the first token.

    Raises:
        RecipeError: Options that do not go together.
    """

    def __init__(
        self,
        model: str,
        vocabulary: int,
        *,
        width: int,
        layers: int,
        num_heads: int,
        hidden: int,
        activation: str,
        dropout: float,
        order: str,
        positions: str,
        length: int,
        read: Read,
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_placing(model, order=order, positions=positions, join="add", activation=activation, tie=())
        check_sizes(model, width, layers=layers, num_heads=num_heads, hidden=hidden, positions=positions, length=length)
        if read not in READS:
            raise RecipeError(f'{model}: there is no read "{read}"', remedy=unknown("read", read, READS))
        self.read = read
        self.embed = nn.Embedding(vocabulary, width)
        _, self.positions = position_table(positions, "add", width, length + (read == "first"))
        self.drop = nn.Dropout(dropout)
        self.encoder = Encoder(
            width,
            num_heads=num_heads,
            depth=layers,
            hidden=hidden,
            activation=ACTIVATIONS[activation],
            dropout=dropout,
            order=order,
            turn=rotary if positions == "rotary" else None,
        )

    def started(self, tokens: Int64[Tensor, "b t"]) -> Int64[Tensor, "b s"]:
        """Return tokens as `encoded` takes them: with a start token before the first, where that is what is read."""
        return functional.pad(tokens, (1, 0), value=START) if self.read == "first" else tokens

    def encoded(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Return what tokens have become after the last block; what stands in the padding means nothing.

        Raises:
            UsageError: A text is longer than a learned table of positions.
        """
        mask = (tokens != PADDING)[:, None, None, :]  # as `padding_mask` has it
        x = self.drop(placed(self.embed(tokens), 0, self.positions, "add"))
        found: Tensor = self.encoder(x, mask)
        return found
