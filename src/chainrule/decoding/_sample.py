"""Drawing the next token from what the network finds probable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from chainrule.core.errors import UsageError


class Reader(Protocol):
    """A network that reads tokens with a state: `(tokens (B, T), state or None) -> scores (B, T, V), state after`."""

    def __call__(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Args:
        temperature: Scores are divided by it; below 1 the probable becomes more so; 0 takes the most probable.
        top_k: Only so many of the most probable tokens are drawn.
        top_p: Only the fewest of the most probable tokens that together hold this share are drawn.

    Raises:
        UsageError: A value out of its range.

    Source:
        LECTURES G4. Top-k: Fan et al. 2018; top-p: Holtzman et al. 2020.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UsageError("the temperature is no number that scores can be divided by", got=self.temperature)
        if self.top_k is not None and self.top_k < 1:
            raise UsageError("top_k draws among nothing", expected="at least 1", got=self.top_k)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError("top_p is a share", expected="0 < top_p <= 1", got=self.top_p)


def next_probabilities(scores: Float[Tensor, "b v"], how: Sampling) -> Float[Tensor, "b v"]:
    """Return the probabilities that the next token is drawn with; ties at the border of top_k go to lower indices.

    Args:
        scores: Of every token; minus infinity rules one out.
        how: Temperature, top-k, top-p; top-p looks at what top-k has left.

    Example:
        >>> scores = torch.tensor([[0.5, 0.3, 0.2]]).log()
        >>> next_probabilities(scores, Sampling(top_k=2))
        tensor([[0.6250, 0.3750, 0.0000]])
        >>> next_probabilities(scores, Sampling(temperature=0.0))
        tensor([[1., 0., 0.]])
    """
    if how.temperature == 0:
        return torch.zeros_like(scores).scatter_(1, scores.argmax(1, keepdim=True), 1.0)
    found = torch.softmax(scores / how.temperature, dim=1)
    if how.top_k is None and how.top_p is None:
        return found
    ranked, order = torch.sort(found, dim=1, descending=True, stable=True)
    kept = torch.ones_like(ranked, dtype=torch.bool)
    if how.top_k is not None:
        kept[:, how.top_k :] = False
    if how.top_p is not None:
        left = ranked * kept
        before = left.cumsum(1) - left  # what is more probable
        kept &= before < how.top_p * left.sum(1, keepdim=True)
    ranked = ranked * kept
    return torch.zeros_like(found).scatter_(1, order, ranked / ranked.sum(1, keepdim=True))


def sample(
    model: Reader,
    prompt: Int64[Tensor, "b t"],
    length: int,
    how: Sampling,
    *,
    generator: torch.Generator,
    forbidden: Sequence[int] = (),
    reach: int | None = None,
) -> Iterator[Int64[Tensor, " b"]]:
    """Yield the next token of each text, `length` times; what was drawn is read before the next is.

    Args:
        model: In evaluation mode. It reads the prompt once, and then one token at a time with its state.
        prompt: What each text begins with; at least one token.
        length: How many tokens are drawn.
        how: Temperature, top-k, top-p.
        generator: Where the random numbers come from.
        forbidden: Tokens that are never drawn.
        reach: The most tokens that the network sees at once. When they are full, the later half is read again as if
            the text began there. No limit when left out.

    Raises:
        UsageError: An empty prompt.

    Source:
        LECTURES G4.
    """
    if prompt.shape[1] == 0:
        raise UsageError("the prompt is empty", expected="at least one token")
    past = prompt if reach is None else prompt[:, -reach:]
    tokens, state = past, None
    for _ in range(length):
        if reach is not None and past.shape[1] > reach:
            past = past[:, -max(1, reach // 2) :]
            tokens, state = past, None
        with torch.inference_mode():
            scores, state = model(tokens, state)
            last = scores[:, -1].float()
            if forbidden:
                last[:, list(forbidden)] = -torch.inf
            drawn = torch.multinomial(next_probabilities(last, how), 1, generator=generator)  # (B, 1)
        yield drawn[:, 0]
        tokens = drawn
        if reach is not None:
            past = torch.cat([past, drawn], dim=1)
