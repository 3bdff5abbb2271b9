"""One forward pass before anything is made: a network of the wrong shape is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

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


def require_scores(given: Any, expected: tuple[int, ...], each: str) -> None:
    """Check the shape of what a network gave when it was tried.

    Args:
        given: What it gave; anything but one tensor is wrong.
        expected: The shape of its scores.
        each: What there is a score for, in the words of errors.

    Raises:
        RecipeError: It has another shape, or none.

    Example:
        >>> require_scores(torch.zeros(2, 3), (2, 3), "one score for each class")
    """
    found = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    if found != expected:
        raise RecipeError(f"the network does not give {each}", expected=expected, got=found)
