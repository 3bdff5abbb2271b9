"""Texts into classes by a recurrent network: many tokens to one answer."""

from __future__ import annotations

from typing import Any, Literal, get_args

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from chainrule.core.errors import RecipeError, unknown
from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import check_recurrent, check_share
from chainrule.nn._cells import begin_recurrent, fused_layers
from chainrule.nn._pool_places import max_of, mean_of

Read = Literal["last", "mean", "max"]
READS = get_args(Read)


class TextRecurrent(nn.Module):
    """Embedding, recurrent layers, scores from the states.

    Texts are packed: a layer reads as many tokens of each as there are, from both ends if it reads both ways, and
    never padding.

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer and direction.
        layers: Recurrent layers on top of each other.
        bidirectional: Whether a second direction reads each text from its end.
        read: What the scores are taken from: the last state (of each direction), or the mean or the maximum of all.
        dropout: On the embeddings, between layers, and before the scores.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        tokens (B, T), padded with 0 -> scores (B, classes).

    Source:
        LECTURES G1-G3 (many-to-one). Both ways: Schuster, Paliwal 1997.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        *,
        cell: str = "gru",
        embedding: int = 0,
        width: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        read: Read = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_recurrent("text_recurrent", cell=cell, width=width, layers=layers, embedding=embedding)
        if read not in READS:
            raise RecipeError(f'text_recurrent: there is no read "{read}"', remedy=unknown("read", read, READS))
        self.read = read
        self.embed = nn.Embedding(vocabulary, embedding or width)
        self.drop_embedding = nn.Dropout(dropout)
        self.recurrent = fused_layers(
            cell, embedding or width, width, layers, dropout=dropout, bidirectional=bidirectional
        )
        self.drop_output = nn.Dropout(dropout)
        self.head = nn.Linear(width * (1 + bidirectional), classes)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        begin_recurrent(self.recurrent)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes."""
        there = tokens != PADDING
        lengths = there.sum(1).clamp(min=1).cpu()  # a text without tokens is read as one of padding
        x = self.drop_embedding(self.embed(tokens))  # (B, T, E)
        packed: Any = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, state = self.recurrent(packed)
        if self.read == "last":
            hidden = state[0] if isinstance(state, tuple) else state  # (layers * ways, B, H)
            found = hidden[-1 - self.recurrent.bidirectional :].transpose(0, 1).flatten(1)  # (B, ways * H)
        else:
            every, _ = pad_packed_sequence(outputs, batch_first=True, total_length=tokens.shape[1])
            found = mean_of(every, there) if self.read == "mean" else max_of(every, there)
        scores: Tensor = self.head(self.drop_output(found))
        return scores
