"""Networks that write about a picture, of which they are given the regions that a convolutional network saw."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.models._checks import as_options_of, check_recurrent, check_share
from chainrule.models.sequence._beside import first_place, read_memory, write_beside
from chainrule.models.sequence._placed import ACTIVATIONS, check_placing, check_sizes, placed, position_table
from chainrule.models.sequence._state import State, read_first
from chainrule.nn._cells import batch_first, begin_recurrent, fused_layers, layers_first
from chainrule.nn.attention import AttentionDecoder, Decoder, rotary

ENTERS = ("first", "state")


class CaptionRecurrent(nn.Module):
    """A recurrent network that is told the picture once, and then writes (one to many).

    With v the mean of the picture's regions, each normalized:

        enters first      h_0 = cell(W v + b, 0)     the picture is the input before the first token (Vinyals et al.)
        enters state      h_0 = tanh(W v + b)        the picture is the first state

    Args:
        vocabulary: How many tokens there are.
        features: Numbers of a region.
        enters: Where the picture enters: first or state.
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers on top of each other.
        dropout: On the embeddings, between layers, and on what scores are taken of.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        regions (B, R, features); tokens (B, T) -> scores (B, T, vocabulary).

    Example:
        >>> model = CaptionRecurrent(20, 6, width=16).eval()
        >>> state = model.encode(torch.randn(2, 9, 6))
        >>> scores, state = model(torch.tensor([[2, 8], [2, 9]]), state)
        >>> scores.shape, state["h"].shape
        (torch.Size([2, 2, 20]), torch.Size([2, 1, 16]))

    Source:
        LECTURES G1 (one to many), G8. Vinyals et al. 2015, Show and tell; Karpathy, Fei-Fei 2015.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        enters: str = "first",
        cell: str = "lstm",
        embedding: int = 0,
        width: int = 256,
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        name = "caption_recurrent"
        check_recurrent(name, cell=cell, width=width, layers=layers, embedding=embedding)
        check_share(dropout)
        if enters not in ENTERS:
            raise RecipeError(
                f'{name}: there is no way to enter "{enters}"', remedy=unknown("way to enter", enters, list(ENTERS))
            )
        size = embedding or width
        self.enters = enters
        self.norm = nn.LayerNorm(features)
        self.picture = nn.Linear(features, size if enters == "first" else layers * width)
        self.embed, self.drop_embedding = nn.Embedding(vocabulary, size), nn.Dropout(dropout)
        self.recurrent = fused_layers(cell, size, width, layers, dropout=dropout)
        self.drop_output, self.head = nn.Dropout(dropout), nn.Linear(width, vocabulary)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        begin_recurrent(self.recurrent)

    def encode(self, regions: Float[Tensor, "b r e"]) -> dict[str, Tensor]:
        """Return the state that a look at the picture leaves."""
        seen = self.picture(self.norm(regions).mean(1))  # (B, E) or (B, layers H)
        if self.enters == "first":
            _, after = self.recurrent(self.drop_embedding(seen).unsqueeze(1))
            return batch_first(after)
        h = torch.tanh(seen).unflatten(1, (self.recurrent.num_layers, -1))  # (B, layers, H)
        return {"h": h, "c": torch.zeros_like(h)} if self.recurrent.mode == "LSTM" else {"h": h}

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last.

        Raises:
            UsageError: No picture was seen.
        """
        outputs, after = self.recurrent(self.drop_embedding(self.embed(tokens)), layers_first(read_first(state)))
        return self.head(self.drop_output(outputs)), batch_first(after)


class CaptionAttention(nn.Module):
    """A recurrent network that looks at the regions of the picture for every token it writes.

    Args:
        vocabulary: How many tokens there are.
        features: Numbers of a region.
        score: How well a region fits a state: dot, scaled, bilinear or additive.
        enters: Where what was found enters: state (Xu et al.), readout or next (one more layer).
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers on top of each other.
        value: Numbers of a learned linear function of each region, which is what is mixed; 0: the region itself.
        dropout: On the regions, the embeddings, between layers, and on what scores are taken of.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        regions (B, R, features); tokens (B, T) -> scores (B, T, vocabulary).

    Example:
        >>> model = CaptionAttention(20, 6, width=16).eval()
        >>> state = model.encode(torch.randn(2, 9, 6))
        >>> scores, state = model(torch.tensor([[2, 8], [2, 9]]), state)
        >>> scores.shape
        torch.Size([2, 2, 20])

    Source:
        LECTURES G8, H1. Xu et al. 2015, Show, attend and tell (soft attention).

    Departures:
        Regions are normalized first (`nn.LayerNorm`), because maps after a ReLU differ widely in size. The gate and the
        penalty of Xu et al. are left out; their deep read-out is `enters: readout`.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        score: str = "additive",
        enters: str = "state",
        cell: str = "lstm",
        embedding: int = 0,
        width: int = 256,
        layers: int = 1,
        value: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        name = "caption_attention"
        check_recurrent(name, cell=cell, width=width, layers=layers, embedding=embedding)
        check_share(dropout)
        self.norm, self.drop = nn.LayerNorm(features), nn.Dropout(dropout)
        with as_options_of(name):
            self.decoder = AttentionDecoder(
                vocabulary,
                features,
                score=score,
                enters=enters,
                cell=cell,
                embedding=embedding,
                width=width,
                layers=layers,
                value=value,
                dropout=dropout,
            )

    def encode(self, regions: Float[Tensor, "b r e"]) -> dict[str, Tensor]:
        """Return the state before the first token: the regions, and a first state made of their mean."""
        return self.decoder.begin(self.drop(self.norm(regions)))

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last.

        Raises:
            UsageError: No picture was seen.
        """
        found: tuple[Tensor, dict[str, Tensor]] = self.decoder(tokens, read_first(state))
        return found


class CaptionTransformer(nn.Module):
    """A transformer's decoder: tokens look at those before them, and at the regions of the picture.

    Args:
        vocabulary: How many tokens there are.
        features: Numbers of a region.
        width: Numbers of a token, D.
        num_heads: Attentions side by side in a block.
        layers: Blocks.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        activation: Of the feed-forward networks: relu (the paper), gelu or gelu-tanh.
        dropout: On the regions, the embeddings, the attention's weights, the hidden numbers, and what each part adds.
        order: Where the norm stands: pre, post (the paper) or inner (003's text).
        positions: Of the tokens: sinusoidal (the paper), learned, rotary, naive or none.
        length: Positions of a table, where positions have one.
        tie: Whether scores are taken with the weights of the embeddings.

    Raises:
        RecipeError: Options that do not go together.

    Shapes:
        regions (B, R, features); tokens (B, T) -> scores (B, T, vocabulary).

    Example:
        >>> model = CaptionTransformer(20, 6, width=16, num_heads=2, layers=1).eval()
        >>> state = model.encode(torch.randn(1, 9, 6))
        >>> scores, state = model(torch.tensor([[2, 8]]), state)  # teacher forcing: all tokens at once
        >>> scores, state = model(torch.tensor([[4]]), state)     # one more, with what was written
        >>> scores.shape
        torch.Size([1, 1, 20])

    Source:
        LECTURES G8, H5, H9. Vaswani et al. 2017.

    Departures:
        Regions are normalized first, and have no positions: a region is known by what is seen in it.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        width: int = 256,
        num_heads: int = 4,
        layers: int = 2,
        hidden: int = 0,
        activation: str = "relu",
        dropout: float = 0.0,
        order: str = "pre",
        positions: str = "sinusoidal",
        length: int = 256,
        tie: bool = True,
    ) -> None:
        super().__init__()
        name = "caption_transformer"
        check_share(dropout)
        check_placing(name, order=order, positions=positions, join="add", activation=activation, tie="")
        check_sizes(name, width, layers=layers, num_heads=num_heads, hidden=hidden, positions=positions, length=length)
        self.factor, (_, self.positions) = width**0.5, position_table(positions, "add", width, length)
        self.norm, self.drop_regions = nn.LayerNorm(features), nn.Dropout(dropout)
        self.embed, self.drop = nn.Embedding(vocabulary, width), nn.Dropout(dropout)
        self.decoder = Decoder(
            width,
            num_heads=num_heads,
            depth=layers,
            memory_dim=features,
            hidden=hidden,
            activation=ACTIVATIONS[activation],
            dropout=dropout,
            order=order,
            turn=rotary if positions == "rotary" else None,
        )
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        nn.init.normal_(self.head.weight, std=0.02)
        if tie:
            self.head.weight = self.embed.weight

    def encode(self, regions: Float[Tensor, "b r e"]) -> dict[str, Tensor]:
        """Return the state before the first token: the keys and values of the regions in each block."""
        seen = regions.new_ones(regions.shape[:2], dtype=torch.bool)
        return read_memory(self.decoder, self.drop_regions(self.norm(regions)), seen)

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and what has been written now.

        Raises:
            UsageError: No picture was seen, or the caption is longer than a learned table of positions.
        """
        known = read_first(state)
        x = placed(self.embed(tokens) * self.factor, first_place(known), self.positions, "add")
        x, after = write_beside(self.decoder, self.drop(x), known)
        return self.head(x), after
