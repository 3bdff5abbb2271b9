"""What builders check of what they are given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.core.errors import RecipeError, UsageError, unknown
from chainrule.nn._cells import CELLS


def check_image(shape: tuple[int, ...], least: int, what: str, *, remedy: str | None = None) -> None:
    """Check that one input is an image which a network can shrink as often as it does.

    Args:
        shape: Of one input; an image has (C, H, W).
        least: Pixels that H and W need.
        what: What the network does to images, as the error says it.
        remedy: What to do with smaller images.

    Raises:
        RecipeError: It is no image, or a smaller one.

    Example:
        >>> check_image((3, 28, 31), 32, "VGG halves its images five times")
        Traceback (most recent call last):
            ...
        chainrule.core.errors.RecipeError: VGG halves its images five times: expected at least 32x32, got 28x31
    """
    if len(shape) != 3:
        raise RecipeError(
            "this network takes images",
            expected="(channels, height, width)",
            got=f"inputs of shape {tuple(shape)}",
            remedy="--model.name mlp takes vectors",
        )
    if min(shape[1:]) < least:
        raise RecipeError(what, expected=f"at least {least}x{least}", got="x".join(map(str, shape[1:])), remedy=remedy)


def check_share(share: float, name: str = "dropout") -> None:
    """Check a probability of dropping.

    Args:
        share: The probability.
        name: What the option is called.

    Raises:
        RecipeError: It is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise RecipeError(f"{name} is the probability of dropping", expected="at least 0 and below 1", got=share)


def check_width(width: float) -> None:
    """Check a factor of all channels.

    Raises:
        RecipeError: It is not above 0 and finite.
    """
    if not 0 < width < math.inf:
        raise RecipeError("width is the factor of all channels", expected="above 0, finite", got=width)


def check_counts(model: str, **given: int) -> None:
    """Check sizes of a network.

    Raises:
        RecipeError: One is below 1.
    """
    for name, value in given.items():
        if value < 1:
            raise RecipeError(f"{model}: nothing can be built", expected=f"{name} at least 1", got=value)


def check_recurrent(
    model: str, *, cell: str, width: int, layers: int, embedding: int, bidirectional: bool = False
) -> None:
    """Check the options of recurrent layers over embeddings.

    Args:
        model: What errors call the network.
        cell: One of rnn, lstm and gru.
        width: Numbers of the state.
        layers: How many.
        embedding: Numbers of a token; 0: as many as `width`.
        bidirectional: Whether two directions share the width.

    Raises:
        RecipeError: One is out of its range.
    """
    if cell not in CELLS:
        raise RecipeError(f'{model}: there is no cell "{cell}"', remedy=unknown("cell", cell, list(CELLS)))
    if width < 1 or layers < 1 or embedding < 0 or (bidirectional and width % 2):
        raise RecipeError(
            f"{model}: nothing can be built",
            expected="width and layers at least 1"
            + (", and an even width for two directions" if bidirectional else ""),
            got=f"width {width}, layers {layers}, embedding {embedding}",
        )


@contextmanager
def as_options_of(model: str) -> Iterator[None]:
    """Say what a part refuses as the network says it whose options the part was given.

    Args:
        model: What errors call the network.

    Raises:
        RecipeError: The part raised a `UsageError`.

    Example:
        >>> with as_options_of("attention"):
        ...     raise UsageError("there is no such score", got="cosine")
        Traceback (most recent call last):
            ...
        chainrule.core.errors.RecipeError: attention: there is no such score: got cosine
    """
    try:
        yield
    except UsageError as error:
        what = f"{model}: {error.what}"
        raise RecipeError(what, expected=error.expected, got=error.got, remedy=error.remedy) from error
