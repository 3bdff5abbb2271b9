"""Recurrent language models: each token is read with a state that holds what came before."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.models._checks import check_recurrent, check_share
from chainrule.models.sequence._state import State
from chainrule.nn._cells import batch_first, begin_recurrent, fused_layers, layers_first


class Recurrent(nn.Module):
    """Embedding, recurrent layers, scores of the next token.

    Args:
        vocabulary: How many tokens there are.
        cell: rnn: h = tanh(W_hh h + W_xh x + b); lstm: gates decide what the cell forgets, takes in and tells; gru: two
            gates, no cell.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers on top of each other.
        dropout: On the embeddings, between layers, and on the last layer's outputs.
        tie: Whether scores are taken with the embeddings' own weights.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        tokens (B, T) and a state of (B, layers, width) each -> scores (B, T, vocabulary) and the state after them.

    Source:
        LECTURES G1-G4. Tied weights: Press, Wolf 2017. Forget gates begin open: Gers et al. 2000.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        cell: str = "lstm",
        embedding: int = 0,
        width: int = 256,
        layers: int = 2,
        dropout: float = 0.0,
        tie: bool = False,
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_recurrent("recurrent", cell=cell, width=width, layers=layers, embedding=embedding)
        size = embedding or width
        self.embed = nn.Embedding(vocabulary, size)
        self.drop_embedding = nn.Dropout(dropout)
        self.recurrent = fused_layers(cell, size, width, layers, dropout=dropout)
        self.drop_output = nn.Dropout(dropout)
        self.project = nn.Linear(width, size, bias=False) if tie and size != width else nn.Identity()
        self.head = nn.Linear(size if tie else width, vocabulary)
        nn.init.zeros_(self.head.bias)
        begin_recurrent(self.recurrent)
        if tie:
            nn.init.uniform_(self.embed.weight, -0.1, 0.1)  # small, as they give the scores too; else of variance 1
            self.head.weight = self.embed.weight

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None = None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last."""
        x = self.drop_embedding(self.embed(tokens))  # (B, T, E)
        outputs, after = self.recurrent(x, layers_first(state))
        scores = self.head(self.project(self.drop_output(outputs)))
        return scores, batch_first(after)
