"""Whether a network that writes gives what writing needs: scores for every token, and a state to search with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.tasks.job._trial import tried
from chainrule.training.task import Examples


def require_writer(
    model: nn.Module, examples: Examples, what: str, vocabulary: int, call: Callable[[nn.Module, Any], Any]
) -> None:
    """Let a network read something and what was written about it, and check what it gives.

    Args:
        model: The network.
        examples: Whose first two it is given.
        what: What errors call them.
        vocabulary: How many tokens may follow.
        call: How the network is given the inputs.

    Raises:
        RecipeError: It fails, or does not give scores for every token and a state that can be searched with.
    """
    given = tried(model, examples, what, call)
    index = torch.arange(min(2, len(examples)))
    state = require_scores_and_state(given, (*examples.fetch(index, index).inputs.target.shape, vocabulary))
    if not isinstance(state, Mapping) or not all(_by_sentence(value, len(index)) for value in state.values()):
        raise RecipeError(
            "the state of the network cannot be taken apart by sentence",
            expected="a dictionary of tensors whose first axis is the sentence",
            got=sorted(state) if isinstance(state, Mapping) else type(state).__name__,
        )


def _by_sentence(value: Any, count: int) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == count


def require_scores_and_state(given: Any, expected: tuple[int, ...]) -> Any:
    """Check what a network that writes gave, and return its state.

    Args:
        given: What it gave.
        expected: Shape of its scores, (N, T, V).

    Raises:
        RecipeError: There is no score for each token that may follow, or no state beside the scores.
    """
    scores, state = given if isinstance(given, tuple) and len(given) == 2 else (None, None)
    if tuple(getattr(scores, "shape", ())) != expected:
        raise RecipeError(
            "the network does not give a score for each token that may follow, and its state",
            expected=f"(scores of shape {expected}, state)",
            got=tuple(getattr(scores, "shape", ())) if scores is not None else type(given).__name__,
        )
    return state
