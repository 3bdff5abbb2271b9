"""Recurrent networks of two parts: one reads a sentence into a state, the other writes its translation from it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import as_options_of, check_recurrent, check_share
from chainrule.models.sequence._state import State, read_first
from chainrule.nn._cells import batch_first, begin_recurrent, fused_layers, layers_first
from chainrule.nn.attention import AttentionDecoder


class SourceReader(nn.Module):
    """Embedding and recurrent layers over a sentence, in one direction or both; padding changes nothing.

    Args:
        vocabulary: How many tokens there are.
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token.
        width: Numbers of an output: both directions have half of them each.
        layers: Recurrent layers on top of each other.
        bidirectional: Whether the sentence is also read from its end.
        dropout: On the embeddings and between layers.

    Source:
        LECTURES G1 (both directions), G6.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        cell: str,
        embedding: int,
        width: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding)
        self.drop = nn.Dropout(dropout)
        self.layers, self.directions = layers, 2 if bidirectional else 1
        self.recurrent = fused_layers(
            cell, embedding, width // self.directions, layers, dropout=dropout, bidirectional=bidirectional
        )
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        begin_recurrent(self.recurrent)

    def forward(self, source: Int64[Tensor, "b s"]) -> tuple[Float[Tensor, "b s w"], dict[str, Tensor]]:
        """Return an output for each token, and the states at the sentence's ends: (B, layers, W) by name."""
        lengths = (source != PADDING).sum(1).clamp(min=1)
        x = self.drop(self.embed(source))  # (B, S, E)
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        found, after = self.recurrent(packed)
        outputs, _ = pad_packed_sequence(found, batch_first=True, total_length=source.shape[1])
        return outputs, {name: self._joined(value) for name, value in batch_first(after).items()}

    def _joined(self, state: Tensor) -> Tensor:
        """(B, layers x directions, H) -> (B, layers, directions x H)."""
        return state.unflatten(1, (self.layers, self.directions)).flatten(2)


class Seq2Seq(nn.Module):
    """An encoder whose last state is all that the decoder knows of a sentence.

    The decoder begins with the encoder's state and is given its top layer's as context c with every token:
    s_t = cell(s_(t-1), [y_(t-1), c]).

    Args:
        source_vocabulary: How many tokens the source's language has.
        target_vocabulary: How many the target's has.
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers of the encoder, and of the decoder.
        bidirectional: Whether the encoder also reads from the end, with half of the numbers in each direction.
        dropout: On the embeddings, between layers, and on the decoder's outputs.
        tie: Whether scores are taken with the weights of the target's embeddings.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        source (B, S), padded with token 0 at the end; target (B, T) -> scores (B, T, target_vocabulary).

    Example:
        >>> model = Seq2Seq(20, 30, width=16).eval()
        >>> state = model.encode(torch.tensor([[5, 7, 3], [6, 3, 0]]))
        >>> scores, state = model(torch.tensor([[2, 8], [2, 9]]), state)
        >>> scores.shape, state["h"].shape
        (torch.Size([2, 2, 30]), torch.Size([2, 1, 16]))

    Source:
        LECTURES G6. Cho et al. 2014; Sutskever et al. 2014.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        cell: str = "gru",
        embedding: int = 0,
        width: int = 256,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        tie: bool = True,
    ) -> None:
        super().__init__()
        check_recurrent(
            "seq2seq", cell=cell, width=width, layers=layers, embedding=embedding, bidirectional=bidirectional
        )
        check_share(dropout)
        size = embedding or width
        self.encoder = SourceReader(
            source_vocabulary,
            cell=cell,
            embedding=size,
            width=width,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
        )
        self.embed = nn.Embedding(target_vocabulary, size)
        self.drop_embedding = nn.Dropout(dropout)
        self.recurrent = fused_layers(cell, size + width, width, layers, dropout=dropout)
        self.drop_output = nn.Dropout(dropout)
        self.project = nn.Linear(width, size, bias=False) if tie and size != width else nn.Identity()
        self.head = nn.Linear(size if tie else width, target_vocabulary)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        begin_recurrent(self.recurrent)
        if tie:
            self.head.weight = self.embed.weight

    def encode(self, source: Int64[Tensor, "b s"]) -> dict[str, Tensor]:
        """Return the state that reading a sentence leaves."""
        _, state = self.encoder(source)
        return {**state, "context": state["h"][:, -1]}

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last.

        Raises:
            UsageError: No sentence was read.
        """
        known = read_first(state)
        x = self.drop_embedding(self.embed(tokens))  # (B, T, E)
        context = known["context"].unsqueeze(1).expand(-1, tokens.shape[1], -1)
        outputs, after = self.recurrent(torch.cat([x, context], dim=2), layers_first(known))
        scores = self.head(self.project(self.drop_output(outputs)))
        return scores, {**known, **batch_first(after)}


class Seq2SeqAttention(nn.Module):
    """A recurrent encoder, and a recurrent decoder that looks at each of its outputs for every token it writes.

    Args:
        source_vocabulary: How many tokens the source's language has.
        target_vocabulary: How many the target's has.
        score: How well a word fits a state: dot, scaled, bilinear or additive.
        enters: Where what was found enters the decoder: state (Bahdanau), readout (Luong) or next (one more layer).
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers of the encoder, and of the decoder.
        bidirectional: Whether the encoder also reads from the end, with half of the numbers in each direction.
        dropout: On the embeddings, between layers, and on what scores are taken of.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        source (B, S), padded with token 0 at the end; target (B, T) -> scores (B, T, target_vocabulary).

    Example:
        >>> model = Seq2SeqAttention(20, 30, width=16).eval()
        >>> state = model.encode(torch.tensor([[5, 7, 3], [6, 3, 0]]))
        >>> scores, _ = model(torch.tensor([[2, 8], [2, 9]]), state)
        >>> scores.shape, model.decoder.weights(torch.tensor([[2], [2]]), state)[1, 0, 0, 2].item()
        (torch.Size([2, 2, 30]), 0.0)

    Source:
        LECTURES G6, G8, H1. Bahdanau et al. 2015; Luong et al. 2015.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        score: str = "additive",
        enters: str = "readout",
        cell: str = "gru",
        embedding: int = 0,
        width: int = 256,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        name = "attention"
        check_recurrent(name, cell=cell, width=width, layers=layers, embedding=embedding, bidirectional=bidirectional)
        check_share(dropout)
        size = embedding or width
        self.encoder = SourceReader(
            source_vocabulary,
            cell=cell,
            embedding=size,
            width=width,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
        )
        with as_options_of(name):
            self.decoder = AttentionDecoder(
                target_vocabulary,
                width,
                score=score,
                enters=enters,
                cell=cell,
                embedding=size,
                width=width,
                layers=layers,
                dropout=dropout,
            )

    def encode(self, source: Int64[Tensor, "b s"]) -> dict[str, Tensor]:
        """Return the state that reading a sentence leaves: what is looked at, and the decoder's first state."""
        outputs, last = self.encoder(source)
        return self.decoder.begin(outputs, source != PADDING, last["h"][:, -1])

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last.

        Raises:
            UsageError: No sentence was read.
        """
        found: tuple[Tensor, dict[str, Tensor]] = self.decoder(tokens, read_first(state))
        return found
