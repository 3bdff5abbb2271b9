"""What builders check of what they are given."""

from __future__ import annotations

from chainrule.core.errors import RecipeError


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


def check_share(dropout: float) -> None:
    """Check a probability of dropping.

    Raises:
        RecipeError: It is not at least 0 and below 1.
    """
    if not 0 <= dropout < 1:
        raise RecipeError("dropout is the probability of dropping", expected="at least 0 and below 1", got=dropout)
