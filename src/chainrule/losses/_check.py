"""What every loss asks of its arguments, told in one line where torch would say it from inside a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.core.errors import DataError, UsageError


def check_classes(loss: str, scores: Tensor, targets: Tensor) -> None:
    """Check scores (N, K) and right classes (N,) of a loss.

    The range of the classes is looked at on the CPU only: elsewhere the look would wait for the device.

    Args:
        loss: Its name, for the message.
        scores: Should be (N, K), real numbers.
        targets: Should be (N,), whole numbers from 0 to K - 1.

    Raises:
        UsageError: A shape or type does not fit.
        DataError: A class is out of range.

    Example:
        >>> check_classes("softmax_loss", torch.zeros(2, 3), torch.tensor([0, 3]))
        Traceback (most recent call last):
        chainrule.core.errors.DataError: softmax_loss: a class is out of range: expected 0 to 2, got 3
    """
    check_scores(loss, scores)
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise UsageError(
            f"{loss}: scores and classes do not fit together",
            expected="scores (N, K) and classes (N,)",
            got=f"{tuple(scores.shape)} and {tuple(targets.shape)}",
        )
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise UsageError(
            f"{loss}: classes are whole numbers", expected="an integer type such as int64", got=targets.dtype
        )
    if targets.device.type == "cpu" and targets.numel() and not torch.compiler.is_compiling():
        low, high = (int(end) for end in targets.long().aminmax())
        if low < 0 or high >= scores.shape[1]:
            raise DataError(
                f"{loss}: a class is out of range",
                expected=f"0 to {scores.shape[1] - 1}",
                got=low if low < 0 else high,
            )


def check_scores(loss: str, scores: Tensor) -> None:
    """Check that the scores are real numbers.

    Raises:
        UsageError: They are not.
    """
    if not scores.is_floating_point():
        raise UsageError(f"{loss}: scores are real numbers", expected="a floating type", got=scores.dtype)


def check_numbers(loss: str, targets: Tensor) -> None:
    """Check that targets of regressions and probabilities are real: torch would drop what is imaginary.

    Raises:
        UsageError: They are complex.
    """
    if targets.is_complex():
        raise UsageError(f"{loss}: targets are real numbers", expected="a real type", got=targets.dtype)


def widened(scores: Tensor) -> Tensor:
    """Return scores of 16 bits as float32, so that sums of exponentials and squares keep their digits; others as is.

    Example:
        >>> widened(torch.zeros(2, dtype=torch.bfloat16)).dtype, widened(torch.zeros(2, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
