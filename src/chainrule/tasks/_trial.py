"""One forward pass before anything is made: a network of the wrong shape is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.training.task import Examples


def first_of(parts: Iterable[str]) -> str:
    """Return the part that networks are tried on.

    Example:
        >>> first_of(["train", "valid"]), first_of(["test"])
        ('valid', 'test')
    """
    names = list(parts)
    return "valid" if "valid" in names else names[0]


def called(model: nn.Module, inputs: Any) -> Any:
    """Call a network with the inputs of a batch."""
    return model(inputs)


def tried(model: nn.Module, examples: Examples, what: str, call: Callable[[nn.Module, Any], Any] = called) -> Any:
    """Return what a network gives for two examples; in evaluation mode, and in training mode again afterwards.

    Args:
        model: The network.
        examples: Whose first two it is given.
        what: What errors call them.
        call: How the network is given the inputs.

    Raises:
        RecipeError: It fails.
    """
    index = torch.arange(min(2, len(examples)))
    model.eval()
    try:
        with torch.inference_mode():
            return call(model, examples.fetch(index, index).inputs)
    except MemoryError:
        raise
    except Exception as error:  # a network of one's own can fail in any way
        said = (str(error).splitlines() or [""])[0]
        raise RecipeError(
            f"the network cannot take {what}: {type(error).__name__}: {said}",
            remedy="look at its shapes with `chainrule design`",
        ) from error
    finally:
        model.train()


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
