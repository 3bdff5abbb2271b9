"""Transformers of two parts: one reads the source, the other writes the target beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import check_share
from chainrule.models.sequence._beside import first_place, read_memory, spread, write_beside
from chainrule.models.sequence._placed import ACTIVATIONS, check_placing, check_sizes, placed, position_table
from chainrule.models.sequence._state import State, read_first
from chainrule.nn.attention import Decoder, Encoder, rotary

TIES = ("none", "target", "all")


class EncoderDecoder(nn.Module):
    """Encoder over the source, decoder over the target, scores of its next token.

    Args:
        source_vocabulary: How many tokens the source's language has.
        target_vocabulary: How many the target's has.
        width: Numbers of a token, D.
        num_heads: Attentions side by side in a block.
        layers: Blocks of the encoder, and of the decoder.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        activation: Of the feed-forward networks: relu (the paper), gelu or gelu-tanh.
        dropout: On the embeddings, the attention's weights, the hidden numbers, and what each part adds.
        order: Where the norm stands: pre, post (the paper) or inner (003's text).
        positions: sinusoidal (the paper), learned, rotary, naive or none.
        join: How positions meet the embeddings: add, or concatenate (half of the numbers each).
        length: Positions of a table, where positions have one.
        scale: Whether embeddings are multiplied by sqrt(D), so that positions do not drown them.
        tie: Which weights are one: target (its embeddings and the scores), all (the source's embeddings too, where
            both have one vocabulary: the paper), or none.

    Raises:
        RecipeError: Options that do not go together.

    Shapes:
        source (B, S), padded with token 0 at the end; target (B, T) -> scores (B, T, target_vocabulary).

    Example:
        >>> import torch
        >>> model = EncoderDecoder(20, 30, width=16, num_heads=2, layers=2).eval()
        >>> state = model.encode(torch.tensor([[5, 7, 9]]))
        >>> scores, state = model(torch.tensor([[2, 8]]), state)  # teacher forcing: all tokens at once
        >>> scores, state = model(torch.tensor([[4]]), state)     # one more, with what was read
        >>> scores.shape
        torch.Size([1, 1, 30])

    Source:
        LECTURES H5, H6, H9; Vaswani et al. 2017: base has width 512, 8 heads, 6 layers, post, dropout 0.1.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        width: int = 256,
        num_heads: int = 4,
        layers: int = 3,
        hidden: int = 0,
        activation: str = "relu",
        dropout: float = 0.1,
        order: str = "pre",
        positions: str = "sinusoidal",
        join: str = "add",
        length: int = 1024,
        scale: bool = True,
        tie: str = "target",
    ) -> None:
        super().__init__()
        name, tied = "transformer", "" if tie == "none" else tie
        check_share(dropout)
        check_placing(name, order=order, positions=positions, join=join, activation=activation, tie=tied)
        check_sizes(name, width, layers=layers, num_heads=num_heads, hidden=hidden, positions=positions, length=length)
        _check_tie(tie, source_vocabulary, target_vocabulary)
        size, self.source_positions = position_table(positions, join, width, length)
        _, self.target_positions = position_table(positions, join, width, length)
        self.join, self.factor = join, size**0.5 if scale else 1.0
        self.embed_source = nn.Embedding(source_vocabulary, size)
        self.embed_target = nn.Embedding(target_vocabulary, size)
        self.drop_source, self.drop_target = nn.Dropout(dropout), nn.Dropout(dropout)
        both: dict[str, Any] = {
            "num_heads": num_heads,
            "depth": layers,
            "hidden": hidden,
            "activation": ACTIVATIONS[activation],
            "dropout": dropout,
            "order": order,
            "turn": rotary if positions == "rotary" else None,
        }
        self.encoder, self.decoder = Encoder(width, **both), Decoder(width, **both)
        self.head = nn.Linear(width, target_vocabulary, bias=False)
        for layer in (self.embed_source, self.embed_target, self.head):
            nn.init.normal_(layer.weight, std=0.02 if not scale or layer is self.head else width**-0.5)
        if tie != "none":
            self.head.weight = self.embed_target.weight
        if tie == "all":
            self.embed_source.weight = self.embed_target.weight

    def encode(self, source: Int64[Tensor, "b s"]) -> dict[str, Tensor]:
        """Return the state that reading a source leaves: the keys and values of it in each block of the decoder.

        Args:
            source: Tokens, padded at the end; what is padding is looked at by nobody.

        Raises:
            UsageError: The source is longer than a learned table of positions.
        """
        seen = source != PADDING  # (B, S)
        x = placed(self.embed_source(source) * self.factor, 0, self.source_positions, self.join)
        memory = self.encoder(self.drop_source(x), spread(seen))
        return read_memory(self.decoder, memory, seen)

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and what has been read now.

        Args:
            tokens: Of the target, those after what was read; they may be padded at the end, for nothing before sees it.
            state: From `encode`, or as the last call returned it.

        Raises:
            UsageError: No source was read, or the target is longer than a learned table of positions.
        """
        known = read_first(state)
        x = placed(self.embed_target(tokens) * self.factor, first_place(known), self.target_positions, self.join)
        x, after = write_beside(self.decoder, self.drop_target(x), known)
        return self.head(x), after

    def reader(self, source: Int64[Tensor, "b s"]) -> Callable[..., tuple[Tensor, dict[str, Tensor]]]:
        """Return the decoder beside a source as a network of its own: `(tokens, state or None) -> (scores, state)`.

        Where no state is given it begins anew, after the source.

        Example:
            >>> import torch
            >>> model = EncoderDecoder(20, 30, width=16, num_heads=2, layers=1).eval()
            >>> scores, state = model.reader(torch.tensor([[5, 7]]))(torch.tensor([[2]]))
            >>> scores.shape
            torch.Size([1, 1, 30])
        """
        begun = self.encode(source)

        def read(tokens: Tensor, state: State | None = None) -> tuple[Tensor, dict[str, Tensor]]:
            found: tuple[Tensor, dict[str, Tensor]] = self(tokens, state or begun)
            return found

        return read


def _check_tie(tie: str, source_vocabulary: int, target_vocabulary: int) -> None:
    if tie not in TIES:
        raise RecipeError(f'transformer: there is no tie "{tie}"', remedy=unknown("tie", tie, list(TIES)))
    if tie == "all" and source_vocabulary != target_vocabulary:
        raise RecipeError(
            "transformer: embeddings of two vocabularies cannot be one",
            expected="one tokenizer for both languages, or tie: target",
            got=f"{source_vocabulary} and {target_vocabulary} tokens",
        )
