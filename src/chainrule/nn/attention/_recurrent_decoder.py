"""A recurrent network that writes beside a memory, and looks at it for each token."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown
from chainrule.nn._cells import CELLS, batch_first, begin_recurrent, fused_layers, layers_first
from chainrule.nn._pool_places import mean_of
from chainrule.nn.attention._attention import Attention
from chainrule.nn.attention._scores import make_score

ENTERS = ("state", "readout", "next")
State = Mapping[str, Tensor]
"""What has been read, by name; each (B, ...): `memory.` what is looked at, the others what was written so far."""


class AttentionDecoder(nn.Module):
    """Embedding, recurrent layers that look at a memory, scores of the next token.

    With s the state, e the embedded token and a = sum_n alpha_n value(memory_n) what attention has found:

        enters state      a by s_{t-1}     s_t = cell([e_t, a], s_{t-1})     scores of s_t              (Bahdanau)
        enters readout    a by s_t         s_t = cell(e_t, s_{t-1})          scores of tanh(W [s_t, a]) (Luong)
        enters next       a by s_t         u_t = cell([s_t, a], u_{t-1})     scores of u_t, one more layer

    Args:
        vocabulary: How many tokens there are.
        memory_dim: Numbers of each of the places that are looked at: words of a source, regions of an image.
        score: How well a place fits a state: dot, scaled, bilinear or additive.
        enters: Where what was found enters: state, readout or next.
        cell: rnn, lstm or gru.
        embedding: Numbers that stand for a token; 0: as many as `width`.
        width: Numbers of the state of each layer.
        layers: Recurrent layers on top of each other; the last one's state looks.
        value: Numbers of a learned linear function of each place, which is what is mixed; 0: the place itself.
        dropout: On the embeddings, between layers, and on what scores are taken of.

    Raises:
        UsageError: Options that there are not, or a dot score of states and places of two sizes.

    Shapes:
        memory (B, N, memory_dim), tokens (B, T) -> scores (B, T, vocabulary).

    Example:
        >>> decoder = AttentionDecoder(20, 6, width=8)
        >>> state = decoder.begin(torch.randn(1, 5, 6))
        >>> scores, state = decoder(torch.tensor([[2, 7, 9]]), state)
        >>> scores.shape
        torch.Size([1, 3, 20])
        >>> decoder.weights(torch.tensor([[2, 7, 9]]), decoder.begin(torch.randn(1, 5, 6))).shape
        torch.Size([1, 1, 3, 5])

    Source:
        LECTURES G6, G8, H1; Bahdanau et al. 2015; Luong et al. 2015; Xu et al. 2015.

    Departures:
        003 lets the a of the step before enter the state; it is a function of s_{t-1}, as here. The first state is
        tanh(W m + b) of the mean m of the places (Xu et al.), or of a summary that is given (Bahdanau et al.).
    """

    def __init__(
        self,
        vocabulary: int,
        memory_dim: int,
        *,
        score: str = "additive",
        enters: str = "state",
        cell: str = "gru",
        embedding: int = 0,
        width: int = 256,
        layers: int = 1,
        value: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, given, known in (("way to enter", enters, ENTERS), ("cell", cell, CELLS)):
            if given not in known:
                raise UsageError(f'there is no {name} "{given}"', remedy=unknown(name, given, list(known)))
        if width < 1 or layers < 1:
            raise UsageError("a decoder needs layers", expected="width and layers at least 1", got=(width, layers))
        size, found = embedding or width, value or memory_dim
        self.enters = enters
        self.embed, self.drop_embedding = nn.Embedding(vocabulary, size), nn.Dropout(dropout)
        self.attention = Attention(
            make_score(score, width, memory_dim), nn.Linear(memory_dim, value, bias=False) if value else None
        )
        self.first = nn.Linear(memory_dim, layers * width)
        into = size + found if enters == "state" else size
        self.recurrent = fused_layers(cell, into, width, layers, dropout=dropout)
        self.upper = fused_layers(cell, width + found, width) if enters == "next" else None
        self.join = nn.Linear(width + found, width) if enters == "readout" else None
        self.drop_output, self.head = nn.Dropout(dropout), nn.Linear(width, vocabulary)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        for part in (self.recurrent, self.upper):
            if part is not None:
                begin_recurrent(part)

    def begin(
        self,
        memory: Float[Tensor, "b n e"],
        seen: Bool[Tensor, "b n"] | None = None,
        summary: Float[Tensor, "b e"] | None = None,
    ) -> dict[str, Tensor]:
        """Return the state before the first token.

        Args:
            memory: What is looked at.
            seen: True where there is something; everywhere when left out.
            summary: What the first state is made of; the mean of what is there when left out.
        """
        if seen is None:
            seen = memory.new_ones(memory.shape[:2], dtype=torch.bool)
        if summary is None:
            summary = mean_of(memory, seen)
        keys, values = self.attention.read(memory)
        h = torch.tanh(self.first(summary)).unflatten(1, (self.recurrent.num_layers, -1))  # (B, layers, H)
        state = {"memory.seen": seen, "memory.keys": keys, "memory.values": values, "h": h}
        return {**state, "c": torch.zeros_like(h)} if self.recurrent.mode == "LSTM" else state

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: State | None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the state after the last.

        Args:
            tokens: Those after what was read; they may be padded at the end.
            state: From `begin`, or as the last call returned it.

        Raises:
            UsageError: There is no state.
        """
        outputs, _, after = self._written(tokens, state)
        return self.head(self.drop_output(outputs)), after

    def weights(self, tokens: Int64[Tensor, "b t"], state: State | None) -> Float[Tensor, "b 1 t n"]:
        """Return what is looked at for the score after each token, by its one head; the rows sum to 1.

        Raises:
            UsageError: There is no state.
        """
        return self._written(tokens, state)[1].unsqueeze(1)

    def _written(self, tokens: Tensor, state: State | None) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """What scores are taken of, (B, T, H), the weights, (B, T, N), and the state."""
        if not state:
            raise UsageError("there is no memory to look at", remedy="state = decoder.begin(memory) comes first")
        x = self.drop_embedding(self.embed(tokens))  # (B, T, E)
        return self._step_by_step(x, state) if self.enters == "state" else self._at_once(x, state)

    def _look(self, queries: Tensor, state: State) -> tuple[Tensor, Tensor]:
        seen = state["memory.seen"].unsqueeze(1)  # (B, 1, N)
        return self.attention.look(queries, state["memory.keys"], state["memory.values"], seen)

    def _step_by_step(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """What is looked at depends on the state before, so that steps wait for each other."""
        after, outputs, looked = dict(state), [], []
        for now in x.split(1, dim=1):
            found, weights = self._look(after["h"][:, -1:], state)
            output, last = self.recurrent(torch.cat([now, found], 2), layers_first(after))
            after.update(batch_first(last))
            outputs.append(output)
            looked.append(weights)
        return torch.cat(outputs, 1), torch.cat(looked, 1), after

    def _at_once(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The states wait for nothing that is found: all tokens go through each layer in one call."""
        outputs, last = self.recurrent(x, layers_first(state))
        found, weights = self._look(outputs, state)
        both, after = torch.cat([outputs, found], 2), {**state, **batch_first(last)}
        if self.join is not None:
            return torch.tanh(self.join(both)), weights, after
        assert self.upper is not None
        before = {name: state[f"upper.{name}"] for name in "hc" if f"upper.{name}" in state}
        outputs, last = self.upper(both, layers_first(before))
        return outputs, weights, {**after, **{f"upper.{name}": value for name, value in batch_first(last).items()}}
