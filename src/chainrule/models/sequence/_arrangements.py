"""What comes in and what goes out over time: many to one, many to many, one to many."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from chainrule.core.errors import UsageError
from chainrule.nn.recurrent import StepForm


class ManyToOne(nn.Module):
    """A sequence is read, and one answer given: classes of sentences, recordings, image sequences.

    Args:
        recurrent: `nn.RNN`, `nn.LSTM`, `nn.GRU` or a `StepForm`, with the batch first.
        head: What makes the answer of the last state of the last layer; of both directions, beside each other.
        encoder: What is done to every step before, such as `EachStep(cnn)`.

    Raises:
        UsageError: The recurrent layers take time first.

    Shapes:
        x (B, T, ...), and lengths (B,) where sequences differ -> (B, K).

    Example:
        >>> network = ManyToOne(nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 10))
        >>> network(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 10])

    Source:
        LECTURES G1.
    """

    def __init__(self, recurrent: nn.Module, head: nn.Module, *, encoder: nn.Module | None = None) -> None:
        super().__init__()
        check_batch_first(recurrent)
        self.encoder, self.recurrent, self.head = encoder or nn.Identity(), recurrent, head

    def forward(self, x: Tensor, lengths: Int64[Tensor, " b"] | None = None) -> Float[Tensor, "b k"]:
        """Return the answers; what lies beyond the lengths has no part in them."""
        steps = self.encoder(x)  # (B, T, E)
        if lengths is not None:
            steps = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.recurrent(steps)
        h = last[0] if isinstance(last, tuple) else last  # (layers * directions, B, H)
        top = h[-(1 + self.recurrent.bidirectional) :]  # type: ignore[operator]
        answers: Tensor = self.head(torch.cat(list(top), dim=1))
        return answers


class ManyToMany(nn.Module):
    """Each step has its answer, made of what was read so far; of both directions, of all that there is.

    Args:
        recurrent: As `ManyToOne` takes it.
        head: What makes the answer of each step.
        encoder: What is done to every step before.

    Raises:
        UsageError: The recurrent layers take time first.

    Shapes:
        x (B, T, ...), and the state that was left before -> (B, T, K), and the state that is left.

    Example:
        >>> network = ManyToMany(nn.GRU(8, 32, batch_first=True), nn.Linear(32, 8))
        >>> answers, state = network(torch.zeros(2, 5, 8))
        >>> answers.shape, network(torch.zeros(2, 1, 8), state)[0].shape
        (torch.Size([2, 5, 8]), torch.Size([2, 1, 8]))

    Source:
        LECTURES G1.
    """

    def __init__(self, recurrent: nn.Module, head: nn.Module, *, encoder: nn.Module | None = None) -> None:
        super().__init__()
        check_batch_first(recurrent)
        self.encoder, self.recurrent, self.head = encoder or nn.Identity(), recurrent, head

    def forward(self, x: Tensor, state: Any = None) -> tuple[Float[Tensor, "b t k"], Any]:
        """Return the answers and the state after the last step."""
        outputs, after = self.recurrent(self.encoder(x), state)
        return self.head(outputs), after


class OneToMany(nn.Module):
    """A vector becomes a sequence: the state begins with it, and each output is the next input.

    Args:
        recurrent: As `ManyToOne` takes it, in one direction; its inputs are as large as the outputs.
        head: What makes the output of each step.
        size: Numbers of the vector.

    Raises:
        UsageError: The recurrent layers take time first, read from the end, or project h.

    Shapes:
        vector (B, size), and the right outputs (B, T, E) where they are known -> (B, T, E).

    Example:
        >>> network = OneToMany(nn.GRU(8, 32, batch_first=True), nn.Linear(32, 8), size=10)
        >>> network(torch.zeros(2, 10), length=5).shape
        torch.Size([2, 5, 8])

    Source:
        LECTURES G1. With the right outputs, each step is given the one before (teacher forcing); without, its own.
    """

    def __init__(self, recurrent: nn.Module, head: nn.Module, *, size: int) -> None:
        super().__init__()
        check_batch_first(recurrent)
        if recurrent.bidirectional:
            raise UsageError("what is written step by step cannot be read from the end", expected="bidirectional=False")
        if recurrent.proj_size:
            raise UsageError(
                "a vector becomes the states of layers whose h and c are alike",
                expected="proj_size 0",
                got=recurrent.proj_size,
            )
        self.recurrent, self.head = recurrent, head
        self.begin = nn.Linear(size, int(recurrent.num_layers) * int(recurrent.hidden_size))  # type: ignore[arg-type]
        self.first = nn.Parameter(torch.zeros(int(recurrent.input_size)))  # type: ignore[arg-type]

    def forward(
        self, vector: Float[Tensor, "b d"], given: Float[Tensor, "b t e"] | None = None, *, length: int | None = None
    ) -> Float[Tensor, "b t e"]:
        """Return the outputs: as many as there are right ones, or `length` of its own.

        Raises:
            UsageError: Neither, or both are given.
        """
        if (given is None) == (length is None) or (length is not None and length < 1):
            raise UsageError("how many outputs are wanted?", expected="the right ones, or a length", got=length)
        state = self._state(vector)
        now = self.first.expand(len(vector), 1, -1)  # (B, 1, E)
        if given is not None:
            outputs, _ = self.recurrent(torch.cat([now, given[:, :-1]], dim=1), state)
            told: Tensor = self.head(outputs)
            return told
        found = []
        for _ in range(length or 0):
            outputs, state = self.recurrent(now, state)
            now = self.head(outputs)
            found.append(now)
        return torch.cat(found, dim=1)

    def _state(self, vector: Tensor) -> Any:
        h = torch.tanh(self.begin(vector)).unflatten(1, (self.recurrent.num_layers, -1))  # (B, layers, H)
        h = h.transpose(0, 1).contiguous()
        return (h, torch.zeros_like(h)) if self.recurrent.mode == "LSTM" else h


def check_batch_first(recurrent: nn.Module) -> None:
    """Refuse layers that are none of torch's, or take time first.

    Raises:
        UsageError: They do.
    """
    if not isinstance(recurrent, (nn.RNNBase, StepForm)):
        kind = type(recurrent).__name__
        raise UsageError("these are no recurrent layers", expected="nn.RNN, nn.LSTM, nn.GRU or StepForm", got=kind)
    if not recurrent.batch_first:
        raise UsageError("the recurrent layers take time first", expected="batch_first=True")
